"""luigid's page in a real browser: pages of others change nothing through it, and its own buttons work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from luigid_attacks import ask, foreign_page, is_paused, known, tell
from playwright.sync_api import Browser, HttpCredentials, Page
from support.browser import running_browser
from support.world import luigid


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


@pytest.fixture
def page(browser: Browser, services_home: Path) -> Iterator[Page]:
    """A browser in which somebody is logged in to luigid."""
    login: HttpCredentials = {"username": "luigi", "password": known(services_home)["luigid_password"]}
    context = browser.new_context(http_credentials=login)
    yield context.new_page()
    context.close()
    assert ask(services_home, "/api/unpause").status == 200


def test_a_foreign_page_pauses_no_load(services_home: Path, page: Page) -> None:
    url = known(services_home)["luigid_url"]
    page.goto(url)  # logs in: from now on the browser sends the password along
    page.wait_for_selector("#pause-form .toggle")
    form = f'<form method="post" action="{url}/api/pause"></form><img src="{url}/api/pause">'
    with foreign_page(f"{form}<script>document.forms[0].submit()</script>") as foreign:
        with page.expect_response(lambda answer: answer.request.method == "POST") as refused:
            page.goto(foreign)
        assert refused.value.status == 403
    assert not is_paused(services_home)


def test_luigid_is_shown_in_no_frame_of_a_foreign_page(services_home: Path, page: Page) -> None:
    url = known(services_home)["luigid_url"]
    with foreign_page(f'<iframe src="{url}/static/visualiser/index.html"></iframe>') as foreign:
        page.goto(foreign)
        page.wait_for_load_state("networkidle")
        assert [frame.url for frame in page.frames if frame.url.startswith(url)] == []


def test_the_buttons_of_the_page_work_and_ask_by_post(services_home: Path, page: Page) -> None:
    command = luigid(services_home)
    tell(command, "Broken", "PENDING", deps=[])
    tell(command, "Broken", "FAILED", expl='"no"')
    methods: dict[str, str] = {}
    page.on("request", lambda request: methods.update({request.url.rpartition("/")[2]: request.method}))
    page.goto(f"{known(services_home)['luigid_url']}/static/visualiser/index.html")
    page.click("#pause-form .toggle")
    page.locator("#taskTable tr", has_text="Broken").locator(".forgiveFailures").first.click()
    page.wait_for_load_state("networkidle")
    assert is_paused(services_home)
    assert {name: methods.get(name) for name in ("pause", "forgive_failures", "task_list")} == {
        "pause": "POST",
        "forgive_failures": "POST",
        "task_list": "POST",
    }
    tell(command, "Broken", "DONE")


def test_what_a_task_says_is_no_script_of_the_page(services_home: Path, page: Page) -> None:
    command = luigid(services_home)
    for status in ("PENDING", "RUNNING"):
        tell(command, "Says", status, deps=[])
    command.set_task_status_message("Says", "<img src=x onerror='window.pwned = 1'><script>window.pwned = 1</script>")
    page.goto(f"{known(services_home)['luigid_url']}/static/visualiser/index.html")
    page.locator("#taskTable tr", has_text="Says").locator(".statusMessage").first.click()
    page.wait_for_selector("#statusMessageModal pre img", state="attached")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.pwned") is None
    tell(command, "Says", "DONE")


@pytest.mark.parametrize("kind", ["svg", "d3"])
def test_each_node_of_the_graph_tells_its_table(services_home: Path, page: Page, kind: str) -> None:
    command = luigid(services_home)
    tell(command, "Stage", "PENDING", deps=[], family="LoadStage", params={"table": "ops.orders"})
    tell(command, "Bound", "PENDING", deps=["Stage"], family="ChooseBound", params={})
    page.goto(
        f"{known(services_home)['luigid_url']}/static/visualiser/index.html#tab=graph&taskId=Bound&visType={kind}"
    )
    labels = page.locator({"svg": ".graph-node-a text", "d3": ".taskNode .name"}[kind])
    labels.nth(1).wait_for(state="attached")
    assert sorted(labels.all_text_contents()) == ["ChooseBound", "LoadStage ops.orders"]
    for name in ("Bound", "Stage"):
        tell(command, name, "DONE")
