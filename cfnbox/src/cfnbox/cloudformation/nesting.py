"""Nested stacks: the operations of the control plane as the provider of AWS::CloudFormation::Stack calls them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cfnbox.cloudformation.requests import CreationOptions, DeploymentRequest, TemplateSource, UpdateOptions
from cfnbox.cloudformation.service import NothingToUpdate, StackService
from cfnbox.cloudformation.status import OnFailure, StackStatus
from cfnbox.core.errors import Refused
from cfnbox.providers.protocol import Owner, Progress, ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.cloudformation.deployment import Deployment
    from cfnbox.cloudformation.stacks import ChangeSet, StackState
    from cfnbox.core.place import Place
    from cfnbox.providers.nested import NestedStack


class Nesting:
    """See cfnbox.providers.nested.NestedOperations."""

    def __init__(self, service: StackService) -> None:
        self._service, self._stacks = service, service.stacks

    def create(self, owner: Owner, place: Place, name: str, stack: NestedStack) -> str:
        """Begin to create a stack, and return its id."""
        options = CreationOptions(OnFailure.DO_NOTHING, stack.timeout_minutes)
        request = self._request(place, owner.stack_id, stack)
        with self._stacks.changed:
            shown = self._shown(place, owner.stack_id, owner.logical_id)
            if shown is not None:
                name, request = shown[0].name, _with_shown_template(request, shown[1])
                self._stacks.begin_execution(*shown)
        try:
            return self._service.create(place, name, request, options, parent_id=owner.stack_id).id
        except Refused:
            if shown is not None:
                # The rollback of the parent deletes the stack in review with its change set.
                shown[0].change_sets = {shown[1].id: shown[1]}
            raise

    def wait_until_created(self, place: Place, stack_id: str, progress: Progress) -> None:
        """Wait until a new stack is complete."""
        self._wait(self._stacks.require(place, stack_id), progress, StackStatus.CREATE_COMPLETE)

    def update(self, owner: Owner, place: Place, stack_id: str, stack: NestedStack, progress: Progress) -> None:
        """Update a stack; do nothing if that would change nothing."""
        nested = self._stacks.require(place, stack_id)
        request = self._request(place, nested.parent_id, stack)
        try:
            shown = self._shown(place, nested.parent_id, owner.logical_id)
            if shown is not None:
                request = _with_shown_template(request, shown[1])
            if nested.awaits_root:
                self._resume(nested, request)
            self._service.update(nested, request, UpdateOptions(awaits_root=True))
            if shown is not None:
                self._stacks.begin_execution(*shown)
        except NothingToUpdate:
            return
        self._wait(nested, progress, StackStatus.UPDATE_COMPLETE)

    def revert(self, place: Place, stack_id: str, progress: Progress) -> None:
        """Update a stack back to what it was when its parent was complete."""
        nested = self._stacks.require(place, stack_id)
        self._wait_while_busy(nested, progress)
        if nested.awaits_root:
            self._service.roll_back_nested(nested)
            self._wait(nested, progress, StackStatus.UPDATE_ROLLBACK_COMPLETE)
        if nested.status == StackStatus.UPDATE_FAILED:
            self._service.roll_back(nested)
            self._wait(nested, progress, StackStatus.UPDATE_ROLLBACK_COMPLETE)
        desired = nested.complete_in_parent
        if desired is None or nested.last_complete is desired:
            return
        try:
            self._service.update_to(nested, desired, UpdateOptions())
        except NothingToUpdate:
            return
        self._wait(nested, progress, StackStatus.UPDATE_COMPLETE)

    def delete(self, place: Place, stack_id: str, progress: Progress) -> None:
        """Delete a stack."""
        if (nested := self._stacks.find(place, stack_id)) is None:
            return
        with self._stacks.changed:
            if nested.awaits_root:
                nested.awaits_root = False
                self._stacks.set_status(nested, StackStatus.UPDATE_COMPLETE)
            self._service.delete(nested)
        self._wait(nested, progress, StackStatus.DELETE_COMPLETE)

    def outputs(self, place: Place, stack_id: str) -> Mapping[str, str] | None:
        """Return the outputs of a stack, None if it does not exist or is deleted."""
        nested = self._stacks.find(place, stack_id)
        if nested is None or nested.is_deleted:
            return None
        return {output["OutputKey"]: output["OutputValue"] for output in nested.outputs}

    def ids(self, place: Place) -> Sequence[str]:
        """Return the ids of all stacks that are not deleted."""
        return [stack.id for stack in self._stacks.in_place(place) if not stack.is_deleted]

    def _request(self, place: Place, parent_id: str | None, stack: NestedStack) -> DeploymentRequest:
        """Return what a nested stack deploys: it has the options of its parent."""
        parent = self._stacks.find(place, parent_id) if parent_id is not None else None
        deployment = None if parent is None else parent.deployment
        return deployment_request(stack, deployment)

    def _shown(self, place: Place, parent_id: str | None, logical_id: str) -> tuple[StackState, ChangeSet] | None:
        """Return the nested stack with its change set, if the parent executes a change set that shows it."""
        parent = self._stacks.find(place, parent_id) if parent_id is not None else None
        shown = self._stacks.nested_change_sets(parent.change_set_id) if parent and parent.change_set_id else []
        return next((pair for pair in shown if pair[1].parent and pair[1].parent.logical_id == logical_id), None)

    def _resume(self, nested: StackState, request: DeploymentRequest) -> None:
        """Let a stack that awaits its root be updated again: its parent is, after an update that failed.

        Raise NothingToUpdate if the update would change nothing.
        """
        if not self._service.changes_anything(nested, self._service.deployments.build(nested, request)):
            raise NothingToUpdate
        self._stacks.set_status(nested, StackStatus.UPDATE_COMPLETE)

    def _wait(self, nested: StackState, progress: Progress, expected: StackStatus) -> None:
        """Wait until the operation of a stack has ended. Raise ResourceFailed if it has another status then."""
        try:
            self._wait_while_busy(nested, progress)
        except ResourceFailed:
            if nested.status == StackStatus.UPDATE_IN_PROGRESS:
                self._service.cancel_update(nested)
            raise
        is_updated = nested.awaits_root and expected == StackStatus.UPDATE_COMPLETE
        if nested.status != expected and not is_updated:
            raise ResourceFailed(_failure_reason(nested, expected), "NotStabilized")

    def _wait_while_busy(self, nested: StackState, progress: Progress) -> None:
        """Wait until nothing works on a stack: its operation has ended, or awaits the root stack."""
        with progress.waking(self._notify), self._stacks.changed:
            while nested.status.is_in_progress and not nested.awaits_root:
                progress.wait(0)
                self._stacks.changed.wait()

    def _notify(self) -> None:
        with self._stacks.changed:
            self._stacks.changed.notify_all()


def deployment_request(stack: NestedStack, parent: Deployment | None) -> DeploymentRequest:
    """Return what a nested stack deploys, with the capabilities and the DeploymentConfig of its parent."""
    return DeploymentRequest(
        TemplateSource(url=stack.template_url),
        [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()],
        () if parent is None else parent.capabilities,
        stack.tags,
        stack.notification_arns,
        disable_validation=parent is not None and not parent.is_validated,
        # The user guide: it applies to all nested stacks.
        deployment_config={} if parent is None else parent.config,
    )


def _with_shown_template(request: DeploymentRequest, change_set: ChangeSet) -> DeploymentRequest:
    """Return the request with the template that the change set has shown, whatever its address holds by now."""
    if change_set.deployment is None:
        return request
    template = TemplateSource(body=change_set.deployment.template.body)
    return replace(request, template=template, drifted=change_set.deployment.drifted)


def _failure_reason(nested: StackState, expected: StackStatus) -> str:
    """Return the sentence of CloudFormation's event of a nested stack that failed: the last reason of its own events.

    Of an update, which has rolled back by then, CloudFormation adds the status.
    """
    start = f"Embedded stack {nested.id} was not successfully"
    itself = (event for event in reversed(nested.events) if event["PhysicalResourceId"] == nested.id)
    last = next((event for event in itself if "ResourceStatusReason" in event), None)
    reason = "see the events of that stack." if last is None else last["ResourceStatusReason"]
    if expected == StackStatus.CREATE_COMPLETE:
        return f"{start} created: {reason}"
    if expected == StackStatus.DELETE_COMPLETE:
        return f"{start} deleted: {reason}"
    status = nested.status if last is None else last["ResourceStatus"]
    return f"{start} updated. Currently in {status} with reason: {reason}"
