"""Other SageMaker resources of templates: create, describe, update, list, tag, delete, and refusals if missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore import xform_name

from cfnbox.sagemaker.rules import service_model
from service.endpoint_samples import ARN, CAPTURE, FOR_COMPONENTS, TAGS, VARIANT, refused
from service.resource_samples import CASES, TOKEN, Case, job_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import StructureShape

    from service.conftest import Settling

TITLES = [case.title for case in CASES]


@pytest.fixture
def surroundings(client: Any, create: Callable[..., str], settling: Settling) -> Any:
    """A client of a place with what the resources refer to: model, two endpoints, job definition.

    The endpoint `endpoint` captures data, the endpoint `components` is for inference components.
    """
    settling.ends()
    create("model")
    client.create_endpoint_config(
        EndpointConfigName="config", ProductionVariants=[VARIANT], DataCaptureConfig=CAPTURE
    )
    client.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    client.create_endpoint_config(EndpointConfigName="for-components", **FOR_COMPONENTS)
    client.create_endpoint(EndpointName="components", EndpointConfigName="for-components")
    client.create_data_quality_job_definition(JobDefinitionName="job", **job_request("DataQuality"))
    return client


def asked(client: Any, verb: str, case: Case, **members: Any) -> dict[str, Any]:
    """Call an operation on a resource of a case; return the answer."""
    answered: dict[str, Any] = getattr(client, xform_name(f"{verb}{case.title}"))(**members)
    return answered


def made(client: Any, case: Case) -> dict[str, str]:
    """Create the resource of a case; return the member with its name."""
    named = {} if case.title == "Domain" else {case.named: case.name}
    answered = asked(client, "Create", case, **named, Tags=TAGS, **case.request)
    return {case.named: answered.get(case.named, case.name)}


def arn_of(described: dict[str, Any], case: Case) -> str:
    """Return the ARN in a description."""
    arn: str = described[f"{case.title}Arn" if f"{case.title}Arn" in described else "JobDefinitionArn"]
    return arn


def shown(described: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Return the expected members of a description."""
    return {name: described.get(name) for name in expected}


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_a_resource_is_created_described_updated_and_deleted(surroundings: Any, case: Case) -> None:
    client = surroundings
    name = made(client, case)

    described = asked(client, "Describe", case, **name)
    assert shown(described, case.shows) == case.shows
    assert client.list_tags(ResourceArn=arn_of(described, case))["Tags"] == TAGS
    if case.taken:
        taken = {case.named: case.name} | case.request
        assert refused(getattr(client, xform_name(f"Create{case.title}")), **taken) == case.taken

    if case.title == "NotebookInstance":
        client.stop_notebook_instance(**name)
    if case.update:
        key = {} if case.title == "ModelPackage" else name
        asked(client, "Update", case, **key, **case.update)
        assert shown(asked(client, "Describe", case, **name), case.changed) == case.changed

    asked(client, "Delete", case, **name, **case.delete)
    assert refused(getattr(client, xform_name(f"Describe{case.title}")), **name)[0] == case.missing[0]


@pytest.mark.parametrize("case", CASES, ids=TITLES)
@pytest.mark.parametrize("verb", ["Describe", "Update", "Delete"])
def test_operations_on_a_missing_resource_are_refused_with_its_name(surroundings: Any, case: Case, verb: str) -> None:
    operation = f"{verb}{case.title}"
    if operation not in service_model().operation_names:
        assert verb == "Update"
        return
    members = {case.named: case.name} | (case.update if verb == "Update" else {})
    if operation == "UpdateModelPackage":
        del members[case.named]

    call = getattr(surroundings, xform_name(operation))
    assert refused(call, **members, **(case.delete if verb == "Delete" else {})) == case.missing


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_a_list_contains_the_resource_and_applies_filters(surroundings: Any, case: Case) -> None:
    client, name = surroundings, made(surroundings, case)
    operation = {"CodeRepository": "ListCodeRepositories"}.get(case.title, f"List{case.title}s")
    members = cast("StructureShape", service_model().operation_model(operation).input_shape).members
    call = getattr(client, xform_name(operation))

    def found(**filters: Any) -> int:
        answered = call(**filters)
        rows = next(value for value in answered.values() if isinstance(value, list))
        return sum(name[case.named] in row.values() for row in rows)

    assert found() == 1
    if "NameContains" in members:
        assert (found(NameContains="hin"), found(NameContains="none")) == (1, 0)
    if "StatusEquals" in members:
        assert found(StatusEquals="Failed") == 0
    if "CreationTimeBefore" in members:
        assert (found(CreationTimeBefore=4e9), found(CreationTimeBefore=1e9)) == (1, 0)


@pytest.mark.parametrize("case", [case for case in CASES if case.title.endswith("QualityJobDefinition")])
def test_a_job_definition_requires_an_endpoint_with_data_capture(surroundings: Any, case: Case) -> None:
    client = surroundings
    client.create_endpoint_config(EndpointConfigName="plain", ProductionVariants=[VARIANT])
    client.create_endpoint(EndpointName="plain", EndpointConfigName="plain")
    member = case.title.replace("Definition", "Input")
    for name in ("plain", "none"):
        inputs = {**case.request[member], "EndpointInput": {"EndpointName": name, "LocalPath": "/opt/in"}}
        request = {case.named: "thing"} | case.request | {member: inputs}
        call = getattr(client, xform_name(f"Create{case.title}"))
        assert refused(call, **request) == (
            "ValidationException",
            f"Endpoint '{name}' does not exist or is not valid",
        )


def test_a_notebook_in_service_cannot_be_updated_or_deleted(surroundings: Any) -> None:
    case = next(case for case in CASES if case.title == "NotebookInstance")
    name = made(surroundings, case)
    words = "Status (InService) not in ([Stopped, Failed]). Unable to transition to ({}) for Notebook Instance ({})"
    arn = f"{ARN}notebook-instance/thing"

    assert refused(surroundings.update_notebook_instance, **name)[1] == words.format("Updating", arn)
    assert refused(surroundings.delete_notebook_instance, **name)[1] == words.format("Deleting", arn)


def test_an_endpoint_with_inference_components_cannot_be_deleted(surroundings: Any) -> None:
    made(surroundings, CASES[0])

    assert refused(surroundings.delete_endpoint, EndpointName="components")[1] == (
        f'Cannot delete endpoint "{ARN}endpoint/components": delete its inference components first.'
    )
    surroundings.delete_inference_component(InferenceComponentName="thing")
    surroundings.delete_endpoint(EndpointName="components")


def test_model_packages_of_a_group_are_numbered_and_named_by_arn(surroundings: Any) -> None:
    client = surroundings
    client.create_model_package_group(ModelPackageGroupName="group")
    arns = [client.create_model_package(ModelPackageGroupName="group")["ModelPackageArn"] for _ in range(2)]
    client.delete_model_package(ModelPackageName=arns[1])
    arns.append(client.create_model_package(ModelPackageGroupName="group")["ModelPackageArn"])

    assert arns == [f"{ARN}model-package/group/{number}" for number in (1, 2, 3)]
    described = client.describe_model_package(ModelPackageName=arns[2])
    assert (described["ModelPackageGroupName"], described["ModelPackageVersion"]) == ("group", 3)
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    listed = client.list_model_packages(ModelPackageGroupName="group")["ModelPackageSummaryList"]
    assert [one["ModelPackageVersion"] for one in listed] == [3, 1]
    assert refused(client.delete_model_package_group, ModelPackageGroupName="group")[0] == "ConflictException"


def test_a_pipeline_runs_in_moto(surroundings: Any) -> None:
    made(surroundings, next(case for case in CASES if case.title == "Pipeline"))
    surroundings.start_pipeline_execution(PipelineName="thing", ClientRequestToken=TOKEN)
    surroundings.update_pipeline(PipelineName="thing", PipelineDescription="new")

    assert len(surroundings.list_pipeline_executions(PipelineName="thing")["PipelineExecutionSummaries"]) == 1


def legal(shape: Any, name: str = "") -> Any:
    """Return a value of a shape with required members only. Strings are plausible, but not always valid."""
    match shape.type_name:
        case "structure":
            return {member: legal(shape.members[member], member) for member in shape.required_members}
        case "list":
            return [legal(shape.member, name)]
        case "map":
            return {"key": legal(shape.value, name)}
        case "string":
            plausible = {"arn": f"{ARN}thing/none", "uri": "s3://b/k"}.get(name[-3:].lower(), "none")
            return shape.enum[0] if shape.enum else plausible.ljust(shape.metadata.get("min", 0), "x")
        case "boolean":
            return True
        case "timestamp":
            return 1e9
        case _:
            return shape.metadata.get("min", 1)


@pytest.mark.parametrize("full", [False, True], ids=["empty", "with what is required"])
def test_no_operation_of_sagemaker_fails_with_an_internal_error(post_to_server: Any, full: bool) -> None:
    model = service_model()
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        status, answered = post_to_server(name, legal(shape) if full and shape else {})
        assert status in (200, 400), (name, answered)
        assert status == 200 or answered["__type"], name


def test_unknown_operations_are_named_in_their_refusal(post_to_server: Any) -> None:
    assert post_to_server("CreateMagic", {}) == (
        400,
        {"__type": "UnknownOperationException", "message": "SageMaker has no operation CreateMagic."},
    )
