"""AWS::CloudFormation::Stack: a stack as a resource of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from laptop.definition import TypeDefinition
from laptop.providers.protocol import Progress, Request, Resource, ResourceFailed
from laptop.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laptop.cloudformation.stacks import Stack, Stacks
    from laptop.paths import Json
    from laptop.providers.protocol import Place

# The properties of the published schema of the type, and what it says of them.
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
_LOOK_SECONDS = 0.02
Start = Callable[["Place", "Json", "Stack"], str]


class NestedStacks:
    """The provider of nested stacks: the same operations as the API's, and then waiting for their end."""

    notice = None

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks
        # Given by whoever starts operations, which in turn need this provider.
        self.operations: Any = None

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """See laptop.providers.protocol.Provider."""
        return _DEFINITION if type_name == _DEFINITION.type_name else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create the stack, named after its parent and logical id, and wait until it is complete."""
        owner = request.owner
        if owner is None:
            raise ResourceFailed("A nested stack belongs to a stack; make others by CreateStack.", "InvalidRequest")
        parent = self._stacks.require(request.place, owner.stack_id)
        stack_id = self._call(lambda: self.operations.create_nested(parent, owner.logical_id, request, desired))
        progress.identified(self._resource(request.place, stack_id))
        self._wait(request, stack_id, progress, "CREATE_COMPLETE")
        return self._resource(request.place, stack_id)

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update the stack; in a rollback of its parent it goes back to the template that it had."""
        begun = self._call(lambda: self.operations.update_nested(request, resource.physical_id, desired))
        if begun:
            self._wait(request, resource.physical_id, progress, "UPDATE_COMPLETE")
        return self._resource(request.place, resource.physical_id)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete the stack; the policies of its own resources hold."""
        stack = self._stacks.find(request.place, resource.physical_id)
        if stack is None or stack.is_deleted:
            return
        self._call(lambda: self.operations.delete_nested(stack))
        self._wait(request, resource.physical_id, progress, "DELETE_COMPLETE")

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """The stack as it is."""
        stack = self._stacks.find(request.place, identifier)
        if stack is None or stack.is_deleted:
            raise ResourceFailed(f"Stack [{identifier}] does not exist", "NotFound")
        raise ResourceFailed(
            "CloudFormation detects the drift of a nested stack by itself alone.", "UnsupportedAction"
        )

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Every stack of the place."""
        return [{"StackId": one.id} for one in self._stacks.in_place(request.place) if not one.is_deleted], None

    def _resource(self, place: Place, stack_id: str) -> Resource:
        stack = self._stacks.require(place, stack_id)
        outputs = {f"Outputs.{one['OutputKey']}": one["OutputValue"] for one in stack.outputs}
        return Resource(stack_id, stack_id, {"StackId": stack_id}, outputs)

    def _call(self, operation: Callable[[], Any]) -> Any:
        try:
            return operation()
        except Refused as refused:
            raise ResourceFailed(refused.message, "InvalidRequest") from None

    def _wait(self, request: Request, stack_id: str, progress: Progress, wanted: str) -> None:
        stack = self._stacks.require(request.place, stack_id)
        try:
            self._stacks.rest(stack, progress.wait)
        except ResourceFailed:
            self.operations.stop_nested(stack)
            raise
        if stack.status != wanted:
            raise ResourceFailed(
                f"Embedded stack {stack.id} was not successfully {_DONE[wanted]}{_why(stack)}", "NotStabilized"
            )


# The words of the event that CloudFormation writes for a nested stack that failed.
_DONE = {"CREATE_COMPLETE": "created: ", "UPDATE_COMPLETE": "updated. Currently in ", "DELETE_COMPLETE": "deleted: "}


def _why(stack: Stack) -> str:
    """The last reason that the stack's own events give; of an update, which rolled back then, with its status."""
    told = [one for one in stack.events if one["PhysicalResourceId"] == stack.id and "ResourceStatusReason" in one][
        -1
    ]
    reason: str = told["ResourceStatusReason"]
    rolled_back = told["ResourceStatus"].startswith("UPDATE")
    return f"{told['ResourceStatus']} with reason: {reason}" if rolled_back else reason
