"""A template on its way to an operation: parsed, transformed, checked, its conditions evaluated."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cfnbox.template import checks, outputs, secrets, syntax, transforms
from cfnbox.template.conditions import active, check_rules
from cfnbox.template.conditions import conditions as conditions_of
from cfnbox.template.functions import ResolutionFailed, resolve
from cfnbox.template.macros import TransformFailed
from cfnbox.template.parameters import parameters as parameters_of
from cfnbox.template.references import dependencies, imports
from cfnbox.template.summary import require_capabilities

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.template.checks import Find
    from cfnbox.template.dynamic import DynamicReferences
    from cfnbox.template.macros import FindMacro
    from cfnbox.template.parameters import Parameter
    from cfnbox.template.scope import Scope
    from cfnbox.template.transforms import ReadObject


@dataclass(frozen=True)
class Prepared:
    """A template as it was sent (`body`, `document`) and as it is carried out (`processed`), with what it works with.

    `failure` says why it cannot be transformed; nothing is processed then.
    """

    body: str
    document: Json
    processed: Json
    parameters: Mapping[str, Parameter]
    conditions: Mapping[str, bool]
    failure: str = ""

    @cached_property
    def resources(self) -> dict[str, Json]:
        """The resource definitions whose condition holds, by logical id. Their policies are resolved."""
        existing = active(self.processed.get("Resources", {}), self.conditions)
        return {
            name: _with_policies(definition, self.conditions, self.parameters)
            for name, definition in existing.items()
        }

    @property
    def dependencies(self) -> dict[str, set[str]]:
        """The logical ids that each of them needs first."""
        return dependencies(self.resources, self.conditions)

    @property
    def outputs(self) -> dict[str, Json]:
        """The definitions of the outputs whose condition holds, by name."""
        return active(self.processed.get("Outputs", {}), self.conditions)

    @property
    def imports(self) -> list[Any]:
        """What every Fn::ImportValue is given: the name of an export, or a function."""
        return list(imports([*self.resources.values(), *self.outputs.values()], self.conditions))

    @property
    def secrets(self) -> frozenset[str]:
        """The values that nobody may be shown."""
        return secrets.of(self.parameters.values())


@dataclass(frozen=True)
class Surroundings:
    """What a template is prepared in: `previous` are the parameters of the stack as it is.

    `scope` knows the stack, `read_object` what AWS::Include reads, `find` the definition of a type or None.
    """

    scope: Scope
    dynamic: DynamicReferences
    read_object: ReadObject
    find: Find
    previous: Mapping[str, Parameter]
    find_macro: FindMacro = lambda _name: None


def prepare(
    body: str,
    given: Iterable[Mapping[str, object]],
    capabilities: Collection[str],
    around: Surroundings,
    *,
    in_change_set: bool = False,
) -> Prepared:
    """The template with botocore's Parameter structures given; Refused when CloudFormation would not begin it.

    A transform that fails is refused in a change set alone, which then FAILED; else it is what the operation fails
    with. The macros of a change set need no capability.
    """
    document, failure = syntax.parse(body), ""
    parameters = parameters_of(document, given, around.previous, around.dynamic.parameter)
    try:
        place, stack_name = around.scope.place, around.scope.stack_name
        processed = transforms.transform(
            document, parameters, place, around.read_object, stack_name, around.find_macro
        )
    except TransformFailed as problem:
        if in_change_set:
            raise
        processed, failure = {"Resources": {}}, str(problem)
    require_capabilities(capabilities, document, processed, macros=not in_change_set)
    mappings = processed.get("Mappings", {})
    scope = replace(around.scope, parameters=parameters, mappings=mappings, dynamic=around.dynamic)
    check_rules(processed, scope)
    conditions = conditions_of(processed, scope)
    checks.check(processed, parameters, conditions, around.find)
    _require_bounded_text(processed, replace(scope, conditions=conditions, dynamic=None))
    prepared = Prepared(body, document, processed, parameters, conditions, failure)
    _check_policies(prepared.resources)
    all_pending = replace(scope, conditions=conditions, pending=frozenset(prepared.resources))
    outputs.check_values(prepared.outputs, all_pending)
    outputs.check_exports(prepared.outputs, replace(scope, conditions=conditions))
    return prepared


def _with_policies(definition: Json, conditions: Mapping[str, bool], parameters: Mapping[str, Parameter]) -> Json:
    """Return a definition with the values of its policies: conditions decide about Fn::If, parameters about Ref."""
    written = {name: definition[name] for name in syntax.POLICIES if isinstance(definition.get(name), dict)}
    if not written:
        return definition
    chosen = {name: _referred(_chosen(value, conditions), parameters) for name, value in written.items()}
    others = {name: value for name, value in definition.items() if name not in written}
    return others | {name: value for name, value in chosen.items() if value is not None}


def _referred(value: Any, parameters: Mapping[str, Parameter]) -> Any:
    """Return what a Ref stands for: the value of a parameter, or None for AWS::NoValue."""
    if not isinstance(value, dict):
        return value
    if value == {"Ref": "AWS::NoValue"}:
        return None
    parameter = parameters.get(str(value.get("Ref")))
    return value if parameter is None else parameter.referred


def _check_policies(resources: Mapping[str, Json]) -> None:
    """Raise Invalid for a policy that is no policy of the type once its Ref has a value."""
    for logical_id, definition in resources.items():
        for name in syntax.POLICIES:
            syntax.check_policy(logical_id, definition["Type"], name, definition.get(name, "Delete"))


def _chosen(value: Any, conditions: Mapping[str, bool]) -> Any:
    while isinstance(value, dict) and "Fn::If" in value:
        name, when_true, when_false = value["Fn::If"]
        value = when_true if conditions[name] else when_false
    return value


def _require_bounded_text(processed: Json, scope: Scope) -> None:
    """Refused when the functions of all resources and outputs together give too much text. Raises TooMuchText."""
    resources, outputs = processed["Resources"], processed.get("Outputs", {})
    all_pending = replace(scope, pending=frozenset(resources))
    for member in [*active(resources, scope.conditions).values(), *active(outputs, scope.conditions).values()]:
        with suppress(ResolutionFailed):
            resolve({**member.get("Properties", {}), "": member.get("Value")}, all_pending)
