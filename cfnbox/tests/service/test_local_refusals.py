"""Refusals of the local SageMaker, and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.samples import IMAGE, Request, data_source, with_container, with_pipeline, with_source

if TYPE_CHECKING:
    from collections.abc import Callable

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/"
NAME_PATTERN = r"[a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?"
TAG_PATTERN = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/"


def one(value: str, at: str, constraint: str) -> str:
    return f"1 validation error detected: {violation(value, at, constraint)}"


def violation(value: str, at: str, constraint: str) -> str:
    return f"Value {value} at '{at}' failed to satisfy constraint: Member must {constraint}"


LONG = "a" * 64
TAGS_51 = [{"Key": f"k{i}", "Value": ""} for i in range(51)]

# Operation, request, the whole message: botocore's constraints in the form that AWS services share.
SHAPES: dict[str, tuple[str, Request, str]] = {
    "name missing": ("CreateModel", {}, one("null", "modelName", "not be null")),
    "name null": ("DescribeModel", {"ModelName": None}, one("null", "modelName", "not be null")),
    "name too long": (
        "DescribeModel",
        {"ModelName": LONG},
        one(f"'{LONG}'", "modelName", "have length less than or equal to 63"),
    ),
    "name with a hyphen at its end": (
        "DeleteModel",
        {"ModelName": "a-"},
        one("'a-'", "modelName", f"satisfy regular expression pattern: {NAME_PATTERN}"),
    ),
    "name with a line feed at its end": (
        "DescribeModel",
        {"ModelName": "a\n"},
        one("'a\n'", "modelName", f"satisfy regular expression pattern: {NAME_PATTERN}"),
    ),
    "name both too long and ill-formed": (
        "DescribeModel",
        {"ModelName": LONG + "-"},
        "2 validation errors detected: "
        + violation(f"'{LONG}-'", "modelName", "have length less than or equal to 63")
        + "; "
        + violation(f"'{LONG}-'", "modelName", f"satisfy regular expression pattern: {NAME_PATTERN}"),
    ),
    "image with a space": (
        "CreateModel",
        with_container(Image="a b"),
        one("'a b'", "primaryContainer.image", r"satisfy regular expression pattern: [\S]+"),
    ),
    "mode unknown": (
        "CreateModel",
        with_container(Mode="Multi"),
        one("'Multi'", "primaryContainer.mode", "satisfy enum value set: [SingleModel, MultiModel]"),
    ),
    "member of a list of structures": (
        "CreateModel",
        with_pipeline({}, {"ContainerHostname": "-"}),
        one(
            "'-'",
            "containers.2.member.containerHostname",
            "satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        ),
    ),
    "sixteen containers": (
        "CreateModel",
        {"ModelName": "m", "Containers": [{}] * 16},
        one(f"'[{', '.join(['{}'] * 16)}]'", "containers", "have length less than or equal to 15"),
    ),
    "member required below": (
        "CreateModel",
        with_container(ImageConfig={}),
        one("null", "primaryContainer.imageConfig.repositoryAccessMode", "not be null"),
    ),
    "list too short": (
        "CreateModel",
        with_container() | {"VpcConfig": VPC | {"Subnets": []}},
        one("'[]'", "vpcConfig.subnets", "have length greater than or equal to 1"),
    ),
    "member of a list of strings": (
        "CreateModel",
        with_container() | {"VpcConfig": VPC | {"Subnets": ["subnet-1", "sub net"]}},
        one(
            "'[subnet-1, sub net]'",
            "vpcConfig.subnets",
            "satisfy constraint: [Member must have length less than or equal to 32, Member must have length "
            "greater than or equal to 0, Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]",
        ),
    ),
    "key of a map": (
        "CreateModel",
        with_container(Environment={"A-B": "1"}),
        "1 validation error detected: Value '{A-B=1}' at 'primaryContainer.environment' failed to satisfy "
        "constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
        "Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: "
        "[a-zA-Z_][a-zA-Z0-9_]*]",
    ),
    "value of a map": (
        "CreateModel",
        with_container(Environment={"A": "x" * 1025}),
        f"1 validation error detected: Value '{{A={'x' * 1025}}}' at 'primaryContainer.environment' failed "
        "to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or "
        "equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular "
        r"expression pattern: [\S\s]*]",
    ),
    "role too short": (
        "CreateModel",
        with_container() | {"ExecutionRoleArn": "arn:aws:iam::1"},
        "2 validation errors detected: "
        + violation("'arn:aws:iam::1'", "executionRoleArn", "have length greater than or equal to 20")
        + "; "
        + violation(
            "'arn:aws:iam::1'",
            "executionRoleArn",
            r"satisfy regular expression pattern: arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
        ),
    ),
    "tag key of a strange character": (
        "CreateModel",
        with_container() | {"Tags": [{"Key": "größe", "Value": "L"}, {"Key": "a*", "Value": "b"}]},
        one("'a*'", "tags.2.member.key", f"satisfy regular expression pattern: {TAG_PATTERN}"),
    ),
    "tag without a value": (
        "AddTags",
        {"ResourceArn": ARN + "m", "Tags": [{"Key": "a"}]},
        one("null", "tags.1.member.value", "not be null"),
    ),
    "more than fifty tags": (
        "AddTags",
        {"ResourceArn": ARN + "m", "Tags": TAGS_51},
        one(
            f"'[{', '.join(f'{{Key=k{i}, Value=}}' for i in range(51))}]'",
            "tags",
            "have length less than or equal to 50",
        ),
    ),
    "no tag keys": (
        "DeleteTags",
        {"ResourceArn": ARN + "m", "TagKeys": []},
        one("'[]'", "tagKeys", "have length greater than or equal to 1"),
    ),
    "ARN of another service": (
        "ListTags",
        {"ResourceArn": "arn:aws:s3:::bucket"},
        one(
            "'arn:aws:s3:::bucket'",
            "resourceArn",
            "satisfy regular expression pattern: arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:.+",
        ),
    ),
    "a page of tags too small": (
        "ListTags",
        {"ResourceArn": ARN + "m", "MaxResults": 49},
        one("'49'", "maxResults", "have value greater than or equal to 50"),
    ),
    "a page of models too large": (
        "ListModels",
        {"MaxResults": 101},
        one("'101'", "maxResults", "have value less than or equal to 100"),
    ),
    "a page of no models": (
        "ListModels",
        {"MaxResults": 0},
        one("'0'", "maxResults", "have value greater than or equal to 1"),
    ),
    "sort key unknown": (
        "ListModels",
        {"SortBy": "Arn"},
        one("'Arn'", "sortBy", "satisfy enum value set: [Name, CreationTime]"),
    ),
}

# Recorded texts: public records of the real service.
RECORDED: dict[str, tuple[str, Request, str]] = {
    "describe a missing model": (
        "DescribeModel",
        {"ModelName": "none"},
        f'Could not find model "{ARN}none".',
    ),
    "delete a missing model": ("DeleteModel", {"ModelName": "none"}, f'Could not find model "{ARN}none".'),
    "image and package": (
        "CreateModel",
        with_container(ModelPackageName="package"),
        "Specify one of either Image and Model Data URL or ModelPackageName in container definition.",
    ),
    "model data and package": (
        "CreateModel",
        {"ModelName": "m", "PrimaryContainer": {"ModelPackageName": "p", "ModelDataUrl": "s3://b/m.tar.gz"}},
        "Specify one of either Image and Model Data URL or ModelPackageName in container definition.",
    ),
    "two multi-model containers": (
        "CreateModel",
        with_pipeline(*[{"Mode": "MultiModel", "ModelDataUrl": "s3://b/m/"}] * 2),
        "More than one container in MultiModel mode is not supported with inference pipeline.",
    ),
    "image without a registry": ("CreateModel", with_container(Image="x"), 'ECR image "x" is invalid.'),
    "image of an ill-formed ECR registry": (
        "CreateModel",
        with_container(Image=ECR[1:] + "image:1"),
        f'ECR image "{ECR[1:]}image:1" is invalid.',
    ),
    "image outside ECR": (
        "CreateModel",
        with_container(Image="docker.io/library/python:3"),
        'Using non-ECR image "docker.io/library/python:3" without Vpc repository access mode is not supported.',
    ),
}

PRIVATE = {"Image": "registry.example.com/i:1", "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
AUTH = {"RepositoryAuthConfig": {"RepositoryCredentialsProviderArn": "arn:aws:lambda:us-east-1:1:function:f"}}
KILOBYTES = {f"K{i:02}": "x" * 1021 for i in range(33)}

# No record has the text of these; the rules are those of the API reference.
RULES: dict[str, Request] = {
    "no container at all": {"ModelName": "m"},
    "neither a container nor a list with one": {"ModelName": "m", "Containers": []},
    "both kinds of container": with_container() | {"Containers": [{"Image": IMAGE}]},
    "a host name on some containers": with_pipeline({"ContainerHostname": "a"}, {}),
    "a host name twice": with_pipeline({"ContainerHostname": "a"}, {"ContainerHostname": "a"}),
    "direct invocation without host names": with_pipeline({}, {}, InferenceExecutionConfig={"Mode": "Direct"}),
    "33 KB of environment": with_container(Environment=KILOBYTES),
    "33 KB of environment in all": with_pipeline(
        {"Environment": dict(list(KILOBYTES.items())[:20])},
        {"Environment": dict(list(KILOBYTES.items())[20:])},
    ),
    "private registry without a VPC": {"ModelName": "m", "PrimaryContainer": PRIVATE},
    "registry credentials for ECR": with_container(ImageConfig={"RepositoryAccessMode": "Platform", **AUTH}),
    "multi-model with a data source": with_container(
        Mode="MultiModel", ModelDataSource={"S3DataSource": data_source()}
    ),
    "prefix without a slash at its end": with_source(S3Uri="s3://b/m"),
    "prefix of compressed data": with_source(CompressionType="Gzip"),
    "additional prefix without a slash": with_container(
        AdditionalModelDataSources=[{"ChannelName": "c", "S3DataSource": data_source(S3Uri="s3://b/m")}]
    ),
    "odd metric frequency": with_container(
        ContainerMetricsConfig={
            "MetricsEndpoints": [{"MetricsEndpointPath": "/m", "MetricPublishFrequencyInSeconds": 11}]
        }
    ),
    "a tag key twice": with_container() | {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
    "a tag of AWS's own": with_container() | {"Tags": [{"Key": "aws:a", "Value": "1"}]},
    "a tag of AWS's own, in capitals": with_container() | {"Tags": [{"Key": "AWS:a", "Value": "1"}]},
}

WRONG_TYPES: dict[str, tuple[str, object]] = {
    "number for a string": ("DescribeModel", {"ModelName": 1}),
    "string for a boolean": ("CreateModel", with_container() | {"EnableNetworkIsolation": "true"}),
    "string for a number": ("ListModels", {"MaxResults": "1"}),
    "boolean for a number": ("ListModels", {"MaxResults": True}),
    "list for a structure": ("CreateModel", {"ModelName": "m", "PrimaryContainer": []}),
    "structure for a list": ("CreateModel", {"ModelName": "m", "Containers": {}}),
    "null in a list": ("CreateModel", {"ModelName": "m", "Containers": [None]}),
    "half a character": ("CreateModel", with_container(Environment={"A": "\ud800"})),
    "number in a map": ("CreateModel", with_container(Environment={"A": 1})),
    "word for a time": ("ListModels", {"CreationTimeAfter": "yesterday"}),
    "not an object": ("DescribeModel", ["m"]),
    "not JSON": ("DescribeModel", b"{"),
    "not UTF-8": ("DescribeModel", b'{"ModelName": "\xff"}'),
}


@pytest.mark.parametrize(("operation", "request_", "message"), (SHAPES | RECORDED).values(), ids=SHAPES | RECORDED)
def test_a_refusal_has_the_message_of_the_service(
    client: Any, post: Callable[..., Any], operation: str, request_: Request, message: str
) -> None:
    assert post(operation, request_) == (400, {"__type": "ValidationException", "message": message})
    assert client.list_models()["Models"] == []


@pytest.mark.parametrize("request_", RULES.values(), ids=RULES)
def test_a_documented_rule_is_enforced(client: Any, post: Callable[..., Any], request_: Request) -> None:
    status, answer = post("CreateModel", request_)

    assert (status, answer["__type"]) == (400, "ValidationException")
    assert answer["message"]
    assert client.list_models()["Models"] == []


@pytest.mark.parametrize(("operation", "request_"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_request_that_cannot_be_parsed_is_refused(
    client: Any, post: Callable[..., Any], operation: str, request_: object
) -> None:
    assert post(operation, request_) == (400, {"__type": "SerializationException", "message": ""})
    assert client.list_models()["Models"] == []


def test_an_existing_name_is_refused_and_its_model_is_unchanged(client: Any, create: Callable[..., str]) -> None:
    arn = create("model", Tags=[{"Key": "a", "Value": "1"}])
    before = client.describe_model(ModelName="model")["CreationTime"]

    with pytest.raises(client.exceptions.ClientError) as refused:
        create("model", EnableNetworkIsolation=True, Tags=[{"Key": "a", "Value": "2"}])

    assert refused.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f'Cannot create already existing model "{arn}".',
    }
    after = client.describe_model(ModelName="model")
    assert (after["CreationTime"], after["EnableNetworkIsolation"]) == (before, False)
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]


ACCEPTED: dict[str, Request] = {
    "no role": with_container(),
    "a list of one container": with_pipeline({}),
    "host names on all": with_pipeline({"ContainerHostname": "a"}, {"ContainerHostname": "b"}),
    "one multi-model container in a pipeline": with_pipeline({"Mode": "MultiModel"}, {}),
    "as much environment as fits": with_container(Environment=dict(list(KILOBYTES.items())[:32])),
    "an inference specification without a package": with_container(InferenceSpecificationName="spec"),
    "an end-user licence declined": with_container(
        ModelDataSource={"S3DataSource": data_source(ModelAccessConfig={"AcceptEula": False})}
    ),
    "data given twice, as a read answers it": with_container(
        ModelDataUrl="s3://b/m.tar.gz",
        ModelDataSource={
            "S3DataSource": data_source(S3Uri="s3://b/m.tar.gz", S3DataType="S3Object", CompressionType="Gzip")
        },
    ),
    "an image by its digest": with_container(Image=f"{ECR}team/image@sha256:{'0' * 64}"),
    "fifty tags of odd letters": with_container()
    | {"Tags": [{"Key": f"größe {i}/@", "Value": ""} for i in range(50)]},
}


@pytest.mark.parametrize("request_", ACCEPTED.values(), ids=ACCEPTED)
def test_a_request_that_the_service_accepts_is_accepted(
    client: Any, post: Callable[..., Any], request_: Request
) -> None:
    status, answer = post("CreateModel", request_)

    assert (status, answer) == (200, {"ModelArn": ARN + "m"})
    assert client.describe_model(ModelName="m")["ModelArn"] == ARN + "m"
