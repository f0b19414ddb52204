"""Settings are declared once: what is said of them elsewhere is the same, and names that are none are refused."""

import configparser
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from luigi.configuration import LuigiConfigParser
from support.world import ROOT

from pipeline.kernel import config, postgres, reference
from pipeline.kernel.declaration import Setting
from pipeline.kernel.errors import ConfigError, ServiceDown
from pipeline.kernel.settings import every_setting

SETTINGS = every_setting()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing is embedded."""
    monkeypatch.setenv("OCEAN_HOME", str(tmp_path))
    monkeypatch.setenv("OPERATIONAL_URL", "postgresql://me@source/ops")
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me@target/wh")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    config.settings.cache_clear()
    config.services_file.cache_clear()
    yield
    config.settings.cache_clear()
    config.services_file.cache_clear()


@pytest.fixture
def luigi_cfg(monkeypatch: pytest.MonkeyPatch) -> LuigiConfigParser:
    """The luigi.cfg of a test's own, empty at first."""
    found = LuigiConfigParser()
    monkeypatch.setattr(config, "get_config", lambda: found)
    return found


def test_luigi_cfg_has_every_setting_with_its_default_and_no_other() -> None:
    found = configparser.RawConfigParser()
    found.read(ROOT / "luigi.cfg")
    assert dict(found["ocean"]) == {setting.name: setting.default for setting in SETTINGS}


@pytest.mark.parametrize("file", reference.WRITTEN)
def test_what_is_written_of_the_settings_is_what_is_declared(file: str) -> None:
    is_same = (ROOT / file).read_text() == reference.updated(file)
    assert is_same, f"{file} differs from pipeline/kernel/settings.py; run `python -m pipeline.kernel.reference`"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_read_from_its_variable_and_from_luigi_cfg(
    monkeypatch: pytest.MonkeyPatch, luigi_cfg: LuigiConfigParser, setting: Setting
) -> None:
    luigi_cfg.read_dict({"ocean": {setting.name: "https://of/luigi.cfg"}})
    monkeypatch.delenv(setting.environment, raising=False)
    assert "of/luigi.cfg" in used_or_refused(setting)
    config.settings.cache_clear()
    monkeypatch.setenv(setting.environment, "https://of/the/environment")
    assert "of/the/environment" in used_or_refused(setting)


def used_or_refused(setting: Setting) -> str:
    """All values, or what is said of the one that cannot be understood."""
    try:
        return str(dataclasses.asdict(config.settings()))
    except ConfigError as error:
        return str(error).partition(f"cannot use the setting {setting.name} =")[2]


def test_a_secret_that_is_refused_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN_ALERT_URL", "hunter2")
    with pytest.raises(ConfigError) as caught:
        config.settings()
    assert str(caught.value) == (
        "cannot use the setting alert_url, because it is not of the form https://host/path; "
        "correct OCEAN_ALERT_URL, or luigi.cfg, [ocean]"
    )


def test_every_url_but_the_lakes_is_a_secret() -> None:
    urls = {setting.name for setting in SETTINGS if setting.name.endswith("_url")}
    assert {setting.name for setting in SETTINGS if setting.is_secret} == urls - {"lake_url"}


def test_a_name_in_luigi_cfg_that_is_no_setting_is_refused(
    luigi_cfg: LuigiConfigParser,
) -> None:
    luigi_cfg.read_dict({"ocean": {"max_rejectd": "1", "Mart": "0", "retries": "5"}})
    with pytest.raises(ConfigError, match=r"because there is no setting Mart, max_rejectd; correct the name"):
        config.settings()
    assert config.alert_url() == ""  # with which a command says so


@pytest.mark.filterwarnings("ignore:.*with dashes")
def test_names_are_taken_from_luigi_cfg_as_luigi_takes_them(
    luigi_cfg: LuigiConfigParser,
) -> None:
    luigi_cfg.read_string("[DEFAULT]\nof_all_sections = 1\n[ocean]\nmax-rejected = 0.5\n[core]\nlog_level = INFO\n")
    assert config.settings().max_rejected == 0.5


def test_without_a_luigi_cfg_the_defaults_are_those_that_it_shows(luigi_cfg: LuigiConfigParser) -> None:
    without = dataclasses.asdict(config.settings())
    config.settings.cache_clear()
    luigi_cfg.read(ROOT / "luigi.cfg")
    assert dataclasses.asdict(config.settings()) == without


@pytest.mark.parametrize(("value", "used"), [(None, "http://of/luigi.cfg"), ("", ""), ("http://else", "http://else")])
def test_the_risk_scores_are_off_where_the_environment_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
    luigi_cfg: LuigiConfigParser,
    value: str | None,
    used: str,
) -> None:
    luigi_cfg.read_dict({"ocean": {"risk_api_url": "http://of/luigi.cfg"}})
    if value is not None:
        monkeypatch.setenv("RISK_API_URL", value)
    assert config.settings().risk_api_url == used


def test_a_load_from_the_lake_asks_neither_for_a_source_nor_for_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPERATIONAL_URL")
    monkeypatch.setenv("OCEAN_FROM_LAKE", "1")
    monkeypatch.setenv("OCEAN_SIMULATE", "1")
    monkeypatch.setenv("RISK_API_URL", "http://scores")
    found = config.settings()
    assert (found.operational_url, found.simulator_url, found.risk_api_url, found.simulate) == ("", "", "", False)


def test_a_database_that_no_setting_names_has_no_variable() -> None:
    with pytest.raises(ServiceDown, match="or correct its URL"):
        postgres.connect("postgresql://me@127.0.0.1:9/db", "third")
