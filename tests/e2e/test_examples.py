"""Every template in examples/ lints clean and deploys; SageMaker then holds what the template is an example of."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

import programs
from cfnbox.aws import clients
from tests.e2e.conftest import ROOT, Stack, started_cloud
from waiting import eventually

if TYPE_CHECKING:
    from cfnbox.cloud import Cloud

EXAMPLES = ROOT / "examples"

KEY = "arn:aws:kms:us-east-1:123456789012:key/1a2b3c4d"
OWN_ROLE = "arn:aws:iam::123456789012:role/service-role/pipelines"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:registry"
HUB = "arn:aws:sagemaker:us-east-1:123456789012:hub-content/approved/ModelReference/llama/1.0.0"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/ranking/13"
ABSENT = object()


@dataclass(frozen=True)
class Case:
    """An example with parameters, and what DescribeModel shows of its one model, by path."""

    example: str
    parameters: dict[str, str] = field(default_factory=dict)
    shows: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join((self.example, *self.parameters))


CACHE = "PrimaryContainer/MultiModelConfig/ModelCacheSetting"
MODEL_SOURCE = "PrimaryContainer/ModelDataSource/S3DataSource"
METRICS = "Containers/0/ContainerMetricsConfig"
CASES = (
    Case("xgboost", shows={
        "EnableNetworkIsolation": True,
        "PrimaryContainer/Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.5-1",
    }),
    Case("endpoint", shows={"PrimaryContainer/Environment/SAGEMAKER_REGION": "us-east-1"}),
    Case("endpoint-autoscaling", {"MaxInstances": "4"}),
    Case("endpoint-serverless", {"MemorySizeInMB": "1024"}),
    Case("endpoint-async"),
    Case("inference-pipeline", shows={
        "InferenceExecutionConfig/Mode": "Serial",
        "Containers/0/ContainerHostname": "features",
        "Containers/1/ContainerHostname": "classifier",
        "Containers/2/ContainerHostname": "labels",
    }),
    Case("inference-pipeline", {"ExecutionRoleArn": OWN_ROLE}, {"ExecutionRoleArn": OWN_ROLE}),
    Case("multi-container-direct", shows={"InferenceExecutionConfig/Mode": "Direct", METRICS: ABSENT}),
    Case("multi-container-direct", {"PublishContainerMetrics": "true"}, {
        METRICS: {"MetricsEndpoints": [{"MetricsEndpointPath": "/metrics", "MetricPublishFrequencyInSeconds": 60}]},
    }),
    Case("multi-model", shows={
        "PrimaryContainer/Mode": "MultiModel",
        CACHE: "Disabled",
        "PrimaryContainer/ModelDataUrl": "s3://sagemaker-models-123456789012/tenants/",
    }),
    Case("multi-model", {"CacheModels": "Enabled"}, {CACHE: "Enabled"}),
    Case("private-registry-vpc", shows={"PrimaryContainer/ImageConfig": {"RepositoryAccessMode": "Vpc"}}),
    Case("private-registry-vpc", {"CredentialsFunctionArn": FUNCTION}, {
        "PrimaryContainer/ImageConfig/RepositoryAuthConfig/RepositoryCredentialsProviderArn": FUNCTION,
    }),
    Case("gated-llm", {"AcceptEula": "true"}, {
        f"{MODEL_SOURCE}/CompressionType": "None",
        f"{MODEL_SOURCE}/ModelAccessConfig/AcceptEula": True,
        f"{MODEL_SOURCE}/HubAccessConfig": ABSENT,
        "PrimaryContainer/AdditionalModelDataSources/0/ChannelName": "support",
        "PrimaryContainer/AdditionalModelDataSources/1/ChannelName": "legal",
    }),
    Case("gated-llm", {"AcceptEula": "true", "HubContentArn": HUB}, {
        f"{MODEL_SOURCE}/HubAccessConfig/HubContentArn": HUB,
    }),
    Case("model-package", {"PackageVersion": "13"}, {
        "PrimaryContainer/ModelPackageName": PACKAGE,
        "PrimaryContainer/InferenceSpecificationName": ABSENT,
    }),
    Case("model-package", {"InferenceSpecification": "gpu"}, {"PrimaryContainer/InferenceSpecificationName": "gpu"}),
)  # fmt: skip


# Examples of more than one model and its endpoint.
SYSTEMS = (
    "batch-transform", "deployment-pipeline", "endpoint-async", "endpoint-autoscaling", "inference-components",
    "model-registry", "vpc-endpoints",
)  # fmt: skip
NEW_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.9-1"
# What CloudFormation leaves: a bucket that its template keeps, a key until its time is over, jobs that have ended.
NOT_READ = ("ResourceNotFoundException", "UnsupportedActionException")
KEPT = ("AWS::S3::Bucket", "AWS::KMS::Key", "Custom::TransformJob")


def _body(example: str) -> str:
    return (EXAMPLES / f"{example}.yaml").read_text()


def _parameters(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def _models(sagemaker: Any, stack: Stack) -> list[Any]:
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=stack.name)
    return [sagemaker.describe_model(ModelName=one["ModelName"]) for page in pages for one in page["Models"]]


def _at(described: Any, path: str) -> Any:
    for part in path.split("/"):
        try:
            described = described[int(part) if part.isdigit() else part]
        except (KeyError, IndexError):
            return ABSENT
    return described


@pytest.fixture(scope="module")
def network(cloud: Cloud) -> dict[str, str]:
    """What private-registry-vpc.yaml wants to find in the account."""
    ec2 = clients.client("ec2", cloud.url)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    return {"VpcId": vpc, "SubnetIds": ",".join(subnets)}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_example_deploys_and_leaves_nothing(
    case: Case, stack: Stack, sagemaker: Any, network: dict[str, str]
) -> None:
    given = case.parameters | (network if case.example == "private-registry-vpc" else {})

    made = stack.create(_body(case.example), Parameters=_parameters(given))

    assert made["StackStatus"] == "CREATE_COMPLETE", stack.events()
    (described,) = _models(sagemaker, stack)
    assert {path: _at(described, path) for path in case.shows} == case.shows
    outputs = stack.outputs()
    assert (outputs["ModelArn"], outputs["ModelName"]) == (described["ModelArn"], described["ModelName"])
    if "VpcId" in given:
        assert described["VpcConfig"]["Subnets"] == given["SubnetIds"].split(",")
        assert described["VpcConfig"]["SecurityGroupIds"] == [outputs["SecurityGroupId"]]
    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
    assert _models(sagemaker, stack) == []


@pytest.mark.parametrize("example", SYSTEMS)
def test_a_new_image_replaces_every_model_of_a_system_which_leaves_nothing(example: str, cloud: Cloud) -> None:
    path, control = EXAMPLES / f"{example}.yaml", cloud.client("cloudcontrol")
    sagemaker = cloud.client("sagemaker")
    stack = cloud.deploy(path, stack_name=f"system-{example}")
    first = stack.resources
    assert stack.drift() == {}
    stack.update(path, parameters={"Image": NEW_IMAGE})
    second = stack.resources
    assert stack.drift() == {}
    models = [name for name, resource in first.items() if resource.type == "AWS::SageMaker::Model"]
    assert models
    described = [sagemaker.describe_model(ModelName=second[name].physical_id.rpartition("/")[2]) for name in models]
    if example != "model-registry":
        assert [model["PrimaryContainer"]["Image"] for model in described] == [NEW_IMAGE] * len(models)
    stack.delete()
    assert stack.status == "DELETE_COMPLETE"
    for resource in {*first.values(), *second.values()}:
        # A scaling policy has a second identifier, and goes with its target.
        if resource.type in (*KEPT, "AWS::ApplicationAutoScaling::ScalingPolicy"):
            continue
        with pytest.raises(ClientError) as caught:
            control.get_resource(TypeName=resource.type, Identifier=resource.physical_id)
        assert caught.value.response["Error"]["Code"] in NOT_READ, resource


def test_the_state_machine_of_the_pipeline_moves_the_endpoint(cloud: Cloud) -> None:
    stack = cloud.deploy(EXAMPLES / "deployment-pipeline.yaml", stack_name="pipeline-of-a-test")
    sagemaker, endpoint = cloud.client("sagemaker"), stack.outputs["EndpointName"]
    version = {"Version": "8", "Image": NEW_IMAGE, "ModelDataUrl": "s3://models/churn/8/model.tar.gz"}
    cloud.client("stepfunctions").start_execution(
        stateMachineArn=stack.outputs["PipelineArn"], input=json.dumps(version)
    )

    def deployed() -> bool:
        described = sagemaker.describe_endpoint(EndpointName=endpoint)
        return bool(described["EndpointStatus"] == "InService" and described["EndpointConfigName"] == f"{endpoint}-8")

    eventually(deployed)
    (variant,) = sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
    assert [image["SpecifiedImage"] for image in variant["DeployedImages"]] == [NEW_IMAGE]


@pytest.mark.parametrize(("key", "allowed"), [("", []), (KEY, [KEY])], ids=["unencrypted", "encrypted"])
def test_the_role_may_use_a_key_only_where_there_is_one(
    key: str, allowed: list[str], stack: Stack, cloud: Cloud
) -> None:
    stack.create(_body("xgboost"), Parameters=_parameters({"KmsKeyArn": key}))

    role = stack.outputs()["ExecutionRoleArn"].rpartition("/")[2]
    policy = clients.client("iam", cloud.url).get_role_policy(RoleName=role, PolicyName="model")["PolicyDocument"]
    assert [one["Resource"] for one in policy["Statement"] if one["Action"] == "kms:Decrypt"] == allowed
    assert all("*" not in one["Action"] for one in policy["Statement"])


def test_every_example_is_deployed_here_and_told_of_in_its_readme() -> None:
    files = {path.stem for path in EXAMPLES.glob("*.yaml")}

    assert files == {case.example for case in CASES} | {"fifty-models", *SYSTEMS}
    assert files == set(re.findall(r"\| \[`([\w-]+)\.yaml`\]\(\1\.yaml\)", (EXAMPLES / "README.md").read_text()))


def test_the_examples_deploy_under_a_name_of_ones_own() -> None:
    own, parameters = "Acme::SageMaker::Model", {case.example: case.parameters for case in CASES}
    with started_cloud("--type-name", own) as (url, _):
        for example in sorted(set(parameters) - {"private-registry-vpc"}):
            stack = Stack(url, example)
            body = _body(example).replace("Type: AWS::SageMaker::Model\n", f"Type: {own}\n")

            made = stack.create(body, Parameters=_parameters(parameters[example]))

            assert made["StackStatus"] == "CREATE_COMPLETE", stack.events()
            resources = stack.cloudformation.describe_stack_resources(StackName=example)["StackResources"]
            assert own in {one["ResourceType"] for one in resources}
            # A type outside AWS's namespace has its read-only properties as attributes, and no others.
            assert stack.outputs()["ModelArn"].endswith(f":model/{stack.outputs()['ModelName']}")


def test_fifty_models_come_and_one_more_for_a_longer_list(stack: Stack, sagemaker: Any) -> None:
    options = {"Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]}
    assert stack.create(_body("fifty-models"), **options)["StackStatus"] == "CREATE_COMPLETE"
    first = {one["ModelArn"] for one in _models(sagemaker, stack)}
    names = stack.outputs()
    stores = ",".join(name.removeprefix("Name") for name in sorted(names))

    updated = stack.update(_body("fifty-models"), Parameters=_parameters({"Stores": f"{stores},Store51"}), **options)

    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert len(first) == len(names) == 50
    added = [one for one in _models(sagemaker, stack) if one["ModelArn"] not in first]
    assert [one["ModelName"] for one in added] == [stack.outputs()["NameStore51"]]
    assert added[0]["PrimaryContainer"]["ModelDataUrl"].endswith("/Store51.tar.gz")
    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
    assert _models(sagemaker, stack) == []


@pytest.mark.parametrize("example", [case.example for case in CASES if case.example.startswith("endpoint")])
def test_a_new_image_reaches_the_endpoint_and_the_old_model_goes(example: str, stack: Stack, sagemaker: Any) -> None:
    body, image = _body(example), "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.9-1"
    assert stack.create(body)["StackStatus"] == "CREATE_COMPLETE", stack.events()
    before = stack.outputs()
    former = sagemaker.describe_endpoint(EndpointName=before["EndpointName"])["EndpointConfigName"]

    assert stack.update(body, Parameters=_parameters({"Image": image}))["StackStatus"] == "UPDATE_COMPLETE"

    after = stack.outputs()
    assert (after["EndpointName"], after["ModelName"] != before["ModelName"]) == (before["EndpointName"], True)
    (model,) = _models(sagemaker, stack)
    assert (model["ModelName"], model["PrimaryContainer"]["Image"]) == (after["ModelName"], image)
    endpoint = sagemaker.describe_endpoint(EndpointName=after["EndpointName"])
    (deployed,) = endpoint["ProductionVariants"][0]["DeployedImages"]
    assert (endpoint["EndpointStatus"], deployed["SpecifiedImage"]) == ("InService", image)
    configs = [one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
    assert endpoint["EndpointConfigName"] in configs
    assert former not in configs


def test_a_gated_model_needs_the_licence_accepted(stack: Stack, sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="Read its licence, then deploy with AcceptEula=true"):
        stack.create(_body("gated-llm"))

    assert _models(sagemaker, stack) == []


def test_examples_lint_clean() -> None:
    templates = [str(path.relative_to(ROOT)) for path in sorted(EXAMPLES.glob("*.yaml"))]
    [command] = re.findall(r"`cfn-lint (.+)`", (EXAMPLES / "README.md").read_text())
    arguments = command.replace("examples/*.yaml", " ".join(templates)).split()

    run = subprocess.run(
        [programs.program("cfn-lint"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
