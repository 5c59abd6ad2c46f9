"""Samples of the types of Lambda."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample, create_bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

FUNCTIONS = "arn:aws:lambda:us-east-1:123456789012:function"
ROLE = "arn:aws:iam::123456789012:role/r"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
CAPACITY = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:fast"
PYTHON = {"Runtime": "python3.12", "Handler": "index.handler", "Role": ROLE}
SOURCE = "def handler(event, context): return 1"
DEAD, DEAD_2 = (f"arn:aws:sqs:us-east-1:123456789012:{name}" for name in ("dead", "dead2"))


def archive(source: str = SOURCE) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        written.writestr(zipfile.ZipInfo("index.py"), source)
    return packed.getvalue()


def create_function(connect: Callable[..., Any], name: str = "f") -> Json:
    members = {**PYTHON, "FunctionName": name, "Code": {"ZipFile": archive()}}
    return dict(connect("lambda").create_function(**members))


def _named(resource: Resource) -> Json:
    return {"FunctionName": resource.physical_id}


def function_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    return dict(connect("lambda").list_tags(Resource=resource.attributes["Arn"])["Tags"])


def mapping_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    return dict(connect("lambda").list_tags(Resource=resource.attributes["EventSourceMappingArn"])["Tags"])


def _prepare_function(connect: Callable[..., Any]) -> Json:
    client, queues = connect("lambda"), connect("sqs")
    for name in ("dead", "dead2"):
        queues.create_queue(QueueName=name)
    content = {"ZipFile": archive()}
    layer = client.publish_layer_version(LayerName="base", Content=content)["LayerVersionArn"]
    create_bucket(connect("s3"), "code")
    connect("s3").put_object(Bucket="code", Key="f.zip", Body=archive())
    network = connect("ec2")
    subnet = network.describe_subnets()["Subnets"][0]["SubnetId"]
    group = network.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    return {"layer": layer, "network": {"SubnetIds": [subnet], "SecurityGroupIds": [group]}}


FUNCTION = Sample(
    "AWS::Lambda::Function",
    "lambda",
    prepare=_prepare_function,
    first=lambda ground: {
        **PYTHON,
        "FunctionName": "whole",
        "Architectures": ["arm64"],
        "CapacityProviderConfig": {
            "LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": CAPACITY,
                "ExecutionEnvironmentMemoryGiBPerVCpu": 2.0,
                "PerExecutionEnvironmentMaxConcurrency": 10,
            }
        },
        "Code": {"ZipFile": SOURCE},
        "CodeSigningConfigArn": "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0",
        "DeadLetterConfig": {"TargetArn": DEAD},
        "Description": "first",
        "DurableConfig": {"ExecutionTimeout": 60, "KMSKeyArn": KEY, "RetentionPeriodInDays": 1},
        "Environment": {"Variables": {"COLOUR": "red"}},
        "EphemeralStorage": {"Size": 1024},
        "FileSystemConfigs": [
            {
                "Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0",
                "LocalMountPath": "/mnt/a",
                "S3FilesConfig": {"DirectS3Read": "ENABLED"},
            }
        ],
        "FunctionScalingConfig": {"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 9},
        "KmsKeyArn": KEY,
        "Layers": [ground["layer"]],
        "LoggingConfig": {
            "ApplicationLogLevel": "DEBUG",
            "LogFormat": "JSON",
            "LogGroup": "/own",
            "SystemLogLevel": "WARN",
        },
        "MemorySize": 256,
        "PackageType": "Zip",
        "PublishToLatestPublished": True,
        "RecursiveLoop": "Allow",
        "ReservedConcurrentExecutions": 5,
        "RuntimeManagementConfig": {"UpdateRuntimeOn": "FunctionUpdate"},
        "SnapStart": {"ApplyOn": "None"},
        "Tags": [{"Key": "k", "Value": "1"}],
        "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
        "Timeout": 20,
        "TracingConfig": {"Mode": "Active"},
        "VpcConfig": ground["network"],
    },
    second=lambda ground: {
        "Role": "arn:aws:iam::123456789012:role/other",
        "Runtime": "python3.13",
        "Handler": "f.handler",
        "FunctionName": "whole",
        "Architectures": ["x86_64"],
        "Code": {"S3Bucket": "code", "S3Key": "f.zip"},
        "DeadLetterConfig": {"TargetArn": DEAD_2},
        "Description": "second",
        "DurableConfig": {"ExecutionTimeout": 90, "RetentionPeriodInDays": 2},
        "Environment": {"Variables": {"COLOUR": "green"}},
        "EphemeralStorage": {"Size": 2048},
        "ImageConfig": {"Command": ["b"], "EntryPoint": ["e"], "WorkingDirectory": "/w"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/other"},
        "MemorySize": 512,
        "PackageType": "Zip",
        "RecursiveLoop": "Terminate",
        "ReservedConcurrentExecutions": 0,
        "Tags": [{"Key": "l", "Value": "2"}],
        "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
        "Timeout": 30,
        "TracingConfig": {"Mode": "PassThrough"},
        "VpcConfig": {**ground["network"], "Ipv6AllowedForDualStack": True},
    },
    minimal=lambda _ground: {
        "Role": "arn:aws:iam::123456789012:role/other",
        "Runtime": "python3.13",
        "Handler": "f.handler",
        "FunctionName": "whole",
        "Code": {"S3Bucket": "code", "S3Key": "f.zip"},
    },
    kept_elsewhere=("Code",),
    # One of them at a time.
    apart=("Code",),
    # What a function without the property has, or cannot lose.
    stays=("Architectures", "DurableConfig", "PackageType", "RecursiveLoop", "TenancyConfig", "TracingConfig"),
    direct=(
        Direct("get_function", _named, "[Configuration.MemorySize, Configuration.Environment.Variables, Concurrency]",
               [256, {"COLOUR": "red"}, {"ReservedConcurrentExecutions": 5}],
               [512, {"COLOUR": "green"}, {"ReservedConcurrentExecutions": 0}]),
        Direct("get_function_configuration", _named, "DeadLetterConfig.TargetArn", DEAD, DEAD_2),
    ),
    tags=function_tags,
)  # fmt: skip


def _prepare_version(connect: Callable[..., Any]) -> Json:
    return {"digest": create_function(connect)["CodeSha256"]}


def _version(ground: Json) -> Json:
    return {
        "FunctionName": "f",
        "CodeSha256": ground["digest"],
        "Description": "first",
        "FunctionScalingConfig": {"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 9},
        "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 2},
        "RuntimePolicy": {"UpdateRuntimeOn": "Auto"},
    }


def _version_key(resource: Resource) -> Json:
    return {"FunctionName": "f", "Qualifier": resource.physical_id.rpartition(":")[2]}


VERSION = Sample(
    "AWS::Lambda::Version",
    "lambda",
    prepare=_prepare_version,
    first=_version,
    # A version never changes.
    second=_version,
    minimal=lambda _ground: {"FunctionName": "f"},
    stays=("CodeSha256", "Description"),
    direct=(
        Direct("get_function_configuration", _version_key, "[Version, Description]", ["1", "first"], ["1", "first"]),
        Direct("get_provisioned_concurrency_config", _version_key, "RequestedProvisionedConcurrentExecutions", 2, 2),
    ),
)


def _prepare_alias(connect: Callable[..., Any]) -> Json:
    create_function(connect)
    for source in ("first", "second"):
        connect("lambda").update_function_configuration(FunctionName="f", Description=source)
        connect("lambda").publish_version(FunctionName="f")
    return {}


ALIAS = Sample(
    "AWS::Lambda::Alias",
    "lambda",
    prepare=_prepare_alias,
    first={
        "FunctionName": "f",
        "FunctionVersion": "1",
        "Name": "live",
        "Description": "first",
        "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 2},
        "RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": "2", "FunctionWeight": 0.25}]},
    },
    second={
        "FunctionName": "f",
        "FunctionVersion": "2",
        "Name": "live",
        "Description": "second",
        "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 3},
        "RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": "1", "FunctionWeight": 0.5}]},
    },
    minimal={"FunctionName": "f", "FunctionVersion": "2", "Name": "live"},
    direct=(
        Direct("get_alias", lambda _: {"FunctionName": "f", "Name": "live"}, "[FunctionVersion, RoutingConfig]",
               ["1", {"AdditionalVersionWeights": {"2": 0.25}}], ["2", {"AdditionalVersionWeights": {"1": 0.5}}]),
    ),
)  # fmt: skip

_PERMISSION = {
    "FunctionName": "f",
    "Action": "lambda:InvokeFunctionUrl",
    "Principal": "s3.amazonaws.com",
    "EventSourceToken": "token",
    "FunctionUrlAuthType": "AWS_IAM",
    "InvokedViaFunctionUrl": True,
    "PrincipalOrgID": "o-abcdefghij",
    "SourceAccount": "123456789012",
    "SourceArn": "arn:aws:s3:::bucket",
}

PERMISSION = Sample(
    "AWS::Lambda::Permission",
    "lambda",
    prepare=create_function,
    first=_PERMISSION,
    # A permission never changes.
    second=_PERMISSION,
    minimal={"FunctionName": "f", "Action": "lambda:InvokeFunction", "Principal": "210987654321"},
    stays=tuple(_PERMISSION),
    direct=(
        Direct("get_policy", lambda _: {"FunctionName": "f"}, "contains(Policy, 'arn:aws:s3:::bucket')", True, True),
    ),
)


def _prepare_mapping(connect: Callable[..., Any]) -> Json:
    create_function(connect)
    create_function(connect, "g")
    table = connect("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return {"stream": table["TableDescription"]["LatestStreamArn"]}


def _mapping(resource: Resource) -> Json:
    return {"UUID": resource.physical_id}


MAPPING = Sample(
    "AWS::Lambda::EventSourceMapping",
    "lambda",
    prepare=_prepare_mapping,
    first=lambda ground: {
        "FunctionName": "f",
        "EventSourceArn": ground["stream"],
        "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "group"},
        "BatchSize": 5,
        "BisectBatchOnFunctionError": True,
        "DestinationConfig": {"OnFailure": {"Destination": DEAD}},
        "DocumentDBEventSourceConfig": {"DatabaseName": "db"},
        "Enabled": False,
        "FilterCriteria": {"Filters": [{"Pattern": '{"a": [1]}'}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "KmsKeyArn": KEY,
        "LoggingConfig": {"SystemLogLevel": "DEBUG"},
        "MaximumBatchingWindowInSeconds": 10,
        "MaximumRecordAgeInSeconds": 120,
        "MaximumRetryAttempts": 3,
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "ParallelizationFactor": 2,
        "ProvisionedPollerConfig": {"MinimumPollers": 1},
        "Queues": ["q"],
        "SelfManagedEventSource": {"Endpoints": {"KafkaBootstrapServers": ["a.example.com:9092"]}},
        "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "group"},
        "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "secret"}],
        "StartingPosition": "TRIM_HORIZON",
        "StartingPositionTimestamp": 1,
        "Tags": [{"Key": "k", "Value": "1"}],
        "Topics": ["topic"],
        "TumblingWindowInSeconds": 30,
    },
    second=lambda ground: {
        "FunctionName": "g",
        "EventSourceArn": ground["stream"],
        "BatchSize": 6,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {"Destination": DEAD_2}},
        "Enabled": True,
        "FilterCriteria": {"Filters": [{"Pattern": '{"a": [2]}'}]},
        "MaximumBatchingWindowInSeconds": 20,
        "MaximumRecordAgeInSeconds": 240,
        "MaximumRetryAttempts": 4,
        "ParallelizationFactor": 3,
        "SelfManagedEventSource": {"Endpoints": {"KafkaBootstrapServers": ["a.example.com:9092"]}},
        "StartingPosition": "TRIM_HORIZON",
        "StartingPositionTimestamp": 1,
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal=lambda ground: {
        "FunctionName": "g",
        "EventSourceArn": ground["stream"],
        "StartingPosition": "TRIM_HORIZON",
    },
    # Of queues alone.
    apart=("ScalingConfig",),
    # What a mapping without the property has, or cannot lose.
    stays=("BisectBatchOnFunctionError", "Enabled", "SelfManagedEventSource", "StartingPositionTimestamp"),
    direct=(
        Direct("get_event_source_mapping", _mapping, "[State, BatchSize, MaximumRetryAttempts]",
               ["Disabled", 5, 3], ["Enabled", 6, 4]),
    ),
    tags=mapping_tags,
)  # fmt: skip


def _prepare_url(connect: Callable[..., Any]) -> Json:
    create_function(connect)
    connect("lambda").publish_version(FunctionName="f")
    return dict(connect("lambda").create_alias(FunctionName="f", Name="live", FunctionVersion="1"))


URL = Sample(
    "AWS::Lambda::Url",
    "lambda",
    prepare=_prepare_url,
    first={
        "TargetFunctionArn": f"{FUNCTIONS}:f",
        "Qualifier": "live",
        "AuthType": "NONE",
        "Cors": {
            "AllowCredentials": True,
            "AllowHeaders": ["x-a"],
            "AllowMethods": ["GET"],
            "AllowOrigins": ["*"],
            "ExposeHeaders": ["x-b"],
            "MaxAge": 60,
        },
        "InvokeMode": "RESPONSE_STREAM",
    },
    second={
        "TargetFunctionArn": f"{FUNCTIONS}:f",
        "Qualifier": "live",
        "AuthType": "AWS_IAM",
        "Cors": {"AllowOrigins": ["https://a.example.com"], "AllowMethods": ["PUT"], "MaxAge": 90},
        "InvokeMode": "BUFFERED",
    },
    minimal={"TargetFunctionArn": f"{FUNCTIONS}:f", "Qualifier": "live", "AuthType": "AWS_IAM"},
    stays=("InvokeMode",),
    direct=(
        Direct("get_function_url_config", lambda _: {"FunctionName": "f", "Qualifier": "live"},
               "[AuthType, Cors.MaxAge]", ["NONE", 60], ["AWS_IAM", 90]),
    ),
)  # fmt: skip


def _prepare_layer(connect: Callable[..., Any]) -> Json:
    create_bucket(connect("s3"), "code")
    connect("s3").put_object(Bucket="code", Key="layer.zip", Body=archive())
    return {}


_LAYER = {
    "LayerName": "whole",
    "CompatibleArchitectures": ["arm64"],
    "CompatibleRuntimes": ["python3.12", "python3.13"],
    "Content": {"S3Bucket": "code", "S3Key": "layer.zip"},
    "Description": "first",
    "LicenseInfo": "MIT",
}

LAYER = Sample(
    "AWS::Lambda::LayerVersion",
    "lambda",
    prepare=_prepare_layer,
    first=_LAYER,
    # A version never changes.
    second=_LAYER,
    minimal={"LayerName": "whole", "Content": {"S3Bucket": "code", "S3Key": "layer.zip"}},
    # The code is one of several objects, and no answer has where it was.
    apart=("Content",),
    stays=tuple(_LAYER),
    direct=(
        Direct("get_layer_version_by_arn", lambda layer: {"Arn": layer.physical_id}, "[Description, LicenseInfo]",
               ["first", "MIT"], ["first", "MIT"]),
    ),
)  # fmt: skip

SAMPLES = [FUNCTION, VERSION, ALIAS, PERMISSION, MAPPING, URL, LAYER]
