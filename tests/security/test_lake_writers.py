"""Who may write which folder of the lake on AWS, and that nobody takes away what a load wrote."""

import base64
import datetime as dt
import hashlib
import re
from fnmatch import fnmatch
from typing import Any

import pytest
from support.world import ROOT
from test_deploy_files import template

from pipeline.kernel.config import S3
from pipeline.lake.objects import Lake
from pipeline.lake.upload import PART_BYTES

DATA, SERVICE, EMR = (template(ROOT / f"deploy/aws/{name}.yaml")["Resources"] for name in ("data", "service", "emr"))
ROLES = {
    "load": SERVICE["PipelineRole"],
    "vendor": DATA["VendorRole"],
    "spark": EMR["InstanceRole"],
    "restorer": DATA["LakeRestorer"],
}
# What each may write and delete, by folder of the lake; of nobody else anything.
WRITERS = {
    "extract": {"load", "restorer"},
    "repair": {"load", "restorer"},
    "stage": {"load", "restorer"},
    "work": {"load", "restorer"},
    "models": {"load", "restorer"},
    "code": {"load", "restorer"},
    "landing": {"vendor", "restorer"},
    "spark": {"load", "spark", "restorer"},
}


def strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    return [text for value in node for text in strings(value)] if isinstance(node, list) else [str(node)]


def path(resource: str) -> str:
    """The part of an ARN behind the bucket: `/lake/extract/*`."""
    return re.sub(r"^.*\}", "", resource)


def is_denied(action: str, key: str, tag: str) -> bool:
    """Whether the bucket refuses a request over TLS to a role with a tag, be it allowed everything."""
    for statement in DATA["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]:
        condition = statement["Condition"].get("StringNotEquals", {}).get("aws:PrincipalTag/oceanrecords-writer")
        if (
            statement["Effect"] == "Deny"
            and condition is not None
            and tag not in strings(condition if isinstance(condition, list) else [condition])
            and action in strings([statement["Action"]])
            and any(fnmatch(key, path(each)) for each in strings([statement["Resource"]]))
        ):
            return True
    return False


@pytest.mark.parametrize("folder", WRITERS)
@pytest.mark.parametrize("action", ["s3:PutObject", "s3:DeleteObject"])
def test_a_folder_is_written_by_its_writers_alone(folder: str, action: str) -> None:
    tags = {*ROLES, "administrator", ""}
    assert {tag for tag in tags if not is_denied(action, f"/lake/{folder}/x", tag)} == WRITERS[folder]


@pytest.mark.parametrize("tag", ROLES)
def test_a_role_bears_the_tag_of_its_writer_and_may_no_more_than_the_bucket_lets_it(tag: str) -> None:
    properties = ROLES[tag]["Properties"]
    assert properties["Tags"] == [{"Key": "oceanrecords-writer", "Value": tag}]
    for policy in properties["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in strings([statement["Action"]]):
                for resource in map(path, strings([statement["Resource"]])):
                    if action in ("s3:PutObject", "s3:DeleteObject") and resource.startswith("/lake/"):
                        assert not is_denied(action, resource, tag), (action, resource)


def test_versions_are_taken_away_by_the_restorer_alone() -> None:
    for action in ("s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"):
        assert [tag for tag in (*ROLES, "administrator") if not is_denied(action, "/lake/extract/x", tag)] == [
            "restorer"
        ]
    bucket = DATA["Bucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["ObjectLockEnabled"] is True
    assert "aws:MultiFactorAuthPresent" in str(DATA["LakeRestorer"]["Properties"]["AssumeRolePolicyDocument"])


def test_requests_without_tls_are_refused() -> None:
    [tls] = [
        statement
        for statement in DATA["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert (tls["Effect"], tls["Action"], len(tls["Resource"])) == ("Deny", "s3:*", 2)


class Recorder:
    """S3, as far as what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def ask(**request: Any) -> dict[str, str]:
            self.asked.append((name, request))
            return {"UploadId": "1", "ETag": "x"}

        return ask


def requests(monkeypatch: pytest.MonkeyPatch, key: str, days: int) -> list[tuple[str, dict[str, Any]]]:
    """What S3 is asked when a small and a large object are written."""
    recorder = Recorder()
    monkeypatch.setattr(Lake, "client", recorder)
    lake = Lake("s3://bucket/lake", S3(), days)
    lake.write(key, b"small")
    for size in (10, PART_BYTES + 10):
        with lake.upload(key) as upload:
            upload.write(b"x" * size)
    return recorder.asked


@pytest.mark.parametrize("folder", ["extract", "repair"])
def test_what_a_load_writes_once_is_locked(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = requests(monkeypatch, f"{folder}/ops.states/date=2026-01-01/data.csv.zst", 30)
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=29, hours=23)
    creating = [request for name, request in asked if name in ("put_object", "create_multipart_upload")]
    assert len(creating) == 3
    for request in creating:
        assert request["ObjectLockMode"] == "GOVERNANCE"
        assert request["ObjectLockRetainUntilDate"] > soon
    # S3 takes no bytes of such an object without their hash.
    bodies = [request for name, request in asked if name in ("put_object", "upload_part")]
    assert len(bodies) >= 3
    for request in bodies:
        assert request["ContentMD5"] == base64.b64encode(hashlib.md5(request["Body"]).digest()).decode()


@pytest.mark.parametrize(("key", "days"), [("stage/x", 30), ("models/x", 30), ("extract/x", 0)])
def test_nothing_else_is_locked(key: str, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any({"ObjectLockMode", "ContentMD5"} & set(request) for _, request in requests(monkeypatch, key, days))
