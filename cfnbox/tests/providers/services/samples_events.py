"""Samples of the types of CloudWatch and EventBridge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

ACCOUNT = "123456789012"
TOPICS = [f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}" for name in ("a", "b", "c", "d")]
ROLE, OTHER_ROLE = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("r", "other"))


def alarm_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("cloudwatch").list_tags_for_resource(ResourceARN=resource.attributes["Arn"])["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def event_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("events").list_tags_for_resource(ResourceARN=resource.attributes["Arn"])["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def _named(resource: Resource) -> Json:
    return {"AlarmNames": [resource.physical_id], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}


_MINIMAL_ALARM = {
    "AlarmName": "whole",
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 3,
    "MetricName": "Invocations",
    "Namespace": "AWS/SageMaker",
    "Period": 60,
    "Statistic": "Sum",
    "Threshold": 1.5,
}
ALARM = Sample(
    "AWS::CloudWatch::Alarm",
    "cloudwatch",
    first={
        **_MINIMAL_ALARM,
        "ActionConfiguration": {"AlarmTagsPropagation": {"Enabled": True}},
        "ActionsEnabled": False,
        "AlarmActions": [TOPICS[0]],
        "AlarmDescription": "first",
        "DatapointsToAlarm": 2,
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
        "EvaluateLowSampleCountPercentile": "ignore",
        "EvaluationCriteria": {"PromQLCriteria": {"Query": "up"}},
        "EvaluationInterval": 60,
        "EvaluationWindow": {"WallClockWindow": {"Timezone": "UTC"}},
        "InsufficientDataActions": [TOPICS[1]],
        "Metrics": [{"Id": "m", "Expression": "1"}],
        "OKActions": [TOPICS[2]],
        "Tags": [{"Key": "k", "Value": "1"}],
        "ThresholdMetricId": "m",
        "TreatMissingData": "breaching",
        "Unit": "Count",
        "WarmUpConfiguration": {"OnlyStartEvaluatingAfterWarmUpPeriodEnds": True, "WarmUpPeriodDurationInMinutes": 5},
    },
    second={
        "AlarmName": "whole",
        "ActionsEnabled": True,
        "AlarmActions": [TOPICS[3]],
        "AlarmDescription": "second",
        "ComparisonOperator": "LessThanThreshold",
        "DatapointsToAlarm": 1,
        "Dimensions": [{"Name": "EndpointName", "Value": "f"}],
        "EvaluationPeriods": 2,
        "ExtendedStatistic": "p99",
        "InsufficientDataActions": [TOPICS[0]],
        "MetricName": "ModelLatency",
        "Namespace": "AWS/Other",
        "OKActions": [TOPICS[1]],
        "Period": 120,
        "Tags": [{"Key": "l", "Value": "2"}],
        "Threshold": 7,
        "TreatMissingData": "ignore",
        "Unit": "Seconds",
    },
    minimal=_MINIMAL_ALARM,
    stays=("ActionsEnabled",),
    direct=(
        Direct("describe_alarms", _named, "MetricAlarms[0].[Threshold, AlarmActions, Period]",
               [1.5, [TOPICS[0]], 60], [7.0, [TOPICS[3]], 120]),
    ),
    tags=alarm_tags,
)  # fmt: skip


def _prepare_composite(connect: Callable[..., Any]) -> Json:
    for name in ("one", "two"):
        members = {**_MINIMAL_ALARM, "AlarmName": name}
        connect("cloudwatch").put_metric_alarm(**members)
    return {}


COMPOSITE = Sample(
    "AWS::CloudWatch::CompositeAlarm",
    "cloudwatch",
    prepare=_prepare_composite,
    first={
        "AlarmName": "whole",
        "ActionConfiguration": {"AlarmTagsPropagation": {"Enabled": True}},
        "ActionsEnabled": False,
        "ActionsSuppressor": "one",
        "ActionsSuppressorExtensionPeriod": 60,
        "ActionsSuppressorWaitPeriod": 60,
        "AlarmActions": [TOPICS[0]],
        "AlarmDescription": "first",
        "AlarmRule": "ALARM(one)",
        "InsufficientDataActions": [TOPICS[1]],
        "OKActions": [TOPICS[2]],
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second={
        "AlarmName": "whole",
        "ActionsEnabled": True,
        "AlarmActions": [TOPICS[3]],
        "AlarmDescription": "second",
        "AlarmRule": "ALARM(one) AND ALARM(two)",
        "InsufficientDataActions": [TOPICS[2]],
        "OKActions": [TOPICS[1]],
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={"AlarmName": "whole", "AlarmRule": "ALARM(one)"},
    stays=("ActionsEnabled",),
    direct=(
        Direct("describe_alarms", _named, "CompositeAlarms[0].[AlarmRule, OKActions]",
               ["ALARM(one)", [TOPICS[2]]], ["ALARM(one) AND ALARM(two)", [TOPICS[1]]]),
    ),
    tags=alarm_tags,
)  # fmt: skip


def _dashboard(text: str) -> Json:
    widget = {"type": "text", "width": 6, "height": 6, "properties": {"markdown": text}}
    return {"DashboardName": "whole", "DashboardBody": json.dumps({"widgets": [widget]})}


DASHBOARD = Sample(
    "AWS::CloudWatch::Dashboard",
    "cloudwatch",
    first={**_dashboard("first"), "Tags": [{"Key": "k", "Value": "1"}]},
    second=_dashboard("second"),
    minimal=_dashboard("second"),
    direct=(
        Direct("get_dashboard", lambda one: {"DashboardName": one.physical_id}, "DashboardBody",
               _dashboard("first")["DashboardBody"], _dashboard("second")["DashboardBody"]),
    ),
)  # fmt: skip


def _prepare_rule(connect: Callable[..., Any]) -> Json:
    connect("events").create_event_bus(Name="mine")
    return {}


def _target(name: str, text: str) -> Json:
    return {"Id": name, "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}", "Input": json.dumps({"a": text})}


RULE = Sample(
    "AWS::Events::Rule",
    "events",
    prepare=_prepare_rule,
    first={
        "Name": "whole",
        "Description": "first",
        "EventBusName": "mine",
        "EventPattern": {"source": ["aws.sagemaker"]},
        "RoleArn": ROLE,
        "ScheduleExpression": "rate(1 day)",
        "State": "DISABLED",
        "Tags": [{"Key": "k", "Value": "1"}],
        "Targets": [_target("one", "first"), _target("two", "first")],
    },
    second={
        "Name": "whole",
        "Description": "second",
        "EventBusName": "mine",
        "EventPattern": {"source": ["aws.s3"]},
        "RoleArn": OTHER_ROLE,
        "ScheduleExpression": "rate(2 days)",
        "State": "ENABLED",
        "Tags": [{"Key": "l", "Value": "2"}],
        "Targets": [_target("two", "second"), _target("three", "second")],
    },
    minimal={"Name": "whole", "EventBusName": "mine", "ScheduleExpression": "rate(2 days)"},
    # Each kind of target has parameters of its own, which are one list to the API.
    apart=("Targets",),
    stays=("State",),
    direct=(
        Direct("describe_rule", lambda _: {"Name": "whole", "EventBusName": "mine"}, "[State, RoleArn]",
               ["DISABLED", ROLE], ["ENABLED", OTHER_ROLE]),
        Direct("list_targets_by_rule", lambda _: {"Rule": "whole", "EventBusName": "mine"}, "sort(Targets[].Id)",
               ["one", "two"], ["three", "two"]),
    ),
    tags=event_tags,
)  # fmt: skip

BUS = Sample(
    "AWS::Events::EventBus",
    "events",
    first={
        "Name": "whole",
        "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"},
        "Description": "first",
        "EventSourceName": "aws.partner/example.com/a/b",
        "KmsKeyIdentifier": "alias/one",
        "LogConfig": {"IncludeDetail": "FULL", "Level": "INFO"},
        "Policy": {"Version": "2012-10-17", "Statement": []},
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second={
        "Name": "whole",
        "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:other"},
        "Description": "second",
        "KmsKeyIdentifier": "alias/two",
        "LogConfig": {"IncludeDetail": "NONE", "Level": "ERROR"},
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={"Name": "whole"},
    direct=(
        Direct("describe_event_bus", lambda one: {"Name": one.physical_id}, "[Description, LogConfig.Level]",
               ["first", "INFO"], ["second", "ERROR"]),
    ),
    tags=event_tags,
)  # fmt: skip

SAMPLES = [ALARM, COMPOSITE, DASHBOARD, RULE, BUS]
