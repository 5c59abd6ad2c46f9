"""Invalid models: refused in a single answer with a JSON pointer for each violation, and not created."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.type_definition import TypeDefinition
from tests.conftest import ARTIFACTS, IMAGE, MODEL, ROLE, SCHEMA, Invoke

if TYPE_CHECKING:
    from collections.abc import Callable

CONTAINER = MODEL["PrimaryContainer"]
SECRET = "hunter2-hunter2"
DEFINITION = TypeDefinition.load(SCHEMA)
# The pattern of a value that may be any text: nothing can break it.
ANY_TEXT = r"^[\S\s]*$"


def primary(**members: Any) -> Any:
    return {**MODEL, "PrimaryContainer": {**CONTAINER, **members}}


def source(**members: Any) -> Any:
    return {
        "S3DataSource": {
            "S3Uri": "s3://bucket/model/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
            **members,
        }
    }


def pipeline(*containers: Any, **model: Any) -> Any:
    return {
        "ExecutionRoleArn": ROLE,
        "Containers": [{"Image": IMAGE, **container} for container in containers],
        **model,
    }


def tags(*pairs: Any) -> Any:
    return {**MODEL, "Tags": [{"Key": key, "Value": value} for key, value in pairs]}


# A model, and the pointers of all that is wrong with it.
REFUSED = {
    "nothing": ({}, ["/properties"]),
    "no container": ({"ExecutionRoleArn": ROLE}, ["/properties"]),
    "an empty container": ({"PrimaryContainer": {}}, ["/properties"]),
    "no containers": ({"Containers": []}, ["/properties"]),
    "an empty container in a list": ({"Containers": [{"Image": IMAGE}, {}]}, ["/properties/Containers/1"]),
    "both kinds of container": ({**MODEL, "Containers": [CONTAINER]}, ["/properties"]),
    "unknown property": ({**MODEL, "Retired": SECRET}, ["/properties/Retired"]),
    "unknown property, nested": (primary(Retired=SECRET), ["/properties/PrimaryContainer/Retired"]),
    "unknown property that looks like a value": ({**MODEL, "pa$$word here": 1}, ["/properties/*"]),
    "text for an object": ({"PrimaryContainer": SECRET}, ["/properties/PrimaryContainer"]),
    "object for text": (primary(Image={"a": SECRET}), ["/properties/PrimaryContainer/Image"]),
    "list for an object": (primary(Environment=[SECRET]), ["/properties/PrimaryContainer/Environment"]),
    "text for a list": ({**MODEL, "Tags": SECRET}, ["/properties/Tags"]),
    "text for a boolean": ({**MODEL, "EnableNetworkIsolation": SECRET}, ["/properties/EnableNetworkIsolation"]),
    "null": ({**MODEL, "VpcConfig": None}, ["/properties/VpcConfig"]),
    "null in a map": (primary(Environment={"A": None}), ["/properties/PrimaryContainer/Environment/A"]),
    "null in a list": ({**MODEL, "Tags": [None]}, ["/properties/Tags/0"]),
    "nested object for text in a map": (
        primary(Environment={"A": {"B": SECRET}}),
        ["/properties/PrimaryContainer/Environment/A"],
    ),
    "empty object that must have members": (
        {**MODEL, "VpcConfig": {}},
        ["/properties/VpcConfig", "/properties/VpcConfig"],
    ),
    "empty list that must have entries": (
        {**MODEL, "VpcConfig": {"Subnets": [], "SecurityGroupIds": ["sg-1"]}},
        ["/properties/VpcConfig/Subnets"],
    ),
    "name of 300 characters": ({**MODEL, "ModelName": "n" * 300}, ["/properties/ModelName"]),
    "name with a trailing hyphen": ({**MODEL, "ModelName": "scorer-"}, ["/properties/ModelName"]),
    "name with a trailing newline": ({**MODEL, "ModelName": "scorer\n"}, ["/properties/ModelName"]),
    "role that is none": (
        {**MODEL, "ExecutionRoleArn": "arn:aws:s3:::a-bucket-with-a-long-name"},
        ["/properties/ExecutionRoleArn"],
    ),
    "enum": (primary(Mode="Many"), ["/properties/PrimaryContainer/Mode"]),
    "101 environment entries": (
        primary(Environment={f"K{number}": "v" for number in range(101)}),
        ["/properties/PrimaryContainer/Environment"],
    ),
    "environment key": (primary(Environment={"1ST": "v"}), ["/properties/PrimaryContainer/Environment/1ST"]),
    "33 KB of environment": (
        primary(Environment={f"K{number:02}": "v" * 1021 for number in range(33)}),
        ["/properties/PrimaryContainer/Environment"],
    ),
    "33 KB of environment over two containers": (
        pipeline(*({"Environment": {f"K{number:02}": "v" * 1021 for number in range(17)}} for _ in range(2))),
        ["/properties/Containers"],
    ),
    "16 containers": (pipeline(*[{}] * 16), ["/properties/Containers"]),
    "two multi-model containers": (
        pipeline({"Mode": "MultiModel"}, {"Mode": "MultiModel"}),
        ["/properties/Containers/1/Mode"],
    ),
    "hostname on some containers": (
        pipeline({"ContainerHostname": "a"}, {}),
        ["/properties/Containers/1/ContainerHostname"],
    ),
    "hostname twice": (
        pipeline({"ContainerHostname": "a"}, {"ContainerHostname": "a"}),
        ["/properties/Containers/0/ContainerHostname", "/properties/Containers/1/ContainerHostname"],
    ),
    "Direct without hostnames": (
        pipeline({}, {}, InferenceExecutionConfig={"Mode": "Direct"}),
        ["/properties/Containers/0/ContainerHostname", "/properties/Containers/1/ContainerHostname"],
    ),
    "prefix without a slash": (
        primary(ModelDataSource=source(S3Uri="s3://bucket/model")),
        ["/properties/PrimaryContainer/ModelDataSource/S3DataSource/S3Uri"],
    ),
    "compressed prefix": (
        primary(AdditionalModelDataSources=[{"ChannelName": "a", **source(CompressionType="Gzip")}]),
        ["/properties/PrimaryContainer/AdditionalModelDataSources/0/S3DataSource/CompressionType"],
    ),
    "multi-model with a data source": (
        primary(Mode="MultiModel", ModelDataSource=source()),
        ["/properties/PrimaryContainer/ModelDataSource"],
    ),
    "private registry without VPC": (
        primary(ImageConfig={"RepositoryAccessMode": "Vpc"}),
        ["/properties/PrimaryContainer/ImageConfig/RepositoryAccessMode"],
    ),
    "credentials for Amazon ECR": (
        primary(
            ImageConfig={
                "RepositoryAccessMode": "Platform",
                "RepositoryAuthConfig": {"RepositoryCredentialsProviderArn": "arn:aws:lambda:::function:f"},
            }
        ),
        ["/properties/PrimaryContainer/ImageConfig/RepositoryAuthConfig"],
    ),
    "package and artifacts": (
        primary(ModelPackageName="package/1"),
        ["/properties/PrimaryContainer/Image", "/properties/PrimaryContainer/ModelDataUrl"],
    ),
    "tag of AWS": (tags(("aws:mine", "x")), ["/properties/Tags/0/Key"]),
    "tag of AWS in capitals": (tags(("AWS:mine", "x")), ["/properties/Tags/0/Key"]),
    "tag twice": (tags(("a", "1"), ("a", "2")), ["/properties/Tags/0/Key", "/properties/Tags/1/Key"]),
    "tag with an illegal character": (tags(("a", "100%")), ["/properties/Tags/0/Value"]),
    "51 tags": (tags(*((f"k{number}", "v") for number in range(51))), ["/properties/Tags"]),
    "metrics at an odd frequency": (
        primary(
            ContainerMetricsConfig={
                "MetricsEndpoints": [{"MetricsEndpointPath": "/metrics", "MetricPublishFrequencyInSeconds": 7}]
            }
        ),
        ["/properties/PrimaryContainer/ContainerMetricsConfig/MetricsEndpoints/0/MetricPublishFrequencyInSeconds"],
    ),
    "many things at once": (
        {**tags(("aws:a", "")), **primary(Mode="Many"), "ModelName": "-", "EnableNetworkIsolation": SECRET},
        [],
    ),
}


@pytest.mark.parametrize(("model", "pointers"), REFUSED.values(), ids=REFUSED.keys())
def test_an_invalid_model_is_refused_with_a_pointer_to_each_violation(
    invoke: Invoke, operations: Callable[[], list[str]], model: Any, pointers: Any
) -> None:
    answer = invoke("CREATE", model)
    assert (answer["status"], answer["errorCode"]) == ("FAILED", "InvalidRequest")
    told = [violation.split(" ", 1)[0] for violation in answer["message"].split("; ") if violation.startswith("/")]
    if pointers:
        assert told == pointers
    assert SECRET not in json.dumps(answer)
    assert operations() == []


def test_all_violations_are_reported_together(invoke: Invoke) -> None:
    message = invoke("CREATE", REFUSED["many things at once"][0])["message"]
    for pointer in ("ModelName", "EnableNetworkIsolation", "Tags/0/Key", "PrimaryContainer/Mode"):
        assert f"/properties/{pointer} " in message


# A model, and the message that refuses it: sentences that can be read aloud, without a regular expression.
TOLD = {
    "an image with spaces": (
        primary(Image="my image"),
        "/properties/PrimaryContainer/Image must be an image without spaces, such as "
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1",
    ),
    "a name with an underscore": (
        {**MODEL, "ModelName": "fraud_scorer"},
        "/properties/ModelName must be letters, digits and hyphens, with no hyphen at either end, such as "
        "fraud-scorer",
    ),
    "a role by its name": (
        {**MODEL, "ExecutionRoleArn": "a-role-with-a-long-name"},
        "/properties/ExecutionRoleArn must be the ARN of an IAM role, such as "
        "arn:aws:iam::123456789012:role/sagemaker-execution",
    ),
    "a path for a URL": (
        primary(ModelDataUrl="/opt/ml/model.tar.gz"),
        "/properties/PrimaryContainer/ModelDataUrl must be a URL that begins with s3:// or https://, such as "
        "s3://my-bucket/model.tar.gz",
    ),
    "two lines": (
        primary(
            ModelDataSource=source(HubAccessConfig={"HubContentArn": "arn:aws:sagemaker\n"}),
        ),
        "/properties/PrimaryContainer/ModelDataSource/S3DataSource/HubAccessConfig/HubContentArn must be the ARN of "
        "a hub content on one line, such as arn:aws:sagemaker:",
    ),
    "a variable with a hyphen": (
        primary(Environment={"MY-KEY": SECRET}),
        "/properties/PrimaryContainer/Environment/* cannot be a name in Environment: it must be at most 1024 "
        "letters, digits and underscores, not beginning with a digit, such as LOG_LEVEL",
    ),
    "a property in other letters": (
        {**MODEL, "vpcConfig": {}},
        "/properties/vpcConfig is not a property of this type: did you mean VpcConfig?",
    ),
    "a property with letters exchanged": (
        {**MODEL, "VpcCofnig": {}},
        "/properties/VpcCofnig is not a property of this type: did you mean VpcConfig?",
    ),
    "a property of a container": (
        primary(Enviroment={"A": "1"}),
        "/properties/PrimaryContainer/Enviroment is not a property of PrimaryContainer: did you mean Environment?",
    ),
    "a property deep inside": (
        {**MODEL, "Containers": [], "PrimaryContainer": {**CONTAINER, "ModelDataSource": source(S3URI="s3://b/")}},
        "/properties/PrimaryContainer/ModelDataSource/S3DataSource/S3URI is not a property of S3DataSource: did you "
        "mean S3Uri?",
    ),
    "a property in a list": (
        {**pipeline({"Imag": IMAGE})},
        "/properties/Containers/0/Imag is not a property of Containers: did you mean Image?",
    ),
    "a property of a tag": (
        {**MODEL, "Tags": [{"Key": "a", "Value": "b", "value": "c"}]},
        "/properties/Tags/0/value is not a property of Tags: did you mean Value?",
    ),
    "an empty text and an empty list": (
        {**MODEL, "Tags": [{"Key": "", "Value": "b"}], "VpcConfig": {"Subnets": [], "SecurityGroupIds": ["sg-1"]}},
        "/properties/Tags/0/Key must have at least 1 character; /properties/VpcConfig/Subnets must have at least "
        "1 entry",
    ),
    "a property like no other": (
        {**MODEL, "Zzzz": 1},
        "/properties/Zzzz is not a property of this type: correct its name or leave it out",
    ),
}


@pytest.mark.parametrize(("model", "told"), TOLD.values(), ids=TOLD)
def test_violation_messages(invoke: Invoke, model: Any, told: Any) -> None:
    message = invoke("CREATE", model)["message"]
    assert told in message
    # What only a regular expression is made of.
    assert not {"^", "$", "\\", "[", "|", "(?"} & set(message)


# What looks like a mistake and is none.
ACCEPTED = {
    "a list of one container": pipeline({}),
    "a list of one container with a hostname": pipeline({"ContainerHostname": "only"}),
    "an empty environment": primary(Environment={}),
    "empty objects without required members": primary(
        MultiModelConfig={}, ContainerMetricsConfig={}, ModelDataSource={}
    ),
    "no tags": {**MODEL, "Tags": []},
    "a data source equal to the URL": primary(
        ModelDataSource=source(S3Uri=ARTIFACTS, S3DataType="S3Object", CompressionType="Gzip")
    ),
    "a specification without a package": primary(InferenceSpecificationName="default"),
    "a licence not accepted": {
        "PrimaryContainer": {"Image": IMAGE, "ModelDataSource": source(ModelAccessConfig={"AcceptEula": False})}
    },
    "no role": {"PrimaryContainer": CONTAINER},
    "a package alone": {
        "PrimaryContainer": {"ModelPackageName": "arn:aws:sagemaker:us-east-1:123456789012:model-package/p/1"}
    },
    "100 environment entries": primary(Environment={f"K{number}": "v" for number in range(100)}),
    "letters of the world in tags": tags(("équipe", "リスク 2")),
    "a private registry": {
        **primary(ImageConfig={"RepositoryAccessMode": "Vpc"}, Image="registry.example.com/inference:1"),
        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    },
}


@pytest.mark.parametrize("model", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_valid_model_is_accepted(invoke: Invoke, model: Any) -> None:
    assert invoke("CREATE", model)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("stack_tags", "model_tags", "words"),
    [
        ({f"k{number}": "v" for number in range(51)}, 0, "at most 50 together"),
        ({f"k{number}": "v" for number in range(40)}, 40, None),
        ({f"k{number}": "v" for number in range(40)}, 50, None),
        ({f"s{number}": "v" for number in range(40)}, 11, "at most 50 together"),
        ({"100%": "v"}, 0, "letters, digits, spaces"),
        ({"100%": "v", "aws:ours": "v"}, 0, "letters, digits, spaces"),
        ({"aws:ours": "v"}, 50, None),
    ],
)
def test_stack_tags_count_towards_the_limit_of_tags(
    invoke: Invoke, stack_tags: Any, model_tags: Any, words: Any
) -> None:
    answer = invoke("CREATE", tags(*((f"k{number}", "v") for number in range(model_tags))), stack_tags=stack_tags)
    assert words in answer["message"] if words else answer["status"] == "SUCCESS"
