"""Types of EventBridge and CloudWatch: Ref, refusals, and metric math."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.protocol import ResourceFailed
from providers.services.harness import Bench
from providers.services.samples_events import ACCOUNT

if TYPE_CHECKING:
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

RULE, ALARM = "AWS::Events::Rule", "AWS::CloudWatch::Alarm"
RULES = f"arn:aws:events:us-east-1:{ACCOUNT}:rule"
EVERY_DAY = {"Name": "whole", "ScheduleExpression": "rate(1 day)"}
Connect = Any


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


def test_ref_of_a_rule_contains_a_bus_that_is_not_the_default(bench: Bench, connect: Connect) -> None:
    arn = connect("events").create_event_bus(Name="mine")["EventBusArn"]
    found = [
        (rule.physical_id, rule.attributes["Arn"])
        for rule in (
            bench.create(RULE, EVERY_DAY),
            bench.create(RULE, {**EVERY_DAY, "EventBusName": "mine"}),
            bench.create(RULE, {**EVERY_DAY, "EventBusName": arn, "Name": "other"}),
        )
    ]
    assert found == [
        ("whole", f"{RULES}/whole"),
        ("mine|whole", f"{RULES}/mine/whole"),
        ("mine|other", f"{RULES}/mine/other"),
    ]


def test_a_rule_with_targets_outside_of_the_stack_is_not_deleted(bench: Bench, connect: Connect) -> None:
    rule = bench.create(RULE, EVERY_DAY)
    target = {"Id": "other", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"}
    connect("events").put_targets(Rule="whole", Targets=[target])
    with pytest.raises(ResourceFailed, match=r"Rule can't be deleted since it has targets\."):
        bench.delete(RULE, rule, EVERY_DAY)
    assert connect("events").describe_rule(Name="whole")["Name"] == "whole"


def test_an_alarm_with_metric_math_names_properties_that_are_not_applied(bench: Bench, connect: Connect) -> None:
    properties = {
        "AlarmName": "math",
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "Metrics": [{"Id": "m", "Expression": "1 + 1"}],
    }
    alarm = bench.create(ALARM, properties)
    assert len(connect("cloudwatch").describe_alarms(AlarmNames=["math"])["MetricAlarms"]) == 1
    assert str(bench.provider.notice(bench.definition(ALARM), properties)).endswith("Metrics")
    bench.delete(ALARM, alarm, properties)
    assert connect("cloudwatch").describe_alarms(AlarmNames=["math"])["MetricAlarms"] == []
