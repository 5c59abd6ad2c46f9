"""Requests as the control plane understands them: what a request deploys, apart from the API's dict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cfnbox.cloudformation.status import OnFailure
from cfnbox.core.errors import Invalid

if TYPE_CHECKING:
    from cfnbox.cloudformation.deployment import ResourceState
    from cfnbox.cloudformation.policy import Policy
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

# An operation of the API; its request is the TypedDict of that name in types_boto3_cloudformation.
Handler = Callable[["Place", Any], "Json | None"]
_TAG_LIMIT = 50
# API reference, RollbackTrigger.
_TRIGGER_TYPES = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


@dataclass(frozen=True)
class TemplateSource:
    """Where a template comes from: a text, a URL, or the stack itself."""

    body: str | None = None
    url: str | None = None
    is_previous: bool = False

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> TemplateSource:
        """Return the source that a request names."""
        return cls(request.get("TemplateBody"), request.get("TemplateURL"), bool(request.get("UsePreviousTemplate")))


@dataclass(frozen=True)
class DeploymentRequest:
    """What a request deploys; `parameters` are botocore's structures. What is None stays as the stack has it."""

    template: TemplateSource
    parameters: Sequence[Json] = ()
    capabilities: Sequence[str] = ()
    tags: Mapping[str, str] | None = None
    notification_arns: Sequence[str] | None = None
    role_arn: str | None = None
    rollback_configuration: Json | None = None
    resource_types: Sequence[str] | None = None
    drifted: Mapping[str, ResourceState] = field(default_factory=dict)
    disable_validation: bool = False
    deployment_config: Json = field(default_factory=dict)

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> DeploymentRequest:
        """Return what a request of the API deploys. Raise Refused for tags and triggers that a stack cannot have."""
        _check_rollback_triggers(request.get("RollbackConfiguration", {}))
        return cls(
            TemplateSource.of(request),
            request.get("Parameters", []),
            request.get("Capabilities", []),
            _tags(request["Tags"]) if "Tags" in request else None,
            request.get("NotificationARNs"),
            request.get("RoleARN"),
            request.get("RollbackConfiguration"),
            request.get("ResourceTypes"),
            disable_validation=bool(request.get("DisableValidation")),
            deployment_config=request.get("DeploymentConfig", {}),
        )

    def require_allowed_types(self, type_names: Iterable[str]) -> None:
        """Raise Refused for the first type that ResourceTypes does not name (recorded, the sentence too)."""
        allowed = self.resource_types
        if allowed is None:
            return
        starts = tuple(name.removesuffix("*") for name in allowed if name.endswith("::*"))
        for type_name in type_names:
            if type_name not in allowed and not type_name.startswith(starts):
                listed = ", ".join(allowed)
                raise Invalid(f"Resource type {type_name} is not allowed by parameter ResourceTypes [{listed}]")


def disables_rollback(request: Mapping[str, Any], deployment_config: Mapping[str, Any]) -> bool:
    """Return whether a failed operation is not rolled back: in Express mode by default (user guide)."""
    is_express = deployment_config.get("Mode") == "EXPRESS"
    return bool(request.get("DisableRollback", deployment_config.get("DisableRollback", is_express)))


@dataclass(frozen=True)
class CreationOptions:
    """How a stack is created."""

    on_failure: OnFailure = OnFailure.ROLLBACK
    timeout_minutes: int | None = None
    has_termination_protection: bool = False
    retain_except_on_create: bool = False
    policy: Policy | None = None
    token: str | None = None


@dataclass(frozen=True)
class UpdateOptions:
    """How a stack is updated. A nested stack `awaits_root` if it is updated with its parent."""

    disable_rollback: bool = False
    retain_except_on_create: bool = False
    policy: Policy | None = None
    policy_during_update: Policy | None = None
    token: str | None = None
    awaits_root: bool = False


def _check_rollback_triggers(configuration: Json) -> None:
    for trigger in configuration.get("RollbackTriggers", []):
        # Recorded, both sentences.
        if trigger["Type"] not in _TRIGGER_TYPES:
            raise Invalid("Rollback Trigger Type not supported")
        if not trigger["Arn"].split(":", 5)[-1].startswith("alarm:"):
            raise Invalid("RelativeId of a Rollback Trigger's ARN is incorrect")


def _tags(tags: list[Json]) -> Mapping[str, str]:
    keys = [tag["Key"] for tag in tags]
    if len(keys) != len(set(keys)):
        raise Invalid("Duplicate tag keys found. Each tag key must be given once.")
    if len(keys) > _TAG_LIMIT:
        raise Invalid(f"A stack takes at most {_TAG_LIMIT} tags.")
    if any(key.lower().startswith("aws:") for key in keys):
        raise Invalid("aws: prefixed tag key names are not allowed for external use.")
    return {tag["Key"]: tag["Value"] for tag in tags}
