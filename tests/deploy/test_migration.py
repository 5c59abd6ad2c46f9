"""The walk-through of deploy/migration.md, command by command, with both types on the local cloud."""

import itertools
import json
import re
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import programs
from cfnbox.aws import clients
from cfnbox.core.place import DEFAULT_REGION
from tests.deploy.commands import blocks_of, commands_of
from tests.lint_rules.linting import lint
from tools.template_move import move

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "deploy" / "migration.md"
ROLE = "arn:aws:iam::123456789012:role/search"
OLD, NEW = "AWS::SageMaker::Model", "Acme::SageMaker::Model"
TEMPLATES = sorted((ROOT / "deploy" / "migration").glob("*.yaml"))


@dataclass(frozen=True)
class Walk:
    """The output of the commands in the document, and the number of calls of each SageMaker operation."""

    printed: str
    calls: Counter[str]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of the cloud that the document starts."""
    ((_, *up),) = commands_of(DOCUMENT, fenced=False)
    command = [programs.program("cfnbox"), *up, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout)
            exports = dict(line.removeprefix("export ").strip().split("=") for line in said if "=" in line)
            yield exports["AWS_ENDPOINT_URL"]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def walked(url: str) -> Walk:
    """Run the commands in order in a single shell, which ends at the first failure."""
    script = "\n".join(blocks_of(DOCUMENT))
    environment = {
        "PATH": programs.path(),
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
        **clients.CREDENTIALS,
    }
    bash = ["bash", "-euo", "pipefail", "-c", script]
    before = calls(url)
    done = subprocess.run(bash, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return Walk(done.stdout, calls(url) - before)


def calls(url: str) -> Counter[str]:
    """Return the number of calls of each operation of SageMaker up to now."""
    with urllib.request.urlopen(f"{url}/_local/calls", timeout=60) as answer:  # noqa: S310 - loopback
        return Counter(call["operation"] for call in json.load(answer))


@pytest.fixture
def cloudformation(url: str, walked: Walk) -> Any:
    return clients.client("cloudformation", url)


@pytest.fixture
def sagemaker(url: str, walked: Walk) -> Any:
    return clients.client("sagemaker", url)


def test_the_model_is_created_once_and_never_deleted(walked: Walk) -> None:
    assert (walked.calls["CreateModel"], walked.calls["DeleteModel"]) == (1, 0)


def test_the_model_belongs_to_the_new_type_with_the_same_identifier(sagemaker: Any, cloudformation: Any) -> None:
    resource = cloudformation.describe_stack_resource(StackName="search", LogicalResourceId="Model")
    (model,) = sagemaker.list_models()["Models"]
    detail = resource["StackResourceDetail"]
    assert (detail["ResourceType"], detail["PhysicalResourceId"]) == (NEW, model["ModelArn"])


def test_the_old_resource_is_removed_before_the_new_one_is_imported(cloudformation: Any) -> None:
    events = cloudformation.describe_stack_events(StackName="search")["StackEvents"][::-1]
    states = [(one["ResourceType"], one["ResourceStatus"]) for one in events if one["LogicalResourceId"] == "Model"]
    assert states.index((OLD, "DELETE_SKIPPED")) < states.index((NEW, "IMPORT_COMPLETE"))


def test_references_to_the_model_keep_its_name(url: str, sagemaker: Any) -> None:
    (model,) = sagemaker.list_models()["Models"]
    history = clients.client("ssm", url).get_parameter_history(Name="/search/model")["Parameters"]
    assert {one["Value"] for one in history} == {model["ModelName"]}


def test_nothing_has_drifted(walked: Walk) -> None:
    assert '"DetectionStatus": "DETECTION_COMPLETE"' in walked.printed
    assert set(re.findall(r'"StackResourceDriftStatus": "(\w+)"', walked.printed)) == {"IN_SYNC"}


def test_the_new_type_manages_the_model(sagemaker: Any) -> None:
    (model,) = sagemaker.list_models()["Models"]
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"]}
    assert {"team": "search", "managed-by": NEW}.items() <= tags.items()


def test_the_template_that_the_command_moves_deploys_under_the_new_name(url: str) -> None:
    cloudformation, ssm = clients.client("cloudformation", url), clients.client("ssm", url)
    before = (ROOT / "deploy" / "migration" / "1-before.yaml").read_text().replace("/search/model", "/moved/model")
    given = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/search:1", "ExecutionRoleArn": ROLE}
    cloudformation.create_stack(
        StackName="moved",
        TemplateBody=move(before, OLD, NEW).text,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="moved", WaiterConfig={"Delay": 1})
    model = cloudformation.describe_stack_resource(StackName="moved", LogicalResourceId="Model")
    detail = model["StackResourceDetail"]
    name = ssm.get_parameter(Name="/moved/model")["Parameter"]["Value"]
    assert detail["ResourceType"] == NEW
    assert detail["PhysicalResourceId"].endswith(f":model/{name}")
    cloudformation.delete_stack(StackName="moved")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="moved", WaiterConfig={"Delay": 1})


def test_the_templates_lint_clean() -> None:
    assert lint(*TEMPLATES, options=("--include-checks", "I")) == []
    assert len(TEMPLATES) == 5
