"""What somebody does who holds the lake's key and nothing else: forged files with hashes that fit, hostile models."""

import json
from typing import Any

from support.world import World

from pipeline.feeds import review_models
from pipeline.lake import seals
from pipeline.lake.objects import Lake
from pipeline.source.layout import METADATA, SUCCESS

SQL = "text; create schema if not exists pwned; grant select on dwh.dim_customer to bi_analyst; commit; begin; --"
# The same for a place within parentheses.
SQL_INSIDE = "text); create schema if not exists pwned; commit; begin; create temporary table rest (a text"
OPEN = """
select
    to_regnamespace('pwned') is not null or has_table_privilege('bi_analyst', 'dwh.dim_customer', 'select')
"""
MODEL = f"{review_models.MODELS}/0123456789ab"


def got_in(world: World) -> bool:
    """Whether SQL ran in the warehouse, by what it leaves there."""
    [(found,)] = world.warehouse(OPEN)
    return bool(found)


def forge(lake: Lake, where: str, **changes: Any) -> None:
    """Changes the metadata of an extract or a repair, and vouches for it as the extract did."""
    metadata = json.loads(lake.read(f"{where}/{METADATA}") or b"") | changes
    vouch(lake, where, {METADATA: json.dumps(metadata).encode()})


def vouch(lake: Lake, where: str, files: dict[str, bytes]) -> None:
    """Writes files of an extract, and their hashes with a seal that fits."""
    lake.write_all({f"{where}/{name}": text for name, text in files.items()})
    success = json.loads(lake.read(f"{where}/{SUCCESS}") or b"")
    del success["seal"]
    success["sha256"] |= {name: seals.digest(text) for name, text in files.items()}
    lake.write(f"{where}/{SUCCESS}", seals.seal(success))


def columns_with(lake: Lake, where: str, name: str, **changes: Any) -> list[dict[str, Any]]:
    """The columns of an extract, one of them changed."""
    columns = json.loads(lake.read(f"{where}/{METADATA}") or b"")["columns"]
    return [column | (changes if column["name"] == name else {}) for column in columns]


def plant_model(lake: Lake, canary: str) -> None:
    """A model of two files that makes the file `canary` everybody's to write, by a method of Java, and is in use."""
    statement = (
        "select *, cast(java_method('org.apache.hadoop.fs.FileUtil', 'chmod', "
        f"'{canary}', '777') as double) as prediction from __THIS__"
    )
    for folder, name, parameters in (
        ("", "PipelineModel", {"stageUids": ["SQLTransformer_1"]}),
        ("stages/0_SQLTransformer_1/", "feature.SQLTransformer", {"statement": statement}),
    ):
        metadata = {
            "class": f"org.apache.spark.ml.{name}",
            "timestamp": 1,
            "sparkVersion": "4.0.0",
            "uid": f"{name.rpartition('.')[2]}_1",
            "paramMap": parameters,
            "defaultParamMap": {},
        }
        lake.write(f"{MODEL}/model/{folder}metadata/part-00000", json.dumps(metadata).encode() + b"\n")
    lake.write(review_models.CURRENT, json.dumps({"model": MODEL}).encode())
