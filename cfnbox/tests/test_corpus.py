"""Published templates, through boto3: deployed, in sync, updated with a new image, and deleted completely."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from botocore.exceptions import ClientError

from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.cloud import Cloud
from cloudformation.conftest import User
from corpus.expectations import DEPLOYED, FAULTY, FOLDER, SSM_PARAMETERS, Expected, templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The folder of AWS::SageMaker::Model.
PROJECT = Path(__file__).resolve().parents[2]
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
STATEFUL = ("Model", "EndpointConfig", "Endpoint", "Pipeline", "MonitoringSchedule")
MUTATION = re.compile(r"(Create|Update|Delete)(Model|EndpointConfig|Endpoint)")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud(types=[PROJECT]) as started:
        ssm = clients.client("ssm", started.url)
        for name, value in SSM_PARAMETERS.items():
            kind = "StringList" if "," in value else "String"
            ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)
        yield started


@pytest.fixture(scope="module")
def user(cloud: Cloud) -> User:
    return User(cloud.url)


@pytest.fixture(scope="module")
def sagemaker(cloud: Cloud) -> Any:
    return clients.client("sagemaker", cloud.url)


class Deployed:
    """A template of the corpus in its own stack."""

    def __init__(self, user: User, expected: Expected, name: str) -> None:
        self._user, self._expected, self.name = user, expected, name
        self._id = name

    @property
    def _options(self) -> dict[str, Any]:
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in self._expected.parameters.items()]
        return {"Parameters": given, "Capabilities": CAPABILITIES}

    def create(self) -> str:
        self._id = self._user.client.create_stack(
            StackName=self.name, TemplateBody=self._expected.body, **self._options
        )["StackId"]
        return self.rest()

    def update(self) -> str:
        self._user.client.update_stack(StackName=self.name, TemplateBody=self._expected.changed_body, **self._options)
        return self.rest()

    def delete(self) -> str:
        self._user.client.delete_stack(StackName=self.name)
        return self.rest()

    def delete_if_there(self) -> None:
        with suppress(ClientError):
            self.delete()

    def rest(self) -> str:
        status: str = self._user.rest(self._id)["StackStatus"]
        return status

    def events(self) -> list[tuple[str, str, str]]:
        return self._user.events(self._id)

    def physical_ids(self) -> dict[str, str]:
        """Physical ids by logical id."""
        return {name: one["PhysicalResourceId"] for name, one in self._user.resources(self._id).items()}

    def types(self) -> dict[str, str]:
        """Types by logical id."""
        return {name: one["ResourceType"] for name, one in self._user.resources(self._id).items()}

    def outputs(self) -> dict[str, str]:
        """The outputs of the stack."""
        return self._user.outputs(self._id)

    def out_of_sync(self) -> list[dict[str, Any]]:
        """The resources that drift detection does not find as the template has them, with the differences."""
        drifts = stack_client.detect_drift(self._user.client, self.name)
        return [
            {"resource": one["LogicalResourceId"], "status": one["StackResourceDriftStatus"]}
            | {"differences": one.get("PropertyDifferences")}
            for one in drifts
            if one["StackResourceDriftStatus"] not in ("IN_SYNC", "NOT_CHECKED")
        ]


@pytest.fixture
def deploy(user: User, request: pytest.FixtureRequest) -> Iterator[Callable[[Expected], Deployed]]:
    """Return a function that creates the stack of a template. The stack is deleted after the test."""
    made: list[Deployed] = []

    def _deploy(expected: Expected) -> Deployed:
        made.append(Deployed(user, expected, f"corpus-{expected}"))
        return made[-1]

    yield _deploy
    for one in made:
        one.delete_if_there()


def held(sagemaker: Any) -> set[str]:
    """The ARNs of all that SageMaker holds of the kinds in the corpus."""
    found = set()
    for kind in STATEFUL:
        operation = "list_" + re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower() + "s"
        for page in sagemaker.get_paginator(operation).paginate():
            rows = next(value for value in page.values() if isinstance(value, list))
            found |= {row[f"{kind}Arn"] for row in rows}
    return found


def images(sagemaker: Any, endpoint: str) -> list[str]:
    """The images that an endpoint runs."""
    described = sagemaker.describe_endpoint(EndpointName=endpoint.rpartition("/")[2])
    assert described["EndpointStatus"] == "InService"
    variants = [*described["ProductionVariants"], *described.get("ShadowProductionVariants", [])]
    return [one["SpecifiedImage"] for variant in variants for one in variant.get("DeployedImages", [])]


def mutations(cloud: Cloud) -> list[str]:
    """Return what was made, changed and deleted of models, configurations and endpoints, in order, each once."""
    calls = [call.operation for call in cloud.sagemaker.calls if call.status == 200]
    return list(dict.fromkeys(call for call in calls if MUTATION.fullmatch(call)))


# Verbs of one length, so that what follows is the kind.
CHAIN = ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint", "DeleteEndpointConfig", "DeleteModel"]


@pytest.mark.parametrize("expected", DEPLOYED, ids=str)
def test_a_template_is_deployed_checked_for_drift_updated_and_deleted(
    expected: Expected, deploy: Callable[[Expected], Deployed], cloud: Cloud, sagemaker: Any
) -> None:
    before = held(sagemaker)
    stack = deploy(expected)

    assert stack.create() == "CREATE_COMPLETE", stack.events()
    assert stack.out_of_sync() == []
    first = stack.physical_ids()
    # The cloud keeps the newest calls alone, so their number is no position.
    cloud.sagemaker.calls.clear()
    assert stack.outputs().items() >= expected.outputs.items()

    if expected.update_fails:
        assert stack.update() == "UPDATE_ROLLBACK_COMPLETE", stack.events()
        assert any(expected.update_fails in reason for _, _, reason in stack.events()), stack.events()
        assert stack.physical_ids() == first
    else:
        assert stack.update() == "UPDATE_COMPLETE", stack.events()
        second = stack.physical_ids()
        assert {name for name in second if second[name] != first[name]} == set(expected.replaced)
        complete = {name for name, status, _ in stack.events() if status == "UPDATE_COMPLETE"} - {stack.name}
        assert complete == {*expected.replaced, *expected.updated}
        for name in expected.updated:
            running = images(sagemaker, second[name])
            assert running
            assert not any(old in image for image in running for old, _ in expected.change)
        kinds = {stack.types()[name].rpartition("::")[2] for name in (*expected.replaced, *expected.updated)}
        assert mutations(cloud) == [one for one in CHAIN if one[len("Create") :] in kinds]
        assert stack.out_of_sync() == []

    assert stack.delete() == "DELETE_COMPLETE", stack.events()
    assert held(sagemaker) == before


def test_resources_of_a_stack_have_its_system_tags(deploy: Callable[[Expected], Deployed], sagemaker: Any) -> None:
    stack = deploy(DEPLOYED[0])
    assert stack.create() == "CREATE_COMPLETE", stack.events()

    for logical_id, arn in stack.physical_ids().items():
        tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        assert tags["aws:cloudformation:stack-name"] == stack.name
        assert tags["aws:cloudformation:logical-id"] == logical_id


@pytest.fixture
def fault(cloud: Cloud) -> Iterator[Callable[[str], None]]:
    """Puts the fault of the README's command in force, for another operation if need be."""
    [rules] = re.findall(r"/_local/faults\" -d '(.+)'", (FOLDER.parent.parent / "README.md").read_text())

    def _fault(operation: str) -> None:
        sent = rules.replace("CreateEndpoint", operation)
        assert requests.post(f"{cloud.url}/_local/faults", data=sent, timeout=60).status_code == 200

    yield _fault
    requests.post(f"{cloud.url}/_local/faults", json=[], timeout=60)


UNHEALTHY = "did not pass the ping health check"


def test_a_failed_endpoint_rolls_its_stack_back(
    deploy: Callable[[Expected], Deployed], fault: Callable[[str], None], sagemaker: Any
) -> None:
    before, stack = held(sagemaker), deploy(DEPLOYED[0])
    fault("CreateEndpoint")

    assert stack.create() == "ROLLBACK_COMPLETE"
    assert any(UNHEALTHY in reason for _, status, reason in stack.events() if status == "CREATE_FAILED")
    assert held(sagemaker) == before


def test_a_failed_update_of_an_endpoint_keeps_the_previous_model(
    deploy: Callable[[Expected], Deployed], fault: Callable[[str], None], sagemaker: Any
) -> None:
    stack = deploy(DEPLOYED[0])
    assert stack.create() == "CREATE_COMPLETE"
    first, old_images = stack.physical_ids(), images(sagemaker, stack.physical_ids()["Endpoint"])
    fault("UpdateEndpoint")

    assert stack.update() == "UPDATE_ROLLBACK_COMPLETE", stack.events()
    assert any(UNHEALTHY in reason for _, status, reason in stack.events() if status == "UPDATE_FAILED")
    assert stack.physical_ids() == first
    assert images(sagemaker, first["Endpoint"]) == old_images
    assert len(held(sagemaker)) == len(first)


@pytest.mark.parametrize("expected", FAULTY, ids=str)
def test_a_faulty_template_fails_with_a_reason(
    expected: Expected, deploy: Callable[[Expected], Deployed], sagemaker: Any
) -> None:
    before = held(sagemaker)
    stack = deploy(expected)

    if expected.refused:
        with pytest.raises(ClientError) as refused:
            stack.create()
        assert refused.value.response["Error"]["Message"] == expected.refused
    else:
        assert stack.create() == "ROLLBACK_COMPLETE", stack.events()
        reasons = [reason for _, status, reason in stack.events() if status == "CREATE_FAILED"]
        assert any(expected.fails in reason for reason in reasons), reasons
    assert held(sagemaker) == before


def test_every_template_of_the_corpus_is_in_a_table() -> None:
    files = {path.name for path in FOLDER.iterdir() if path.suffix in (".yaml", ".json")}

    assert set(templates()) == files
