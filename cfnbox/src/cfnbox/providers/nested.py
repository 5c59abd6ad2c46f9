"""AWS::CloudFormation::Stack: a stack as a resource of another, made through CloudFormation's own operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.providers.protocol import Progress, Request, Resource, ResourceFailed, no_notice
from cfnbox.providers.tags import merged, tag_list
from cfnbox.template.parameters import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

    # An operation of CloudFormation by its name, from place and request to answer; raises Refused.
    Call = Callable[[str, Place, Json], Json | None]

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
_NO_CHANGES = "No updates are to be performed."
# The words of the event that CloudFormation writes for a nested stack that failed.
_DONE = {
    "CREATE_COMPLETE": "created: ",
    "UPDATE_COMPLETE": "updated. Currently in ",
    "UPDATE_ROLLBACK_COMPLETE": "updated. Currently in ",
    "DELETE_COMPLETE": "deleted: ",
}


class NestedStacks:
    """The provider of nested stacks: CloudFormation's operations, and then waiting for their end.

    What a stack deploys, which only CloudFormation can read, is kept in the resource's model: a rollback of the
    parent brings the child back to it.
    """

    notice = staticmethod(no_notice)

    def __init__(self, call: Call) -> None:
        self._call_operation = call

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """See cfnbox.providers.protocol.Provider."""
        return _DEFINITION if type_name == _DEFINITION.type_name else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create the stack, named after its parent and logical id, and wait until it is complete."""
        owner, place = request.owner, request.place
        if owner is None:
            raise ResourceFailed("A nested stack belongs to a stack; make others by CreateStack.", "InvalidRequest")
        name = f"{owner.stack_name}-{owner.logical_id}-{request.token.replace('-', '')[:12].upper()}"[-128:]
        asked = {"StackName": name, "ParentId": owner.stack_id, "DisableRollback": True}
        stack_id = self._call("CreateStack", place, self._asked(request, desired) | asked)["StackId"]
        progress.identified(self._resource(place, stack_id))
        return self._ended(request, stack_id, progress, "CREATE_COMPLETE")

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update the stack; in a rollback of its parent it goes back to what it was."""
        place, stack_id = request.place, resource.physical_id
        back = {"Deployment": resource.model["Deployment"]}
        if request.reverting and self._described(place, stack_id)["StackStatus"] == "UPDATE_FAILED":
            self._call("RollbackStack", place, {"StackName": stack_id})
            self._ended(request, stack_id, progress, "UPDATE_ROLLBACK_COMPLETE")
        if request.reverting and self._described(place, stack_id)["Deployment"] is back["Deployment"]:
            return self._resource(place, stack_id)
        asked = back if request.reverting else self._asked(request, desired)
        try:
            self._call("UpdateStack", place, asked | {"StackName": stack_id})
        except ResourceFailed as failure:
            if str(failure) != _NO_CHANGES:
                raise
            return self._resource(place, stack_id)
        return self._ended(request, stack_id, progress, "UPDATE_COMPLETE")

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete the stack; the policies of its own resources hold."""
        self._call("DeleteStack", request.place, {"StackName": resource.physical_id})
        self._ended(request, resource.physical_id, progress, "DELETE_COMPLETE")

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Whether the stack is there; what it is, nobody reads."""
        try:
            there = self._described(request.place, identifier)["StackStatus"] != "DELETE_COMPLETE"
        except ResourceFailed:
            there = False
        if not there:
            raise ResourceFailed(f"Stack [{identifier}] does not exist", "NotFound")
        raise ResourceFailed(
            "CloudFormation detects the drift of a nested stack by itself alone.", "UnsupportedAction"
        )

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """A page of the stacks of the place."""
        asked = {} if next_token is None else {"NextToken": next_token}
        page = self._call("DescribeStacks", request.place, asked)
        return [{"StackId": one["StackId"]} for one in page["Stacks"]], page.get("NextToken")

    def _asked(self, request: Request, properties: Json) -> Json:
        """The properties of a nested stack as the request that creates or updates it."""
        given = properties.get("Parameters", {})
        parent = self._described(request.place, request.owner.stack_id) if request.owner else {}
        return {
            "TemplateURL": properties["TemplateURL"],
            "Parameters": [{"ParameterKey": key, "ParameterValue": as_text(value)} for key, value in given.items()],
            "Tags": tag_list(merged(properties.get("Tags"), request.stack_tags)),
            "Capabilities": parent.get("Capabilities", []),
            **{key: properties[key] for key in ("NotificationARNs", "TimeoutInMinutes") if key in properties},
        }

    def _call(self, operation: str, place: Place, request: Json) -> Json:
        try:
            return self._call_operation(operation, place, request) or {}
        except Refused as refused:
            raise ResourceFailed(refused.message, "InvalidRequest") from None

    def _described(self, place: Place, stack_id: str) -> Json:
        stack: Json = self._call("DescribeStacks", place, {"StackName": stack_id})["Stacks"][0]
        return stack

    def _resource(self, place: Place, stack_id: str) -> Resource:
        stack = self._described(place, stack_id)
        outputs = {f"Outputs.{one['OutputKey']}": one["OutputValue"] for one in stack["Outputs"]}
        return Resource(stack_id, stack_id, {"StackId": stack_id, "Deployment": stack["Deployment"]}, outputs)

    def _ended(self, request: Request, stack_id: str, progress: Progress, wanted: str) -> Resource:
        """The stack once nothing changes it any more; ResourceFailed when it has another status then."""
        place = request.place
        while (status := self._described(place, stack_id)["StackStatus"]).endswith("_IN_PROGRESS"):
            try:
                progress.wait(_LOOK_SECONDS)
            except ResourceFailed:
                if status == "UPDATE_IN_PROGRESS":
                    self._call("CancelUpdateStack", place, {"StackName": stack_id})
                raise
        if status != wanted:
            done, why = _DONE[wanted], self._why(place, stack_id)
            raise ResourceFailed(f"Embedded stack {stack_id} was not successfully {done}{why}", "NotStabilized")
        return self._resource(place, stack_id)

    def _why(self, place: Place, stack_id: str) -> str:
        """The last reason that the stack's own events give; of an update, which rolled back then, with its status."""
        asked: Json = {"StackName": stack_id}
        events = self._call("DescribeStackEvents", place, asked)["StackEvents"]
        told = (one for one in events if one["PhysicalResourceId"] == stack_id and one["ResourceStatusReason"])
        last = next(told, {"ResourceStatus": "", "ResourceStatusReason": "see the events of that stack."})
        reason: str = last["ResourceStatusReason"]
        return (
            f"{last['ResourceStatus']} with reason: {reason}"
            if last["ResourceStatus"].startswith("UPDATE")
            else reason
        )
