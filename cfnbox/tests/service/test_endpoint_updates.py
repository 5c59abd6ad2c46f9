"""Updates of endpoints: new configurations, weights and capacities, and retained properties."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from service.endpoint_samples import (
    ARN,
    ASYNC,
    CAPTURE,
    IN_PROGRESS,
    SERVERLESS,
    VARIANT,
    WEIGHT,
    described,
    refused,
)
from service.samples import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.conftest import Settling


def test_the_previous_configuration_serves_during_an_update(
    client: Any, endpoint: Callable[..., None], config: Callable[..., str], settling: Settling
) -> None:
    endpoint()
    before = described(client)
    client.create_endpoint_config(
        EndpointConfigName="next",
        ProductionVariants=[VARIANT | {"InitialInstanceCount": 5}],
        AsyncInferenceConfig=ASYNC,
    )
    settling.goes_on()
    client.update_endpoint(EndpointName="endpoint", EndpointConfigName="next")

    updating = described(client)
    pending = updating.pop("PendingDeploymentSummary")
    assert (updating.pop("EndpointStatus"), pending["EndpointConfigName"]) == ("Updating", "next")
    assert updating.pop("LastModifiedTime") >= before.pop("LastModifiedTime")
    before.pop("EndpointStatus")
    assert updating == before

    settling.ends()
    after = described(client)
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "next")
    assert after["ProductionVariants"][0]["CurrentInstanceCount"] == 5
    assert after["AsyncInferenceConfig"] == ASYNC
    assert "PendingDeploymentSummary" not in after


@pytest.mark.parametrize("status", ["Creating", "Updating", "Deleting"])
def test_an_endpoint_in_transition_cannot_be_changed(
    client: Any, config: Callable[..., str], settling: Settling, status: str
) -> None:
    config()
    settling.ends() if status != "Creating" else settling.goes_on()
    client.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    settling.goes_on()
    if status == "Updating":
        client.update_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    elif status == "Deleting":
        client.delete_endpoint(EndpointName="endpoint")

    weights = {"DesiredWeightsAndCapacities": [WEIGHT]}
    calls: list[tuple[Callable[..., object], dict[str, Any]]] = [
        (client.update_endpoint, {"EndpointConfigName": "config"}),
        (client.update_endpoint_weights_and_capacities, weights),
        (client.delete_endpoint, {}),
    ]
    for call, members in calls:
        assert refused(call, EndpointName="endpoint", **members) == ("ValidationException", IN_PROGRESS)
    assert described(client)["EndpointStatus"] == status


def test_the_name_of_a_deleted_endpoint_can_be_used_again(
    client: Any, endpoint: Callable[..., None], settling: Settling
) -> None:
    endpoint()
    settling.goes_on()
    client.delete_endpoint(EndpointName="endpoint")
    again = {"EndpointName": "endpoint", "EndpointConfigName": "config"}

    assert refused(client.create_endpoint, **again)[1].startswith("Cannot create already existing endpoint")
    settling.ends()
    client.create_endpoint(**again)
    assert described(client)["EndpointStatus"] == "InService"


def test_a_configuration_and_a_model_in_use_can_be_deleted(client: Any, endpoint: Callable[..., None]) -> None:
    endpoint()
    before = described(client)

    client.delete_endpoint_config(EndpointConfigName="config")
    client.delete_model(ModelName="model")

    assert described(client) == before


def test_weights_and_capacities_change_the_variants_they_name(client: Any, endpoint: Callable[..., None]) -> None:
    endpoint(ProductionVariants=[VARIANT, VARIANT | {"VariantName": "Canary", "InitialVariantWeight": 0.5}])
    desired = [WEIGHT, {"VariantName": "Canary", "DesiredInstanceCount": 7}]
    call = client.update_endpoint_weights_and_capacities

    call(EndpointName="endpoint", DesiredWeightsAndCapacities=desired)

    shown = [
        (v["VariantName"], v["DesiredWeight"], v["CurrentWeight"], v["DesiredInstanceCount"])
        for v in described(client)["ProductionVariants"]
    ]
    assert shown == [("AllTraffic", 2.0, 2.0, 2), ("Canary", 0.5, 0.5, 7)]
    missing = [{"VariantName": "none", "DesiredWeight": 1.0}]
    assert refused(call, EndpointName="endpoint", DesiredWeightsAndCapacities=missing)[1] == (
        f'Could not find variant "none" of endpoint "{ARN}endpoint/endpoint".'
    )


RETAINED: dict[str, tuple[dict[str, Any], tuple[float, int, int]]] = {
    "nothing": ({}, (1.0, 3, 50)),
    "everything": ({"RetainAllVariantProperties": True}, (2.0, 7, 30)),
    "all but the count": (
        {
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
        },
        (2.0, 3, 30),
    ),
    "all but data capture": (
        {
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
        },
        (2.0, 7, 50),
    ),
}


@pytest.mark.parametrize(("members", "expected"), RETAINED.values(), ids=RETAINED)
def test_an_update_retains_variant_properties_on_request(
    client: Any,
    endpoint: Callable[..., None],
    config: Callable[..., str],
    members: dict[str, Any],
    expected: tuple[float, int, int],
) -> None:
    endpoint(DataCaptureConfig=CAPTURE)
    client.update_endpoint_weights_and_capacities(
        EndpointName="endpoint", DesiredWeightsAndCapacities=[WEIGHT | {"DesiredInstanceCount": 7}]
    )
    client.create_endpoint_config(
        EndpointConfigName="next",
        ProductionVariants=[VARIANT | {"InitialInstanceCount": 3}],
        DataCaptureConfig=CAPTURE | {"InitialSamplingPercentage": 50},
    )

    client.update_endpoint(EndpointName="endpoint", EndpointConfigName="next", **members)

    shown = described(client)
    variant = shown["ProductionVariants"][0]
    sampled = shown["DataCaptureConfig"]["CurrentSamplingPercentage"]
    assert (variant["DesiredWeight"], variant["DesiredInstanceCount"], sampled) == expected


def test_a_deployment_configuration_is_retained_on_request(client: Any, endpoint: Callable[..., None]) -> None:
    endpoint()
    policy = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}}
    deployment = {"BlueGreenUpdatePolicy": policy}
    update = {"EndpointName": "endpoint", "EndpointConfigName": "config"}

    client.update_endpoint(**update, DeploymentConfig=copy.deepcopy(deployment))
    assert described(client)["LastDeploymentConfig"] == deployment
    client.update_endpoint(**update, RetainDeploymentConfig=True)
    assert described(client)["LastDeploymentConfig"] == deployment
    client.update_endpoint(**update)
    assert "LastDeploymentConfig" not in described(client)


def test_serverless_and_shadow_variants_are_described(client: Any, endpoint: Callable[..., None]) -> None:
    endpoint(ProductionVariants=[SERVERLESS])
    serverless = described(client)["ProductionVariants"][0]
    client.create_endpoint_config(
        EndpointConfigName="next",
        ProductionVariants=[VARIANT],
        ShadowProductionVariants=[VARIANT | {"VariantName": "Shadow", "InitialInstanceCount": 1}],
    )
    client.update_endpoint(EndpointName="endpoint", EndpointConfigName="next")

    assert serverless["CurrentServerlessConfig"] == SERVERLESS["ServerlessConfig"]
    assert serverless["CurrentInstanceCount"] == 0
    shadows = described(client)["ShadowProductionVariants"]
    assert [(one["VariantName"], one["CurrentInstanceCount"]) for one in shadows] == [("Shadow", 1)]


REASON = (
    "The primary container for production variant AllTraffic did not pass the ping health check. Please check "
    "CloudWatch logs for this endpoint."
)


@pytest.fixture
def fails(control: Callable[..., Any]) -> Callable[[str], object]:
    """Return a function that makes the next call of an operation end in failure."""
    return lambda operation: control(
        "POST", "faults", [{"operation": operation, "fault": "deployment-fails", "times": 1}]
    )


@pytest.fixture
def served(connect: Callable[..., Any], settling: Settling) -> Any:
    """A client of the server, where a model and the configuration `config` are."""
    client = connect()
    settling.ends()
    client.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE})
    client.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[VARIANT])
    return client


def test_a_failed_creation_leaves_an_endpoint_that_can_only_be_deleted(
    served: Any, fails: Callable[[str], object], settling: Settling
) -> None:
    settling.goes_on()
    fails("CreateEndpoint")
    served.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    assert described(served)["EndpointStatus"] == "Creating"

    settling.ends()
    assert (described(served)["EndpointStatus"], described(served)["FailureReason"]) == ("Failed", REASON)
    assert refused(served.update_endpoint, EndpointName="endpoint", EndpointConfigName="config")[1] == (
        f'Cannot update failed endpoint "{ARN}endpoint/endpoint". It can only be deleted.'
    )
    served.delete_endpoint(EndpointName="endpoint")
    assert served.list_endpoints()["Endpoints"] == []


def test_a_failed_update_leaves_the_previous_configuration_in_service(
    served: Any, fails: Callable[[str], object], settling: Settling
) -> None:
    served.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    served.create_endpoint_config(EndpointConfigName="next", ProductionVariants=[VARIANT])
    update = {"EndpointName": "endpoint", "EndpointConfigName": "next"}
    settling.goes_on()
    fails("UpdateEndpoint")
    served.update_endpoint(**update)
    settling.ends()

    after = described(served)
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "config")
    assert after["FailureReason"] == REASON
    assert "PendingDeploymentSummary" not in after

    served.update_endpoint(**update)
    after = described(served)
    assert (after["EndpointConfigName"], after.get("FailureReason")) == ("next", None)
