"""What a deployment changes of one resource, and why. Pure.

The members and values are those of CloudFormation's ResourceChange (botocore's shape of that name). The rules of
Details are recorded on AWS: change sets of some 170 public tests, with and without IncludePropertyValues.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cfnbox.template import secrets
from cfnbox.template.functions import UNKNOWN, function_of
from cfnbox.template.references import references

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import Replacement

Action = Literal["Add", "Modify", "Remove", "Import", "SyncWithActual", "Keep"]
Evaluation = Literal["Static", "Dynamic"]
ChangeSource = Literal[
    "DirectModification",
    "ParameterReference",
    "ResourceReference",
    "ResourceAttribute",
    "Automatic",
    "NoModification",
]
Recreation = Literal["Always", "Conditionally", "Never"]


@dataclass(frozen=True)
class Cause:
    """Why an attribute of a resource changes. `entity` is a parameter, a resource or `Resource.Attribute`."""

    source: ChangeSource = "DirectModification"
    evaluation: Evaluation = "Static"
    entity: str | None = None


@dataclass(frozen=True)
class ResourceDrift:
    """What a drift-aware change set says of a resource: the status, and its properties in the previous deployment.

    `ignored` are the properties that no provider can read.
    """

    status: str
    detected: datetime
    previous: Json
    ignored: tuple[str, ...] = ()

    def described(self) -> Json:
        """Return the members of the ResourceChange."""
        ignored = [{"Path": f"/Properties/{name}", "Reason": "WRITE_ONLY_PROPERTY"} for name in self.ignored]
        return {
            "ResourceDriftStatus": self.status,
            **({"ResourceDriftIgnoredAttributes": ignored} if ignored else {}),
        }


@dataclass(frozen=True)
class Target:
    """What changes: a property by its name, or another attribute of the resource."""

    attribute: str
    recreation: Recreation = "Never"
    name: str | None = None
    before: Any = None
    after: Any = None

    def described(self, *, values: bool, drift: ResourceDrift | None = None, is_in_sync: bool = False) -> Json:
        """Return the target as DescribeChangeSet answers it; `values` adds the values of a property.

        `is_in_sync`: the actual state is as the new template says.
        """
        target: Json = {"Attribute": self.attribute, "RequiresRecreation": self.recreation}
        if self.name is None:
            return target
        target["Name"] = self.name
        if values:
            kind = "Add" if self.before is None else "Remove" if self.after is None else "Modify"
            target |= {
                "Path": f"/{self.attribute}/{self.name}",
                "AttributeChangeType": "SyncWithActual" if is_in_sync else kind,
            }
            both = {"BeforeValue": _text(self.before), "AfterValue": _text(self.after)}
            target |= {member: text for member, text in both.items() if text is not None}
        return target if drift is None or not values else target | self._drifted(drift)

    def _drifted(self, drift: ResourceDrift) -> Json:
        sources = {"BeforeValueFrom": "ACTUAL_STATE", "AfterValueFrom": "TEMPLATE"}
        previous = drift.previous.get(self.name or "")
        if previous == self.before:
            return sources
        both = {"PreviousValue": _text(previous), "ActualValue": _text(self.before)}
        values = {member: text for member, text in both.items() if text is not None}
        return sources | {"Drift": {**values, "DriftDetectionTimestamp": drift.detected}}


@dataclass(frozen=True)
class Detail:
    """One cause of one change."""

    target: Target
    cause: Cause = Cause()

    @property
    def recreates(self) -> bool:
        """Whether this change certainly replaces the resource."""
        return self.target.recreation == "Always" and self.cause.evaluation == "Static"

    def described(self, *, values: bool, drift: ResourceDrift | None = None) -> Json:
        """Return the detail as DescribeChangeSet answers it."""
        causing = {} if self.cause.entity is None else {"CausingEntity": self.cause.entity}
        evaluation = {"Evaluation": self.cause.evaluation, "ChangeSource": self.cause.source}
        is_in_sync = self.cause.source == "NoModification"
        target = self.target.described(values=values, drift=drift, is_in_sync=is_in_sync)
        return {"Target": target, **evaluation, **causing}


@dataclass(frozen=True)
class Change:
    """A change of one resource; `before` and `after` are its properties, None where there is no resource.

    `details` are without property values. `details_with_values` leave out what only an attribute causes of a resource
    that changes in place, because its next value is not known. `warning` says why values are incomplete.
    """

    action: Action
    logical_id: str
    type_name: str
    physical_id: str = ""
    replacement: Replacement | None = None
    policy_action: str | None = None
    details: tuple[Detail, ...] = ()
    details_with_values: tuple[Detail, ...] = ()
    before: Json | None = None
    after: Json | None = None
    warning: str = ""
    change_set_id: str | None = None
    drift: ResourceDrift | None = None

    @property
    def is_automatic(self) -> bool:
        """Whether only the template of a nested stack can tell what changes."""
        return bool(self.details) and all(detail.cause.source == "Automatic" for detail in self.details)

    @property
    def is_shown_with_values(self) -> bool:
        """Whether a change set with property values has the change."""
        return self.action != "Modify" or bool(self.details_with_values) or not self.details

    def described(self, *, values: bool, hidden: Collection[str] = ()) -> Json:
        """Return the change as DescribeChangeSet answers it; `values` adds the properties, with secrets hidden."""
        details = self.details_with_values if values else self.details
        optional = {
            "PolicyAction": self.policy_action,
            "PhysicalResourceId": self.physical_id or None,
            "Replacement": self.replacement if self.action == "Modify" else None,
            "ChangeSetId": self.change_set_id,
        }
        change: Json = {
            **{member: value for member, value in optional.items() if value is not None},
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type_name,
            "Scope": sorted({detail.target.attribute for detail in details}),
            "Details": secrets.hidden(
                [detail.described(values=values, drift=self.drift) for detail in details], hidden
            ),
            **({} if self.drift is None else self.drift.described()),
        }
        previous = None if self.drift is None else self.drift.previous
        contexts = (
            ("BeforeContext", self.before),
            ("AfterContext", self.after),
            ("PreviousDeploymentContext", previous),
        )
        for member, properties in contexts:
            if values and properties is not None:
                change[member] = json.dumps({"Properties": secrets.hidden(properties, hidden)})
        return {"Type": "Resource", "ResourceChange": change}


def with_unknown_values(value: Any) -> Any:
    """Return a value in which every text of which a part is not known yet is not known at all."""
    if isinstance(value, dict):
        return {key: with_unknown_values(one) for key, one in value.items()}
    if isinstance(value, list):
        return [with_unknown_values(one) for one in value]
    return UNKNOWN if isinstance(value, str) and UNKNOWN in value else value


def with_unknown_attributes(written: Any, resolved: Any) -> Any:
    """Return the properties of a resource that is removed: what comes from Fn::GetAtt is not known (recorded)."""
    if function_of(written) is not None:
        return UNKNOWN if any(attribute is not None for _, attribute in references(written)) else resolved
    if isinstance(written, dict) and isinstance(resolved, dict):
        return {key: with_unknown_attributes(written.get(key), one) for key, one in resolved.items()}
    if isinstance(written, list) and isinstance(resolved, list) and len(written) == len(resolved):
        return [with_unknown_attributes(one, two) for one, two in zip(written, resolved, strict=True)]
    return resolved


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)
