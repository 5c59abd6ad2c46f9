"""CloudFormation's operations that only tell: stacks, resources, events, templates, exports.

Answers are cut to their shapes on their way to a user: one description serves all operations that tell of a thing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cfnbox.aws.paging import page, page_backwards
from cfnbox.core.errors import Invalid
from cfnbox.providers.tags import tag_list
from cfnbox.template import syntax
from cfnbox.template.checks import check_references
from cfnbox.template.summary import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.cloudformation.api import Handler
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.stacks import Deployment, Stack, StackResource
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place


class Descriptions:
    """What there is, in CloudFormation's words."""

    def __init__(self, deployments: Deployments) -> None:
        self._stacks, self._deployments = deployments.stacks, deployments

    @property
    def operations(self) -> Mapping[str, Handler]:
        """The operations by name."""
        return {
            "DescribeStacks": self._describe_stacks,
            "ListStacks": self._list_stacks,
            "DescribeStackEvents": self._events,
            "DescribeStackResource": self._resource,
            "DescribeStackResources": self._resources,
            "ListStackResources": self._list_resources,
            "GetTemplate": self._template,
            "GetTemplateSummary": self._summary,
            "ValidateTemplate": self._validate,
            "GetStackPolicy": self._stack_policy,
            "ListExports": self._exports,
            "ListImports": self._imports,
        }

    def _describe_stacks(self, place: Place, request: Json) -> Json:
        name = request.get("StackName")
        if name is None:
            found = [stack_description(one) for one in self._stacks.in_place(place) if not one.is_deleted]
            return page(found, request, "Stacks")
        stack = self._stacks.find(place, name)
        if stack is None:
            raise Invalid(f"Stack with id {name} does not exist")
        with self._stacks.changed:
            return {"Stacks": [stack_description(stack)]}

    def _list_stacks(self, place: Place, request: Json) -> Json:
        wanted = request.get("StackStatusFilter")
        found = [one for one in self._stacks.in_place(place) if not wanted or one.status in wanted]
        return page([stack_description(one) for one in found], request, "StackSummaries")

    def _events(self, place: Place, request: Json) -> Json:
        if "StackName" not in request:
            raise Invalid("StackName is required")
        return page_backwards(self._stacks.require(place, request["StackName"]).events, request, "StackEvents")

    def _resource(self, place: Place, request: Json) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        return {"StackResourceDetail": resource_description(stack, stack.resource(request["LogicalResourceId"]))}

    def _resources(self, place: Place, request: Json) -> Json:
        if "PhysicalResourceId" in request:
            stack = self._owner(place, request["PhysicalResourceId"])
        elif "StackName" in request:
            stack = self._stacks.require(place, request["StackName"])
        else:
            raise Invalid("Either StackName or PhysicalResourceId must be specified.")
        named = request.get("LogicalResourceId")
        found = list(stack.resources.values()) if named is None else [stack.resource(named)]
        # The operation has no pages: "Only the first 100 resources will be returned" (API reference).
        return {"StackResources": [resource_description(stack, one) for one in found[:100]]}

    def _owner(self, place: Place, physical_id: str) -> Stack:
        for stack in self._stacks.in_place(place):
            if any(one.physical_id == physical_id and one.exists for one in stack.resources.values()):
                return stack
        raise Invalid(f"Stack for {physical_id} does not exist")

    def _list_resources(self, place: Place, request: Json) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        listed = [resource_description(stack, one) for one in stack.resources.values()]
        return page(listed, request, "StackResourceSummaries")

    def _template(self, place: Place, request: Json) -> Json:
        if (
            "ChangeSetName" not in request
            and self._stacks.require(place, request.get("StackName", "")).deployment is None
        ):
            # The CDK reads it before the change set is executed, and takes an empty body for no template.
            return {"TemplateBody": "", "StagesAvailable": ["Original", "Processed"]}
        template = self._deployment(place, request).template
        asked = request.get("TemplateStage") == "Processed" and template.processed != template.document
        body = json.dumps(template.processed) if asked else template.body
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def _deployment(self, place: Place, request: Json) -> Deployment:
        if "ChangeSetName" in request:
            change_set = self._stacks.change_set(place, request)[1]
            if change_set.goal is not None:
                return change_set.goal
        return self._stacks.require(place, request.get("StackName", "")).goal

    def _summary(self, place: Place, request: Json) -> Json:
        if "StackName" in request:
            document = self._deployment(place, request).template.document
        else:
            document = syntax.parse(self._deployments.template_body(place, request))
        told: Json = summary(document, lambda kind: self._deployments.definition(kind, place))
        return told

    def _validate(self, place: Place, request: Json) -> Json:
        check_references(syntax.parse(self._deployments.template_body(place, request)))
        return self._summary(place, request)

    def _stack_policy(self, place: Place, request: Json) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        return {"StackPolicyBody": stack.policy.body if stack.policy else None}

    def _exports(self, place: Place, request: Json) -> Json:
        listed = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for name, (stack, value) in sorted(self._stacks.exports(place).items())
        ]
        return page(listed, request, "Exports")

    def _imports(self, place: Place, request: Json) -> Json:
        name = request["ExportName"]
        importers = self._stacks.importers(place, name)
        if not importers:
            raise Invalid(f"Export '{name}' is not imported by any stack.")
        return page(sorted(importers), request, "Imports")


def stack_description(stack: Stack) -> Json:
    """A stack as DescribeStacks and ListStacks answer it; `Deployment` is what it goes back to."""
    description = stack.deployment.template.document.get("Description") if stack.deployment else None
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": description,
        "TemplateDescription": description,
        "CreationTime": stack.created,
        "DeletionTime": stack.deleted,
        "LastUpdatedTime": stack.updated,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
        "Outputs": stack.outputs,
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": stack.drift,
        "Deployment": stack.stable,
        "DisableRollback": False,
        "EnableTerminationProtection": False,
        **stack.options,
        **deployment_description(stack.deployment),
    }


def deployment_description(goal: Deployment | None) -> Json:
    """What stacks and change sets tell of what they deploy; the values of NoEcho parameters are hidden."""
    return {
        "Parameters": [
            {
                "ParameterKey": key,
                "ParameterValue": "****" if one.no_echo else one.value,
                "ResolvedValue": one.resolved,
            }
            for key, one in (goal.template.parameters if goal else {}).items()
        ],
        "Tags": tag_list(goal.tags if goal else {}),
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "Capabilities": [],
        **(goal.options if goal else {}),
    }


def resource_description(stack: Stack, resource: StackResource) -> Json:
    """A resource as all operations answer it that tell of resources."""
    metadata = resource.definition.get("Metadata")
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.type_name,
        "Timestamp": resource.updated,
        "LastUpdatedTimestamp": resource.updated,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason or None,
        "Metadata": None if metadata is None else json.dumps(metadata),
        "DriftInformation": {**resource.drift, "LastCheckTimestamp": resource.drift.get("Timestamp")},
    }
