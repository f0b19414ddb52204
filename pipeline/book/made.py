"""Makes the data book with the addresses of this machine's services."""

from pathlib import Path

from pipeline import services
from pipeline.book import site
from pipeline.kernel import clock, config
from pipeline.lineage import charts

FOLDER = "book"  # in OCEAN_HOME


def make(folder: Path | None = None) -> str:
    """Writes the book to a folder, by default `book` in OCEAN_HOME; returns its address.

    A rerun replaces the book there. Raises what `site.read` and `site.write` raise.
    """
    home = config.home()
    to = (folder or home / FOLDER).expanduser().resolve()
    running = _running()
    page = site.write(site.read(config.settings(), dashboards(running.get("superset")), clock.now()), to)
    return f"http://{running['luigid']}/book/" if "luigid" in running and folder is None else page.as_uri()


def dashboards(superset: str | None) -> dict[str, str]:
    """The dashboards by their titles, with their addresses; empty without a Superset on this machine.

    `superset` is its host and port.

    Each has a second one for phones: superset/phone_variant.py.
    """
    root = f"http://{superset}/superset/dashboard/" if superset else ""
    found = {}
    for dashboard in charts.assets("dashboards").values():
        title, slug = dashboard["dashboard_title"], dashboard["slug"]
        found[title] = root and f"{root}{slug}/"
        found[f"{title} (phone)"] = root and f"{root}{slug}-phone/?standalone=1"
    return found


def _running() -> dict[str, str]:
    """The embedded services that run, with host and port."""
    home = config.home()
    if not (home / "services.json").exists():
        return {}
    return {state.name: state.address for state in services.status(home) if state.state == "running"}
