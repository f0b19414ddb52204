"""Settings: who wins, what is refused, and that nothing tells a secret."""

import datetime as dt
import json
from pathlib import Path

import pytest

from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ConfigError, ServiceDown


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OCEAN_HOME", str(tmp_path))
    monkeypatch.setenv("OPERATIONAL_URL", "postgresql://me:hunter2@source/ops")
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me:hunter2@target/wh")
    monkeypatch.setenv("OCEAN_SIMULATOR_URL", "postgresql://owner:hunter2@source/ops")
    monkeypatch.setenv("OCEAN_ALERT_URL", "https://hooks.example.com/hunter2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    config.settings.cache_clear()
    config.services_file.cache_clear()


def test_the_environment_wins_over_luigi_cfg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URL", "s3://other/place/")
    assert config.settings().lake_url == "s3://other/place"


def test_luigi_cfg_holds_the_defaults() -> None:
    found = config.settings()
    assert (found.lake_url, found.compression, found.max_rejected) == ("s3://ocean-lake", "zst", 0.01)
    assert found.watermark_lag == dt.timedelta(seconds=1)


def test_a_foreign_source_is_not_simulated_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not config.settings().simulate
    monkeypatch.setenv("OCEAN_SIMULATE", "1")
    config.settings.cache_clear()
    assert config.settings().simulate


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAKE_URL", "http://bucket"),
        ("LAKE_URL", "s3://"),
        ("LAKE_URL", "s3://bucket/pre#fix"),
        ("LAKE_URL", "s3://bucket/prefix#"),
        ("OCEAN_SIMULATE", "maybe"),
        ("OCEAN_WATERMARK_LAG", "-1"),
        ("OCEAN_COMPRESSION", "zip"),
        ("OCEAN_RETRIES", "some"),
        ("OCEAN_SHOP_OPENED_ON", "yesterday"),
    ],
)
def test_a_value_that_cannot_be_understood_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"cannot use the setting .*{value}"):
        config.settings()


def test_a_lake_of_which_a_part_would_be_cut_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URL", "s3://bucket/prefix?version=2")
    with pytest.raises(ConfigError, match=r"because it has the sign \?, which is no part of s3://bucket/prefix"):
        config.settings()


def test_settings_can_be_shown_without_telling_a_secret() -> None:
    assert "hunter2" not in repr(config.settings())
    assert "hunter2" not in repr(config.S3("http://s3", "AK", "hunter2"))


def test_a_simulated_shop_belongs_to_who_reads_it_unless_another_owner_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert config.settings().simulator_url == "postgresql://owner:hunter2@source/ops"
    monkeypatch.delenv("OCEAN_SIMULATOR_URL")
    config.settings.cache_clear()
    assert config.settings().simulator_url == config.settings().operational_url == "postgresql://me:hunter2@source/ops"
    monkeypatch.delenv("OPERATIONAL_URL")
    embedded = {"operational_url": "reader", "simulator_url": "owner", "risk_api_url": ""}
    (tmp_path / "services.json").write_text(json.dumps(embedded))
    config.settings.cache_clear()
    assert (config.settings().operational_url, config.settings().simulator_url) == ("reader", "owner")


def test_services_of_an_earlier_version_are_fixed_by_make_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPERATIONAL_URL", "OCEAN_SIMULATOR_URL"):
        monkeypatch.delenv(name)
    (tmp_path / "services.json").write_text(json.dumps({"operational_url": "reader and owner"}))
    with pytest.raises(ConfigError, match=r"says nothing of 'simulator_url': an earlier version .* run `make up`"):
        config.settings()


def test_who_does_not_get_into_the_shop_is_told_the_variable_of_its_owner() -> None:
    with pytest.raises(ServiceDown, match=r"reach the simulator database .* or correct OCEAN_SIMULATOR_URL"):
        postgres.connect("postgresql://owner:hunter2@127.0.0.1:9/ops", "simulator")


@pytest.mark.parametrize("url", ["postgres//me:hunter2@h/db", "postgresql://me:hunter2%zz@h/db"])
def test_a_url_that_cannot_be_read_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot read the URL of the warehouse database") as caught:
        postgres.connect(url, "warehouse")
    assert "hunter2" not in str(caught.value)


def test_without_embedded_services_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAREHOUSE_URL")
    with pytest.raises(ServiceDown, match="run `make up`"):
        config.settings()
