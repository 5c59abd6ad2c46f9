"""A request's template, parameters and options as a deployment, refused before anything is made when AWS would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from laptop.cloudformation.stacks import Deployment, Stack, Stacks
from laptop.providers.guarded import Guarded
from laptop.providers.protocol import Place, Provider, Providers, ResourceFailed, Served
from laptop.refusal import Invalid
from laptop.template import checks, syntax, transforms
from laptop.template.conditions import check_rules
from laptop.template.conditions import conditions as conditions_of
from laptop.template.parameters import parameters as parameters_of
from laptop.template.scope import Scope
from laptop.template.summary import require_capabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from laptop.definition import TypeDefinition
    from laptop.paths import Json
    from laptop.template.dynamic import DynamicReferences

_OPTIONS = ("Capabilities", "RoleARN", "NotificationARNs", "RollbackConfiguration")
_TAG_LIMIT = 50


@dataclass
class Deployments:
    """Builds deployments, and scopes in which their functions resolve. Reads what lies outside through callables."""

    stacks: Stacks
    providers: Providers
    nested: Provider
    read_url: Callable[[str, Place], str]
    read_object: Callable[[str, str, Place], bytes | None]
    dynamic: Callable[[Place], DynamicReferences]

    def find(self, type_name: str, place: Place) -> Served:
        """Who serves a type; ResourceFailed when nobody does."""
        nested = self.nested.definition(type_name, place)
        served = self.providers.find(type_name, place) if nested is None else Served(self.nested, nested)
        if served is None:
            raise ResourceFailed(f"Template format error: Unrecognized resource types: [{type_name}]", "TypeNotFound")
        return Served(Guarded(served.provider), served.definition)

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """What the schema of a type says, or None when nobody serves it."""
        try:
            return self.find(type_name, place).definition
        except ResourceFailed:
            return None

    def template_body(self, place: Place, request: Json, stack: Stack | None = None) -> str:
        """The template of a request: its body, what its URL holds, or the stack's."""
        if "TemplateBody" in request:
            return syntax.inline(request["TemplateBody"])
        if "TemplateURL" in request:
            return self.read_url(request["TemplateURL"], place)
        if request.get("UsePreviousTemplate") and stack is not None and stack.deployment is not None:
            return stack.deployment.body
        raise Invalid("Either Template URL or Template Body must be specified.")

    def build(
        self, place: Place, request: Json, stack: Stack | None, name: str, stack_id: str, *, macros: bool = True
    ) -> Deployment:
        """The deployment that a request asks for; Refused when CloudFormation would not begin it.

        `macros`: whether the template's macros need a capability, which those of a change set do not.
        """
        former = stack.deployment if stack is not None else None
        body = self.template_body(place, request, stack)
        document = syntax.parse(body)
        parameters = parameters_of(
            document,
            request.get("Parameters", []),
            former.parameters if former else {},
            self.dynamic(place).parameter,
        )
        options = {key: request[key] for key in _OPTIONS if key in request}
        processed = transforms.transform(
            document, parameters, place, lambda bucket, key: self.read_object(bucket, key, place)
        )
        require_capabilities(options.get("Capabilities", []), document, processed, macros=macros)
        tags = _tags(request["Tags"]) if "Tags" in request else dict(former.tags) if former else {}
        draft = Deployment(body, document, processed, parameters, {}, tags, options)
        scope = self._scope(draft, place, name, stack_id, stack)
        check_rules(processed, scope)
        conditions = conditions_of(processed, scope)
        checks.check(processed, parameters, conditions, lambda kind: self.definition(kind, place))
        goal = Deployment(body, document, processed, parameters, conditions, tags, options)
        _require_the_same_types(stack, goal)
        return goal

    def scope(self, stack: Stack) -> Scope:
        """What the functions of a stack's deployment resolve to now."""
        return self._scope(stack.goal, stack.place, stack.name, stack.id, stack)

    def scope_of(self, goal: Deployment, stack: Stack) -> Scope:
        """What the functions of a deployment would resolve to in a stack as it is now; dynamic references stay."""
        return replace(self._scope(goal, stack.place, stack.name, stack.id, stack), dynamic=None)

    def _scope(self, goal: Deployment, place: Place, name: str, stack_id: str, stack: Stack | None) -> Scope:
        existing = {} if stack is None else stack.resources
        return Scope(
            place=place,
            stack_name=name,
            stack_id=stack_id,
            parameters=goal.parameters,
            conditions=goal.conditions,
            mappings=goal.processed.get("Mappings", {}),
            resources={name: one.exists for name, one in existing.items() if one.exists is not None},
            exports=lambda export: _exported(self.stacks, place, export),
            dynamic=self.dynamic(place),
            notification_arns=tuple(goal.options.get("NotificationARNs", ())),
        )


def _require_the_same_types(stack: Stack | None, goal: Deployment) -> None:
    had = {name: one.type_name for name, one in stack.resources.items() if one.exists} if stack else {}
    changed = sorted(name for name, one in goal.resources.items() if had.get(name, one["Type"]) != one["Type"])
    if changed:
        raise Invalid(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )


def _exported(stacks: Stacks, place: Place, name: str) -> str | None:
    known = stacks.exports(place).get(name)
    return None if known is None else str(known[1]["OutputValue"])


def _tags(given: list[Json]) -> Mapping[str, str]:
    keys = [tag["Key"] for tag in given]
    if len(keys) != len(set(keys)):
        raise Invalid("Duplicate tag keys found. Each tag key must be given once.")
    if len(keys) > _TAG_LIMIT:
        raise Invalid(f"A stack takes at most {_TAG_LIMIT} tags.")
    if any(key.lower().startswith("aws:") for key in keys):
        raise Invalid("aws: prefixed tag key names are not allowed for external use.")
    return {tag["Key"]: tag["Value"] for tag in given}


def listed_parameters(parameters: Mapping[str, Any]) -> list[Json]:
    """Parameters as DescribeStacks answers them; a NoEcho value is hidden."""
    return [
        {
            "ParameterKey": key,
            "ParameterValue": "****" if one.no_echo else one.value,
            **({"ResolvedValue": one.resolved} if one.resolved is not None else {}),
        }
        for key, one in parameters.items()
    ]


def listed_tags(tags: Mapping[str, str]) -> list[Json]:
    """Tags as AWS lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
