"""A request's template, parameters and options as a deployment, refused before anything is made when AWS would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.cloudformation.stacks import Deployment, Stack, Stacks
from cfnbox.core.errors import Invalid
from cfnbox.providers.guarded import Guarded
from cfnbox.providers.protocol import Providers, ResourceFailed, Served
from cfnbox.template import syntax
from cfnbox.template.preparation import Surroundings, prepare
from cfnbox.template.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.template.dynamic import DynamicReferences

_OPTIONS = ("Capabilities", "RoleARN", "NotificationARNs", "RollbackConfiguration")
_TAG_LIMIT = 50


@dataclass
class Deployments:
    """Builds deployments, and scopes in which their functions resolve. Reads what lies outside through callables."""

    stacks: Stacks
    providers: Providers
    read_url: Callable[[str, Place], str]
    read_object: Callable[[str, str, Place], bytes | None]
    dynamic: Callable[[Place], DynamicReferences]

    def find(self, type_name: str, place: Place) -> Served:
        """Who serves a type of which there are resources; ResourceFailed when nobody does any more."""
        served = self.providers.find(type_name, place)
        if served is None:
            raise ResourceFailed(
                f"The type {type_name} is not registered any more, so that nothing can read, change or delete its "
                "resources. Register it again; or delete the stack, once that has failed, with RetainResources.",
                "TypeNotFound",
            )
        return Served(Guarded(served.provider), served.definition)

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """What the schema of a type says, or None when nobody serves it."""
        served = self.providers.find(type_name, place)
        return None if served is None else served.definition

    def template_body(self, place: Place, request: Json, stack: Stack | None = None) -> str:
        """The template of a request: its body, what its URL holds, or the stack's."""
        if "TemplateBody" in request:
            return syntax.inline(request["TemplateBody"])
        if "TemplateURL" in request:
            return self.read_url(request["TemplateURL"], place)
        if request.get("UsePreviousTemplate") and stack is not None and stack.deployment is not None:
            return stack.deployment.template.body
        raise Invalid("Either Template URL or Template Body must be specified.")

    def build(self, stack: Stack, request: Json, *, in_change_set: bool = False) -> Deployment:
        """The deployment of a stack that a request asks for; Refused when CloudFormation would not begin it."""
        place, former = stack.place, stack.deployment
        options = {key: request[key] for key in _OPTIONS if key in request}
        around = Surroundings(
            Scope(place, stack.name, stack.id, notification_arns=tuple(options.get("NotificationARNs", ()))),
            self.dynamic(place),
            lambda bucket, key: self.read_object(bucket, key, place),
            lambda kind: self.definition(kind, place),
            former.template.parameters if former else {},
        )
        body, capabilities = self.template_body(place, request, stack), options.get("Capabilities", [])
        template = prepare(body, request.get("Parameters", []), capabilities, around, in_change_set=in_change_set)
        _require_the_same_types(stack, template.resources)
        tags = _tags(request["Tags"]) if "Tags" in request else dict(former.tags) if former else {}
        return Deployment(template, tags, options)

    def scope(
        self, stack: Stack, goal: Deployment | None = None, *, as_written: bool = False, among: Set[str] | None = None
    ) -> Scope:
        """What the functions of a deployment, the stack's own by default, resolve to in a stack as it is now.

        `as_written`: dynamic references stay. `among`: the only resources that functions refer to; all by default.
        """
        goal, place, had = goal or stack.goal, stack.place, stack.resources
        known = had if among is None else {name: had[name] for name in had.keys() & among}
        return Scope(
            place=place,
            stack_name=stack.name,
            stack_id=stack.id,
            parameters=goal.template.parameters,
            conditions=goal.template.conditions,
            mappings=goal.template.processed.get("Mappings", {}),
            resources={name: one.exists for name, one in known.items() if one.exists is not None},
            exports=lambda name: self.stacks.exports(place).get(name, (None, None))[1],
            dynamic=None if as_written else self.dynamic(place),
            notification_arns=tuple(goal.options.get("NotificationARNs", ())),
        )


def _require_the_same_types(stack: Stack, resources: Mapping[str, Json]) -> None:
    had = {name: one.type_name for name, one in stack.resources.items() if one.exists}
    if changed := sorted(name for name, one in resources.items() if had.get(name, one["Type"]) != one["Type"]):
        raise Invalid(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )


def _tags(given: list[Json]) -> Mapping[str, str]:
    keys = [tag["Key"] for tag in given]
    if len(keys) != len(set(keys)):
        raise Invalid("Duplicate tag keys found. Each tag key must be given once.")
    if len(keys) > _TAG_LIMIT:
        raise Invalid(f"A stack takes at most {_TAG_LIMIT} tags.")
    if any(key.lower().startswith("aws:") for key in keys):
        raise Invalid("aws: prefixed tag key names are not allowed for external use.")
    return {tag["Key"]: tag["Value"] for tag in given}
