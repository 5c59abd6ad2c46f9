"""CloudFormation's operations on change sets: a plan that can be looked at before it is carried out."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from laptop.cloudformation import importing, secrets
from laptop.cloudformation.deployments import listed_parameters, listed_tags
from laptop.cloudformation.describe import find_change_set
from laptop.cloudformation.paging import page
from laptop.cloudformation.plan import Change
from laptop.cloudformation.stacks import ChangeSet, Deployment, Stack
from laptop.providers.protocol import Request, ResourceFailed, Served
from laptop.refusal import Invalid, Refused
from laptop.template.transforms import TransformFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laptop.cloudformation.api import CloudFormation, Handler
    from laptop.paths import Json
    from laptop.providers.protocol import Place

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_OF_EXECUTION = ("ClientRequestToken", "DisableRollback", "RetainExceptOnCreate")
# Names that a member of CreateChangeSet keeps in what is described and executed later.
_OPTIONS = ("Description", "OnStackFailure", "IncludeNestedStacks", "ImportExistingResources", "ClientToken",
            "ResourcesToImport")  # fmt: skip


class ChangeSets:
    """Change sets of a control plane."""

    def __init__(self, cloudformation: CloudFormation) -> None:
        self._cloudformation, self._stacks = cloudformation, cloudformation.stacks

    @property
    def operations(self) -> Mapping[str, Handler]:
        """The operations that are not made repeatable by a token."""
        return {"DescribeChangeSet": self.describe, "DeleteChangeSet": self.delete, "ListChangeSets": self.list}

    def create(self, place: Place, request: Json) -> Json:
        """Plan; Refused for what CloudFormation refuses at once, a FAILED change set for what it finds later."""
        kind = request.get("ChangeSetType", "UPDATE")
        if request.get("OnStackFailure") == "DELETE" and kind != "CREATE":
            raise Invalid("OnStackFailure DELETE is only valid when ChangeSetType is CREATE.")
        if kind == "IMPORT" and not request.get("ResourcesToImport"):
            raise Invalid("Must Provide at least one resource to import")
        stack, is_new = self._stack(place, request, kind)
        name = request["ChangeSetName"]
        same = next((one for one in stack.change_sets.values() if one.name == name), None)
        # A change set that FAILED gives way, as one that was executed does: that one is gone.
        if same is not None and same.status != "FAILED":
            raise Refused("AlreadyExistsException", f"ChangeSet [{name}] already exists")
        goal, changes, reason = self._planned(stack, kind, request)
        arn = stack.id.replace(f"stack/{stack.name}", f"changeSet/{name}", 1)
        arn = f"{arn.rpartition('/')[0]}/{uuid.uuid4()}"
        options = {key: request[key] for key in _OPTIONS if key in request}
        change_set = ChangeSet(arn, name, kind, goal, reason, datetime.now(UTC), changes, options)
        with self._stacks.changed:
            if is_new:
                self._stacks.add(stack)
                self._stacks.set_status(stack, "REVIEW_IN_PROGRESS", "User Initiated")
            others = {key: one for key, one in stack.change_sets.items() if one is not same}
            stack.change_sets = {**others, change_set.id: change_set}
        return {"Id": change_set.id, "StackId": stack.id}

    def _stack(self, place: Place, request: Json, kind: str) -> tuple[Stack, bool]:
        stack = self._stacks.find(place, request["StackName"])
        if stack is None:
            if kind == "UPDATE":
                raise Invalid(f"Stack [{request['StackName']}] does not exist")
            return self._stacks.new(place, request["StackName"]), True
        if kind == "CREATE" and stack.status != "REVIEW_IN_PROGRESS":
            raise Invalid(
                f"Stack [{stack.name}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}]."
            )
        if stack.status != "REVIEW_IN_PROGRESS":
            self._cloudformation.require_updatable(stack)
        elif kind == "UPDATE":
            raise Invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        return stack, False

    def _planned(self, stack: Stack, kind: str, request: Json) -> tuple[Deployment | None, list[Change], str]:
        """What a change set deploys and changes; or nothing, and why it is FAILED."""
        cloudformation = self._cloudformation
        try:
            goal = cloudformation.deployments.build(stack.place, request, stack, stack.name, stack.id, macros=False)
        except TransformFailed as failure:
            return None, [], str(failure)
        try:
            if kind == "IMPORT":
                return goal, self._imported(stack, goal, request), ""
            changes = [one for one in cloudformation.planned(stack, goal) if one.action != "Keep"]
            if changes or kind == "CREATE" or cloudformation.changes_anything(stack, goal):
                return goal, changes, ""
            return None, [], _NO_CHANGES
        except (Refused, ResourceFailed) as failure:
            return None, [], str(failure)

    def _imported(self, stack: Stack, goal: Deployment, request: Json) -> list[Change]:
        deployments, place = self._cloudformation.deployments, stack.place
        asked = request["ResourcesToImport"]
        found = importing.identifiers(goal, stack, asked, lambda kind: deployments.find(kind, place).definition)
        had = stack.deployment.processed.get("Outputs", {}) if stack.deployment else {}
        if goal.processed.get("Outputs", {}) != had:
            raise Invalid("As part of the import operation, you cannot modify or add [Outputs]")
        for one in asked:
            served = deployments.find(one["ResourceType"], place)
            identifier = found[one["LogicalResourceId"]]
            owner = self._stacks.owner(place, one["ResourceType"], identifier)
            if owner is not None:
                raise Invalid(f"{identifier} already exists in stack {owner.id}")
            # Not found, or not readable: the change set fails, and nothing was made.
            _require_readable(served, Request(place, str(uuid.uuid4())), identifier)
        return [
            Change("Import", one["LogicalResourceId"], one["ResourceType"], found[one["LogicalResourceId"]])
            for one in asked
        ]

    def execute(self, place: Place, request: Json) -> None:
        """Carry a change set out; every other change set of its stack is gone then."""
        stack, change_set = find_change_set(self._stacks, place, request)
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
        options = {key: value for key, value in request.items() if key in _OF_EXECUTION}
        if change_set.kind == "IMPORT":
            deployments, place = self._cloudformation.deployments, stack.place
            identifiers = importing.identifiers(goal, stack, change_set.request["ResourcesToImport"],
                                                lambda kind: deployments.find(kind, place).definition)  # fmt: skip
            # An import brings no tags of its own to a stack that is there.
            stack.deployment = goal
            self._cloudformation.running.import_resources(stack, identifiers)
        elif stack.status == "REVIEW_IN_PROGRESS":
            stack.deployment = goal
            on_failure = change_set.request.get("OnStackFailure")
            self._cloudformation.start_creation(stack, options | ({"OnFailure": on_failure} if on_failure else {}))
        else:
            rolled_back = change_set.request.get("OnStackFailure", "ROLLBACK") != "DO_NOTHING"
            disabled = options.get("DisableRollback", not rolled_back)
            self._cloudformation.start_update(stack, goal, options | {"DisableRollback": disabled})

    def describe(self, place: Place, request: Json) -> Json:
        """DescribeChangeSet; with IncludePropertyValues also the properties before and after."""
        stack, change_set = find_change_set(self._stacks, place, request)
        values = bool(request.get("IncludePropertyValues"))
        goal = change_set.goal
        told = _summary(stack, change_set) | {
            "Parameters": listed_parameters(goal.parameters) if goal else [],
            "NotificationARNs": goal.options.get("NotificationARNs", []) if goal else [],
            "RollbackConfiguration": (goal.options.get("RollbackConfiguration") if goal else None) or {},
            "Capabilities": goal.options.get("Capabilities", []) if goal else [],
            "Tags": listed_tags(goal.tags) if goal else [],
        }
        hidden = secrets.of((goal, stack.deployment))
        changes = [one.described(values=values, hidden=hidden) for one in change_set.changes]
        return told | page(changes, request, "Changes")

    def delete(self, place: Place, request: Json) -> None:
        """Delete a change set; the stack that only it was for stays in review, as at AWS.

        One that does not exist is deleted: botocore's model has no error for it, as it has elsewhere.
        """
        try:
            stack, change_set = find_change_set(self._stacks, place, request)
        except Refused as refused:
            if refused.code == "ChangeSetNotFound":
                return
            raise
        with self._stacks.changed:
            stack.change_sets = {key: one for key, one in stack.change_sets.items() if one is not change_set}

    def list(self, place: Place, request: Json) -> Json:
        """The change sets of a stack, newest first."""
        stack = self._stacks.require(place, request["StackName"])
        return page([_summary(stack, one) for one in reversed(stack.change_sets.values())], request, "Summaries")


def _require_readable(served: Served, request: Request, identifier: str) -> None:
    try:
        served.provider.read(served.definition, request, identifier)
    except ResourceFailed as failure:
        if failure.code != "NotFound":
            raise
        kind = served.definition.type_name
        text = f"Resource of type '{kind}' with identifier '{identifier}' was not found."
        raise ResourceFailed(text, failure.code) from None


def _summary(stack: Stack, change_set: ChangeSet) -> Json:
    members = {
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
    }
    return {key: value for key, value in members.items() if value is not None}
