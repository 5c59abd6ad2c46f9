"""The transform AWS::LanguageExtensions: loops, and functions whose value the template itself gives. Pure.

Sources: "AWS::LanguageExtensions transform", "Fn::ForEach", "Fn::Length", "Fn::ToJsonString" and "Enhancements to
Fn::FindInMap" in the CloudFormation user guide. Sentences marked "measured" are those of an account, as ministack's
authors have recorded them.
"""

from __future__ import annotations

import json
import re
from collections import ChainMap
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from cfnbox.core.errors import Invalid
from cfnbox.template.functions import ResolutionFailed, function_of, resolve
from cfnbox.template.limits import TemplateCharacters
from cfnbox.template.parameters import Parameter, as_text
from cfnbox.template.references import references
from cfnbox.template.syntax import objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope

NAME = "AWS::LanguageExtensions"
FOR_EACH = "Fn::ForEach::"
_LENGTH, _TO_JSON, _FIND_IN_MAP = "Fn::Length", "Fn::ToJsonString", "Fn::FindInMap"
FUNCTIONS = (_LENGTH, _TO_JSON)
_SECTIONS = ("Conditions", "Resources", "Outputs")
_NOT_SEARCHED = ("AWSTemplateFormatVersion", "Description", "Transform")
# Pseudo parameters that are known before there is a stack.
_KNOWN = frozenset(f"AWS::{name}" for name in ("AccountId", "NoValue", "Partition", "Region", "URLSuffix"))
_OF_STACK_NAME = ({"Fn::Sub": "${AWS::StackName}"}, {"Fn::Join": ["", [{"Ref": "AWS::StackName"}]]})
# ${Identifier} and &{Identifier}; ${!Literal} is text.
_PLACEHOLDER = re.compile(r"([$&])\{([^{}!][^{}]*)\}")
_NESTED_VARIABLE = re.compile(r"\$\{[^}]*\$\{")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")
# What an item of a loop counts besides what it makes, because loops around an empty one take time and make nothing.
_ITEM_OF_A_LOOP = 20


def extend(document: Json, scope: Scope) -> Json:
    """Return the template without loops, and without the functions that can be resolved before there is a stack.

    Raise Invalid when the transform fails, or makes more than a template may hold: "Using the Fn::ForEach intrinsic
    function does not change the quotas, which apply to the resultant template" (user guide, "Fn::ForEach").
    """
    _check_places(document)
    _check_loop_names(document)
    extended, left, twice = dict(document), TemplateCharacters(), list[str]()
    for section in _SECTIONS:
        if isinstance(document.get(section), dict):
            extended[section] = _Expansion(section, scope, left, twice).members(document[section], are_ids=True)
    for reason in twice:
        raise failed(reason)
    _resolve_conditions(extended, scope)
    _resolve_policies(extended, scope)
    return extended


def failed(reason: str) -> Invalid:
    """Return the refusal of a template that the transform cannot be applied to."""
    return Invalid(f"Transform {NAME} failed with: {reason}")


@dataclass(frozen=True)
class _Expansion:
    """The expansion of one section. `items` are the items of the loops around, by identifier.

    `twice` says which keys are there twice; it is looked at in the end, so that the size of a template comes first.
    """

    section: str
    scope: Scope
    left: TemplateCharacters
    twice: list[str]
    items: Mapping[str, str] = field(default_factory=dict)

    def value(self, value: Any) -> Any:
        """Return any value with its loops expanded; what is made is counted before."""
        if isinstance(value, list):
            self.left.take(len(value))
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            self.left.take(len(str(value)))
            return value
        match function_of(value):
            case "Fn::Length" | "Fn::ToJsonString" | "Fn::FindInMap" as name:
                return self._function(name, value)
            case "Ref":
                return self._ref(value["Ref"])
            case "Fn::GetAtt":
                return {"Fn::GetAtt": self._names(value["Fn::GetAtt"])}
            case "Fn::Sub":
                return self._constant({"Fn::Sub": self._sub(value["Fn::Sub"])})
            case "Fn::Join":
                return self._constant({"Fn::Join": self.value(value["Fn::Join"])})
        return self.members(value)

    def members(self, value: Mapping[str, Any], *, are_ids: bool = False) -> Json:
        """Return an object with its loops expanded; `are_ids` when its keys are logical ids or names of outputs."""
        expanded: Json = {}
        for key, member in value.items():
            self.left.take(len(key))
            if not key.startswith(FOR_EACH):
                expanded[key] = self.value(member)
                continue
            for made_key, made in self._loop(key, member, are_ids=are_ids):
                if made_key in expanded or made_key in value:
                    self.twice.append(f"{key} produces {made_key}, which the template already declares.")
                expanded[made_key] = made
        return expanded

    def _loop(self, key: str, loop: Any, *, are_ids: bool) -> Iterator[tuple[str, Any]]:
        identifier, collection, fragment = _parts(key, loop)
        for item in self._collection(key, collection):
            self.left.take(_ITEM_OF_A_LOOP)
            inside = self._with(identifier, item)
            for fragment_key, value in fragment.items():
                if fragment_key.startswith(FOR_EACH):
                    yield from inside._loop(fragment_key, value, are_ids=are_ids)
                    continue
                made_key = inside._substituted(fragment_key, forms="$&")
                if are_ids and not _ALPHANUMERIC.fullmatch(made_key):
                    # Measured for OutputKey.
                    noun = "OutputKey" if self.section == "Outputs" else "LogicalId"
                    raise failed(f"{noun} '{made_key}' should be alphanumeric")
                yield made_key, inside.value(value)

    def _collection(self, key: str, collection: Any) -> list[str]:
        if isinstance(collection, str):
            # Measured.
            raise failed("Fn::ForEach layout is incorrect")
        items = self._resolved(collection)
        if not isinstance(items, list):
            # Measured.
            raise failed("Could not find a collection or could not be resolved for Fn::ForEach")
        if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
            raise failed(f"The collection of {key} has an item that is not a string.")
        return [as_text(item) for item in items]

    def _with(self, identifier: str, item: str) -> _Expansion:
        # A view, because there may be many items and many parameters.
        others = cast("dict[str, Parameter]", self.scope.parameters)
        bound = ChainMap({identifier: Parameter(identifier, item)}, others)
        return replace(self, scope=replace(self.scope, parameters=bound), items={**self.items, identifier: item})

    def _resolved(self, value: Any) -> Any:
        """Return what a value gives before there is a stack; None when it needs one."""
        try:
            if any(name not in self.scope.parameters and name not in _KNOWN for name, _ in references(value)):
                return None
            return resolve(value, self.scope)
        except ResolutionFailed as failure:
            if "Fn::Select cannot select" in failure.message:
                raise failed(failure.message.removeprefix("Template error: ")) from None
            return None

    def _constant(self, call: Json) -> Any:
        """Return the text of Fn::Sub or Fn::Join if all of its values are known, else the call (recorded).

        The name of the stack is known where it is the only value. Values of NoEcho and SSM parameters stay out of the
        template.
        """
        if self.scope.stack_name and call in _OF_STACK_NAME:
            return self.scope.stack_name
        try:
            parameters = [self.scope.parameters.get(name) for name, _ in references(call)]
        except ResolutionFailed:
            return call
        if any(parameter and (parameter.no_echo or parameter.resolved is not None) for parameter in parameters):
            return call
        resolved = self._resolved(call)
        if not isinstance(resolved, str):
            return call
        self.left.take(len(resolved))
        return resolved

    def _function(self, name: str, call: Json) -> Any:
        resolved = self._resolved(call)
        if resolved is not None:
            self.left.take(len(json.dumps(resolved)))
            return resolved
        if name == _LENGTH:
            # Measured.
            raise failed("The Fn::Length value could not be resolved for properties")
        return {name: self.value(call[name])}

    def _ref(self, name: Any) -> Any:
        if isinstance(name, str) and name in self.items:
            self.left.take(len(self.items[name]))
            return self.items[name]
        return {"Ref": self._names(name)}

    def _names(self, value: Any) -> Any:
        """Return the argument of a reference with the names that loops have made of functions."""
        if isinstance(value, list):
            return [self._names(item) for item in value]
        if not isinstance(value, dict):
            return self.value(value)
        text = self._resolved(value)
        return text if isinstance(text, str) else self.value(value)

    def _sub(self, argument: Any) -> Any:
        if isinstance(argument, str):
            return self._sub_text(argument)
        if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str):
            return [self._sub_text(argument[0]), self.value(argument[1])]
        return self.value(argument)

    def _sub_text(self, text: str) -> str:
        made = self._substituted(text, forms="$")
        if _NESTED_VARIABLE.search(made):
            # Measured.
            raise Invalid(
                "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, "
                "underscores, periods, and colons"
            )
        return made

    def _substituted(self, text: str, *, forms: str) -> str:
        """Return a text with the items of loops in it; `&{...}` gives the letters and digits of an item alone."""

        def item(match: re.Match[str]) -> str:
            form, name = match[1], match[2]
            if form not in forms or name not in self.items:
                return match[0]
            found = self.items[name]
            return found if form == "$" else _NOT_ALPHANUMERIC.sub("", found)

        longest = max((len(found) for found in self.items.values()), default=0)
        self.left.take(len(text) + longest * len(_PLACEHOLDER.findall(text)))
        return _PLACEHOLDER.sub(item, text)


def _parts(key: str, loop: Any) -> tuple[str, Any, Json]:
    if not isinstance(loop, list) or len(loop) != 3:
        raise failed(f"{key} takes an identifier, a collection and a fragment.")
    identifier, collection, fragment = loop
    if not key.removeprefix(FOR_EACH):
        raise failed(f"{key} has no loop name.")
    if not isinstance(identifier, str) or not identifier:
        raise failed(f"The identifier of {key} must be a string.")
    if not isinstance(fragment, dict) or not fragment:
        raise failed(f"The fragment of {key} must be an object.")
    for made_key in fragment:
        names = [match[2] for match in _PLACEHOLDER.finditer(made_key)]
        if not made_key.startswith(FOR_EACH) and identifier not in names:
            raise failed(
                f"The key {made_key} of {key} does not contain ${{{identifier}}} or &{{{identifier}}}, so that each "
                "item would make the same key."
            )
    return identifier, collection, fragment


def _check_places(document: Json) -> None:
    """Raise Invalid where the transform or its functions stand in a place that does not allow them."""
    for section, value in document.items():
        for inside in objects(value) if section not in _NOT_SEARCHED else ():
            call = inside.get("Fn::Transform")
            if call == NAME or (isinstance(call, dict) and call.get("Name") == NAME):
                raise failed("the transform is declared at the top level of a template only.")
            for key in inside if section not in _SECTIONS else ():
                if key.startswith(FOR_EACH) or key in FUNCTIONS:
                    sections = "Resources, Conditions and Outputs"
                    raise failed(f"{key} is not supported in the section {section}, but in {sections} alone.")


def _check_loop_names(document: Json) -> None:
    """Raise Invalid for a loop name that is there twice, or is a logical id (user guide, "Fn::ForEach")."""
    resources = document.get("Resources", {})
    names = set[str]()
    for section in _SECTIONS:
        for key in (key for inside in objects(document.get(section)) for key in inside if key.startswith(FOR_EACH)):
            name = key.removeprefix(FOR_EACH)
            if name in names:
                raise failed(f"The loop name {name} is used more than once in the template.")
            if name in resources:
                raise failed(f"The loop name {name} is the logical id of a resource.")
            names.add(name)


def _resolve_conditions(document: Json, scope: Scope) -> None:
    """Replace a function in the place of a condition's name, which no later step resolves."""
    conditions = document.get("Conditions", {})
    for section in ("Resources", "Outputs"):
        definitions = document.get(section)
        for definition in definitions.values() if isinstance(definitions, dict) else ():
            if not isinstance(definition, dict) or "Condition" not in definition:
                continue
            name = definition["Condition"]
            if isinstance(name, dict):
                definition["Condition"] = name = resolve(name, scope)
            if isinstance(name, str) and name not in conditions:
                # Measured.
                raise failed(f"Key {name} is missing in the map.")


def _resolve_policies(document: Json, scope: Scope) -> None:
    for resource in document["Resources"].values():
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if isinstance(resource, dict) and policy in resource:
                resource[policy] = _policy(resource[policy], scope)


def _policy(value: Any, scope: Scope) -> Any:
    """Return a policy with its references resolved; Fn::If stays, because conditions are evaluated later."""
    if function_of(value) == "Fn::If" and isinstance(value["Fn::If"], list):
        name, *branches = value["Fn::If"]
        return {"Fn::If": [name, *(_policy(branch, scope) for branch in branches)]}
    return resolve(value, scope)
