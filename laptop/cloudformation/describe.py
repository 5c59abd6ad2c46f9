"""CloudFormation's operations that only tell: stacks, resources, events, templates, exports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from laptop.cloudformation import drift, outputs
from laptop.cloudformation.deployments import Deployments, listed_parameters, listed_tags
from laptop.cloudformation.paging import page, page_backwards
from laptop.providers.protocol import ResourceFailed
from laptop.refusal import Invalid, Refused
from laptop.template import syntax
from laptop.template.functions import UNKNOWN
from laptop.template.summary import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laptop.cloudformation.api import Handler
    from laptop.cloudformation.operation import Carrier
    from laptop.cloudformation.stacks import ChangeSet, Deployment, Stack, StackResource, Stacks
    from laptop.paths import Json
    from laptop.providers.protocol import Place
    from laptop.template.scope import Scope


def operations(stacks: Stacks, deployments: Deployments) -> Mapping[str, Handler]:
    """The operations by name."""
    told = _Told(stacks, deployments)
    return {
        "DescribeStacks": told.stacks,
        "ListStacks": told.list_stacks,
        "DescribeStackEvents": told.events,
        "DescribeStackResource": told.resource,
        "DescribeStackResources": told.resources,
        "ListStackResources": told.list_resources,
        "GetTemplate": told.template,
        "GetTemplateSummary": told.summary,
        "ValidateTemplate": told.validate,
        "ListExports": told.exports,
        "ListImports": told.imports,
    }


class _Told:
    def __init__(self, stacks: Stacks, deployments: Deployments) -> None:
        self._stacks, self._deployments = stacks, deployments

    def stacks(self, place: Place, request: Json) -> Json:
        name = request.get("StackName")
        if name is None:
            return page([stack_description(one) for one in self._stacks.in_place(place) if not one.is_deleted],
                        request, "Stacks")  # fmt: skip
        stack = self._stacks.find(place, name)
        if stack is None:
            raise Invalid(f"Stack with id {name} does not exist")
        with self._stacks.changed:
            return {"Stacks": [stack_description(stack)]}

    def list_stacks(self, place: Place, request: Json) -> Json:
        wanted = request.get("StackStatusFilter")
        found = [one for one in self._stacks.in_place(place) if not wanted or one.status in wanted]
        return page([_stack_summary(one) for one in found], request, "StackSummaries")

    def events(self, place: Place, request: Json) -> Json:
        if "StackName" not in request:
            raise Invalid("StackName is required")
        return page_backwards(self._stacks.require(place, request["StackName"]).events, request, "StackEvents")

    def resource(self, place: Place, request: Json) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        resource = require_resource(stack, request["LogicalResourceId"])
        metadata = resource.definition.get("Metadata")
        detail = _resource(stack, resource) | ({} if metadata is None else {"Metadata": json.dumps(metadata)})
        detail["LastUpdatedTimestamp"] = detail.pop("Timestamp")
        return {"StackResourceDetail": detail}

    def resources(self, place: Place, request: Json) -> Json:
        if "PhysicalResourceId" in request:
            return {"StackResources": self._owned(place, request["PhysicalResourceId"])}
        if "StackName" not in request:
            raise Invalid("Either StackName or PhysicalResourceId must be specified.")
        stack = self._stacks.require(place, request["StackName"])
        if "LogicalResourceId" in request:
            return {"StackResources": [_resource(stack, require_resource(stack, request["LogicalResourceId"]))]}
        with self._stacks.changed:
            # The operation has no pages: "Only the first 100 resources will be returned" (API reference).
            return {"StackResources": [_resource(stack, one) for one in stack.resources.values()][:100]}

    def _owned(self, place: Place, physical_id: str) -> list[Json]:
        for stack in self._stacks.in_place(place):
            if any(one.physical_id == physical_id and one.exists for one in stack.resources.values()):
                return [_resource(stack, one) for one in stack.resources.values()]
        raise Invalid(f"Stack for {physical_id} does not exist")

    def list_resources(self, place: Place, request: Json) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        with self._stacks.changed:
            listed = [_resource(stack, one) for one in stack.resources.values()]
        for one in listed:
            one["LastUpdatedTimestamp"] = one.pop("Timestamp")
            del one["StackId"], one["StackName"]
        return page(listed, request, "StackResourceSummaries")

    def template(self, place: Place, request: Json) -> Json:
        goal = self._deployment(place, request)
        processed = request.get("TemplateStage") == "Processed"
        body = json.dumps(goal.processed) if processed and goal.processed != goal.document else goal.body
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def _deployment(self, place: Place, request: Json) -> Deployment:
        if "ChangeSetName" in request:
            change_set = find_change_set(self._stacks, place, request)[1]
            if change_set.goal is not None:
                return change_set.goal
        stack = self._stacks.require(place, request.get("StackName", ""))
        if stack.deployment is None:
            raise Invalid(f"Stack [{stack.name}] has no template yet")
        return stack.deployment

    def _document(self, place: Place, request: Json) -> Json:
        if "StackName" in request:
            return self._deployment(place, request).document
        return syntax.parse(self._deployments.template_body(place, request))

    def summary(self, place: Place, request: Json) -> Json:
        document = self._document(place, request)
        told: Json = summary(document, lambda kind: self._deployments.definition(kind, place))
        return told

    def validate(self, place: Place, request: Json) -> Json:
        document = syntax.parse(self._deployments.template_body(place, request))
        told = summary(document, lambda kind: self._deployments.definition(kind, place))
        parameters = [
            {
                key: value
                for key, value in one.items()
                if key in ("ParameterKey", "DefaultValue", "NoEcho", "Description")
            }
            for one in told.get("Parameters", [])
        ]
        kept = ("Description", "Capabilities", "CapabilitiesReason", "DeclaredTransforms")
        return {**{key: told[key] for key in kept if key in told}, "Parameters": parameters}

    def exports(self, place: Place, request: Json) -> Json:
        listed = [
            {"ExportingStackId": stack.id, "Name": name, "Value": output["OutputValue"]}
            for name, (stack, output) in sorted(self._stacks.exports(place).items())
        ]
        return page(listed, request, "Exports")

    def imports(self, place: Place, request: Json) -> Json:
        name = request["ExportName"]
        importers = self._stacks.importers(place, name)
        if not importers:
            raise Invalid(f"Export '{name}' is not imported by any stack.")
        return page(sorted(importers), request, "Imports")


def stack_description(stack: Stack) -> Json:
    """A stack as DescribeStacks answers it."""
    goal = stack.deployment
    members: Json = {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": stack.options.get("ChangeSetId"),
        "Description": goal.document.get("Description") if goal else None,
        "Parameters": listed_parameters(goal.parameters) if goal else [],
        "CreationTime": stack.created,
        "DeletionTime": stack.deleted,
        "LastUpdatedTime": stack.updated,
        "RollbackConfiguration": (goal.options.get("RollbackConfiguration") if goal else None) or {},
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
        "DisableRollback": stack.options.get("DisableRollback", False),
        "NotificationARNs": goal.options.get("NotificationARNs", []) if goal else [],
        "TimeoutInMinutes": stack.options.get("TimeoutInMinutes"),
        "Capabilities": goal.options.get("Capabilities", []) if goal else [],
        "Outputs": stack.outputs,
        "RoleARN": goal.options.get("RoleARN") if goal else None,
        "Tags": listed_tags(goal.tags) if goal else [],
        "EnableTerminationProtection": stack.options.get("EnableTerminationProtection", False),
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": stack.drift,
    }
    return {key: value for key, value in members.items() if value is not None}


def _stack_summary(stack: Stack) -> Json:
    told = stack_description(stack)
    told["TemplateDescription"] = told.pop("Description", None)
    kept = ("StackId", "StackName", "TemplateDescription", "CreationTime", "LastUpdatedTime", "DeletionTime",
            "StackStatus", "StackStatusReason", "ParentId", "RootId", "DriftInformation")  # fmt: skip
    return {key: told[key] for key in kept if told.get(key) is not None}


def _resource(stack: Stack, resource: StackResource) -> Json:
    members: Json = {
        "StackId": stack.id,
        "StackName": stack.name,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.type_name,
        "Timestamp": resource.updated,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason or None,
        "DriftInformation": {
            "StackResourceDriftStatus": resource.drift["StackResourceDriftStatus"],
            **({"LastCheckTimestamp": resource.drift["Timestamp"]} if "Timestamp" in resource.drift else {}),
        },
    }
    return {key: value for key, value in members.items() if value is not None}


def require_resource(stack: Stack, logical_id: str) -> StackResource:
    """The stack's resource; Refused when there is none."""
    if logical_id not in stack.resources:
        raise Invalid(f"Resource {logical_id} does not exist for stack {stack.name}")
    return stack.resources[logical_id]


def require_drift_state(stack: Stack) -> None:
    """Refused when drift of the stack cannot be detected now (user guide, "Detecting unmanaged changes")."""
    allowed = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED",
               "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")  # fmt: skip
    if stack.status not in allowed:
        raise Invalid(
            f"Stack [{stack.name}] is in {stack.status} state; drift detection is possible in the states "
            f"{', '.join(allowed)}."
        )


def detected(carrier: Carrier, stack: Stack, resource: StackResource) -> Json:
    """The drift of one resource, detected now; Refused when it cannot be read."""
    try:
        return drift.detect_one(carrier, stack, resource.logical_id)
    except ResourceFailed as failure:
        raise Invalid(str(failure)) from None


def planned_outputs(goal: Deployment, scope: Scope) -> list[Json] | None:
    """The outputs that deploying the goal would give; None when that cannot be known before."""
    told = outputs.described(goal, scope)
    return None if UNKNOWN in json.dumps(told) else told


def find_change_set(stacks: Stacks, place: Place, request: Json) -> tuple[Stack, ChangeSet]:
    """The stack and change set that a request names, by id or by both names; Refused when there is none."""
    name = request["ChangeSetName"]
    if name.startswith("arn:"):
        candidates = stacks.in_place(place)
    elif "StackName" in request:
        candidates = [stacks.require(place, request["StackName"])]
    else:
        raise Invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
    for stack in candidates:
        for change_set in reversed(list(stack.change_sets.values())):
            if name in (change_set.id, change_set.name):
                return stack, change_set
    raise Refused("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")
