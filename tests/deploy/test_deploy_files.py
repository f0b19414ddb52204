"""The operations guide and the files of deploy/ name what exists, hold no secret, and do what they promise."""

import configparser
import contextlib
import datetime as dt
import itertools
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import luigi
import pytest
import yaml  # type: ignore[import-untyped]
from support.databases import database_of
from support.loads import create_source, create_warehouse, extract_date, load_stages
from support.shop import date, open_shop
from support.world import ROOT, SIMULATED, World, closed_port

import pipeline
from pipeline.__main__ import main as show
from pipeline.feeds import review_models, reviews
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ServiceDown
from pipeline.kernel.settings import every_setting
from pipeline.lakehouse import load
from pipeline.services.postgresql_programs import PROGRAMS
from pipeline.source import layout
from pipeline.tasks.runtime import day_parameter, stopping
from pipeline.trust import checks

DEPLOY = ROOT / "deploy"
GUIDES = (ROOT / "docs/operations.md", DEPLOY / "README.md")
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name not in (".env", ".env.new"))
TEMPLATES = sorted((DEPLOY / "aws").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").iterdir())
DOCKERFILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
HERE = "/opt/oceanrecords/"

# What others define: boto3, libpq, the servers of the compose file, Superset, the shell.
OTHERS = {
    *config.OTHER_S3,
    "AWS_DEFAULT_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "PATH",
    "PGPASSWORD",
    "PGUSER",
    "POSTGRES_PASSWORD",
    "RCLONE_AUTH_KEY",
    "SUPERSET_CONFIG_PATH",
    "SUPERSET_HOME",
}
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|PRIVATE KEY-----|://[^/\s:@]+:(?!\.\.\.@|\$\{|\{\{resolve:|password@)[^/\s@]+@", re.IGNORECASE
)
OPTION = re.compile(r"--[a-z][a-z-]+")
COMMAND = re.compile(r"\b((?:[A-Z][a-z]+){2,})((?:\s+--[a-z-]+(?:\s+(?!--)(?:'[^']*'|[^\s']+))?)+)")


class Template(yaml.SafeLoader):
    """CloudFormation's YAML: what is said by a tag is a mapping of one entry, named as the tag."""


def _tagged(loader: Any, tag: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_scalar(node)}


Template.add_multi_constructor("!", _tagged)


def template(path: Path) -> Any:
    return yaml.load(path.read_text(), Template)


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "docker/docker-compose.yml").read_text())["services"]


def unit(path: Path) -> configparser.RawConfigParser:
    class Every(dict[str, Any]):
        """A key that comes again is one more line."""

        def __setitem__(self, key: str, value: Any) -> None:
            super().__setitem__(key, self[key] + value if key in self and isinstance(value, list) else value)

    found = configparser.RawConfigParser(strict=False, dict_type=Every)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(path)
    return found


def code(path: Path) -> Iterator[str]:
    """The blocks and spans of code of a guide, and the cells of its tables; lines that go on are joined."""
    text = path.read_text()
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    yield from (block.replace("\\\n", " ") for block in blocks)
    yield from re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


def containers(path: Path) -> Iterator[Any]:
    for resource in template(path)["Resources"].values():
        yield from resource["Properties"].get("ContainerDefinitions", ())


def variables() -> dict[str, set[str]]:
    """The names of environment variables, by the place that sets them."""
    found: dict[str, set[str]] = {
        f"compose {name}": set(each.get("environment", ())) for name, each in compose().items()
    }
    for path in TEMPLATES:
        for container in containers(path):
            entries = [*container.get("Environment", ()), *container.get("Secrets", ())]
            entries = [entry["If"][1] if "If" in entry else entry for entry in entries]
            found[f"{path.name} {container['Name']}"] = {entry["Name"] for entry in entries}
    for path in UNITS:
        lines = re.findall(r"^Environment=(.*)$", path.read_text(), re.MULTILINE)
        found[path.name] = {line.partition("=")[0] for line in lines}
    for path in DOCKERFILES:
        lines = re.findall(r"^ENV (.*)$", path.read_text(), re.MULTILINE)
        found[path.name] = {name for line in lines for name in re.findall(r"(\w+)=", line)}
    for path in GUIDES:
        text = " ".join(code(path))
        prefixes = r"\b((?:OCEAN|SUPERSET|AWS|RISK|SPARK|LAKE|WAREHOUSE|OPERATIONAL|ADMIN|ANALYST|POSTGRES)_[A-Z_]+)\b"
        found[path.name] = set(re.findall(prefixes, text))
    return found


def luigi_cfg() -> configparser.RawConfigParser:
    found = configparser.RawConfigParser()
    found.read(ROOT / "luigi.cfg")
    return found


def known() -> set[str]:
    """The variables that something of the project reads."""
    sources = [
        ROOT / "pipeline/luigid.py",
        ROOT / "luigi.cfg",
        DEPLOY / "databases.py",
        *(ROOT / "superset").glob("*.py"),
    ]
    named = {name for path in sources for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", path.read_text())}
    return named | {setting.environment for setting in every_setting()} | OTHERS


@pytest.mark.parametrize("place", variables())
def test_every_variable_that_is_set_or_named_is_read_by_something(place: str) -> None:
    assert variables()[place] <= known()


def test_the_load_of_the_compose_file_has_settings_that_can_be_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"OCEAN_SHOP_OPENED_ON": "2026-01-01", "OCEAN_ALERT_URL:-": ""}
    for name, value in compose()["load"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{([^}]+)\}", lambda found: values.get(found[1], "x"), value))
    config.settings.cache_clear()
    found = config.settings()
    config.settings.cache_clear()
    assert (found.simulate, found.lake_url, found.s3) == (True, "s3://ocean-lake", config.S3())


def test_the_compose_file_loads_through_its_luigid(world: World, tmp_path: Path) -> None:
    """Both commands as the file has them; addresses and passwords are those of the test, and the 14 days are one."""
    (tmp_path / "date").write_text('#!/bin/sh\n[ "$2" != -d ] || set -- -u -d yesterday +%F\nexec /bin/date "$@"\n')
    (tmp_path / "date").chmod(0o700)
    start = compose()["luigid"]["command"]
    port = closed_port()
    values = {"python": sys.executable, "0.0.0.0": "127.0.0.1", "8082": str(port), start[-1]: str(tmp_path / "state")}
    command = [values.get(word, word) for word in start]
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    luigid_environment = _environment("luigid") | {"OCEAN_TASK_HISTORY": str(tmp_path / "history.db")}
    luigid = subprocess.Popen(command, cwd=ROOT, env=luigid_environment)
    load_environment = {
        **_environment("load"),
        **world.environment,
        **{"OCEAN_HOME": str(tmp_path), "AWS_ENDPOINT_URL": str(world.lake.s3.endpoint), "RISK_API_URL": ""},
        **{"AWS_ACCESS_KEY_ID": str(world.lake.s3.access_key), "AWS_SECRET_ACCESS_KEY": str(world.lake.s3.secret_key)},
        **SIMULATED,
        "OCEAN_SHOP_OPENED_ON": str(yesterday),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "tests/compose_names"),
        "OCEAN_TEST_HOSTS": f"luigid:8082=127.0.0.1:{port}",
    }
    try:
        done = _load_once_it_listens(port, compose()["load"]["command"], load_environment)
        assert done.returncode == 0, done.stdout
        loaded = "select load_date from etl.marker where target_table = 'mart.kpi_monthly'"
        assert world.warehouse(loaded) == [(yesterday,)]
        refused = _load_once_it_listens(
            port, compose()["load"]["command"], load_environment | {"OCEAN_LUIGID_PASSWORD": "another"}
        )
        assert (refused.returncode, "it refuses the password" in refused.stdout) == (40, True)
    finally:
        luigid.terminate()
        luigid.wait()


def _environment(service: str) -> dict[str, str]:
    """What the compose file sets for a service; secrets of .env are the test's own, and what has a default is empty."""

    def value(named: re.Match[str]) -> str:
        return "" if ":-" in named[0] else f"secret-{named[1]}"

    found = compose()[service]["environment"].items()
    return {**os.environ, **{name: re.sub(r"\$\{(\w+)[^}]*\}", value, text) for name, text in found}}


def _load_once_it_listens(port: int, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            break
        assert time.monotonic() < deadline, "luigid does not listen"
        time.sleep(0.05)
    return subprocess.run(
        [ROOT / words[0], *words[1:]],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_networks_of_the_compose_file_join_those_alone_that_talk_to_each_other() -> None:
    networks = {name: set(service.get("networks", ())) for name, service in compose().items()}
    joined = {frozenset(pair) for pair in itertools.combinations(networks, 2) if networks[pair[0]] & networks[pair[1]]}
    talk = [
        ("postgres", "databases"),
        ("postgres", "load"),
        ("postgres", "superset"),
        ("s3", "load"),
        ("luigid", "load"),
    ]
    # The load waits for the roles and databases that the same login to the server could make.
    assert joined == {frozenset(pair) for pair in [*talk, ("databases", "load")]}


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_every_task_and_option_that_a_guide_names_exists(path: Path) -> None:
    names = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", " ".join(code(path))))
    others = {word for each in [*TEMPLATES, *UNITS] for word in re.findall(r"\b[A-Z][A-Za-z]+\b", each.read_text())}
    assert names - others - {"SystemMaxUse"} <= set(pipeline.__all__)
    for text in [*code(path), (DEPLOY / "daily.sh").read_text().replace("\\\n", " ")]:
        for task, words in COMMAND.findall(text):
            options = set(OPTION.findall(words)) - {"--local-scheduler", "--workers", "--scheduler-url"}
            assert options <= _options(task), task


def _options(task: str) -> set[str]:
    found = {f"--{name.replace('_', '-')}" for name, _ in getattr(pipeline, task).get_params()}
    return found | {f"--{name.replace('_', '-')}" for name, _ in luigi.interface.core.get_params()}


def test_the_options_of_status_exist(capsys: pytest.CaptureFixture[str]) -> None:
    named = set(
        OPTION.findall(" ".join(re.findall(r"^\| .*-m pipeline status.*$", GUIDES[0].read_text(), re.MULTILINE)))
    )
    with pytest.raises(SystemExit):
        show(["status", "--help"])
    assert named == set(OPTION.findall(capsys.readouterr().out)) - {"--help"}


def test_the_exit_codes_of_the_guide_are_those_of_luigi_cfg_and_our_own() -> None:
    text = GUIDES[0].read_text()
    rows = re.findall(r"^\| (\d+) \|", text[text.index("## Exit codes") : text.index("## When an alert")], re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(
        [0, day_parameter.USAGE, *map(int, luigi_cfg()["retcode"].values()), stopping.EXIT_CODE]
    )


def test_the_guide_says_of_every_check_what_to_do_and_how_bad_it_is() -> None:
    severities: dict[str, str] = {}
    for names, severity in re.findall(r"^\| (`[^|]+`) \| (error|warn) \|", GUIDES[0].read_text(), re.MULTILINE):
        severities |= dict.fromkeys(re.findall(r"`(\w+)`", names), severity)
    assert severities == {check.name: check.severity for check in checks.checks()}


def test_every_link_of_a_guide_leads_somewhere() -> None:
    for guide in GUIDES:
        for target in re.findall(r"\]\((?!https://)([^)]+)\)", guide.read_text()):
            name, _, anchor = target.partition("#")
            page = (guide.parent / name).resolve() if name else guide
            assert page.exists(), target
            headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in anchors, target


def test_the_sql_of_the_guide_is_understood_by_a_warehouse(world: World) -> None:
    open_shop(world)
    create_warehouse(world)
    extract_date(world, date(1))
    load_stages(world, date(1))
    blocks = re.findall(r"^```sql\n(.*?)^```", GUIDES[0].read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            cursor.execute(block.replace(r"\gexec", ";"))


def test_the_roles_of_the_guide_come_about_as_it_says(world: World, admin: str) -> None:
    """With other names, as those of the guide are taken. All is undone in the end, so that names are free again."""
    create_source(world)
    create_warehouse(world)
    source, warehouse = database_of(world.operational_url), database_of(world.warehouse_url)
    reading, analysing, handing_over = re.findall(r"^```psql\n(.*?)^```", GUIDES[0].read_text(), re.M | re.S)
    server = admin.removesuffix("postgres")
    with postgres.transaction(server + source, "tests") as cursor:
        names = {"etl_extract": "guide_reader", "shop_owner": "ocean", "oceanrecords": source}
        cursor.execute(_renamed(reading, names))
        cursor.execute("set role ocean; create table ops.later as select 1 as one; set role guide_reader")
        assert (
            postgres.value(cursor, "select one from ops.later cross join (select count(*) from ops.orders) as o") == 1
        )
        assert postgres.rows(cursor, "select * from retail.user_purchase") == []
        assert postgres.value(cursor, "select pg_has_role('pg_read_all_stats', 'usage')") is True
        cursor.connection.rollback()
    with postgres.transaction(server + warehouse, "tests") as cursor:
        cursor.execute(_renamed(analysing, {"anna": "guide_analyst", "warehouse": warehouse}))
        cursor.execute("set session authorization guide_analyst")
        assert postgres.value(cursor, "select analyst.countries()") == ["Portugal"]
        assert postgres.value(cursor, "select first_name from analyst.dim_customer") == "Unknown"
        cursor.connection.rollback()
    with postgres.transaction(server + warehouse, "tests") as cursor:
        # Of this database alone: `reassign owned` would take those of other tests along.
        cursor.execute("create role guide_ocean; create role guide_load; set local client_min_messages = warning")
        cursor.execute(f"alter database {source} owner to guide_ocean; alter database {warehouse} owner to guide_ocean")
        cursor.execute("alter schema etl owner to guide_ocean; alter table etl.marker owner to guide_ocean")
        names = {"ocean": "guide_ocean", "etl_load": "guide_load", "oceanrecords": source}
        cursor.execute(_renamed(re.sub("^(begin|commit);", "", handing_over, flags=re.M), names))
        owners = "select datname::text, datdba::regrole::text from pg_database where datname in (%s, %s)"
        assert dict(postgres.rows(cursor, owners, (source, warehouse))) == {
            source: "guide_ocean",
            warehouse: "guide_load",
        }
        owner = "select relowner::regrole::text from pg_class where oid = 'etl.marker'::regclass"
        assert postgres.value(cursor, owner) == "guide_load"
        cursor.connection.rollback()


def _renamed(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\b\w+\b", lambda word: names.get(word[0], word[0]), text)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_what_a_unit_starts_and_names_is_in_the_checkout(path: Path) -> None:
    found = unit(path)
    for name in re.findall(rf"{HERE}([\w./-]+)", path.read_text()):
        assert (ROOT / name).exists() or name.startswith(".venv/bin/"), name
    if path.suffix == ".service":
        assert found["Service"]["User"] == "oceanrecords"
        assert found["Service"]["NoNewPrivileges"] == "yes"
    else:
        assert path.with_suffix(".service") in UNITS
        assert "UTC" in found["Timer"]["OnCalendar"]


def test_the_schedules_of_all_deployments_are_the_same() -> None:
    timer = unit(DEPLOY / "systemd/oceanrecords-daily.timer")["Timer"]["OnCalendar"]
    schedule = template(DEPLOY / "aws/service.yaml")["Resources"]["Schedule"]["Properties"]
    hours, minute = re.findall(r"([\d,]+):(\d+):00 UTC", timer)[0]
    assert schedule["ScheduleExpression"] == f"cron({minute} {hours.replace('0', '')} * * ? *)"
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    assert f"\n{minute} {hours.replace('0', '')} * * * oceanrecords " in GUIDES[0].read_text()


def test_nothing_of_the_compose_file_listens_beyond_this_machine() -> None:
    for name, service in compose().items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert not {"privileged", "network_mode", "cap_add"} & set(service), name
        if "build" in service:
            assert service["cap_drop"] == ["ALL"], name
        else:
            assert re.fullmatch(r"[\w/]+:\d+\.[\w.-]+", service["image"]), name


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_is_pinned_and_does_not_run_as_root(path: Path) -> None:
    text = path.read_text()
    assert re.search(r"^FROM \S+:3\.1[12]\.\d+-", text, re.MULTILINE)
    assert "--require-hashes" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1].isdigit()
    copied = re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE)
    allowed = path.with_name(f"{path.name}.dockerignore").read_text().splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
        assert any(f"!{name}".startswith(line) for line in allowed if line.startswith("!")), name


def test_every_deployment_has_the_postgresql_of_the_tests() -> None:
    major = re.findall(r"pginstall(\d+)", PROGRAMS)[0]
    resources = template(DEPLOY / "aws/data.yaml")["Resources"]
    assert compose()["postgres"]["image"].startswith(f"postgres:{major}.")
    assert resources["Database"]["Properties"]["EngineVersion"].startswith(f"{major}.")
    assert resources["DatabaseParameters"]["Properties"]["Family"] == f"postgres{major}"


def test_the_roles_of_aws_may_do_what_the_pipeline_does_and_delete_no_extract() -> None:
    engine = (ROOT / "pipeline/spark/emr.py").read_text()
    calls = {name for pair in re.findall(r'client\.(\w+)\(|get_paginator\("(\w+)"', engine) for name in pair if name}
    actions = {"".join(word.title() for word in call.split("_")) for call in calls - {"get_paginator"}}
    assert {f"elasticmapreduce:{action}" for action in actions} <= _strings(template(DEPLOY / "aws/emr.yaml"))

    role = template(DEPLOY / "aws/service.yaml")["Resources"]["PipelineRole"]["Properties"]["Policies"][0]
    allowed = {}
    for statement in role["PolicyDocument"]["Statement"]:
        for action in [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]:
            allowed[action] = {found.split("/")[2] for found in _strings(statement["Resource"]) if "/lake/" in found}
    of_spark = {reviews.STAGE.split("/")[0], reviews.WORK.split("/")[0], review_models.MODELS.split("/")[0], "spark"}
    of_spark.add(load.PLAN.split("/")[0])
    assert allowed["s3:DeleteObject"] == of_spark
    assert allowed["s3:PutObject"] == {layout.FOLDER, layout.LOG, layout.REPAIRS, "code"} | of_spark


def _strings(node: Any) -> set[str]:
    if isinstance(node, dict):
        return set().union(*(_strings(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*map(_strings, node))
    return {str(node)}


@pytest.mark.parametrize("path", [*FILES, GUIDES[0]], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_holds_a_secret(path: Path) -> None:
    assert not SECRET.search(path.read_text())


def test_every_secret_of_the_compose_file_comes_from_a_file_that_git_ignores(tmp_path: Path) -> None:
    for service in compose().values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|_URL", name) and "://" not in value:
                assert re.fullmatch(r"\W*\$\{.*\}\W*", value), name
            assert not urlsplit(value).password or urlsplit(value).password.startswith("${"), name
    assert ".env" in (DEPLOY / "docker/.gitignore").read_text().split()

    script = tmp_path / "make-env.sh"
    script.write_text((DEPLOY / "docker/make-env.sh").read_text())
    subprocess.run(["sh", script], check=True, capture_output=True)
    made = tmp_path / ".env"
    assert made.stat().st_mode & 0o777 == 0o600
    text = made.read_text()
    values = dict(line.split("=") for line in text.splitlines())
    assert len(set(values.values())) == len(values)
    named = set(re.findall(r"\$\{(\w+)", (DEPLOY / "docker/docker-compose.yml").read_text()))
    assert named == set(values) | {"OCEAN_ALERT_URL", "SUPERSET_HOSTS", "SUPERSET_HTTPS"}
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert made.read_text() == text


_numbers = itertools.count()


@dataclass(frozen=True)
class Deployment:
    """A server whose owner is no superuser, as hosted servers have it, with roles and databases of the test's own."""

    owner: str
    name: str

    def urls(self, password: str) -> dict[str, str]:
        """The connection strings that are asked for."""
        server = self.owner.split("@")[1].split("/")[0]
        return {
            "OCEAN_SIMULATOR_URL": f"postgresql://{self.name}_ocean:{password}@{server}/{self.name}_shop",
            "OPERATIONAL_URL": f"postgresql://{self.name}_extract:{password}@{server}/{self.name}_shop",
            "WAREHOUSE_URL": f"postgresql://{self.name}_load:{password}@{server}/{self.name}_warehouse",
            "SUPERSET_WAREHOUSE_URL": f"postgresql://{self.name}_reader:{password}@{server}/{self.name}_warehouse",
            "SUPERSET_WAREHOUSE_URL_PERU": f"postgresql://{self.name}.peru:{password}@{server}/{self.name}_warehouse",
            "ANALYST_URL": f"postgresql://{self.name}_analyst:{password}@{server}/{self.name}_warehouse",
            "SUPERSET_METADATA_URL": f"postgresql://{self.name}_superset:{password}@{server}/{self.name}_superset",
        }

    def databases(self, password: str, expect: int = 0, **more: str) -> str:
        """Runs databases.py and returns what it said."""
        done = subprocess.run(
            [sys.executable, DEPLOY / "databases.py"],
            env={**os.environ, **self.urls(password), "ADMIN_URL": self.owner, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def deployment(admin: str) -> Iterator[Deployment]:
    name = f"deploy_{next(_numbers)}"
    with postgres.session(admin, "tests") as cursor:
        cursor.execute(f"create role {name}_owner login createrole createdb password 'owner'")
        cursor.execute(f"grant pg_read_all_stats to {name}_owner with admin option")
        cursor.execute(f"grant connect on database postgres to {name}_owner")
    yield Deployment(re.sub(r"//[^@]*@", f"//{name}_owner:owner@", admin), name)
    with postgres.session(admin, "tests") as cursor:
        for database in ("shop", "warehouse", "superset"):
            cursor.execute(f"drop database if exists {name}_{database} with (force)")
        cursor.execute(f"drop owned by {name}_owner")
        for role in ("_ocean", "_extract", "_load", "_reader", ".peru", "_analyst", "_superset", "_owner"):
            cursor.execute(f'drop role if exists "{name}{role}"')


def test_databases_are_made_for_those_who_ask_and_for_nobody_else(deployment: Deployment) -> None:
    assert "first" not in deployment.databases("first")
    urls = deployment.urls("first")
    for url in urls.values():
        postgres.connect(url, "tests").close()
    with postgres.session(urls["WAREHOUSE_URL"], "tests") as cursor:
        cursor.execute("create schema dwh")
    with postgres.session(urls["OCEAN_SIMULATOR_URL"], "tests") as cursor:
        cursor.execute("create schema ops")
    with postgres.session(urls["OPERATIONAL_URL"], "tests") as cursor:
        assert postgres.value(cursor, "select has_database_privilege(current_database(), 'create')") is False
        assert postgres.value(cursor, "select pg_has_role('pg_read_all_stats', 'usage')") is True
    with postgres.session(urls["ANALYST_URL"], "tests") as cursor:
        assert postgres.value(cursor, "show search_path") == "analyst, dwh"
    for name, foreign in [("OPERATIONAL_URL", "warehouse"), ("WAREHOUSE_URL", "shop"), ("ANALYST_URL", "superset")]:
        with pytest.raises(ServiceDown, match="permission denied for database"):
            postgres.connect(f"{urls[name].rpartition('/')[0]}/{deployment.name}_{foreign}", "tests")


def test_databases_run_again_change_passwords_and_nothing_else(deployment: Deployment) -> None:
    deployment.databases("first")
    with postgres.session(deployment.urls("first")["WAREHOUSE_URL"], "tests") as cursor:
        cursor.execute("create table kept as select 1 as one")
    deployment.databases("second")
    with postgres.session(deployment.urls("second")["WAREHOUSE_URL"], "tests") as cursor:
        assert postgres.value(cursor, "select one from kept") == 1
    with pytest.raises(ServiceDown, match="password authentication failed"):
        postgres.connect(deployment.urls("first")["SUPERSET_WAREHOUSE_URL"], "tests")


def test_databases_refuse_a_url_without_quoting_it(deployment: Deployment) -> None:
    said = deployment.databases("first", expect=1, WAREHOUSE_URL="postgresql://ocean:hunter2@")
    assert said.startswith("cannot read WAREHOUSE_URL, because it says nothing of host")
    assert "hunter2" not in said
