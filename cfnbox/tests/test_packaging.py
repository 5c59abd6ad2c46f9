"""`cfnbox deploy` of templates with local files: the files are uploaded to the cloud's S3 first."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

import programs
from cfnbox.cli import packaging
from programs import running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import RunningCloud

PROJECT = Path(__file__).resolve().parents[2]
FUNCTION = {
    "Type": "AWS::Serverless::Function",
    "Properties": {"CodeUri": "./src", "Handler": "app.handler", "Runtime": "python3.12"},
}
NESTED = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "child.json"}}
CHILD = {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "inner"}}}}


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as started:
        yield started


def deployed(cloud: RunningCloud, folder: Path, name: str, **resources: Any) -> subprocess.CompletedProcess[str]:
    written = {"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}
    (folder / f"{name}.json").write_text(json.dumps(written), encoding="utf-8")
    # From another folder: what a template names is relative to the template.
    return subprocess.run(
        [programs.program("cfnbox"), "deploy", str(folder / f"{name}.json"), "--endpoint", cloud.url],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_local_code_and_templates_are_uploaded(cloud: RunningCloud, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("def handler(event, context): return 1\n", encoding="utf-8")
    (tmp_path / "child.json").write_text(json.dumps(CHILD), encoding="utf-8")
    done = deployed(cloud, tmp_path, "shop", Hello=FUNCTION, Inner=NESTED)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = cloud.client("cloudformation").describe_stack_resources(StackName="shop")["StackResources"]
    named = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
    where = cloud.client("lambda").get_function(FunctionName=named["Hello"])["Code"]["Location"]
    assert zipfile.ZipFile(io.BytesIO(requests.get(where, timeout=60).content)).namelist() == ["app.py"]
    inner = cloud.client("cloudformation").describe_stacks(StackName=named["Inner"])["Stacks"][0]
    assert inner["StackStatus"] == "CREATE_COMPLETE"


def test_code_in_sam_globals_is_uploaded_once(cloud: RunningCloud, tmp_path: Path) -> None:
    """Globals of SAM. Unchanged code is not an update."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("def handler(event, context): return 1\n", encoding="utf-8")
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Handler": "app.handler", "Runtime": "python3.12"},
    }
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Function": {"CodeUri": "src/"}},
        "Resources": {"Hello": function},
    }
    (tmp_path / "shared.json").write_text(json.dumps(template), encoding="utf-8")
    command = [programs.program("cfnbox"), "deploy", str(tmp_path / "shared.json"), "--endpoint", cloud.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    arguments = {"StackName": "shared", "LogicalResourceId": "Hello"}
    hello = cloud.client("cloudformation").describe_stack_resource(**arguments)["StackResourceDetail"]
    where = cloud.client("lambda").get_function(FunctionName=hello["PhysicalResourceId"])["Code"]["Location"]
    assert zipfile.ZipFile(io.BytesIO(requests.get(where, timeout=60).content)).namelist() == ["app.py"]
    (tmp_path / "src" / "app.py").touch()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "No changes" in again.stdout + again.stderr


ADDRESS = "s3://cfnbox-packages/"


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("AWS::Lambda::Function", ["Code"], {"S3Bucket", "S3Key"}),
        ("AWS::Glue::Job", ["Command", "ScriptLocation"], ADDRESS),
        ("AWS::Serverless::Api", ["DefinitionUri"], ADDRESS),
        ("AWS::StepFunctions::StateMachine", ["DefinitionS3Location"], {"Bucket", "Key"}),
    ],
)
def test_every_property_with_a_local_file_is_packaged(
    cloud: RunningCloud, tmp_path: Path, kind: str, path: list[str], expected: set[str] | str
) -> None:
    (tmp_path / "app.py").write_text("# nothing", encoding="utf-8")
    properties: Any = "app.py"
    for name in reversed(path):
        properties = {name: properties}
    template = json.dumps({"Resources": {"R": {"Type": kind, "Properties": properties}}})
    rewritten = packaging.packaged(template, str(tmp_path / "t.json"), cloud.url)
    value = json.loads(rewritten)["Resources"]["R"]["Properties"]
    for name in path:
        value = value[name]
    assert set(value) == expected if isinstance(expected, set) else value.startswith(expected)


def test_a_file_that_cannot_be_packaged_is_refused(cloud: RunningCloud, tmp_path: Path) -> None:
    (tmp_path / "child.json").write_text("[", encoding="utf-8")
    done = deployed(cloud, tmp_path, "broken", Inner=NESTED)
    assert done.returncode == 1
    assert f"{tmp_path / 'child.json'} cannot be packaged: Template format error: " in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    stacks = cloud.client("cloudformation").list_stacks()["StackSummaries"]
    assert "broken" not in [one["StackName"] for one in stacks]


def test_missing_files_are_left_to_the_transform(cloud: RunningCloud, tmp_path: Path) -> None:
    done = deployed(cloud, tmp_path, "missing", Hello=FUNCTION)
    assert done.returncode == 1
    assert "'CodeUri' is not a valid S3 Uri" in " ".join(done.stderr.split())
