"""Builds the deployment of a request. Raises Refused before anything is made if AWS would refuse the request."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.cloudformation.deployment import Deployment
from cfnbox.core.errors import Invalid
from cfnbox.core.place import Place
from cfnbox.providers.guarded import Guarded
from cfnbox.providers.protocol import Providers, ResourceFailed, Served
from cfnbox.providers.registry_handlers import HandlersProvider
from cfnbox.template import syntax
from cfnbox.template.preparation import Surroundings, prepare
from cfnbox.template.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Set

    from cfnbox.cloudformation.requests import DeploymentRequest, TemplateSource
    from cfnbox.cloudformation.stacks import Stacks, StackState
    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.template.dynamic import DynamicReferences
    from cfnbox.template.macros import Macro

_COLONS_OF_ARN = 5
# Types of CloudFormation itself whose effect would be missing: they act on other stacks, accounts and operations.
_UNSUPPORTED_TYPES = {
    f"AWS::CloudFormation::{name}"
    for name in ("GuardHook", "HookDefaultVersion", "HookTypeConfig", "HookVersion", "LambdaHook", "StackSet")
}


@dataclass
class Deployments:
    """Builds deployments, and scopes in which their functions resolve. Callables read what is outside of stacks."""

    stacks: Stacks
    providers: Providers
    read_url: Callable[[str, Place], str]
    read_object: Callable[[str, str, Place], bytes | None]
    dynamic: Callable[[Place], DynamicReferences]
    has_objects: Callable[[str, Place], bool] = lambda _bucket, _place: False
    # Type and identifier of resources that exist from the start, and give way to those of stacks.
    placeholders: Collection[tuple[str, str]] = ()
    find_macro: Callable[[str, Place], Macro | None] = lambda _name, _place: None

    def reads_quickly(self, type_name: str, place: Place) -> bool:
        """Return whether early validation may read resources of a type: handlers of the registry are not asked."""
        served = self.providers.find(type_name, place)
        return served is not None and not isinstance(served.provider, HandlersProvider)

    def find(self, type_name: str, place: Place) -> Served:
        """Return a type with its provider. Raise ResourceFailed if the type of a resource is not served any more."""
        served = self.providers.find(type_name, place)
        if served is None:
            raise ResourceFailed(
                f"The type {type_name} is not registered any more, so that nothing can read, change or delete its "
                "resources. Register it again; or delete the stack, once that has failed, with RetainResources.",
                "TypeNotFound",
            )
        return Served(Guarded(served.provider), served.definition)

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return what the schema of a type says, or None if no provider serves the type."""
        served = self.providers.find(type_name, place)
        return None if served is None else served.definition

    def template_body(self, source: TemplateSource, place: Place, stack: StackState | None = None) -> str:
        """Return the text of a template."""
        if source.body is not None:
            return syntax.inline(source.body)
        if source.url is not None:
            return self.read_url(source.url, place)
        if source.is_previous and stack is not None and stack.deployment is not None:
            return stack.deployment.template.body
        raise Invalid("Either Template URL or Template Body must be specified.")

    def build(self, stack: StackState, request: DeploymentRequest, *, in_change_set: bool = False) -> Deployment:
        """Return the deployment that a request asks for. Raise Refused if CloudFormation would not begin it."""
        place, previous = stack.place, stack.deployment
        arns = request.notification_arns
        if arns is None:
            arns = previous.notification_arns if previous else ()
        around = Surroundings(
            Scope(
                place,
                stack.name,
                stack.id,
                notification_arns=tuple(arns),
                stack_outputs=lambda *names: self._stack_output(place, *names),
            ),
            self.dynamic(place),
            lambda bucket, key: self.read_object(bucket, key, place),
            lambda type_name: self.definition(type_name, place),
            previous.template.parameters if previous else {},
            lambda name: self.find_macro(name, place),
        )
        body = self.template_body(request.template, place, stack)
        template = prepare(body, request.parameters, request.capabilities, around, in_change_set=in_change_set)
        _require_same_types(stack, template.resources)
        _require_supported_types(template.resources)
        request.require_allowed_types(definition["Type"] for definition in template.resources.values())
        tags = request.tags if request.tags is not None else dict(previous.tags) if previous else {}
        return Deployment(
            template,
            tags,
            request.capabilities,
            arns,
            request.role_arn or (previous.role_arn if previous else None),
            _rollback_configuration(request, previous),
            drifted=request.drifted,
            is_validated=not request.disable_validation,
            config=request.deployment_config,
        )

    def scope(
        self,
        stack: StackState,
        deployment: Deployment | None = None,
        *,
        as_written: bool = False,
        among: Set[str] | None = None,
    ) -> Scope:
        """Return what the functions of a deployment, by default the stack's own, resolve to in a stack as it is now.

        With `as_written` dynamic references stay. `among`: the resources that functions refer to, by default all.
        """
        deployment, place, resources = deployment or stack.require_deployment(), stack.place, stack.resources
        known = resources if among is None else {name: resources[name] for name in resources.keys() & among}
        return Scope(
            place=place,
            stack_name=stack.name,
            stack_id=stack.id,
            parameters=deployment.template.parameters,
            conditions=deployment.template.conditions,
            mappings=deployment.template.processed.get("Mappings", {}),
            resources={name: resource.live for name, resource in known.items() if resource.live is not None},
            exports=lambda name: self.stacks.exports(place).get(name, (None, None))[1],
            stack_outputs=lambda *names: self._stack_output(place, *names),
            dynamic=None if as_written else self.dynamic(place),
            notification_arns=tuple(deployment.notification_arns),
            missing_attribute=lambda logical_id, name: _missing_attribute(stack, logical_id, name),
        )

    def _stack_output(
        self, place: Place, name: str, output: str, region: str | None, role_arn: str | None
    ) -> str | None:
        """Return an output of a stack, perhaps of another region, or of the account of a role."""
        account = role_arn.split(":")[4] if role_arn and role_arn.count(":") >= _COLONS_OF_ARN else place.account
        stack = self.stacks.find(Place(region or place.region, account), name)
        outputs = [] if stack is None else stack.outputs
        return next((one["OutputValue"] for one in outputs if one["OutputKey"] == output), None)


def _missing_attribute(stack: StackState, logical_id: str, name: str) -> str:
    """Return why an attribute has no value; of a custom resource in CloudFormation's sentence.

    AWS keeps the responses in a bucket of its own, by stack, logical id and request.
    """
    type_name = stack.resources[logical_id].type_name if logical_id in stack.resources else ""
    if not type_name.startswith("Custom::") and type_name != "AWS::CloudFormation::CustomResource":
        return f"Resource {logical_id} has no value for its attribute {name} now."
    response = f"{stack.id}|{logical_id}|{uuid.uuid5(uuid.NAMESPACE_URL, f'{stack.id}|{logical_id}')}"
    bucket = f"cloudformation-custom-resource-storage-{stack.place.region.replace('-', '')}"
    return (
        f"CustomResource attribute error: Vendor response doesn't contain {name} key in object {response} in S3 "
        f"bucket {bucket}"
    )


def _require_supported_types(resources: Mapping[str, Json]) -> None:
    types = {definition["Type"] for definition in resources.values()}
    if unsupported := sorted(types & _UNSUPPORTED_TYPES):
        raise Invalid(
            f"cfnbox does not have {', '.join(unsupported)}, and does not simulate it, because a stack would succeed "
            "without its effect. Leave it out of the template."
        )


def _rollback_configuration(request: DeploymentRequest, previous: Deployment | None) -> Json:
    if request.rollback_configuration is None:
        return previous.rollback_configuration if previous else {}
    return request.rollback_configuration


def _require_same_types(stack: StackState, resources: Mapping[str, Json]) -> None:
    types = {name: resource.type_name for name, resource in stack.resources.items() if resource.is_live}
    changed = sorted(name for name, item in resources.items() if types.get(name, item["Type"]) != item["Type"])
    if changed:
        raise Invalid(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )
