"""SAM: the template, the build, and each event of sam-tests/ in process and in the Lambda runtime."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from cfnbox.handlers.runtime import LambdaRuntime
from cfnbox.sagemaker.server import LocalSageMaker
from tests.docker_engine import docker_engine
from tools.function_package import lambda_python
from tools.sam import command as sam_command
from tools.sam_local import ACTIONS, EVENTS, NO_DOCKER

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = json.loads((ROOT / ".rpdk-config").read_bytes())["runtime"]
ENTRY_POINT = "aws_sagemaker_model.handlers.test_entrypoint"

_ANSWERS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from aws_sagemaker_model.handlers import test_entrypoint
print(json.dumps([test_entrypoint(event, None) for event in json.load(sys.stdin)]))
"""

Json = dict[str, Any]


def events() -> Iterator[tuple[str, Json]]:
    """A model's life."""
    for action in ACTIONS:
        yield action, json.loads((EVENTS / f"{action}.json").read_bytes())


def lived(answers: dict[str, Json]) -> None:
    """Check the answers to a model's life."""
    assert {action: answer["status"] for action, answer in answers.items()} == dict.fromkeys(ACTIONS, "SUCCESS")
    models = {action: answer.get("resourceModel", {}) for action, answer in answers.items()}
    assert models["create"] == models["read"]
    stages = [{one["Key"]: one["Value"] for one in models[action]["Tags"]}["stage"] for action in ("read", "update")]
    assert stages == ["test", "production"]
    assert [one["ModelArn"] for one in answers["list"]["resourceModels"]] == [models["read"]["ModelArn"]]


def sam(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Without AWS_ENDPOINT_URL of other tests; SAM must not tell anybody that it was run.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [*sam_command(), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", **environment},
    )


def test_there_is_an_event_for_each_action() -> None:
    actions = {json.loads(path.read_bytes())["action"].lower() for path in EVENTS.glob("*.json")}
    assert actions == set(ACTIONS) == {path.stem for path in EVENTS.glob("*.json")}


def test_the_events_are_answered_in_process(sagemaker: LocalSageMaker) -> None:
    from aws_sagemaker_model.handlers import test_entrypoint

    lived({action: test_entrypoint(event, None) for action, event in events()})
    assert sagemaker.calls[-1].operation == "DeleteModel"


def test_the_events_are_answered_in_the_lambda_runtime(sagemaker: LocalSageMaker) -> None:
    variables = {"AWS_ENDPOINT_URL_SAGEMAKER": sagemaker.url}
    with LambdaRuntime(ENTRY_POINT, [ROOT / "src"], env=variables) as runtime:
        lived({action: runtime.invoke(event) for action, event in events()})
    assert sagemaker.calls[-1].operation == "DeleteModel"


def test_without_an_endpoint_the_function_calls_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    parameter = cfn_yaml.load(str(ROOT / "template.yml"))["Parameters"]["SageMakerEndpoint"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", parameter["Default"])
    client = botocore.session.Session().create_client("sagemaker", region_name="eu-west-1")
    assert client.meta.endpoint_url == "https://api.sagemaker.eu-west-1.amazonaws.com"


def test_the_functions_equal_those_that_cfn_registers() -> None:
    template = cfn_yaml.load(str(ROOT / "template.yml"))
    settings = json.loads((ROOT / ".rpdk-config").read_bytes())
    handlers = {name: one["Properties"]["Handler"] for name, one in template["Resources"].items()}
    assert handlers == {"TypeFunction": settings["entrypoint"], "TestEntrypoint": settings["testEntrypoint"]}
    assert template["Globals"]["Function"]["Runtime"] == RUNTIME


def test_the_template_is_valid_and_lints_clean() -> None:
    done = sam("validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(lambda_python(RUNTIME) is None, reason=f"{RUNTIME} is not here")
def test_the_build_of_sam_answers_the_events(sagemaker: LocalSageMaker, tmp_path: Path) -> None:
    path = f"{Path(lambda_python(RUNTIME) or '').parent}{os.pathsep}{os.environ['PATH']}"
    done = sam("build", "--build-dir", str(tmp_path), PATH=path)
    assert done.returncode == 0, done.stderr
    built = cfn_yaml.load(str(tmp_path / "template.yaml"))["Resources"]["TestEntrypoint"]["Properties"]
    # Without site-packages: what the function needs must be in what was built.
    command = [str(lambda_python(RUNTIME)), "-I", "-S", "-c", _ANSWERS, str(tmp_path / built["CodeUri"])]
    variables = {"AWS_ENDPOINT_URL_SAGEMAKER": sagemaker.url}
    given = json.dumps([event for _, event in events()])
    answered = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=variables)
    assert answered.returncode == 0, answered.stderr
    lived(dict(zip(ACTIONS, json.loads(answered.stdout), strict=True)))


def test_a_missing_docker_is_reported() -> None:
    command = [sys.executable, "-m", "tools.sam_local"]
    nowhere = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=nowhere)
    assert done.returncode == NO_DOCKER
    assert done.stderr.startswith("No Docker engine answers here")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux" or lambda_python(RUNTIME) is None, reason=f"{RUNTIME} is not here")
def test_an_image_that_cannot_be_pulled_has_advice() -> None:
    with docker_engine() as address:
        done = subprocess.run(
            [sys.executable, "-m", "tools.sam_local"], cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "DOCKER_HOST": address},
        )  # fmt: skip
    assert done.returncode == 1
    assert "try: python -m tools.sam_local --skip-pull-image" in done.stderr
