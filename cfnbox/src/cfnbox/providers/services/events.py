"""Types of EventBridge.

Sources: botocore's service model; the template reference for Fn::GetAtt and defaults; Ref of a rule on another bus
than `default` is `bus|rule` (recorded). The sentence about targets is the one that users quote of DeleteRule
(hashicorp/terraform-provider-aws#18519, getmoto/moto#5056).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Items, Update, document
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, listed_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

_DEFAULT = "default"
_PROPERTIES = ("Description", "EventPattern", "RoleArn", "ScheduleExpression", "State")
_TAGS = Tags(
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
    target=lambda _key, model: {"ResourceARN": model["Arn"]},
)

# Rules


def _bus(name: str) -> str:
    """Return the name in a name or an ARN of an event bus."""
    return name.rpartition("/")[2] or _DEFAULT


def _rule_key(arn: str) -> Json:
    """Return the members that name a rule, of its ARN: rule/NAME on the default bus, rule/BUS/NAME on others."""
    path = arn.partition(":rule/")[2]
    bus, _, name = path.rpartition("/")
    return {"Name": name, "EventBusName": bus or _DEFAULT}


def _rule_arn(place: Place, model: Json) -> Json:
    bus = _bus(model.get("EventBusName", ""))
    path = model["Name"] if bus == _DEFAULT else f"{bus}/{model['Name']}"
    return {"Arn": f"arn:{place.partition}:events:{place.region}:{place.account}:rule/{path}"}


def _rule_ref(model: Json) -> str:
    bus = _bus(model.get("EventBusName", ""))
    return str(model["Name"]) if bus == _DEFAULT else f"{bus}|{model['Name']}"


def _rule_members(properties: Json) -> Json:
    """Return the members of PutRule; one that is left out keeps its value, so that all are there."""
    members: Json = {name: properties.get(name, "") for name in ("Description", "RoleArn")}
    members["State"] = properties.get("State", "ENABLED")
    if "EventPattern" in properties:
        members["EventPattern"] = document(properties["EventPattern"])
    if "ScheduleExpression" in properties:
        members["ScheduleExpression"] = properties["ScheduleExpression"]
    return members


def _create_rule(properties: Json, _place: Place) -> Json:
    members = {name: value for name, value in _rule_members(properties).items() if value}
    return {**members, "Name": properties["Name"], "EventBusName": _bus(properties.get("EventBusName", ""))}


def _apply_rule(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    if any(previous.get(name) != desired.get(name) for name in _PROPERTIES):
        calls.invoke("PutRule", {**key, **_rule_members(desired)}, missing_is="InvalidRequest")


def _describe_rule(calls: Calls, key: Json, known: Json) -> Json | None:
    answer = calls.find("DescribeRule", key)
    if answer is None:
        return None
    model = {name: value for name, value in answer.items() if value not in ("", None)}
    if "EventPattern" in model:
        model["EventPattern"] = parsed(model["EventPattern"])
    # A template may name the bus by its ARN.
    written = str(known.get("EventBusName", ""))
    model["EventBusName"] = written if written and _bus(written) == key["EventBusName"] else key["EventBusName"]
    return model


def _targets(calls: Calls, key: Json) -> list[Json]:
    return calls.items("ListTargetsByRule", {"Rule": key["Name"], "EventBusName": key["EventBusName"]}, "Targets")


def _apply_targets(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    _TARGETS.apply(calls, {"Rule": key["Name"], "EventBusName": key["EventBusName"]}, previous, desired)


_TARGETS = Items(
    "Targets",
    add="PutTargets",
    remove="RemoveTargets",
    add_request=lambda target: {"Targets": [target]},
    remove_request=lambda target: {"Ids": [target["Id"]]},
    identity=lambda target: target["Id"],
    items=_targets,
)


def _refuse_rule(calls: Calls, key: Json, previous: Json) -> None:
    own = {target["Id"] for target in previous.get("Targets") or ()}
    if any(target["Id"] not in own for target in _targets(calls, key)):
        raise calls.refused("Rule can't be deleted since it has targets.", 400, "InvalidRequest")


def _require_trigger(calls: Calls, _previous: Json, desired: Json) -> None:
    if not any(desired.get(name) for name in ("EventPattern", "ScheduleExpression")):
        # awsdocs/aws-cloudformation-user-guide#456
        message = "Parameter(s) EventPattern or ScheduleExpression must be specified."
        raise calls.refused(message, 400, "InvalidRequest")


_RULE_TYPE = ServiceType(
    "events",
    key=_rule_key,
    name=GeneratedName("Name", 64, r"\w.\-"),
    create="PutRule",
    create_request=_create_rule,
    create_answer=lambda _answer: {},
    is_taken=lambda calls, desired: (
        calls.find("DescribeRule", {"Name": desired["Name"], "EventBusName": _bus(desired.get("EventBusName", ""))})
        is not None
    ),
    check=_require_trigger,
    describe=_describe_rule,
    derived=_rule_arn,
    physical_id=_rule_ref,
    describe_after_create=False,
    parts=(
        Hook(_apply_rule, in_create=True),
        Hook(_apply_targets, lambda calls, key: {"Targets": _targets(calls, key)}, removed_before_delete=True),
    ),
    tags=_TAGS,
    refuse_deletion=_refuse_rule,
    delete="DeleteRule",
    list=listed_by("ListRules", "Rules", {"Arn": "Arn"}),
)

# Event buses


def _describe_bus(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("DescribeEventBus", key)
    return None if answer is None else {name: value for name, value in answer.items() if name != "Policy" and value}


_BUS_TYPE = ServiceType(
    "events",
    key=lambda identifier: {"Name": identifier},
    create="CreateEventBus",
    create_answer=lambda answer: {"Arn": answer["EventBusArn"]},
    describe=_describe_bus,
    describe_after_create=False,
    parts=(
        Update(
            "UpdateEventBus",
            ("DeadLetterConfig", "Description", "KmsKeyIdentifier", "LogConfig"),
            defaults={"DeadLetterConfig": {}, "Description": "", "KmsKeyIdentifier": "", "LogConfig": {}},
        ),
    ),
    tags=_TAGS,
    delete="DeleteEventBus",
    list=listed_by("ListEventBuses", "EventBuses", {"Name": "Name"}),
    not_applied=("EventSourceName", "Policy"),
)

TYPES: dict[str, ServiceType] = {"AWS::Events::EventBus": _BUS_TYPE, "AWS::Events::Rule": _RULE_TYPE}
