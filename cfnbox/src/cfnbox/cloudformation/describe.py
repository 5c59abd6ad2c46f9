"""CloudFormation's operations that describe: stacks, resources, events, templates, exports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cfnbox.aws.paging import page, page_backwards
from cfnbox.cloudformation.answers import (
    RESOURCE,
    RESOURCE_DETAIL,
    RESOURCE_SUMMARY,
    STACK,
    STACK_SUMMARY,
    ResourceOf,
    answer,
)
from cfnbox.cloudformation.requests import TemplateSource
from cfnbox.cloudformation.status import StackStatus
from cfnbox.core.errors import Invalid
from cfnbox.template import functions, syntax
from cfnbox.template.checks import check_references
from cfnbox.template.summary import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_boto3_cloudformation.type_defs import (
        DescribeStackEventsInputTypeDef,
        DescribeStackResourceInputTypeDef,
        DescribeStackResourcesInputTypeDef,
        DescribeStacksInputTypeDef,
        GetStackPolicyInputTypeDef,
        GetTemplateInputTypeDef,
        GetTemplateSummaryInputTypeDef,
        ListExportsInputTypeDef,
        ListImportsInputTypeDef,
        ListStackResourcesInputTypeDef,
        ListStacksInputTypeDef,
        ValidateTemplateInputTypeDef,
    )

    from cfnbox.cloudformation.deployment import Deployment, ResourceState
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.requests import Handler
    from cfnbox.cloudformation.stacks import StackState
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

# Sentences of missing stacks as recorded on AWS, where they differ from that of other operations. Clients look for
# them: the CDK's `diff` takes the first for "not deployed yet".
_WITH_ID = "Stack with id {} does not exist"
_QUOTED = "Stack '{}' does not exist"
# The members of ValidateTemplate, which looks at no types.
_VALIDATION = ("Parameters", "Description", "Capabilities", "CapabilitiesReason", "DeclaredTransforms")
# "Only the first 100 resources will be returned" (API reference): DescribeStackResources has no pages.
_MOST_RESOURCES = 100


class Descriptions:
    """The operations that describe the state of a cloud."""

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

    def _describe_stacks(self, place: Place, request: DescribeStacksInputTypeDef) -> Json:
        if "StackName" not in request:
            with self._stacks.changed:
                live = [stack for stack in self._stacks.in_place(place) if not stack.is_deleted]
                return page([answer(STACK, stack, stack.status) for stack in live], request, "Stacks")
        with self._stacks.changed:
            stack = self._stacks.require(place, request["StackName"], _WITH_ID)
            return {"Stacks": [answer(STACK, stack, stack.status)]}

    def _list_stacks(self, place: Place, request: ListStacksInputTypeDef) -> Json:
        statuses = request.get("StackStatusFilter")
        with self._stacks.changed:
            listed = [one for one in self._stacks.in_place(place) if not statuses or one.status in statuses]
            return page([answer(STACK_SUMMARY, one, one.status) for one in listed], request, "StackSummaries")

    def _events(self, place: Place, request: DescribeStackEventsInputTypeDef) -> Json:
        if "StackName" not in request:
            raise Invalid("StackName is required")
        return page_backwards(self._stacks.require(place, request["StackName"]).events, request, "StackEvents")

    def _resource(self, place: Place, request: DescribeStackResourceInputTypeDef) -> Json:
        stack = self._stacks.require(place, request["StackName"], _QUOTED)
        resource = stack.require_resource(request["LogicalResourceId"], request["StackName"])
        described = ResourceOf(stack, resource, self._metadata(stack, resource))
        return {"StackResourceDetail": answer(RESOURCE_DETAIL, described)}

    def _metadata(self, stack: StackState, resource: ResourceState) -> Json | None:
        """Return the Metadata with its functions resolved, as cfn-init reads it; as written where that cannot be."""
        metadata: Json | None = resource.definition.get("Metadata")
        if metadata is None:
            return None
        try:
            resolved: Json = functions.resolve(metadata, self._deployments.scope(stack, as_written=True))
        except functions.ResolutionFailed:
            return metadata
        return resolved

    def _resources(self, place: Place, request: DescribeStackResourcesInputTypeDef) -> Json:
        if "PhysicalResourceId" in request:
            stack = self._owner(place, request["PhysicalResourceId"])
        elif "StackName" in request:
            stack = self._stacks.require(place, request["StackName"], _WITH_ID)
        else:
            raise Invalid("Either StackName or PhysicalResourceId must be specified.")
        logical_id = request.get("LogicalResourceId")
        listed = [stack.require_resource(logical_id)] if logical_id else list(stack.resources.values())
        return {"StackResources": [answer(RESOURCE, ResourceOf(stack, one)) for one in listed[:_MOST_RESOURCES]]}

    def _owner(self, place: Place, physical_id: str) -> StackState:
        for stack in self._stacks.in_place(place):
            if any(one.physical_id == physical_id and one.is_live for one in stack.resources.values()):
                return stack
        raise Invalid(f"Stack for {physical_id} does not exist")

    def _list_resources(self, place: Place, request: ListStackResourcesInputTypeDef) -> Json:
        stack = self._stacks.require(place, request["StackName"], _WITH_ID)
        listed = [answer(RESOURCE_SUMMARY, ResourceOf(stack, one)) for one in stack.resources.values()]
        return page(listed, request, "StackResourceSummaries")

    def _template(self, place: Place, request: GetTemplateInputTypeDef) -> Json:
        stages = ["Original", "Processed"]
        if "ChangeSetName" not in request and self._named(place, request).deployment is None:
            # The CDK reads it before the change set is executed, and takes an empty body for no template.
            return {"TemplateBody": "", "StagesAvailable": stages}
        template = self._deployment(place, request).template
        is_processed = request.get("TemplateStage") == "Processed" and template.processed != template.document
        body = json.dumps(template.processed) if is_processed else template.body
        return {"TemplateBody": body, "StagesAvailable": stages}

    def _named(self, place: Place, request: GetTemplateInputTypeDef) -> StackState:
        if "StackName" not in request:
            # Recorded, both.
            has_change_set = "ChangeSetName" in request
            missing = "a required parameter" if has_change_set else "required if ChangeSetName is not specified"
            raise Invalid(f"StackName is {missing}.")
        return self._stacks.require(place, request["StackName"], _WITH_ID)

    def _deployment(self, place: Place, request: GetTemplateInputTypeDef) -> Deployment:
        if "ChangeSetName" in request:
            if not request["ChangeSetName"].startswith("arn:"):
                self._named(place, request)
            stack, change_set = self._stacks.change_set(place, request["ChangeSetName"], request.get("StackName"))
            return change_set.deployment or stack.require_deployment()
        return self._named(place, request).require_deployment()

    def _summary(self, place: Place, request: GetTemplateSummaryInputTypeDef) -> Json:
        if "StackName" in request:
            stack = self._stacks.require(place, request["StackName"])
            if stack.status == StackStatus.REVIEW_IN_PROGRESS:
                # Recorded.
                raise Invalid("GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
            document = stack.require_deployment().template.document
        else:
            document = syntax.parse(self._deployments.template_body(TemplateSource.of(request), place))
        configuration = request.get("TemplateSummaryConfig")
        as_warnings = configuration is not None and configuration["TreatUnrecognizedResourceTypesAsWarnings"]
        return self._summarized(place, document, unrecognized_as_warnings=as_warnings)

    def _summarized(self, place: Place, document: Json, *, unrecognized_as_warnings: bool) -> Json:
        summarized: Json = summary(
            document,
            lambda type_name: self._deployments.definition(type_name, place),
            unrecognized_as_warnings=unrecognized_as_warnings,
        )
        return summarized

    def _validate(self, place: Place, request: ValidateTemplateInputTypeDef) -> Json:
        document = syntax.parse(self._deployments.template_body(TemplateSource.of(request), place))
        check_references(document)
        summarized = self._summarized(place, document, unrecognized_as_warnings=True)
        return {member: summarized[member] for member in _VALIDATION if member in summarized}

    def _stack_policy(self, place: Place, request: GetStackPolicyInputTypeDef) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        # Recorded: during an update the temporary policy is shown.
        policy = stack.policy_in_force if stack.status.is_in_progress else stack.policy
        return {"StackPolicyBody": policy.body} if policy else {}

    def _exports(self, place: Place, request: ListExportsInputTypeDef) -> Json:
        listed = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for name, (stack, value) in sorted(self._stacks.exports(place).items())
        ]
        return page(listed, request, "Exports")

    def _imports(self, place: Place, request: ListImportsInputTypeDef) -> Json:
        name = request["ExportName"]
        importers = self._stacks.importers(place, name)
        if not importers:
            raise Invalid(f"Export '{name}' is not imported by any stack.")
        return page(sorted(importers), request, "Imports")
