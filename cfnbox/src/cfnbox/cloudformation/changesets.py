"""CloudFormation's operations on change sets: a plan that can be looked at before it is carried out."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cfnbox.aws.paging import page
from cfnbox.cloudformation import importing
from cfnbox.cloudformation.describe import deployment_description
from cfnbox.cloudformation.stacks import STACK_TYPE, ChangeSet, Deployment, Stack
from cfnbox.core.errors import Invalid, Refused
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template.transforms import TransformFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.cloudformation.api import CloudFormation, Handler
    from cfnbox.cloudformation.plan import Change
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


class ChangeSets:
    """Change sets of a control plane."""

    def __init__(self, cloudformation: CloudFormation) -> None:
        self._cloudformation, self._stacks = cloudformation, cloudformation.stacks

    @property
    def operations(self) -> Mapping[str, Handler]:
        """The operations that are not made repeatable by a token."""
        return {"DescribeChangeSet": self._describe, "DeleteChangeSet": self._delete, "ListChangeSets": self._list}

    def create(self, place: Place, request: Json) -> Json:
        """Plan; Refused for what CloudFormation refuses at once, a FAILED change set for what it finds later."""
        kind = request.get("ChangeSetType", "UPDATE")
        if request.get("OnStackFailure") == "DELETE" and kind != "CREATE":
            raise Invalid("OnStackFailure DELETE is only valid when ChangeSetType is CREATE.")
        if kind == "IMPORT" and not request.get("ResourcesToImport"):
            raise Invalid("Must Provide at least one resource to import")
        stack = self._stack(place, request, kind)
        name = request["ChangeSetName"]
        same = next((one for one in stack.change_sets.values() if one.name == name), None)
        # A change set that FAILED gives way, as one that was executed does: that one is gone.
        if same is not None and same.status != "FAILED":
            raise Refused("AlreadyExistsException", f"ChangeSet [{name}] already exists")
        goal, changes, reason = self._planned(stack, kind, request)
        arn = f"{stack.id.partition(':stack/')[0]}:changeSet/{name}/{uuid.uuid4()}"
        change_set = ChangeSet(arn, name, kind, goal, reason, datetime.now(UTC), changes, request)
        with self._stacks.changed:
            if self._stacks.find(place, stack.id) is None:
                self._stacks.add(stack)
                self._stacks.set_status(stack, "REVIEW_IN_PROGRESS", "User Initiated")
            others = {key: one for key, one in stack.change_sets.items() if one is not same}
            stack.change_sets = {**others, change_set.id: change_set}
        return {"Id": change_set.id, "StackId": stack.id}

    def _stack(self, place: Place, request: Json, kind: str) -> Stack:
        stack = self._stacks.find(place, request["StackName"])
        if stack is None:
            if kind == "UPDATE":
                raise Invalid(f"Stack [{request['StackName']}] does not exist")
            return self._stacks.new(place, request["StackName"])
        in_review = stack.status == "REVIEW_IN_PROGRESS"
        if kind == "CREATE" and not in_review:
            raise Invalid(
                f"Stack [{stack.name}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}]."
            )
        if kind == "UPDATE" or not in_review:
            self._cloudformation.require_updatable(stack)
        return stack

    def _planned(self, stack: Stack, kind: str, request: Json) -> tuple[Deployment | None, list[Change], str]:
        """What a change set deploys and changes; or nothing, and why it is FAILED."""
        deployments = self._cloudformation.deployments
        try:
            goal = deployments.build(stack, request, in_change_set=True)
        except TransformFailed as failure:
            return None, [], str(failure)
        types = {one["Type"] for one in goal.template.resources.values()}
        if request.get("IncludeNestedStacks") and STACK_TYPE in types:
            raise Refused(
                "UnsupportedOperation",
                "cfnbox makes no change sets of nested stacks: leave IncludeNestedStacks out, and see the "
                "changes of the parent alone.",
            )
        try:
            if kind == "IMPORT":
                importing.check(goal, stack, request["ResourcesToImport"])
                imports = importing.identifiers(deployments, stack.place, request["ResourcesToImport"])
            else:
                adopting = request.get("ImportExistingResources")
                imports = importing.existing(deployments, goal, stack) if adopting else {}
            goal = replace(goal, imports=imports)
            unplanned = ("Keep",) if kind != "IMPORT" else ("Keep", "Modify")
            changes = [one for one in self._cloudformation.planned(stack, goal) if one.action not in unplanned]
            if changes or kind == "CREATE" or self._cloudformation.changes_anything(stack, goal):
                return goal, changes, ""
            return None, [], _NO_CHANGES
        except (Refused, ResourceFailed) as failure:
            return None, [], str(failure)

    def execute(self, place: Place, request: Json) -> None:
        """Carry a change set out; every other change set of its stack is gone then."""
        stack, change_set = self._stacks.change_set(place, request)
        with self._stacks.changed:
            if change_set.goal is None:
                raise Refused(
                    "InvalidChangeSetStatus",
                    f"ChangeSet [{change_set.id}] cannot be executed in its current execution status of "
                    f"[{change_set.execution_status}]",
                )
            if stack.status != "REVIEW_IN_PROGRESS":
                self._cloudformation.require_updatable(stack)
            self._begin(stack, change_set, change_set.goal, request)
            stack.change_sets = {}
            stack.options["ChangeSetId"] = change_set.id

    def _begin(self, stack: Stack, change_set: ChangeSet, goal: Deployment, request: Json) -> None:
        on_failure = change_set.request.get("OnStackFailure")
        if change_set.kind == "IMPORT":
            # The stack may have been updated since.
            importing.check(goal, stack, change_set.request["ResourcesToImport"])
            self._cloudformation.start_import(stack, goal)
        elif stack.status == "REVIEW_IN_PROGRESS":
            options = request | ({"OnFailure": on_failure} if on_failure else {})
            self._cloudformation.start_creation(stack, goal, options)
        else:
            options = {"DisableRollback": on_failure == "DO_NOTHING", **request}
            self._cloudformation.start_update(stack, goal, options)

    def _describe(self, place: Place, request: Json) -> Json:
        """DescribeChangeSet; with IncludePropertyValues also the properties before and after."""
        stack, change_set = self._stacks.change_set(place, request)
        values = bool(request.get("IncludePropertyValues"))
        hidden = stack.secrets | (change_set.goal.template.secrets if change_set.goal else frozenset())
        changes = [one.described(values=values, hidden=hidden) for one in change_set.changes]
        return _summary(stack, change_set) | page(changes, request, "Changes")

    def _delete(self, place: Place, request: Json) -> None:
        """Delete a change set; the stack that only it was for stays in review, as at AWS.

        One that does not exist is deleted: botocore's model has no error for it, as it has elsewhere.
        """
        try:
            stack, change_set = self._stacks.change_set(place, request)
        except Refused as refused:
            if refused.code == "ChangeSetNotFound":
                return
            raise
        with self._stacks.changed:
            stack.change_sets = {key: one for key, one in stack.change_sets.items() if one is not change_set}

    def _list(self, place: Place, request: Json) -> Json:
        """The change sets of a stack, newest first."""
        stack = self._stacks.require(place, request["StackName"])
        return page([_summary(stack, one) for one in reversed(stack.change_sets.values())], request, "Summaries")


def _summary(stack: Stack, change_set: ChangeSet) -> Json:
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": change_set.id,
        "ChangeSetName": change_set.name,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.reason or None,
        "CreationTime": change_set.created,
        "Description": change_set.request.get("Description"),
        "OnStackFailure": change_set.request.get("OnStackFailure"),
        "IncludeNestedStacks": change_set.request.get("IncludeNestedStacks", False),
        "ImportExistingResources": change_set.request.get("ImportExistingResources"),
        **deployment_description(change_set.goal),
    }
