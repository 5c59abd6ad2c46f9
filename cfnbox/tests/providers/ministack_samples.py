"""Properties of types that ministack makes, and the API calls that show them.

`ministack_types.json` names the properties that do not arrive. Each text and number here is used once in its sample,
so that it is found in the answers if it arrived at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

Calls = tuple[tuple[str, str, Callable[["Resource"], "Json"]], ...]
ROLE = "arn:aws:iam::123456789012:role/made"
BUCKET = "arn:aws:s3:::bucket-of-the-sample"


@dataclass(frozen=True)
class MinistackSample:
    """Properties of one type, and the calls whose answers show them: service, method and arguments.

    `answered_as` are members of answers, by properties that are truth values and have another name there.
    `unseen` are properties that no answer shows.
    """

    type_name: str
    properties: Json
    calls: Calls
    answered_as: Mapping[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.type_name

    def lost(self, connect: Callable[[str], Any], resource: Resource) -> set[str]:
        """Return the dotted names of the properties that no answer has."""
        answers = [
            getattr(connect(service), method)(**arguments(resource)) for service, method, arguments in self.calls
        ]
        found = [pair for answer in answers for pair in leaves(_parsed(answer))]
        values = {_text(value) for _, value in found}
        truths = {(name.rpartition(".")[2].lower(), value) for name, value in found if isinstance(value, bool)}

        def has_arrived(name: str, value: Any) -> bool:
            if not isinstance(value, bool):
                return _text(value) in values
            last = self.answered_as.get(name, name.rpartition(".")[2])
            return (last.lower(), value) in truths

        return {name for name, value in leaves(self.properties) if not has_arrived(name, value)} - set(self.unseen)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted names of all values in a value, `*` for items of lists, with the values."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}.{key}".strip("."))
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{name}.*")
    else:
        yield name, value


def _parsed(value: Any) -> Any:
    """Return an answer with the objects that are texts of JSON in it."""
    if isinstance(value, Mapping):
        return {key: _parsed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_parsed(item) for item in value]
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _text(value: Any) -> str:
    text = str(value).lower()
    return text.removesuffix(".0")


def _none(_resource: Resource) -> Json:
    return {}


def _tags(name: str) -> list[Json]:
    return [{"Key": f"key-{name}", "Value": f"value-{name}"}]


STREAM = MinistackSample(
    "AWS::Kinesis::Stream",
    {"Name": "stream", "ShardCount": 3, "RetentionPeriodHours": 48,
     "StreamModeDetails": {"StreamMode": "PROVISIONED"}, "DesiredShardLevelMetrics": ["IncomingBytes"],
     "MaxRecordSizeInKiB": 2048,
     "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/stream"},
     "Tags": _tags("stream")},
    (("kinesis", "describe_stream_summary", lambda _: {"StreamName": "stream"}),
     ("kinesis", "list_tags_for_stream", lambda _: {"StreamName": "stream"})),
)  # fmt: skip
CLUSTER = MinistackSample(
    "AWS::ECS::Cluster",
    {"ClusterName": "cluster", "CapacityProviders": ["FARGATE_SPOT"],
     "ClusterSettings": [{"Name": "containerInsights", "Value": "enhanced"}],
     "Configuration": {"ExecuteCommandConfiguration": {"KmsKeyId": "alias/cluster", "Logging": "OVERRIDE"}},
     "DefaultCapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT", "Weight": 7, "Base": 5}],
     "ServiceConnectDefaults": {"Namespace": "namespace"}},
    (("ecs", "describe_clusters", lambda _: {"clusters": ["cluster"], "include": ["SETTINGS", "CONFIGURATIONS"]}),),
)  # fmt: skip
TASK = MinistackSample(
    "AWS::ECS::TaskDefinition",
    {
        "Family": "family", "Cpu": "512", "Memory": "2048", "EnableFaultInjection": True,
        "EphemeralStorage": {"SizeInGiB": 33}, "ExecutionRoleArn": f"{ROLE}-1", "TaskRoleArn": f"{ROLE}-2",
        "IpcMode": "task", "PidMode": "host", "NetworkMode": "awsvpc",
        "PlacementConstraints": [{"Type": "memberOf", "Expression": "attribute:x"}],
        "ProxyConfiguration": {"ContainerName": "envoy", "Type": "APPMESH"},
        "RequiresCompatibilities": ["FARGATE"],
        "RuntimePlatform": {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"},
        "Volumes": [{"Name": "files", "EFSVolumeConfiguration": {"FilesystemId": "fs-77"}}],
        "InferenceAccelerators": [{"DeviceName": "device", "DeviceType": "eia1.medium"}],
        "ContainerDefinitions": [{
            "Name": "container", "Image": "image", "Command": ["command"], "Cpu": 11, "Memory": 12,
            "DependsOn": [{"ContainerName": "sidecar", "Condition": "HEALTHY"}],
            "EntryPoint": ["entry"], "Environment": [{"Name": "VARIABLE", "Value": "value"}], "Essential": False,
            "HealthCheck": {"Command": ["CMD-SHELL"], "Interval": 17},
            "LinuxParameters": {"SharedMemorySize": 99},
            "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": "group"},
                                 "SecretOptions": [{"Name": "OPTION", "ValueFrom": "option"}]},
            "MemoryReservation": 10, "MountPoints": [{"ContainerPath": "/mount", "SourceVolume": "volume"}],
            "PortMappings": [{"ContainerPort": 8081, "HostPort": 8082, "Protocol": "udp"}],
            "ReadonlyRootFilesystem": True, "Secrets": [{"Name": "SECRET", "ValueFrom": "parameter"}],
            "StartTimeout": 45, "StopTimeout": 44,
            "Ulimits": [{"Name": "nofile", "SoftLimit": 1001, "HardLimit": 2002}],
            "User": "user", "WorkingDirectory": "/work",
        }],
    },
    (("ecs", "describe_task_definition", lambda _: {"taskDefinition": "family"}),),
)  # fmt: skip
FILE_SYSTEM = MinistackSample(
    "AWS::EFS::FileSystem",
    {"Encrypted": True, "KmsKeyId": "alias/files", "PerformanceMode": "maxIO", "ThroughputMode": "provisioned",
     "ProvisionedThroughputInMibps": 37, "AvailabilityZoneName": "us-east-1b", "BackupPolicy": {"Status": "ENABLED"},
     "FileSystemPolicy": {"Version": "2012-10-17", "Statement": [{"Sid": "sid", "Effect": "Allow", "Principal": "*",
                                                                  "Action": "elasticfilesystem:ClientMount"}]},
     "FileSystemProtection": {"ReplicationOverwriteProtection": "DISABLED"},
     "LifecyclePolicies": [{"TransitionToIA": "AFTER_14_DAYS"}], "FileSystemTags": _tags("files")},
    (("efs", "describe_file_systems", lambda one: {"FileSystemId": one.physical_id}),
     ("efs", "describe_backup_policy", lambda one: {"FileSystemId": one.physical_id}),
     ("efs", "describe_file_system_policy", lambda one: {"FileSystemId": one.physical_id}),
     ("efs", "describe_lifecycle_configuration", lambda one: {"FileSystemId": one.physical_id})),
)  # fmt: skip
CONFIGURATION_SET = MinistackSample(
    "AWS::SES::ConfigurationSet",
    {"Name": "set", "ArchivingOptions": {"ArchiveArn": "arn:aws:ses:us-east-1:123456789012:mailmanager-archive/a"},
     "DeliveryOptions": {"TlsPolicy": "REQUIRE", "SendingPoolName": "pool", "MaxDeliverySeconds": 333},
     "ReputationOptions": {"ReputationMetricsEnabled": True}, "SendingOptions": {"SendingEnabled": False},
     "SuppressionOptions": {"SuppressedReasons": ["COMPLAINT"]},
     "TrackingOptions": {"CustomRedirectDomain": "d.example.com", "HttpsPolicy": "REQUIRE_OPEN_ONLY"}},
    (("sesv2", "get_configuration_set", lambda _: {"ConfigurationSetName": "set"}),),
)  # fmt: skip
GLOBAL_TABLE = MinistackSample(
    "AWS::DynamoDB::GlobalTable",
    {
        "TableName": "table",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{"IndexName": "index", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                                    "Projection": {"ProjectionType": "KEYS_ONLY"}}],
        "Replicas": [{"Region": "us-east-1", "DeletionProtectionEnabled": True, "Tags": _tags("table"),
                      "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                      "TableClass": "STANDARD_INFREQUENT_ACCESS",
                      "KinesisStreamSpecification": {
                          "StreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}}],
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires"},
        "WarmThroughput": {"ReadUnitsPerSecond": 13001},
        "WriteOnDemandThroughputSettings": {"MaxWriteRequestUnits": 511},
    },
    (("dynamodb", "describe_table", lambda _: {"TableName": "table"}),
     ("dynamodb", "describe_time_to_live", lambda _: {"TableName": "table"}),
     ("dynamodb", "describe_continuous_backups", lambda _: {"TableName": "table"}),
     ("dynamodb", "list_tags_of_resource", lambda one: {"ResourceArn": one.attributes["Arn"]})),
    # The table is in this region alone.
    unseen=("Replicas.*.Region",),
)  # fmt: skip
JOB = MinistackSample(
    "AWS::Glue::Job",
    {"Name": "job", "Role": ROLE,
     "Command": {"Name": "glueetl", "ScriptLocation": "s3://scripts/s", "PythonVersion": "3"},
     "Connections": {"Connections": ["connection"]}, "DefaultArguments": {"--a": "argument"},
     "Description": "described", "ExecutionClass": "FLEX", "GlueVersion": "4.0", "LogUri": "s3://logs/l",
     "MaxRetries": 8,
     "NonOverridableArguments": {"--n": "fixed"}, "NumberOfWorkers": 19, "SecurityConfiguration": "security",
     "Timeout": 61, "WorkerType": "G.2X"},
    (("glue", "get_job", lambda _: {"JobName": "job"}),),
)  # fmt: skip
TARGET_GROUP = MinistackSample(
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    {"Name": "targets", "Port": 8099, "Protocol": "HTTP", "VpcId": "vpc-77", "HealthCheckEnabled": True,
     "HealthCheckIntervalSeconds": 31, "HealthCheckPath": "/health", "HealthCheckPort": "8055",
     "HealthCheckProtocol": "HTTPS", "HealthCheckTimeoutSeconds": 9, "HealthyThresholdCount": 6,
     "UnhealthyThresholdCount": 4, "Matcher": {"HttpCode": "207"}, "TargetType": "ip", "IpAddressType": "ipv6",
     "ProtocolVersion": "GRPC",
     "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "123"}]},
    (("elbv2", "describe_target_groups", lambda _: {"Names": ["targets"]}),
     ("elbv2", "describe_target_group_attributes", lambda one: {"TargetGroupArn": one.physical_id})),
)  # fmt: skip
DELIVERY = MinistackSample(
    "AWS::KinesisFirehose::DeliveryStream",
    {"DeliveryStreamName": "delivery", "DeliveryStreamType": "DirectPut",
     "ExtendedS3DestinationConfiguration": {
         "BucketARN": BUCKET, "RoleARN": ROLE, "Prefix": "prefix/", "ErrorOutputPrefix": "errors/",
         "CompressionFormat": "GZIP", "BufferingHints": {"IntervalInSeconds": 61, "SizeInMBs": 7},
         "CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": "group", "LogStreamName": "stream"},
         "CustomTimeZone": "Europe/Berlin", "FileExtension": ".json.gz", "S3BackupMode": "Disabled"}},
    (("firehose", "describe_delivery_stream", lambda _: {"DeliveryStreamName": "delivery"}),),
)  # fmt: skip
SCHEDULE = MinistackSample(
    "AWS::Scheduler::Schedule",
    {"Name": "schedule", "Description": "described", "FlexibleTimeWindow": {"Mode": "FLEXIBLE",
                                                                            "MaximumWindowInMinutes": 14},
     "ScheduleExpression": "rate(5 minutes)", "ScheduleExpressionTimezone": "Europe/Berlin", "State": "DISABLED",
     "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k",
     "Target": {"Arn": "arn:aws:sqs:us-east-1:123456789012:queue", "RoleArn": ROLE, "Input": "input",
                "RetryPolicy": {"MaximumRetryAttempts": 13, "MaximumEventAgeInSeconds": 77},
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:dead"}}},
    (("scheduler", "get_schedule", lambda _: {"Name": "schedule"}),),
)  # fmt: skip
LAUNCH_TEMPLATE = MinistackSample(
    "AWS::EC2::LaunchTemplate",
    {"LaunchTemplateName": "launch", "VersionDescription": "described", "LaunchTemplateData": {
        "ImageId": "ami-1", "InstanceType": "t3.micro", "KeyName": "key", "UserData": "dWQ=", "EbsOptimized": True,
        "IamInstanceProfile": {"Name": "profile"}, "Monitoring": {"Enabled": True},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 3}, "SecurityGroupIds": ["sg-77"],
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvdz", "Ebs": {"VolumeSize": 41, "VolumeType": "gp3"}}],
        "CpuOptions": {"CoreCount": 9}, "CreditSpecification": {"CpuCredits": "unlimited"},
        "Placement": {"Tenancy": "dedicated"}, "InstanceInitiatedShutdownBehavior": "terminate"}},
    (("ec2", "describe_launch_template_versions", lambda one: {"LaunchTemplateId": one.physical_id}),),
)  # fmt: skip
DATABASE = MinistackSample(
    "AWS::RDS::DBInstance",
    {"DBInstanceIdentifier": "database", "Engine": "postgres", "EngineVersion": "15.4",
     "DBInstanceClass": "db.t3.large", "AllocatedStorage": "77",
     "MasterUsername": "master", "MasterUserPassword": "not-in-an-answer", "DBName": "name",
     "Port": "5439", "BackupRetentionPeriod": 9, "MultiAZ": True, "StorageType": "io1", "Iops": 1501,
     "StorageEncrypted": True, "KmsKeyId": "alias/database", "DeletionProtection": True, "PubliclyAccessible": True,
     "CopyTagsToSnapshot": True, "EnablePerformanceInsights": True, "EnableIAMDatabaseAuthentication": True,
     "MonitoringInterval": 15, "PreferredBackupWindow": "01:02-02:03", "MaxAllocatedStorage": 155,
     "PreferredMaintenanceWindow": "sun:05:00-sun:06:00", "VPCSecurityGroups": ["sg-55"]},
    (("rds", "describe_db_instances", lambda _: {"DBInstanceIdentifier": "database"}),),
    answered_as={"EnablePerformanceInsights": "PerformanceInsightsEnabled",
                 "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled"},
    unseen=("MasterUserPassword",),
)  # fmt: skip

REST_API = MinistackSample(
    "AWS::ApiGateway::RestApi",
    {"Name": "api", "ApiKeySourceType": "AUTHORIZER", "BinaryMediaTypes": ["image/png"], "Description": "described",
     "DisableExecuteApiEndpoint": True, "MinimumCompressionSize": 1024, "Mode": "overwrite",
     "EndpointConfiguration": {"Types": ["PRIVATE"], "VpcEndpointIds": ["vpce-9"]},
     "Policy": {"Version": "2012-10-17", "Statement": [{"Sid": "sid"}]}},
    (("apigateway", "get_rest_api", lambda one: {"restApiId": one.physical_id}),),
)  # fmt: skip
PIPE = MinistackSample(
    "AWS::Pipes::Pipe",
    {"Name": "pipe", "RoleArn": ROLE, "Description": "described", "DesiredState": "STOPPED",
     "Source": "arn:aws:sqs:us-east-1:123456789012:source", "Target": "arn:aws:sqs:us-east-1:123456789012:target",
     "Enrichment": "arn:aws:lambda:us-east-1:123456789012:function:enrichment",
     "LogConfiguration": {"Level": "ERROR"}, "KmsKeyIdentifier": "alias/pipe",
     "SourceParameters": {"SqsQueueParameters": {"BatchSize": 7},
                          "FilterCriteria": {"Filters": [{"Pattern": "pattern"}]}},
     "TargetParameters": {"InputTemplate": "template", "SqsQueueParameters": {"MessageGroupId": "group"}}},
    (("pipes", "describe_pipe", lambda _: {"Name": "pipe"}),),
)  # fmt: skip
KUBERNETES = MinistackSample(
    "AWS::EKS::Cluster",
    {"Name": "kubernetes", "Version": "1.31", "RoleArn": ROLE,
     "ResourcesVpcConfig": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"],
                            "EndpointPrivateAccess": True, "PublicAccessCidrs": ["10.1.0.0/16"]},
     "KubernetesNetworkConfig": {"ServiceIpv4Cidr": "10.77.0.0/16"},
     "Logging": {"ClusterLogging": {"EnabledTypes": [{"Type": "audit"}]}},
     "EncryptionConfig": [{"Provider": {"KeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"},
                           "Resources": ["secrets"]}],
     "AccessConfig": {"AuthenticationMode": "API"}, "UpgradePolicy": {"SupportType": "STANDARD"},
     "DeletionProtection": True},
    (("eks", "describe_cluster", lambda _: {"name": "kubernetes"}),),
)  # fmt: skip

SAMPLES = [STREAM, CLUSTER, TASK, FILE_SYSTEM, CONFIGURATION_SET, GLOBAL_TABLE, JOB, TARGET_GROUP, DELIVERY, SCHEDULE,
           LAUNCH_TEMPLATE, DATABASE, REST_API, PIPE, KUBERNETES]  # fmt: skip
