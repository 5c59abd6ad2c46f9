"""Models, endpoint configurations and endpoints by SageMaker's API, as boto3 sees them at the same address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cfnbox.providers.protocol import Cancelled, Resource, ResourceFailed
from cfnbox.providers.services.catalogue import UNIFORM_TYPES as TYPES
from cfnbox.sagemaker import store
from providers.provider_requests import SYSTEM_TAGS, RecordingProgress

if TYPE_CHECKING:
    from providers.conftest import Services

from providers.service_samples import (
    CAPTURE,
    CONFIG,
    ENDPOINT,
    MODEL,
    OUTPUT,
    POLICY,
    ROLE,
    SERVERLESS,
    TARGET,
    VARIANT,
    Types,
    tags_of,
)


def test_every_row_has_a_published_type_and_existing_operations(types: Types, connect: Any) -> None:
    for name, row in TYPES.items():
        definition = types.definition(name)
        operations = connect(row.service).meta.service_model.operation_names
        kinds = ["Create", "Describe", "Delete", *([] if row.answer_member else ["List"])]
        changeable = definition.is_updatable and name not in (
            "AWS::SageMaker::Model", CONFIG, "AWS::SageMaker::ModelPackageGroup")  # fmt: skip
        wanted = [row.operation(kind) for kind in [*kinds, *(["Update"] if changeable else [])]]
        assert [one for one in wanted if one not in operations] == []


def test_a_model_is_created_without_a_registry_type(types: Types, sagemaker: Any) -> None:
    made = types.create("AWS::SageMaker::Model", MODEL)
    assert made.physical_id == made.attributes["ModelArn"]
    assert sagemaker.describe_model(ModelName=made.attributes["ModelName"])["ModelArn"] == made.physical_id
    assert types.has_no_drift("AWS::SageMaker::Model", made, MODEL)
    types.delete("AWS::SageMaker::Model", made)
    with pytest.raises(ClientError):
        sagemaker.describe_model(ModelName=made.attributes["ModelName"])


@pytest.mark.parametrize(
    "config",
    [
        {"ProductionVariants": [VARIANT]},
        {"ProductionVariants": [{**VARIANT, "InitialVariantWeight": 1, "InitialInstanceCount": "2"}]},
        {"ProductionVariants": [SERVERLESS]},
        {"ProductionVariants": [VARIANT], "AsyncInferenceConfig": OUTPUT},
        {"ProductionVariants": [VARIANT], "ShadowProductionVariants": [{**VARIANT, "VariantName": "shadow"}]},
        {"ProductionVariants": [VARIANT], "DataCaptureConfig": CAPTURE},
        {"ProductionVariants": [VARIANT, {**VARIANT, "VariantName": "other", "InitialVariantWeight": 0.5}]},
        {
            "ProductionVariants": [{k: v for k, v in VARIANT.items() if k != "ModelName"}],
            "ExecutionRoleArn": ROLE,
        },
    ],
    ids=["real-time", "text", "serverless", "async", "shadow", "capture", "two variants", "without model"],
)
def test_endpoints_are_created_from_every_kind_of_configuration(
    types: Types, sagemaker: Any, config: dict[str, Any]
) -> None:
    made = types.create(CONFIG, config, stack_tags={"team": "ml"})
    name = made.attributes["EndpointConfigName"]
    assert (
        made.physical_id
        == made.attributes["EndpointConfigArn"]
        == f"arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/{name}"
    )
    assert name.startswith("EndpointConfig-")
    described = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert len(described["ProductionVariants"]) == len(config["ProductionVariants"])
    assert tags_of(sagemaker, made.physical_id) == {"team": "ml"}
    if config["ProductionVariants"][0].get("InitialInstanceCount") != "2":
        assert types.has_no_drift(CONFIG, made, config)
    endpoint = types.create(ENDPOINT, {"EndpointConfigName": name})
    assert (
        sagemaker.describe_endpoint(EndpointName=endpoint.attributes["EndpointName"])["EndpointStatus"] == "InService"
    )
    types.delete(ENDPOINT, endpoint)
    types.delete(CONFIG, made)
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == sagemaker.list_endpoints()["Endpoints"] == []


def test_an_endpoint_is_reported_before_it_is_in_service(
    types: Types, sagemaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]})
    monkeypatch.setattr(store, "SETTLING_SECONDS", store.NEVER)
    progress = RecordingProgress(patience=5)
    with pytest.raises(Cancelled):
        types.create(ENDPOINT, {"EndpointName": "e", "EndpointConfigName": "c"}, progress)
    assert [one.physical_id for one in progress.identities] == ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"]
    assert progress.identities[0].attributes["EndpointName"] == "e"
    assert progress.waits == sorted(progress.waits)
    assert progress.waits[-1] == 1


def test_an_endpoint_is_updated_in_place_to_another_configuration(
    types: Types, sagemaker: Any, tagged: list[Any]
) -> None:
    for name in ("c1", "c2"):
        types.create(CONFIG, {"EndpointConfigName": name, "ProductionVariants": [VARIANT]})
    first = {"EndpointConfigName": "c1", "Tags": [{"Key": "own", "Value": "1"}, {"Key": "stays", "Value": "1"}]}
    made = types.create(ENDPOINT, first, stack_tags={"stack": "1"}, system_tags=SYSTEM_TAGS)
    second = {
        "EndpointConfigName": "c2",
        "RetainAllVariantProperties": True,
        "Tags": [{"Key": "own", "Value": "2"}, {"Key": "stays", "Value": "1"}],
    }
    tags = {"stack_tags": {"new": "1"}, "previous_stack_tags": {"stack": "1"}, "system_tags": SYSTEM_TAGS}
    updated = types.update(ENDPOINT, made, first, second, **tags)
    assert (updated.physical_id, updated.attributes) == (made.physical_id, made.attributes)
    described = sagemaker.describe_endpoint(EndpointName=made.attributes["EndpointName"])
    assert (described["EndpointConfigName"], described["EndpointStatus"]) == ("c2", "InService")
    assert tags_of(sagemaker, made.physical_id) == {"own": "2", "stays": "1", "new": "1"}
    assert tagged == [(made.physical_id, SYSTEM_TAGS)] * 2
    read = types.read(ENDPOINT, made.identifier).model
    assert read["RetainAllVariantProperties"] is True
    assert {tag["Key"] for tag in read["Tags"]} == {"own", "stays", "new"}


def test_a_change_of_tags_keeps_the_endpoint_in_service(types: Types, sagemaker: Any, services: Services) -> None:
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]})
    properties = {"EndpointConfigName": "c"}
    made = types.create(ENDPOINT, properties)
    calls = services.sagemaker.calls
    calls.clear()
    types.update(ENDPOINT, made, properties, properties, stack_tags={"a": "1"})
    assert "UpdateEndpoint" not in [call.operation for call in calls]
    assert tags_of(sagemaker, made.physical_id) == {"a": "1"}


def test_a_refusal_of_sagemaker_is_quoted(types: Types, sagemaker: Any) -> None:
    with pytest.raises(ResourceFailed) as raised:
        types.create(CONFIG, {"ProductionVariants": [{**VARIANT, "ModelName": "nobody"}]})
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/nobody"
    start = f'Resource handler returned message: "Could not find model "{arn}". (Service: SageMaker, Status Code: 400'
    assert str(raised.value).startswith(start)
    assert str(raised.value).endswith("(RequestToken: token-of-Thing, HandlerErrorCode: InvalidRequest)")
    assert raised.value.code == "InvalidRequest"


def test_an_existing_name_is_refused(types: Types, sagemaker: Any) -> None:
    config = {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]}
    types.create(CONFIG, config)
    with pytest.raises(ResourceFailed) as raised:
        types.create(CONFIG, config)
    assert raised.value.code == "AlreadyExists"


@pytest.mark.parametrize("type_name", sorted(TYPES))
def test_a_missing_resource_is_not_found(types: Types, sagemaker: Any, type_name: str) -> None:
    parts = {
        TARGET: "endpoint/e/variant/v|sagemaker:variant:DesiredInstanceCount|sagemaker",
        POLICY: "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/sagemaker/endpoint/e/variant/v:"
        "policyName/p|sagemaker:variant:DesiredInstanceCount",
        "AWS::SageMaker::ModelPackage": "arn:aws:sagemaker:us-east-1:123456789012:model-package/gone",
    }
    identifier = parts.get(type_name, "d-gone")
    with pytest.raises(ResourceFailed) as raised:
        types.read(type_name, identifier)
    assert raised.value.code == "NotFound"
    with pytest.raises(ResourceFailed) as raised:
        types.delete(type_name, Resource(identifier, identifier, {}, {}))
    assert raised.value.code == "NotFound"


def test_a_failed_endpoint_fails_the_resource(types: Types, sagemaker: Any, services: Services) -> None:
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]})
    services.sagemaker.faults.replace([{"fault": "deployment-fails", "operation": "CreateEndpoint"}])
    progress = RecordingProgress()
    with pytest.raises(ResourceFailed) as raised:
        types.create(ENDPOINT, {"EndpointConfigName": "c"}, progress)
    assert raised.value.code == "NotStabilized"
    assert "did not pass the ping health check" in str(raised.value)
    assert len(progress.identities) == 1
    types.delete(ENDPOINT, progress.identities[0])
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_a_failed_update_of_an_endpoint_fails_the_resource(types: Types, sagemaker: Any, services: Services) -> None:
    for name in ("c1", "c2"):
        types.create(CONFIG, {"EndpointConfigName": name, "ProductionVariants": [VARIANT]})
    made = types.create(ENDPOINT, {"EndpointConfigName": "c1"})
    services.sagemaker.faults.replace([{"fault": "deployment-fails", "operation": "UpdateEndpoint"}])
    with pytest.raises(ResourceFailed, match="ping health check"):
        types.update(ENDPOINT, made, {"EndpointConfigName": "c1"}, {"EndpointConfigName": "c2"})
    services.sagemaker.faults.clear()
    # The rollback of the stack sends it back to what it still runs.
    back = types.update(ENDPOINT, made, {"EndpointConfigName": "c2"}, {"EndpointConfigName": "c1"})
    assert back.physical_id == made.physical_id
    described = sagemaker.describe_endpoint(EndpointName=made.attributes["EndpointName"])
    assert (described["EndpointConfigName"], described["EndpointStatus"]) == ("c1", "InService")


def test_a_lost_answer_loses_no_resource(types: Types, sagemaker: Any, services: Services) -> None:
    faults = services.sagemaker.faults
    faults.replace([{"fault": "reset-after", "operation": "CreateEndpointConfig", "times": 1}])
    types.create(CONFIG, {"ProductionVariants": [VARIANT]})
    assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1
    faults.replace([{"fault": "reset-after", "operation": "CreateEndpointConfig", "times": 1}])
    with pytest.raises(ResourceFailed) as raised:
        types.create(CONFIG, {"EndpointConfigName": "mine", "ProductionVariants": [VARIANT]})
    assert raised.value.code == "NetworkFailure"
