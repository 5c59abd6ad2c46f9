"""Types of CloudWatch. Sources: botocore's service model; the template reference for Ref, Fn::GetAtt and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

_NAME = r"\w\-./#: "
# What the service says of an alarm that does not set it.
_UNSET: tuple[object, ...] = (None, "", [], {})


def _arn(place: Place, model: Json) -> Json:
    return {"Arn": f"arn:{place.partition}:cloudwatch:{place.region}:{place.account}:alarm:{model['AlarmName']}"}


def _describe(kind: str, member: str) -> Callable[[Calls, Json, Json], Json | None]:
    def describe(calls: Calls, key: Json, known: Json) -> Json | None:
        names = {"AlarmNames": [key["AlarmName"]], "AlarmTypes": [kind]}
        for alarm in calls.invoke("DescribeAlarms", names).get(member, ()):
            model = {name: value for name, value in alarm.items() if value not in _UNSET}
            return {**model, **_arn(calls.request.place, alarm), **_written_rule(model, known)}
        return None

    return describe


def _written_rule(model: Json, known: Json) -> Json:
    """Return the rule of an alarm as its template writes it, where spaces alone differ."""
    written = str(known.get("AlarmRule", ""))
    return {"AlarmRule": written} if written and written.split() == model.get("AlarmRule", "").split() else {}


def _is_taken(calls: Calls, desired: Json) -> bool:
    names = {"AlarmNames": [desired["AlarmName"]], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    answer = calls.invoke("DescribeAlarms", names)
    return bool(answer.get("MetricAlarms") or answer.get("CompositeAlarms"))


def _put(operation: str, not_applied: tuple[str, ...]) -> Hook:
    """Return the part that puts the whole alarm, because its update has no other operation."""

    def apply(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        before, after = (
            {name: value for name, value in state.items() if name not in ("Tags", *not_applied)}
            for state in (previous, desired)
        )
        if before != after:
            calls.invoke(operation, {**after, **key}, missing_is="InvalidRequest")

    return Hook(apply, in_create=True)


def _alarm_type(kind: str, *, not_applied: tuple[str, ...]) -> ServiceType:
    """Return the row of metric or of composite alarms. `kind` is what the API calls them."""

    def listed(calls: Calls, _filters: Json) -> Iterator[Json]:
        for alarm in calls.items("DescribeAlarms", {"AlarmTypes": [kind]}, f"{kind}s"):
            yield {"AlarmName": alarm["AlarmName"]}

    operation = {"MetricAlarm": "PutMetricAlarm", "CompositeAlarm": "PutCompositeAlarm"}[kind]
    return ServiceType(
        "cloudwatch",
        key=lambda identifier: {"AlarmName": identifier, "AlarmNames": [identifier]},
        name=GeneratedName("AlarmName", 255, _NAME),
        create=operation,
        create_request=lambda properties, _place: {
            name: value for name, value in properties.items() if name not in not_applied
        },
        create_answer=lambda _answer: {},
        is_taken=_is_taken,
        describe=_describe(kind, f"{kind}s"),
        derived=_arn,
        describe_after_create=False,
        parts=(_put(operation, not_applied),),
        tags=Tags(
            "TagResource",
            "UntagResource",
            "ListTagsForResource",
            target=lambda _key, model: {"ResourceARN": model["Arn"]},
            # PutMetricAlarm and PutCompositeAlarm refuse the tags of CloudFormation itself.
            in_create="",
        ),
        delete="DeleteAlarms",
        list=listed,
        not_applied=not_applied,
    )


def _describe_dashboard(calls: Calls, key: Json, known: Json) -> Json | None:
    answer = calls.find("GetDashboard", key)
    if answer is None:
        return None
    body, written = answer["DashboardBody"], known.get("DashboardBody")
    return {**key, "DashboardBody": written if parsed(written) == parsed(body) else body}


_DASHBOARD_TYPE = ServiceType(
    "cloudwatch",
    key=lambda identifier: {"DashboardName": identifier, "DashboardNames": [identifier]},
    name=GeneratedName("DashboardName", 255, "A-Za-z0-9-_"),
    create="PutDashboard",
    create_answer=lambda _answer: {},
    is_taken=lambda calls, desired: (
        calls.find("GetDashboard", {"DashboardName": desired["DashboardName"]}) is not None
    ),
    describe=_describe_dashboard,
    describe_after_create=False,
    parts=(_put("PutDashboard", ()),),
    delete="DeleteDashboards",
    list=lambda calls, _filters: (
        {"DashboardName": entry["DashboardName"]} for entry in calls.items("ListDashboards", {}, "DashboardEntries")
    ),
    not_applied=("Tags",),
)

TYPES: dict[str, ServiceType] = {
    "AWS::CloudWatch::Alarm": _alarm_type(
        "MetricAlarm",
        not_applied=(
            "ActionConfiguration",
            "EvaluateLowSampleCountPercentile",
            "EvaluationCriteria",
            "EvaluationInterval",
            "EvaluationWindow",
            "Metrics",
            "ThresholdMetricId",
            "WarmUpConfiguration",
        ),
    ),
    "AWS::CloudWatch::CompositeAlarm": _alarm_type(
        "CompositeAlarm",
        not_applied=(
            "ActionConfiguration",
            "ActionsSuppressor",
            "ActionsSuppressorExtensionPeriod",
            "ActionsSuppressorWaitPeriod",
        ),
    ),
    "AWS::CloudWatch::Dashboard": _DASHBOARD_TYPE,
}
