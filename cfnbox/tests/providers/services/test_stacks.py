"""Stacks of types that are made by their services' own APIs, as a user of boto3 sees them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import WaiterError

from cfnbox.cloud import Cloud
from providers.services.samples_iam import allow, inline, trust
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.core.paths import Json

ROLE: dict[str, Any] = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust("ec2")}}
Connect = Any


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as started:
        yield started


@pytest.fixture
def connect(cloud: Cloud) -> Callable[..., Any]:
    def _connect(service: str, region: str = "us-east-1") -> Any:
        make: Any = boto3.client
        return make(
            service, endpoint_url=cloud.url, region_name=region, aws_access_key_id="test",
            aws_secret_access_key="test", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    return _connect


class Stack:
    """A stack that waits for its operations."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self.name = client, name

    def create(self, template: Json, **members: Any) -> str:
        body = json.dumps(template)
        capabilities = ["CAPABILITY_NAMED_IAM"]
        self._client.create_stack(StackName=self.name, TemplateBody=body, Capabilities=capabilities, **members)
        return self._wait("stack_create_complete")

    def update(self, template: Json, **members: Any) -> str:
        body = json.dumps(template)
        capabilities = ["CAPABILITY_NAMED_IAM"]
        self._client.update_stack(StackName=self.name, TemplateBody=body, Capabilities=capabilities, **members)
        return self._wait("stack_update_complete")

    def delete(self, **members: Any) -> str:
        self.id = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self._client.delete_stack(StackName=self.name, **members)
        return self._wait("stack_delete_complete", self.id)

    def outputs(self) -> dict[str, str]:
        stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def physical_id(self, name: str) -> str:
        found = self._client.describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def events(self) -> list[Json]:
        events: list[Json] = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return events

    def drift(self) -> dict[str, str]:
        started = self._client.detect_stack_drift(StackName=self.name)["StackDriftDetectionId"]
        detection = {"StackDriftDetectionId": started}
        eventually(lambda: self._client.describe_stack_drift_detection_status(**detection)["DetectionStatus"]
                   != "DETECTION_IN_PROGRESS")  # fmt: skip
        drifts = self._client.describe_stack_resource_drifts(StackName=self.name)["StackResourceDrifts"]
        return {drift["LogicalResourceId"]: drift["StackResourceDriftStatus"] for drift in drifts}

    def _wait(self, waiter: str, name: str = "") -> str:
        with contextlib.suppress(WaiterError):
            self._client.get_waiter(waiter).wait(StackName=name or self.name, WaiterConfig={"Delay": 0.1})
        return str(self._client.describe_stacks(StackName=name or self.name)["Stacks"][0]["StackStatus"])


@pytest.fixture
def stack(connect: Connect, request: pytest.FixtureRequest) -> Stack:
    name = "".join(character for character in request.node.name if character.isalnum())[:40]
    return Stack(connect("cloudformation"), name)


def for_account(action: str, resource: Any = "*") -> Json:
    """Return a policy of a resource, for the account of the stack."""
    principal = {"AWS": {"Ref": "AWS::AccountId"}}
    return {"Version": "2012-10-17", "Statement": [{**allow(action)["Statement"][0], "Principal": principal,
                                                    "Resource": resource}]}  # fmt: skip


BUCKET = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, "Role": ROLE}}


def test_a_bucket_with_objects_fails_the_deletion_and_can_be_retained(stack: Stack, connect: Connect) -> None:
    assert stack.create(BUCKET) == "CREATE_COMPLETE"
    bucket, s3 = stack.physical_id("Bucket"), connect("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    assert stack.delete() == "DELETE_FAILED"
    failed = [event for event in stack.events() if event["ResourceStatus"] == "DELETE_FAILED"]
    reason = next(event["ResourceStatusReason"] for event in failed if event["LogicalResourceId"] == "Bucket")
    assert reason.startswith('Resource handler returned message: "The bucket you tried to delete is not empty (Ser')
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"mine"
    assert stack.delete(RetainResources=["Bucket"]) == "DELETE_COMPLETE"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"mine"


def test_force_delete_stack_keeps_a_bucket_with_objects(stack: Stack, connect: Connect) -> None:
    assert stack.create(BUCKET) == "CREATE_COMPLETE"
    bucket, s3 = stack.physical_id("Bucket"), connect("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    assert stack.delete() == "DELETE_FAILED"
    assert stack.delete(DeletionMode="FORCE_DELETE_STACK") == "DELETE_COMPLETE"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"mine"


def test_an_emptied_bucket_is_deleted_by_a_second_deletion(stack: Stack, connect: Connect) -> None:
    assert stack.create(BUCKET) == "CREATE_COMPLETE"
    bucket, s3 = stack.physical_id("Bucket"), connect("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    assert stack.delete() == "DELETE_FAILED"
    s3.delete_object(Bucket=bucket, Key="k")
    assert stack.delete() == "DELETE_COMPLETE"
    assert bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]


def test_an_update_of_stack_tags_updates_the_tags_of_resources(stack: Stack, connect: Connect) -> None:
    stack.create(BUCKET, Tags=[{"Key": "cost", "Value": "1"}, {"Key": "old", "Value": "x"}])
    bucket, role = stack.physical_id("Bucket"), stack.physical_id("Role")
    assert stack.update(BUCKET, Tags=[{"Key": "cost", "Value": "2"}]) == "UPDATE_COMPLETE"
    for tags in (
        connect("s3").get_bucket_tagging(Bucket=bucket)["TagSet"],
        connect("iam").list_role_tags(RoleName=role)["Tags"],
    ):
        found = {tag["Key"]: tag["Value"] for tag in tags}
        assert (found["cost"], found["aws:cloudformation:stack-name"]) == ("2", stack.name)
        assert "old" not in found


def test_a_refused_update_is_rolled_back(stack: Stack, connect: Connect) -> None:
    good = {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Enabled"}}}
    bad_rules = {"Rules": [{"Status": "Enabled", "ExpirationInDays": -1}]}
    bad = {"Type": "AWS::S3::Bucket", "Properties": {"LifecycleConfiguration": bad_rules}}
    stack.create({"Resources": {"Bucket": good}})
    assert stack.update({"Resources": {"Bucket": bad}}) == "UPDATE_ROLLBACK_COMPLETE"
    bucket = stack.physical_id("Bucket")
    assert connect("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    reasons = [event.get("ResourceStatusReason", "") for event in stack.events()]
    assert any("'Days' for Expiration action must be a positive integer" in reason for reason in reasons)


def test_policies_of_other_resources_are_not_drift_of_a_role(stack: Stack, connect: Connect) -> None:
    template = {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {**ROLE["Properties"], "Policies": [inline("a", "s3:*")]},
            },
            "Managed": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": allow("sqs:*"), "Roles": [{"Ref": "Role"}]},
            },
            "Policy": {
                "Type": "AWS::IAM::Policy",
                "Properties": {"PolicyName": "b", "PolicyDocument": allow("sqs:*"), "Roles": [{"Ref": "Role"}]},
            },
        }
    }
    assert stack.create(template) == "CREATE_COMPLETE"
    assert stack.drift() == {"Role": "IN_SYNC", "Policy": "IN_SYNC", "Managed": "IN_SYNC"}
    document = json.dumps(allow("ec2:*"))
    connect("iam").put_role_policy(RoleName=stack.physical_id("Role"), PolicyName="b", PolicyDocument=document)
    assert stack.drift() == {"Role": "IN_SYNC", "Policy": "MODIFIED", "Managed": "IN_SYNC"}
    connect("iam").put_role_policy(RoleName=stack.physical_id("Role"), PolicyName="c", PolicyDocument=document)
    assert stack.drift()["Role"] == "MODIFIED"
    connect("iam").delete_role_policy(RoleName=stack.physical_id("Role"), PolicyName="c")
    assert stack.delete() == "DELETE_COMPLETE"


def test_equivalent_forms_of_a_property_are_not_drift(stack: Stack) -> None:
    rule = {"Status": "Enabled", "ExpirationDate": "2031-01-01T00:00:00.000Z"}
    arn = {"Fn::Sub": "arn:aws:s3:::${Bucket}/*"}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"LifecycleConfiguration": {"Rules": [rule]}}},
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
        },
        "Managed": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": json.dumps(allow("s3:*"), indent=1)},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            # A number as a text, and policies in another order than IAM lists them.
            "Properties": {
                **ROLE["Properties"],
                "MaxSessionDuration": "7200",
                "Policies": [inline("z", "s3:*"), inline("a", "s3:*")],
            },
        },
        "Plain": {"Type": "AWS::S3::Bucket"},
        "Pair": {"Type": "AWS::KMS::Key", "Properties": {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}},
    }
    assert stack.create({"Resources": resources}) == "CREATE_COMPLETE"
    assert stack.drift() == dict.fromkeys(resources, "IN_SYNC")
    assert stack.delete() == "DELETE_COMPLETE"


def test_events_name_a_property_that_is_not_applied(stack: Stack) -> None:
    properties = {"InventoryConfigurations": [], "AbacStatus": "Enabled"}
    assert (
        stack.create({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": properties}}}) == "CREATE_COMPLETE"
    )
    began = [event for event in stack.events() if event["LogicalResourceId"] == "B"][-1]
    assert began["ResourceStatusReason"] == "not applied here: AbacStatus, InventoryConfigurations"


def test_ref_and_attributes_equal_those_of_aws(stack: Stack, connect: Connect) -> None:
    resources = {
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": {}}},
        "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}},
        "Role": ROLE,
        "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
        "User": {"Type": "AWS::IAM::User"},
        "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}}},
        "Master": {"Type": "AWS::KMS::Key"},
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Queue": {"Type": "AWS::SQS::Queue"},
    }
    outputs: Json = {name: {"Value": {"Ref": name}} for name in resources}
    attributes = (
        "Profile.Arn",
        "Topic.TopicName",
        "Queue.QueueName",
        "Queue.Arn",
        "Master.Arn",
        "Key.SecretAccessKey",
    )
    outputs |= {name.replace(".", ""): {"Value": {"Fn::GetAtt": name}} for name in attributes}
    assert stack.create({"Resources": resources, "Outputs": outputs}) == "CREATE_COMPLETE"
    made, account = stack.outputs(), "123456789012"
    assert made["Secret"].startswith(f"arn:aws:secretsmanager:us-east-1:{account}:secret:Secret-")
    assert made["Parameter"].startswith("CFN-Parameter-")
    assert made["Profile"].startswith(f"{stack.name}-Profile-")
    assert made["ProfileArn"] == f"arn:aws:iam::{account}:instance-profile/{made['Profile']}"
    assert len(made["Key"]) == 20
    assert made["Key"].isupper()
    assert made["Topic"] == f"arn:aws:sns:us-east-1:{account}:{made['TopicTopicName']}"
    assert made["QueueArn"] == f"arn:aws:sqs:us-east-1:{account}:{made['QueueQueueName']}"
    assert made["Queue"].endswith(f"/{account}/{made['QueueQueueName']}")
    # Recorded: SQS does not list CloudFormation's own tags.
    assert not connect("sqs").list_queue_tags(QueueUrl=made["Queue"]).get("Tags")
    assert made["MasterArn"] == f"arn:aws:kms:us-east-1:{account}:key/{made['Master']}"
    assert (
        connect("iam").list_access_keys(UserName=made["User"])["AccessKeyMetadata"][0]["AccessKeyId"] == made["Key"]
    )


def test_cloud_control_serves_the_same_types(connect: Connect) -> None:
    control, s3 = connect("cloudcontrol"), connect("s3")
    desired = json.dumps({"BucketName": "controlled", "VersioningConfiguration": {"Status": "Enabled"}})
    token = control.create_resource(TypeName="AWS::S3::Bucket", DesiredState=desired)["ProgressEvent"]["RequestToken"]
    control.get_waiter("resource_request_success").wait(RequestToken=token)
    patch = json.dumps([{"op": "add", "path": "/BucketEncryption", "value": {"ServerSideEncryptionConfiguration": [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/k"}}]}}])  # fmt: skip
    updated = control.update_resource(TypeName="AWS::S3::Bucket", Identifier="controlled", PatchDocument=patch)
    control.get_waiter("resource_request_success").wait(RequestToken=updated["ProgressEvent"]["RequestToken"])
    rules = s3.get_bucket_encryption(Bucket="controlled")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    found = control.get_resource(TypeName="AWS::S3::Bucket", Identifier="controlled")["ResourceDescription"]
    assert json.loads(found["Properties"])["VersioningConfiguration"] == {"Status": "Enabled"}
    listed = control.list_resources(TypeName="AWS::S3::Bucket")["ResourceDescriptions"]
    assert "controlled" in [one["Identifier"] for one in listed]
    s3.put_object(Bucket="controlled", Key="k", Body=b"")
    refused = control.delete_resource(TypeName="AWS::S3::Bucket", Identifier="controlled")["ProgressEvent"]
    with pytest.raises(WaiterError):
        control.get_waiter("resource_request_success").wait(RequestToken=refused["RequestToken"])
    event = control.get_resource_request_status(RequestToken=refused["RequestToken"])["ProgressEvent"]
    assert "The bucket you tried to delete is not empty" in event["StatusMessage"]
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.get_resource(TypeName="AWS::S3::Bucket", Identifier="none-of-that-name")


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_arns_are_in_the_partition_of_the_region(connect: Connect, region: str, partition: str) -> None:
    read_only = f"arn:{partition}:iam::aws:policy/ReadOnlyAccess"
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {**ROLE["Properties"], "ManagedPolicyArns": [read_only]}},
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Topic": {"Type": "AWS::SNS::Topic",
                  "Properties": {"Subscription": [{"Protocol": "sqs", "Endpoint": {"Fn::GetAtt": "Queue.Arn"}}]}},
        "Table": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}},
    }  # fmt: skip
    outputs = {
        name: {"Value": value}
        for name, value in {
            "Role": {"Fn::GetAtt": "Role.Arn"},
            "Queue": {"Fn::GetAtt": "Queue.Arn"},
            "Topic": {"Ref": "Topic"},
            "Table": {"Fn::GetAtt": "Table.Arn"},
        }.items()
    }
    stack = Stack(connect("cloudformation", region), f"partition-{region}")
    assert stack.create({"Resources": resources, "Outputs": outputs}) == "CREATE_COMPLETE"
    assert {value.split(":")[1] for value in stack.outputs().values()} == {partition}
    iam, name = connect("iam", region), stack.physical_id("Role")
    assert iam.get_role(RoleName=name)["Role"]["Arn"] == stack.outputs()["Role"]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"][0]["PolicyArn"] == read_only
    assert connect("sts", region).get_caller_identity()["Arn"].startswith(f"arn:{partition}:")
    assert stack.drift()["Role"] == "IN_SYNC"
    # What a user stores is not touched.
    sqs, text = connect("sqs", region), f"arn:aws:s3:::a arn:{partition}:s3:::b"
    sqs.send_message(QueueUrl=stack.physical_id("Queue"), MessageBody=text)
    received = sqs.receive_message(QueueUrl=stack.physical_id("Queue"), WaitTimeSeconds=5)["Messages"]
    assert received[0]["Body"] == text
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_bootstrap_stack_replaces_the_bootstrap_parameter(stack: Stack, connect: Connect) -> None:
    ssm, name = connect("ssm", "eu-west-1"), "/cdk-bootstrap/hnb659fds/version"
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "21"
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": name, "Value": "30"}}
    bootstrap = Stack(connect("cloudformation", "eu-west-1"), "CDKToolkit")
    assert bootstrap.create({"Resources": {"CdkBootstrapVersion": parameter}}) == "CREATE_COMPLETE"
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "30"
    assert bootstrap.delete() == "DELETE_COMPLETE"
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name=name)


def test_a_stack_can_contain_every_type(stack: Stack, connect: Connect) -> None:
    role, topic, queue = ({"Ref": name} for name in ("Role", "Topic", "Queue"))
    queue_arn = {"Fn::GetAtt": "Queue.Arn"}
    document = allow("s3:GetObject")
    resources: Json = {
        "Role": {**ROLE, "Properties": {**ROLE["Properties"], "Policies": [inline("a", "s3:*")]}},
        "Policy": ("AWS::IAM::Policy", {"PolicyName": "p", "PolicyDocument": document, "Roles": [role]}),
        "Managed": ("AWS::IAM::ManagedPolicy", {"PolicyDocument": document, "Roles": [role]}),
        "Profile": ("AWS::IAM::InstanceProfile", {"Roles": [role]}),
        "User": ("AWS::IAM::User", {"ManagedPolicyArns": [{"Ref": "Managed"}]}),
        "AccessKey": ("AWS::IAM::AccessKey", {"UserName": {"Ref": "User"}}),
        "Key": ("AWS::KMS::Key", {}),
        "Alias": ("AWS::KMS::Alias", {"AliasName": "alias/own", "TargetKeyId": {"Fn::GetAtt": "Key.Arn"}}),
        "Bucket": ("AWS::S3::Bucket", {}),
        "BucketPolicy": ("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": for_account(
            "s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"})}),
        "Secret": ("AWS::SecretsManager::Secret", {"GenerateSecretString": {}, "KmsKeyId": {"Ref": "Key"}}),
        "SecretPolicy": ("AWS::SecretsManager::ResourcePolicy", {
            "SecretId": {"Ref": "Secret"}, "ResourcePolicy": for_account(
                "secretsmanager:GetSecretValue")}),
        "Topic": ("AWS::SNS::Topic", {"KmsMasterKeyId": {"Ref": "Key"}}),
        "Queue": ("AWS::SQS::Queue", {"VisibilityTimeout": 60}),
        "Subscription": ("AWS::SNS::Subscription", {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue_arn}),
        "TopicPolicy": ("AWS::SNS::TopicPolicy", {"Topics": [topic], "PolicyDocument": document}),
        "QueuePolicy": ("AWS::SQS::QueuePolicy", {"Queues": [queue], "PolicyDocument": document}),
        "Parameter": ("AWS::SSM::Parameter", {"Type": "String", "Value": queue_arn}),
    }  # fmt: skip
    resources = {
        name: {"Type": entry[0], "Properties": entry[1]} if isinstance(entry, tuple) else entry
        for name, entry in resources.items()
    }
    tags = [{"Key": "cost", "Value": "1"}]
    assert stack.create({"Resources": resources}, Tags=tags) == "CREATE_COMPLETE"
    assert stack.drift() == dict.fromkeys(resources, "IN_SYNC")
    assert stack.update({"Resources": resources}, Tags=[{"Key": "cost", "Value": "2"}]) == "UPDATE_COMPLETE"
    assert stack.drift() == dict.fromkeys(resources, "IN_SYNC")
    role_name = stack.physical_id("Role")
    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(connect("iam").exceptions.NoSuchEntityException):
        connect("iam").get_role(RoleName=role_name)


def test_a_stack_can_contain_a_network_with_endpoints(stack: Stack, connect: Connect) -> None:
    vpc, subnet, table, group = ({"Ref": name} for name in ("Vpc", "Subnet", "Table", "Group"))
    service = "com.amazonaws.${AWS::Region}"
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    resources: Json = {
        "Vpc": ("VPC", {"CidrBlock": "10.0.0.0/16", "EnableDnsHostnames": True}),
        "Subnet": ("Subnet", {"VpcId": vpc, "CidrBlock": {"Fn::Select": [0, {"Fn::Cidr": [
            {"Fn::GetAtt": "Vpc.CidrBlock"}, 4, 8]}]}}),
        "Group": ("SecurityGroup", {"GroupDescription": "d", "VpcId": vpc}),
        "Rule": ("SecurityGroupIngress", {**https, "GroupId": group, "SourceSecurityGroupId": group}),
        "Out": ("SecurityGroupEgress", {**https, "GroupId": group, "CidrIp": "10.0.0.0/16"}),
        "Default": ("SecurityGroup", {"GroupDescription": "d"}),
        "Gateway": ("InternetGateway", {}),
        "Attachment": ("VPCGatewayAttachment", {"VpcId": vpc, "InternetGatewayId": {"Ref": "Gateway"}}),
        "Table": ("RouteTable", {"VpcId": vpc}),
        "Route": ("Route", {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0",
                            "GatewayId": {"Ref": "Gateway"}}),
        "OfSubnet": ("SubnetRouteTableAssociation", {"RouteTableId": table, "SubnetId": subnet}),
        "S3": ("VPCEndpoint", {"VpcId": vpc, "ServiceName": {"Fn::Sub": f"{service}.s3"}, "RouteTableIds": [table],
                               "VpcEndpointType": "Gateway"}),
        "Ecr": ("VPCEndpoint", {"VpcId": vpc, "ServiceName": {"Fn::Sub": f"{service}.ecr.api"},
                                "VpcEndpointType": "Interface", "SubnetIds": [subnet], "SecurityGroupIds": [group],
                                "PrivateDnsEnabled": True}),
    }  # fmt: skip
    resources = {name: {"Type": f"AWS::EC2::{kind}", "Properties": own} for name, (kind, own) in resources.items()}
    resources["Route"]["DependsOn"] = "Attachment"
    outputs = {"Zone": {"Value": {"Fn::GetAtt": "Subnet.AvailabilityZone"}}, "Named": {"Value": {"Ref": "Default"}}}
    template = {"Resources": resources, "Outputs": outputs}
    assert stack.create(template, Tags=[{"Key": "cost", "Value": "1"}]) == "CREATE_COMPLETE"
    assert stack.outputs()["Zone"] == "us-east-1a"
    assert stack.outputs()["Named"].startswith(f"{stack.name}-Default-")
    assert [event["ResourceStatusReason"] for event in stack.events() if "not applied" in str(event)] == []
    ec2, vpc_id = connect("ec2"), stack.physical_id("Vpc")
    tags = {tag["Key"]: tag["Value"] for tag in ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]["Tags"]}
    assert (tags["cost"], tags["aws:cloudformation:logical-id"]) == ("1", "Vpc")
    in_sync = dict.fromkeys(resources, "IN_SYNC")
    assert stack.drift() == in_sync
    ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": False})
    assert stack.drift() == {**in_sync, "Vpc": "MODIFIED"}
    by_hand = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.99.0/24")["Subnet"]["SubnetId"]
    assert stack.delete() == "DELETE_FAILED"
    reason = next(event["ResourceStatusReason"] for event in stack.events()
                  if (event["LogicalResourceId"], event["ResourceStatus"]) == ("Vpc", "DELETE_FAILED"))  # fmt: skip
    assert f"The vpc '{vpc_id}' has dependencies and cannot be deleted. (Service: Ec2" in reason
    ec2.delete_subnet(SubnetId=by_hand)
    assert stack.delete() == "DELETE_COMPLETE"
    assert [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["VpcId"] == vpc_id] == []
