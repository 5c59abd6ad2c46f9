"""AWS::CloudFormation::Stack: nested stacks, by the operations of the control plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cfnbox.core.errors import Refused
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.providers.protocol import Owner, Progress, Request, Resource, ResourceFailed, no_notice
from cfnbox.providers.tags import merged
from cfnbox.template.parameters import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

# The properties and attributes of the published schema of the type.
_SCHEMA: Json = {
    "typeName": "AWS::CloudFormation::Stack",
    "properties": {
        "TemplateURL": {"type": "string"},
        "Parameters": {"type": "object"},
        "NotificationARNs": {"type": "array", "items": {"type": "string"}},
        "Tags": {"type": "array", "insertionOrder": False, "items": {"type": "object"}},
        "TimeoutInMinutes": {"type": "integer", "minimum": 1},
        "StackId": {"type": "string"},
    },
    "required": ["TemplateURL"],
    "additionalProperties": False,
    "primaryIdentifier": ["/properties/StackId"],
    "readOnlyProperties": ["/properties/StackId"],
}
_DEFINITION = TypeDefinition.from_schema(_SCHEMA, attributes=["Outputs"])


@dataclass(frozen=True)
class NestedStack:
    """A nested stack as the template of its parent describes it. `tags` include those of the parent."""

    template_url: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    notification_arns: Sequence[str] = ()
    timeout_minutes: int | None = None


class NestedOperations(Protocol):
    """The control plane's operations on nested stacks.

    Every method but `create` waits for the end of its operation, and raises ResourceFailed if it failed. All raise
    Refused for a request that the control plane refuses.
    """

    def create(self, owner: Owner, place: Place, name: str, stack: NestedStack) -> str:
        """Start the creation of a stack, and return its id."""

    def wait_until_created(self, place: Place, stack_id: str, progress: Progress) -> None:
        """Wait until a new stack is complete."""

    def update(self, owner: Owner, place: Place, stack_id: str, stack: NestedStack, progress: Progress) -> None:
        """Update a stack. Do nothing without a change."""

    def revert(self, place: Place, stack_id: str, progress: Progress) -> None:
        """Update a stack back to its state at the last complete deployment of its parent."""

    def delete(self, place: Place, stack_id: str, progress: Progress) -> None:
        """Delete a stack."""

    def outputs(self, place: Place, stack_id: str) -> Mapping[str, str] | None:
        """Return the outputs of a stack, or None if it does not exist or is deleted."""

    def ids(self, place: Place) -> Sequence[str]:
        """Return the ids of all stacks that are not deleted."""


class NestedStacks:
    """The provider of nested stacks. `operations` returns the control plane's operations."""

    notice = staticmethod(no_notice)

    def __init__(self, operations: Callable[[], NestedOperations]) -> None:
        self._operations = operations

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """See cfnbox.providers.protocol.Provider."""
        return _DEFINITION if type_name == _DEFINITION.type_name else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create the stack, named after its parent and logical id, and wait until it is complete."""
        owner, place = _owner(request), request.place
        name = stack_name(owner.stack_name, owner.logical_id, request.token)
        try:
            stack_id = self._operations().create(owner, place, name, nested_stack(desired, request.stack_tags))
        except Refused as refused:
            raise _failure(refused) from None
        progress.identified(self._resource(place, stack_id))
        self._operations().wait_until_created(place, stack_id, progress)
        return self._resource(place, stack_id)

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update the stack. In a rollback of its parent, update it back."""
        place, stack_id, owner = request.place, resource.physical_id, _owner(request)
        try:
            if request.reverting:
                self._operations().revert(place, stack_id, progress)
            else:
                stack = nested_stack(desired, request.stack_tags)
                self._operations().update(owner, place, stack_id, stack, progress)
        except Refused as refused:
            raise _failure(refused) from None
        return self._resource(place, stack_id)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete the stack. The deletion policies of its resources apply."""
        try:
            self._operations().delete(request.place, resource.physical_id, progress)
        except Refused as refused:
            raise _failure(refused) from None

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Raise NotFound if the stack does not exist, else UnsupportedAction."""
        if self._operations().outputs(request.place, identifier) is None:
            raise ResourceFailed(f"Stack [{identifier}] does not exist", "NotFound")
        raise ResourceFailed("The drift of a nested stack is detected on that stack itself.", "UnsupportedAction")

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Return all stacks of the place."""
        return [{"StackId": stack_id} for stack_id in self._operations().ids(request.place)], None

    def _resource(self, place: Place, stack_id: str) -> Resource:
        outputs = self._operations().outputs(place, stack_id) or {}
        attributes: Json = {f"Outputs.{key}": value for key, value in outputs.items()}
        return Resource(stack_id, stack_id, {"StackId": stack_id}, attributes)


def stack_name(parent: str, logical_id: str, token: str) -> str:
    """Return the name of a nested stack."""
    return f"{parent}-{logical_id}-{token.replace('-', '')[:12].upper()}"[-128:]


def nested_stack(properties: Json, stack_tags: Mapping[str, str]) -> NestedStack:
    """Return the nested stack of these properties in a stack with these tags."""
    return NestedStack(
        properties["TemplateURL"],
        {key: as_text(value) for key, value in properties.get("Parameters", {}).items()},
        merged(properties.get("Tags"), stack_tags),
        properties.get("NotificationARNs", []),
        properties.get("TimeoutInMinutes"),
    )


def _owner(request: Request) -> Owner:
    if request.owner is None:
        raise ResourceFailed("A nested stack belongs to a stack; make others by CreateStack.", "InvalidRequest")
    return request.owner


def _failure(refused: Refused) -> ResourceFailed:
    return ResourceFailed(refused.message, "InvalidRequest")
