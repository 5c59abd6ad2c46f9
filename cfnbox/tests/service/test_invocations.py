"""InvokeEndpoint by servers on this machine: requests, answers, and failed endpoints."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions

from cfnbox.sagemaker.hosting import Hosting, ServedImage
from cfnbox.sagemaker.server import LocalSageMaker
from service.conftest import client_of
from service.container import container
from service.endpoint_samples import FOR_COMPONENTS
from service.samples import AS_WRITTEN, IMAGE, KEYS, REGION
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VARIANT = {"ModelName": "model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
_OTHER = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/other:2"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    with container() as first, container() as second:
        yield first, second


@pytest.fixture(scope="module")
def _cloud(servers: tuple[str, str]) -> Iterator[LocalSageMaker]:
    serve = [f"*/sagemaker-xgboost:*={servers[0]}", f"team/other={servers[1]}"]
    with LocalSageMaker(hosting=Hosting([ServedImage.of(one) for one in serve])) as cloud:
        yield cloud


@pytest.fixture
def cloud(_cloud: LocalSageMaker) -> LocalSageMaker:
    _cloud.reset()
    return _cloud


@pytest.fixture
def sagemaker(cloud: LocalSageMaker) -> Any:
    return _client(cloud, "sagemaker")


@pytest.fixture
def runtime(cloud: LocalSageMaker) -> Any:
    return _client(cloud, "sagemaker-runtime")


@pytest.fixture
def endpoint(sagemaker: Any) -> Callable[..., None]:
    """Create the endpoint `endpoint` of a model, and wait until it is in service."""

    def _endpoint(image: str = IMAGE, model: dict[str, Any] | None = None, **config: Any) -> None:
        sagemaker.create_model(ModelName="model", **model or {"PrimaryContainer": {"Image": image}})
        _deploy(sagemaker, **config)

    return _endpoint


def test_an_invocation_reaches_the_server_of_the_image(endpoint: Callable[..., None], runtime: Any) -> None:
    endpoint()

    answered = runtime.invoke_endpoint(
        EndpointName="endpoint",
        Body=b"1,2,3",
        ContentType="text/csv",
        Accept="application/json",
        CustomAttributes="c=7",
        InferenceId="id-1",
    )

    sent = json.loads(answered["Body"].read())
    is_told = ("x-amzn", "content-type", "accept")
    headers = {name: value for name, value in sent["headers"].items() if name.startswith(is_told)}
    assert (sent["path"], sent["body"]) == ("/invocations", "1,2,3")
    assert headers.pop("accept-encoding", None) in (None, "identity")
    assert headers == {
        "content-type": "text/csv",
        "accept": "application/json",
        "x-amzn-sagemaker-custom-attributes": "c=7",
        "x-amzn-sagemaker-inference-id": "id-1",
    }
    del answered["Body"], answered["ResponseMetadata"]
    assert answered == {
        "ContentType": "application/json",
        "InvokedProductionVariant": "AllTraffic",
        "CustomAttributes": "trace=1",
    }


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (500, "server")])
def test_an_error_of_the_server_is_a_model_error(
    endpoint: Callable[..., None], runtime: Any, status: int, kind: str
) -> None:
    endpoint()

    with pytest.raises(exceptions.ClientError) as raised:
        runtime.invoke_endpoint(EndpointName="endpoint", Body=json.dumps({"status": status}))

    response: dict[str, Any] = dict(raised.value.response)
    group = "/aws/sagemaker/Endpoints/endpoint"
    assert response["Error"] == {
        "Code": "ModelError",
        "Message": f'Received {kind} error ({status}) from primary with message "{{"error": "no such column"}}". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group="
        f"{group} in account 123456789012 for more information.",
    }
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (status, '{"error": "no such column"}')
    assert response["LogStreamArn"] == f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"


def test_invocations_are_distributed_by_weight_or_go_to_the_target_variant(
    sagemaker: Any, runtime: Any, servers: tuple[str, str]
) -> None:
    for name, image in (("model", IMAGE), ("other", _OTHER)):
        sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": image})
    variants = [
        _VARIANT | {"VariantName": "a", "InitialVariantWeight": 3},
        _VARIANT | {"VariantName": "b", "ModelName": "other", "InitialVariantWeight": 1},
    ]
    _deploy(sagemaker, ProductionVariants=variants)

    answers = [runtime.invoke_endpoint(EndpointName="endpoint", Body=b"x") for _ in range(8)]
    invoked = collections.Counter(
        (one["InvokedProductionVariant"], json.loads(one["Body"].read())["server"]) for one in answers
    )
    ports = [int(url.rpartition(":")[2]) for url in servers]
    assert invoked == {("a", ports[0]): 6, ("b", ports[1]): 2}
    target = runtime.invoke_endpoint(EndpointName="endpoint", Body=b"x", TargetVariant="b")
    assert target["InvokedProductionVariant"] == "b"
    assert json.loads(target["Body"].read())["server"] == ports[1]
    assert _refused(runtime, TargetVariant="c") == ("ValidationError", "Endpoint endpoint has no variant c.")


def test_a_pipeline_is_invoked_container_by_container(
    endpoint: Callable[..., None], runtime: Any, servers: tuple[str, str]
) -> None:
    endpoint(model={"Containers": [{"Image": IMAGE}, {"Image": _OTHER}]})

    answered = runtime.invoke_endpoint(EndpointName="endpoint", Body=b"x", ContentType="text/csv")

    outer = json.loads(answered["Body"].read())
    inner = json.loads(outer["body"])
    assert [f"http://127.0.0.1:{one['server']}" for one in (inner, outer)] == list(servers)
    assert (inner["body"], outer["headers"]["content-type"]) == ("x", "application/json")


def test_a_container_of_a_direct_pipeline_is_invoked_by_its_host_name(
    endpoint: Callable[..., None], runtime: Any, servers: tuple[str, str]
) -> None:
    containers = [{"Image": IMAGE, "ContainerHostname": "one"}, {"Image": _OTHER, "ContainerHostname": "two"}]
    direct = {"InferenceExecutionConfig": {"Mode": "Direct"}, "Containers": containers}
    endpoint(model=direct)

    answered = runtime.invoke_endpoint(EndpointName="endpoint", Body=b"x", TargetContainerHostname="two")

    assert f"http://127.0.0.1:{json.loads(answered['Body'].read())['server']}" == servers[1]
    assert _refused(runtime)[0] == "ValidationError"


def test_an_inference_component_is_invoked_by_its_name(sagemaker: Any, runtime: Any) -> None:
    sagemaker.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE})
    _deploy(sagemaker, **FOR_COMPONENTS)
    sagemaker.create_inference_component(
        InferenceComponentName="component",
        EndpointName="endpoint",
        VariantName="AllTraffic",
        Specification={"ModelName": "model", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}},
        RuntimeConfig={"CopyCount": 1},
    )
    described: dict[str, Any] = {}
    eventually(lambda: _component_is_ready(sagemaker, described))

    answered = runtime.invoke_endpoint(EndpointName="endpoint", Body=b"x", InferenceComponentName="component")

    assert json.loads(answered["Body"].read())["body"] == "x"
    assert _refused(runtime) == (
        "ValidationError",
        "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
        "Please include Inference Component Name header or consider using SageMaker models.",
    )


@pytest.mark.parametrize(("specification", "port"), [({}, 0), ({"InferenceSpecificationName": "other"}, 1)])
def test_image_of_a_model_package_serves_its_model(
    endpoint: Callable[..., None],
    sagemaker: Any,
    runtime: Any,
    servers: tuple[str, str],
    specification: dict[str, str],
    port: int,
) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="group")
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    package = sagemaker.create_model_package(
        ModelPackageGroupName="group",
        InferenceSpecification={"Containers": [{"Image": IMAGE}], **types},
        AdditionalInferenceSpecifications=[{"Name": "other", "Containers": [{"Image": _OTHER}], **types}],
    )["ModelPackageArn"]
    endpoint(model={"PrimaryContainer": {"ModelPackageName": package, **specification}})

    answered = runtime.invoke_endpoint(EndpointName="endpoint", Body=b"1,2")

    assert json.loads(answered["Body"].read())["server"] == int(servers[port].rpartition(":")[2])


def test_a_stream_returns_the_answer_in_parts_of_a_megabyte(endpoint: Callable[..., None], runtime: Any) -> None:
    endpoint()

    answered = runtime.invoke_endpoint_with_response_stream(EndpointName="endpoint", Body=b'{"size": 1500000}')

    parts = [event["PayloadPart"]["Bytes"] for event in answered["Body"]]
    assert [len(part) for part in parts] == [1 << 20, 1_500_000 - (1 << 20)]
    assert (answered["ContentType"], answered["InvokedProductionVariant"]) == ("application/json", "AllTraffic")


@pytest.mark.parametrize("body", [b"x" * (6 * 1024 * 1024 + 1), b'{"size": 6291457}'])
def test_more_than_six_megabytes_are_refused(endpoint: Callable[..., None], runtime: Any, body: bytes) -> None:
    endpoint()

    with pytest.raises(exceptions.ClientError, match="larger than 6291456 bytes"):
        runtime.invoke_endpoint(EndpointName="endpoint", Body=body)


def test_a_server_that_takes_too_long_is_a_model_error(
    endpoint: Callable[..., None], runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfnbox.sagemaker.invocations.INVOKE_SECONDS", 0.2)
    endpoint()

    with pytest.raises(exceptions.ClientError) as raised:
        runtime.invoke_endpoint(EndpointName="endpoint", Body=b'{"sleep": 60}')

    response: dict[str, Any] = dict(raised.value.response)
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 0)
    assert response["OriginalMessage"] == (
        "Your invocation timed out while waiting for a response from container primary. Review the latency metrics "
        "for each container in Amazon CloudWatch, resolve the issue, and try again."
    )


def test_a_missing_endpoint_is_not_found(runtime: Any) -> None:
    assert _refused(runtime) == ("ValidationError", "Endpoint endpoint of account 123456789012 not found.")


def test_a_target_model_needs_a_multi_model_endpoint(endpoint: Callable[..., None], runtime: Any) -> None:
    endpoint()

    assert _refused(runtime, TargetModel="m.tar.gz") == (
        "ValidationError",
        "Endpoint endpoint is not a multi-model endpoint and does not support target model header.",
    )


def test_an_image_without_a_server_is_refused_with_the_command_to_add_it(
    endpoint: Callable[..., None], runtime: Any
) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/unserved:1"
    endpoint(image=image)

    code, message = _refused(runtime)

    assert code == "ValidationError"
    assert f"cfnbox up --serve '{image}=http://127.0.0.1:8080'" in message


@pytest.mark.parametrize("serve", ["!false", "http://127.0.0.1:9"])
def test_an_endpoint_whose_server_does_not_answer_fails(serve: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfnbox.sagemaker.hosted.STARTUP_SECONDS", 0.5)
    with LocalSageMaker(hosting=Hosting([ServedImage.of(f"*={serve}")])) as cloud:
        client = _client(cloud, "sagemaker")
        client.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE})

        described = _deploy(client)

    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health check. Please check "
        "CloudWatch logs for this endpoint."
    )


@pytest.mark.parametrize("text", ["image", "=http://127.0.0.1:1", "image=", "image=!", "image=127.0.0.1:80", "i=!'"])
def test_an_argument_without_a_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"--serve|cannot be split"):
        ServedImage.of(text)


def _client(cloud: LocalSageMaker, service: str) -> Any:
    return client_of(service, endpoint_url=cloud.url, region_name=REGION, config=AS_WRITTEN, **KEYS)


def _deploy(client: Any, **config: Any) -> dict[str, Any]:
    variants = [_VARIANT | {"VariantName": "AllTraffic"}]
    client.create_endpoint_config(EndpointConfigName="config", **{"ProductionVariants": variants} | config)
    client.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    described: dict[str, Any] = {}

    def _is_settled() -> bool:
        described.update(client.describe_endpoint(EndpointName="endpoint"))
        return bool(described["EndpointStatus"] != "Creating")

    eventually(_is_settled)
    return described


def _component_is_ready(client: Any, described: dict[str, Any]) -> bool:
    described.update(client.describe_inference_component(InferenceComponentName="component"))
    return bool(described["InferenceComponentStatus"] == "InService")


def _refused(runtime: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(exceptions.ClientError) as raised:
        runtime.invoke_endpoint(EndpointName="endpoint", Body=b"x", **members)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]
