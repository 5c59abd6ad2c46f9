"""What goes with each call of a provider, and what its failures say."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from laptop.providers.protocol import Owner, Request, Resource, ResourceFailed
from laptop.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from laptop.cloudformation.run import Run
    from laptop.cloudformation.stacks import Stack, StackResource
    from laptop.providers.protocol import Served


def no_news(_resource: Resource) -> None:
    """An update does not change who the resource is before it ends."""


@dataclass(frozen=True)
class Word:
    """A provider's word on a resource that is being made, on its way into the state of the stack."""

    run: Run
    tell: Callable[[Resource], None] = no_news

    def identified(self, resource: Resource) -> None:
        """See laptop.providers.protocol.Progress."""
        self.tell(resource)

    def wait(self, seconds: float) -> None:
        """See laptop.providers.protocol.Progress."""
        self.run.wait(seconds)


def request_for(stack: Stack, resource: StackResource, previous: StackResource | None = None) -> Request:
    """The request of one operation on a resource of a stack; `previous` is the resource before an update."""
    prefix = "aws:cloudformation:"
    system_tags = {
        f"{prefix}stack-name": stack.name,
        f"{prefix}stack-id": stack.id,
        f"{prefix}logical-id": resource.logical_id,
    }
    return Request(
        place=stack.place,
        token=str(uuid.uuid4()),
        owner=Owner(stack.id, stack.name, resource.logical_id),
        stack_tags=resource.stack_tags,
        previous_stack_tags={} if previous is None else previous.stack_tags,
        system_tags=system_tags,
        previous_system_tags={} if previous is None else system_tags,
    )


def failure_of(problem: Exception, type_name: str) -> Exception:
    """What went wrong in words; for an exception that nobody may raise, its name alone: its text may hold values."""
    if isinstance(problem, ResourceFailed | Refused):
        return problem
    return ResourceFailed(
        f"What makes {type_name} on the laptop failed with {type(problem).__name__}.", "InternalFailure"
    )


def advised(failure: ResourceFailed, served: Served, wanted: StackResource) -> ResourceFailed:
    """A replacement under a fixed name cannot work: two resources cannot have one name."""
    definition = served.definition
    names = {name for one in (definition.primary_identifier, *definition.additional_identifiers) for name in one}
    named = sorted(name for name in names if name in wanted.properties)
    if failure.code != "AlreadyExists" or not named:
        return failure
    return ResourceFailed(
        f"{failure} This update replaces the resource, and the new one cannot take the name of the old one while "
        f"that exists: leave {' and '.join(named)} out of the template, so that a name is generated.",
        failure.code,
    )
