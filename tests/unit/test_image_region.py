"""An image in Amazon ECR of another region is refused before CreateModel, and no other image is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ARTIFACTS, IMAGE, MODEL, ROLE, Invoke

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.type_definition import TypeDefinition

VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
# Host name and region: "Amazon ECR endpoints" of the AWS General Reference, and the partitions of botocore.
HOSTS = [
    ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
    ("123456789012.dkr.ecr-fips.us-west-2.amazonaws.com", "us-west-2"),
    ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
    ("123456789012.dkr-ecr-fips.us-west-2.on.aws", "us-west-2"),
    ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ("123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn", "cn-northwest-1"),
    ("123456789012.dkr.ecr.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
    ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
    ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
    ("123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
]


@pytest.mark.parametrize(("host", "region"), HOSTS)
@pytest.mark.parametrize("tag", [":1", "@sha256:" + "0" * 64, ""])
def test_an_image_of_another_region_is_refused_before_any_call(
    invoke: Invoke, operations: Callable[[], list[str]], host: str, region: str, tag: Any
) -> None:
    answer = invoke("CREATE", {**MODEL, "PrimaryContainer": {"Image": f"{host}/team/inference{tag}"}})
    assert (answer["status"], answer["errorCode"]) == ("FAILED", "InvalidRequest")
    assert answer["message"].startswith("/properties/PrimaryContainer/Image must be in us-east-1, the region of the ")
    assert host not in answer["message"]
    assert "resourceModel" not in answer
    assert operations() == []


@pytest.mark.parametrize(("host", "region"), HOSTS)
def test_an_image_of_the_region_of_the_stack_reaches_sagemaker(
    invoke: Invoke, operations: Callable[[], list[str]], host: str, region: str
) -> None:
    container = {"Image": f"{host}/docker-hub/library/inference:1"}
    invoke("CREATE", {**MODEL, "PrimaryContainer": container}, region=region)
    assert operations()[0] == "CreateModel"


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.com/123456789012.dkr.ecr.eu-west-1.amazonaws.com/inference:1",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.registry.example.com/inference:1",
        "dkr.ecr.eu-west-1.amazonaws.com/inference:1",
        "public.ecr.aws/team/inference:1",
        "000000000000.dkr.ecr.eu-west-1.localhost.localstack.cloud:4566/inference:1",
        "{{resolve:ssm:/images/inference}}",
        "inference",
    ],
)
def test_the_region_of_an_image_in_another_registry_is_not_checked(
    invoke: Invoke, operations: Callable[[], list[str]], image: Any
) -> None:
    invoke("CREATE", {**MODEL, "PrimaryContainer": {"Image": image}})
    assert operations()[0] == "CreateModel"


def test_the_region_of_a_registry_inside_a_vpc_is_not_checked(
    invoke: Invoke, operations: Callable[[], list[str]]
) -> None:
    image = {"Image": IMAGE.replace("us-east-1", "eu-west-1"), "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    invoke("CREATE", {"ExecutionRoleArn": ROLE, "PrimaryContainer": image, "VpcConfig": VPC})
    assert operations()[0] == "CreateModel"


def test_each_container_of_another_region_is_named(invoke: Invoke) -> None:
    images = [IMAGE, IMAGE.replace("us-east-1", "eu-west-1"), IMAGE.replace("us-east-1", "us-west-2")]
    message = invoke("CREATE", {"ExecutionRoleArn": ROLE, "Containers": [{"Image": image} for image in images]})[
        "message"
    ]
    assert [part.split()[0] for part in message.split("; ")] == [
        "/properties/Containers/1/Image",
        "/properties/Containers/2/Image",
    ]


def test_an_existing_model_with_an_image_of_another_region_can_be_updated_read_and_deleted(
    invoke: Invoke, client: Any
) -> None:
    image = IMAGE.replace("us-east-1", "eu-west-1")
    # As SageMaker may hold it: a model of a registry in a VPC, which the properties of the stack do not show.
    client.create_model(
        ModelName="old",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": image,
            "ModelDataUrl": ARTIFACTS,
            "ImageConfig": {"RepositoryAccessMode": "Vpc"},
        },
        VpcConfig=VPC,
    )
    arn = client.describe_model(ModelName="old")["ModelArn"]
    model = {"ModelArn": arn, "ExecutionRoleArn": ROLE, "Tags": [{"Key": "team", "Value": "risk"}]}
    model["PrimaryContainer"] = {"Image": image, "ModelDataUrl": ARTIFACTS}
    assert invoke("UPDATE", model, previous=model)["status"] == "SUCCESS"
    assert invoke("READ", model)["resourceModel"]["PrimaryContainer"]["Image"] == image
    assert invoke("DELETE", model)["status"] == "SUCCESS"


def test_both_kinds_of_containers_are_refused_with_a_message_of_the_type(
    invoke: Invoke, operations: Callable[[], list[str]]
) -> None:
    answer = invoke("CREATE", {**MODEL, "Containers": [{"Image": IMAGE}]})
    assert answer["message"] == "/properties has both PrimaryContainer and Containers: give exactly one of the two"
    assert operations() == []


def test_the_schema_accepts_both_kinds_of_containers(definition: TypeDefinition) -> None:
    # CloudFormation checks the schema before any handler, and its own sentence names neither of the two.
    assert {"oneOf", "anyOf", "allOf", "not", "dependencies"}.isdisjoint(definition.schema)
