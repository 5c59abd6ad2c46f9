"""A deployment of a stack, and the resources that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cfnbox.cloudformation.status import DriftStatus, ResourceStatus
from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.cloudformation.validation_problems import Problem
    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource
    from cfnbox.template.preparation import Prepared

STACK_TYPE = "AWS::CloudFormation::Stack"
KEEPING_POLICIES = ("Retain", "RetainExceptOnCreate")


@dataclass(frozen=True)
class Deployment:
    """A template with its parameters, and the options of the request that go with it.

    `imports` are the live resources that the deployment adopts: logical id to primary identifier. `drifted` are the
    resources that it brings back, as they are: with their actual properties, not live if they are gone.
    A deployment that `is_validated` is checked before anything is made; `problems` are what is wrong with it.
    `config` is the DeploymentConfig.
    """

    template: Prepared
    tags: Mapping[str, str]
    capabilities: Sequence[str] = ()
    notification_arns: Sequence[str] = ()
    role_arn: str | None = None
    rollback_configuration: Json = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    drifted: Mapping[str, ResourceState] = field(default_factory=dict)
    is_validated: bool = False
    problems: Sequence[Problem] = ()
    config: Json = field(default_factory=dict)

    @property
    def is_express(self) -> bool:
        """Whether the deployment does not wait for resources that stabilise."""
        return self.config.get("Mode") == "EXPRESS"

    def actual(self, resources: Mapping[str, ResourceState]) -> Mapping[str, ResourceState]:
        """Return the resources of a stack as they are, unless another operation has replaced them since."""
        known = {
            name: resource
            for name, resource in self.drifted.items()
            if name in resources and resources[name].physical_id == resource.physical_id
        }
        return {**resources, **known}


@dataclass(frozen=True)
class ResourceState:
    """A resource of a stack. `properties` are those of its last create or update that succeeded.

    `live` is what the provider returned, None before the resource has an identity and after it is deleted.
    `is_created` is true once its create ended. `attempted` are the properties of an update that failed. A resource
    that `is_imported` was live before the operation of the stack; one that `is_retained` is not deleted.
    """

    logical_id: str
    type_name: str
    definition: Json
    depends_on: frozenset[str]
    status: ResourceStatus = ResourceStatus.CREATE_IN_PROGRESS
    reason: str = ""
    properties: Json = field(default_factory=dict)
    stack_tags: Mapping[str, str] = field(default_factory=dict)
    live: Resource | None = None
    is_created: bool = False
    is_imported: bool = False
    is_retained: bool = False
    physical_id: str = ""
    attempted: Json | None = None
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    drift: Json = field(default_factory=lambda: {"StackResourceDriftStatus": DriftStatus.NOT_CHECKED})

    @property
    def is_live(self) -> bool:
        """Whether the resource has an identity and is not deleted."""
        return self.live is not None

    @property
    def is_kept(self) -> bool:
        """Whether its DeletionPolicy keeps it when the stack no longer has it."""
        return self.definition.get("DeletionPolicy") in KEEPING_POLICIES

    def require_live(self) -> Resource:
        """Return what the provider returned of the resource. Raise ResourceFailed if it is not live."""
        if self.live is None:
            raise ResourceFailed(f"{self.logical_id} does not exist, so there is nothing to change.", "NotFound")
        return self.live
