"""Types of Step Functions. Sources: botocore's service model; the template reference for Ref and for definitions."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cfnbox.providers.services import state_machine_definitions
from cfnbox.providers.services.parts import Hook
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, listed_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.services.calls import Calls

_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_DEFINITIONS = ("Definition", "DefinitionS3Location", "DefinitionString", "DefinitionSubstitutions")
_UPDATED = ("EncryptionConfiguration", "LoggingConfiguration", "RoleArn", "TracingConfiguration")
_DEFAULTS: Json = {
    "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"},
    "LoggingConfiguration": {"Level": "OFF", "IncludeExecutionData": False},
    "TracingConfiguration": {"Enabled": False},
}
# Names of the API begin in lower case.
_NAMES = {
    "stateMachineArn": "Arn",
    "name": "Name",
    "type": "StateMachineType",
    "revisionId": "StateMachineRevisionId",
}


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"{name[:1].lower()}{name[1:]}": _lower(part) for name, part in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


def _upper(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"{name[:1].upper()}{name[1:]}": _upper(part) for name, part in value.items()}
    return [_upper(item) for item in value] if isinstance(value, list) else value


def _substituted(text: str, values: Json) -> str:
    """Put the values of DefinitionSubstitutions into a definition; other placeholders stay."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            return found[0]
        put = values[found[1]]
        return ("true" if put else "false") if isinstance(put, bool) else str(put)

    return _PLACEHOLDER.sub(value, text)


def _definition(calls: Calls, properties: Json) -> str:
    if "DefinitionString" in properties:
        text = str(properties["DefinitionString"])
    elif "Definition" in properties:
        text = json.dumps(properties["Definition"])
    else:
        location = properties.get("DefinitionS3Location", {})
        names = {"Bucket": "Bucket", "Key": "Key", "Version": "VersionId"}
        members = {names[name]: value for name, value in location.items()}
        answer = calls.invoke("GetObject", members, missing_is="InvalidRequest", service="s3")
        text = answer["Body"].read().decode()
    return _substituted(text, properties.get("DefinitionSubstitutions") or {})


def _create_machine(calls: Calls, properties: Json) -> Json:
    members = _lower({name: properties[name] for name in _UPDATED if name in properties})
    kind = {"type": properties["StateMachineType"]} if "StateMachineType" in properties else {}
    definition = _definition(calls, properties)
    return {**members, **kind, "name": properties["StateMachineName"], "definition": definition}


def _require_definition(calls: Calls, previous: Json, desired: Json) -> None:
    """Refuse a definition whose states are not linked correctly: the service here would take it."""
    if any(previous.get(name) != desired.get(name) for name in _DEFINITIONS):
        text = state_machine_definitions.refusal(_definition(calls, desired))
        if text is not None:
            raise calls.refused(text, 400, "InvalidRequest")


def _apply_machine(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    names = (*_DEFINITIONS, *_UPDATED)
    if all(previous.get(name) == desired.get(name) for name in names):
        return
    changed = {name: desired.get(name, _DEFAULTS.get(name)) for name in _UPDATED}
    changed = {name: value for name, value in changed.items() if name in desired or name in previous}
    members = {**_lower(changed), "definition": _definition(calls, desired)}
    calls.invoke("UpdateStateMachine", {**key, **members}, missing_is="InvalidRequest")


def _describe_machine(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("DescribeStateMachine", key)
    if answer is None or answer.get("status") == "DELETING":
        return None
    model = {name: answer[source] for source, name in _NAMES.items() if source in answer}
    settings = {name: _upper(answer.get(f"{name[:1].lower()}{name[1:]}")) for name in _UPDATED}
    return {
        **model,
        **settings,
        "DefinitionString": answer["definition"],
        "StateMachineName": answer["name"],
    }


_TAGS = Tags(
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
    target=lambda _key, model: {"resourceArn": model["Arn"]},
    in_create="tags",
    tags_member="tags",
    keys_member="tagKeys",
    answer_member="tags",
    key_name="key",
    value_name="value",
)

_MACHINE_TYPE = ServiceType(
    "stepfunctions",
    key=lambda identifier: {"stateMachineArn": identifier},
    name=GeneratedName("StateMachineName", 80, "A-Za-z0-9-_"),
    create="CreateStateMachine",
    create_members=_create_machine,
    create_answer=lambda answer: {"Arn": answer["stateMachineArn"]},
    is_taken=lambda calls, desired: any(
        machine["name"] == desired["StateMachineName"]
        for machine in calls.items("ListStateMachines", {}, "stateMachines")
    ),
    check=_require_definition,
    describe=_describe_machine,
    parts=(Hook(_apply_machine, in_create=True),),
    tags=_TAGS,
    delete="DeleteStateMachine",
    list=listed_by("ListStateMachines", "stateMachines", {"stateMachineArn": "Arn"}),
    not_applied=("TracingConfiguration",),
)


def _describe_activity(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("DescribeActivity", key)
    return None if answer is None else {**_upper(answer), "Arn": answer["activityArn"]}


_ACTIVITY_TYPE = ServiceType(
    "stepfunctions",
    key=lambda identifier: {"activityArn": identifier},
    name=GeneratedName("Name", 80, "A-Za-z0-9-_"),
    create="CreateActivity",
    create_request=lambda properties, _place: _lower(properties),
    create_answer=lambda answer: {"Arn": answer["activityArn"]},
    describe=_describe_activity,
    describe_after_create=False,
    tags=_TAGS,
    delete="DeleteActivity",
    list=listed_by("ListActivities", "activities", {"activityArn": "Arn"}),
    not_applied=("EncryptionConfiguration",),
)

TYPES: dict[str, ServiceType] = {
    "AWS::StepFunctions::Activity": _ACTIVITY_TYPE,
    "AWS::StepFunctions::StateMachine": _MACHINE_TYPE,
}
