"""The registration stack: permissions of its roles, compared with the needs of the type and with cfn submit."""

import ast
import importlib.resources
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cfnlint.decode import cfn_yaml
from moto import mock_aws

from cfnbox.aws import clients
from cfnbox.cloud import Cloud
from cloud_clients import SESSION
from tests.lint_rules.linting import lint

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "deploy" / "registration.yaml"
REGION, ACCOUNT = "eu-west-1", "123456789012"
# What makes roles and log group on this machine has no registry.
REGISTRY = ("TypeVersion", "DefaultVersion")
SCHEMA = json.loads((ROOT / "aws-sagemaker-model.json").read_bytes())

Json = dict[str, Any]


def load(path: Path) -> Json:
    """The template as JSON: short forms of functions are written out."""
    return json.loads(json.dumps(cfn_yaml.load(str(path))))  # type: ignore[no-any-return]


def without_registry() -> Json:
    template = load(TEMPLATE)
    template["Resources"] = {name: one for name, one in template["Resources"].items() if name not in REGISTRY}
    template["Outputs"].pop("TypeVersionArn")
    return template


def needed_by_handlers() -> set[str]:
    permissions = [one["permissions"] for one in SCHEMA["handlers"].values()]
    return {action for these in [*permissions, SCHEMA["tagging"]["permissions"]] for action in these}


def sagemaker_actions() -> list[str]:
    return sorted(action for action in needed_by_handlers() if action.startswith("sagemaker:"))


class Deployed:
    """The stack's roles and log group as IAM and CloudWatch Logs hold them."""

    def __init__(self, template: Json, parameters: dict[str, str]) -> None:
        self._given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        cloudformation = SESSION.client("cloudformation", REGION)
        cloudformation.create_stack(StackName="type", TemplateBody=json.dumps(template), Parameters=self._given)
        self._resources = {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in cloudformation.describe_stack_resources(StackName="type")["StackResources"]
        }
        self._iam = SESSION.client("iam")

    def trust(self, role: str) -> Json:
        document: Json = self._iam.get_role(RoleName=self._resources[role])["Role"]["AssumeRolePolicyDocument"]
        return document

    def statements(self, role: str) -> list[Json]:
        (policy,) = self._iam.list_role_policies(RoleName=self._resources[role])["PolicyNames"]
        document = self._iam.get_role_policy(RoleName=self._resources[role], PolicyName=policy)["PolicyDocument"]
        # moto gives back Python's text of a document that CloudFormation brought.
        parsed: Json = ast.literal_eval(document) if isinstance(document, str) else document
        return parsed["Statement"]  # type: ignore[no-any-return]

    def log_group(self) -> Json:
        (group,) = SESSION.client("logs", REGION).describe_log_groups()["logGroups"]
        return group  # type: ignore[no-any-return]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Deployed]]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    template = without_registry()
    version = load(TEMPLATE)["Resources"]["TypeVersion"]["Properties"]
    shown = {"Type": "String", "Name": "package", "Value": version["SchemaHandlerPackage"]}
    template["Resources"]["Package"] = {"Type": "AWS::SSM::Parameter", "Properties": shown}
    with mock_aws():
        yield lambda **parameters: Deployed(template, {"ModelRoleNames": "models/*", **parameters})


def test_the_execution_role_allows_exactly_the_permissions_of_the_handlers(deploy: Callable[..., Deployed]) -> None:
    allowed = {action for one in deploy().statements("ExecutionRole") for action in listed(one["Action"])}
    assert allowed == needed_by_handlers()
    generated = load(ROOT / "resource-role.yaml")["Resources"]["ExecutionRole"]["Properties"]["Policies"]
    statements = [one for policy in generated for one in policy["PolicyDocument"]["Statement"]]
    assert allowed == {action for one in statements for action in listed(one["Action"])}


def test_the_execution_role_allows_models_of_its_region_and_account_only(deploy: Callable[..., Deployed]) -> None:
    reached: dict[str, set[str]] = {}
    for one in deploy().statements("ExecutionRole"):
        for action in listed(one["Action"]):
            reached.setdefault(action, set()).add(one["Resource"])
    assert reached.pop("sagemaker:ListModels") == {"*"}
    del reached["iam:PassRole"]
    models = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/*"
    packages_of_anybody = f"arn:aws:sagemaker:{REGION}:*:model-package/*"
    assert reached.pop("sagemaker:CreateModel") == {models, packages_of_anybody}
    assert reached == {action: {models} for action in reached}


def test_the_service_authorization_reference_knows_every_action_with_its_resource() -> None:
    # cfn-lint brings the reference: the actions of each service, and the kinds of resources that each one takes.
    reference = json.loads((importlib.resources.files("cfnlint") / "data/AdditionalSpecs/Policies.json").read_text())
    actions = reference["sagemaker"]["Actions"]
    kinds = {action: actions[action.partition(":")[2].lower()].get("Resources", []) for action in sagemaker_actions()}
    assert [action for action, kind in kinds.items() if "model" not in kind] == ["sagemaker:ListModels"]


def allowing(value: Any) -> Iterator[Json]:
    """Yield the statements of a template that allow something."""
    if isinstance(value, dict):
        if value.get("Effect") == "Allow":
            yield value
        value = list(value.values())
    for member in value if isinstance(value, list) else []:
        yield from allowing(member)


@pytest.mark.parametrize("path", [TEMPLATE, ROOT / "resource-role.yaml"], ids=lambda path: path.name)
def test_only_actions_without_resources_are_allowed_on_all_resources(path: Path) -> None:
    reference = json.loads((importlib.resources.files("cfnlint") / "data/AdditionalSpecs/Policies.json").read_text())
    on_everything = {
        action for one in allowing(load(path)) if one.get("Resource") == "*" for action in listed(one["Action"])
    }
    kinds = {
        action: reference[action.partition(":")[0]]["Actions"][action.partition(":")[2].lower()].get("Resources", [])
        for action in on_everything
    }
    # CloudWatch's only resource is a dataset, which the metrics of a type are not in.
    assert {action: kind for action, kind in kinds.items() if kind not in ([], ["dataset"])} == {}


def test_the_generated_role_allows_models_of_its_region_and_account_only() -> None:
    reached: dict[str, set[str]] = {}
    generated = load(ROOT / "resource-role.yaml")["Resources"]["ExecutionRole"]["Properties"]["Policies"]
    for one in allowing(generated):
        for action in listed(one["Action"]):
            resource = one["Resource"]
            reached.setdefault(action, set()).add(resource["Fn::Sub"] if isinstance(resource, dict) else resource)
    place = "arn:${AWS::Partition}:sagemaker:${AWS::Region}"
    models = f"{place}:${{AWS::AccountId}}:model/*"
    assert reached.pop("sagemaker:ListModels") == {"*"}
    assert reached.pop("iam:PassRole") == {"arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"}
    assert reached.pop("sagemaker:CreateModel") == {models, f"{place}:*:model-package/*"}
    assert reached == {action: {models} for action in reached}


def test_roles_are_passed_to_sagemaker_only(deploy: Callable[..., Deployed]) -> None:
    statements = deploy(ModelRoleNames="models/*").statements("ExecutionRole")
    (passing,) = (one for one in statements if "iam:PassRole" in listed(one["Action"]))
    assert passing["Resource"] == f"arn:aws:iam::{ACCOUNT}:role/models/*"
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_the_trust_policy_equals_that_of_the_generated_role(deploy: Callable[..., Deployed]) -> None:
    generated = load(ROOT / "resource-role.yaml")["Resources"]["ExecutionRole"]["Properties"]
    own_name = SCHEMA["typeName"].replace("::", "-")
    text = json.dumps(generated["AssumeRolePolicyDocument"]).replace(own_name, "Acme-SageMaker-Model")
    for name, value in (("AccountId", ACCOUNT), ("Region", REGION), ("Partition", "aws")):
        text = text.replace(f"${{AWS::{name}}}", value).replace(json.dumps({"Ref": f"AWS::{name}"}), f'"{value}"')
    expected = json.loads(text)
    source = expected["Statement"][0]["Condition"]["StringLike"]
    source["aws:SourceArn"] = source["aws:SourceArn"]["Fn::Sub"]
    assert deploy().trust("ExecutionRole") == expected
    duration = load(TEMPLATE)["Resources"]["ExecutionRole"]["Properties"]["MaxSessionDuration"]
    assert duration == generated["MaxSessionDuration"]


def test_roles_can_serve_every_region(deploy: Callable[..., Deployed]) -> None:
    deployed = deploy(RegionsOfRoles="all")
    everything = [deployed.trust("ExecutionRole"), *map(deployed.statements, ("ExecutionRole", "LoggingRole"))]
    assert REGION not in json.dumps(everything)
    source = f"arn:aws:cloudformation:*:{ACCOUNT}:type/resource/Acme-SageMaker-Model/*"
    assert source in json.dumps(everything)


def test_the_logging_role_has_the_permissions_of_that_of_cfn_submit_for_its_log_group(
    deploy: Callable[..., Deployed],
) -> None:
    made_by_cfn = importlib.resources.files("rpdk.core") / "data" / "managed-upload-infrastructure.yaml"
    role = load(Path(str(made_by_cfn)))["Resources"]["LogAndMetricsDeliveryRole"]["Properties"]
    expected = [action for one in role["Policies"][0]["PolicyDocument"]["Statement"] for action in one["Action"]]
    deployed = deploy(TypeName="Other::SageMaker::Model", LogRetentionDays="7")
    statements = deployed.statements("LoggingRole")
    assert sorted(action for one in statements for action in listed(one["Action"])) == sorted(expected)
    group = deployed.log_group()
    assert (group["logGroupName"], group["retentionInDays"]) == ("Other-SageMaker-Model-logs", 7)
    (writing,) = (one for one in statements if "logs:PutLogEvents" in one["Action"])
    name = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:Other-SageMaker-Model-logs"
    assert writing["Resource"] == [name, f"{name}:*"]


def test_metrics_go_to_the_namespace_that_the_handlers_publish_to(deploy: Callable[..., Deployed]) -> None:
    from cloudformation_cli_python_lib.metrics import MetricsPublisher

    statements = deploy().statements("LoggingRole")
    (publishing,) = (one for one in statements if "cloudwatch:PutMetricData" in listed(one["Action"]))
    namespace = MetricsPublisher._make_namespace("Acme::SageMaker::Model")
    assert publishing["Condition"] == {"StringEquals": {"cloudwatch:namespace": namespace}}


@pytest.mark.parametrize(
    ("for_each_region", "expected"),
    [("no", "s3://acme-types/model/1.0.0.zip"), ("yes", f"s3://acme-types-{REGION}/model/1.0.0.zip")],
)
def test_the_package_comes_from_the_bucket_of_the_region_if_it_exists(
    deploy: Callable[..., Deployed], for_each_region: str, expected: str
) -> None:
    deploy(PackageBucket="acme-types", PackageKey="model/1.0.0.zip", BucketForEachRegion=for_each_region)
    assert SESSION.client("ssm", REGION).get_parameter(Name="package")["Parameter"]["Value"] == expected


@pytest.fixture(scope="module")
def cloudformation() -> Iterator[Any]:
    """A CloudFormation that applies the rules of a template, which moto's does not."""
    with Cloud() as cloud:
        yield clients.client("cloudformation", cloud.url)


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def test_the_roles_that_can_be_passed_have_no_default(cloudformation: Any) -> None:
    request = {"TemplateBody": json.dumps(without_registry()), "Capabilities": ["CAPABILITY_IAM"]}
    with pytest.raises(ClientError, match=r"Parameters: \[ModelRoleNames\] must have values"):
        cloudformation.create_stack(StackName="type", **request)


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({}, False),
        ({"PackageBucket": "acme-types"}, False),
        ({"PackageKey": "model/1.0.0.zip", "PackageBucket": "acme-types"}, False),
        ({"PackageKey": "model/1.0.0.zip"}, True),
        ({"PackageKey": "model/1.0.0.zip", "BucketForEachRegion": "yes"}, True),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, dict) else "",
)
def test_a_package_without_its_bucket_is_refused_before_any_resource_is_created(
    cloudformation: Any, given: dict[str, str], refused: bool
) -> None:
    request = {
        "StackName": "type",
        "TemplateBody": json.dumps(without_registry()),
        "Parameters": parameters(ModelRoleNames="models/*", **given),
        "Capabilities": ["CAPABILITY_IAM"],
    }
    if refused:
        with pytest.raises(ClientError, match="PackageBucket no bucket that it could be in"):
            cloudformation.create_stack(**request)
    else:
        # Validated as by a create, and nothing is made.
        cloudformation.create_change_set(**request, ChangeSetName="given", ChangeSetType="CREATE")
        cloudformation.delete_stack(StackName="type")


def test_the_template_lints_clean() -> None:
    regions = ("us-east-1", "eu-central-1", "us-gov-west-1")
    assert lint(TEMPLATE, options=("--regions", *regions, "--include-checks", "I")) == []


def test_the_bucket_policy_allows_only_the_organisation_to_read() -> None:
    policy = json.loads((ROOT / "deploy" / "bucket-policy.json").read_bytes())
    (allowing,) = (one for one in policy["Statement"] if one["Effect"] == "Allow")
    assert allowing["Action"] == "s3:GetObject"
    assert list(allowing["Condition"]["StringEquals"]) == ["aws:PrincipalOrgID"]
