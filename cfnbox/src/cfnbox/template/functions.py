"""The intrinsic functions of a transformed template: what each returns. Pure.

Source: "Intrinsic function reference" in the CloudFormation user guide, and what CloudFormation answers.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
import re
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Invalid, Refused
from cfnbox.template import dynamic, secrets
from cfnbox.template.limits import TooMuchText
from cfnbox.template.parameters import UNKNOWN as UNKNOWN
from cfnbox.template.parameters import as_text
from cfnbox.template.scope import NO_VALUE, PSEUDO_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.template.scope import Referable, Scope

_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_.:]+")
# No attribute of a published schema lies deeper.
_MOST_PARTS_OF_ATTRIBUTE = 50

# What each function takes, in CloudFormation's words.
USAGE = {
    "Ref": "All References must be of type string",
    "Fn::Base64": "every Fn::Base64 object must have a String-typed value.",
    "Fn::Cidr": "every Fn::Cidr object requires an IP block, the number of blocks to make of it, 1 to 256, and the "
    "bits of each",
    "Fn::FindInMap": "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute "
    "for return value",
    "Fn::GetAZs": "every Fn::GetAZs object must have a String-typed value.",
    "Fn::GetAtt": "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource "
    "attribute",
    "Fn::GetStackOutput": "every Fn::GetStackOutput object requires StackName and OutputName, and takes Region and "
    "RoleArn, each a String.",
    "Fn::If": "Fn::If requires a list argument with three elements",
    "Fn::ImportValue": "every Fn::ImportValue object must have a String-typed value.",
    "Fn::Join": "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to "
    "be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
    "Fn::Length": "every Fn::Length object must have a list or a function that returns a list.",
    "Fn::Select": "Fn::Select requires a list argument with two elements: an integer index and a list",
    "Fn::Split": "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be "
    "split or a function that returns a string to be split.",
    "Fn::Sub": "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first "
    "argument, and an optional second argument to specify a mapping of values to replace in the string",
    "Fn::ToJsonString": "every Fn::ToJsonString object must have an object or a list.",
}


class ResolutionFailed(Invalid):
    """A function has no value; the text says why, and holds no value of a NoEcho parameter."""


def function_of(value: Any) -> str | None:
    """The name of the function that the value calls, known or not; None for a plain value."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    name = str(next(iter(value)))
    return name if name == "Ref" or name.lower().startswith("fn::") else None


def resolve(value: Any, scope: Scope) -> Any:
    """The value with every function replaced by what it returns; None when nothing of it is left (AWS::NoValue).

    What only the operation will give is UNKNOWN, alone or inside a text. Raises ResolutionFailed.
    """
    try:
        resolved = _resolved(value, scope)
        if resolved is NO_VALUE:
            return None
        return resolved if scope.dynamic is None else dynamic.replaced(resolved, scope.dynamic)
    except TooMuchText:
        raise
    except Refused as failure:
        raise ResolutionFailed(secrets.hidden(failure.message, secrets.of(scope.parameters.values()))) from None


def _resolved(value: Any, scope: Scope) -> Any:
    name = function_of(value)
    if name is not None:
        return _call(name, value[name], scope)
    if isinstance(value, dict):
        members = {key: _resolved(one, scope) for key, one in value.items()}
        return {key: one for key, one in members.items() if one is not NO_VALUE}
    if isinstance(value, list):
        return [one for one in (_resolved(one, scope) for one in value) if one is not NO_VALUE]
    return value


def _call(name: str, argument: Any, scope: Scope) -> Any:
    try:
        if name in _OF_THE_SCOPE:
            result = _OF_THE_SCOPE[name](argument, scope)
            # The texts of Fn::Sub and of what Fn::If takes are counted already.
            if name in _REFERENCES:
                scope.text.spend_value(result)
            return result
        if name not in _OF_VALUES:
            raise ResolutionFailed(f"Template Error: Encountered unsupported function: {name}")
        resolved = _resolved(argument, scope)
        if name not in _THROUGH_UNKNOWN and _is_unknown(resolved):
            return UNKNOWN
        return _OF_VALUES[name](resolved, scope)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise misused(name) from None


def misused(name: str) -> ResolutionFailed:
    """The refusal of a function with arguments that it does not take."""
    return ResolutionFailed(f"Template error: {USAGE[name]}")


def _is_unknown(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(_is_unknown(one) for one in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and UNKNOWN in value


def _scalar(value: Any) -> str:
    """The text of a scalar; TypeError for anything else."""
    if not isinstance(value, str | int | float):
        raise TypeError
    return as_text(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


# Functions of what the scope holds. They take their argument as the template writes it. Here and below, TypeError and
# ValueError mean an argument that the function does not take.


def _ref(name: Any, scope: Scope) -> Any:
    if name in PSEUDO_PARAMETERS:
        return scope.pseudo_parameter(name)
    if name in scope.parameters:
        referred = scope.parameters[name].referred
        # Recorded: a String parameter with this value acts as the pseudo parameter.
        return NO_VALUE if referred == "AWS::NoValue" else referred
    return UNKNOWN if name in scope.pending else _resource(name, scope).physical_id


def _resource(logical_id: str, scope: Scope) -> Referable:
    if logical_id not in scope.resources:
        raise ResolutionFailed(f"Resource {logical_id} does not exist now, so that nothing can refer to it.")
    return scope.resources[logical_id]


def attribute_of(argument: Any) -> tuple[str, Any]:
    """Logical id and attribute, which may be a function, in the argument of Fn::GetAtt; or ResolutionFailed."""
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2 or not isinstance(parts[0], str) or not all(parts):
        raise misused("Fn::GetAtt")
    return parts[0], parts[1]


def _get_att(argument: Any, scope: Scope) -> Any:
    logical_id, attribute = attribute_of(argument)
    if logical_id in scope.pending | scope.changing:
        return UNKNOWN
    name = _scalar(_resolved(attribute, scope))
    found = _inside(_resource(logical_id, scope).attributes, name)
    if found is None:
        raise ResolutionFailed(scope.missing_attribute(logical_id, name))
    return found


def _inside(attributes: Any, name: str) -> Any:
    """The attribute of a dotted name, or what stands inside one that is an object or a list; None if absent."""
    if isinstance(attributes, list):
        attributes = {str(position): one for position, one in enumerate(attributes)}
    if not isinstance(attributes, dict):
        return None
    if name in attributes:
        return attributes[name]
    parts = name.split(".", _MOST_PARTS_OF_ATTRIBUTE)
    starts = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
    start = next((one for one in starts if one in attributes), None)
    return None if start is None else _inside(attributes[start], name[len(start) + 1 :])


def substitution(argument: Any) -> tuple[str, list[str], dict[str, Any]]:
    """Text, names to substitute and given variables of an Fn::Sub; ResolutionFailed when it is malformed."""
    text, given = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    if not isinstance(text, str) or not isinstance(given, dict):
        raise misused("Fn::Sub")
    names = [part for part in _split_variables(text)[1::2] if not part.startswith("!")]
    if not all(_VARIABLE_NAME.fullmatch(name) for name in names):
        raise ResolutionFailed(
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, "
            "underscores, periods, and colons"
        )
    return text, names, given


def _sub(argument: Any, scope: Scope) -> Any:
    text, names, given = substitution(argument)
    values = {name: _variable(name, given, scope) for name in dict.fromkeys(names)}
    scope.text.spend(len(text) + sum(len(values[name]) for name in names))
    parts = _split_variables(text)
    for at in range(1, len(parts), 2):
        parts[at] = values.get(parts[at], "${" + parts[at].removeprefix("!") + "}")
    return "".join(parts)


def _split_variables(text: str) -> list[str]:
    """Return the text between variables `${...}` at even positions, and what is between the braces at odd ones.

    A regular expression would look for the end of each `${` up to the end of the text.
    """
    parts, at = list[str](), 0
    while (start := text.find("${", at)) >= 0 and (end := text.find("}", start)) >= 0:
        parts += text[at:start], text[start + 2 : end]
        at = end + 1
    return [*parts, text[at:]]


def _variable(name: str, given: Mapping[str, Any], scope: Scope) -> str:
    if name in given:
        value = _resolved(given[name], scope)
    else:
        value = _get_att(name, scope) if "." in name else _ref(name, scope)
    if not isinstance(value, str | int | float):
        raise ResolutionFailed(f"Template error: variable {name} in Fn::Sub expression does not resolve to a string")
    return as_text(value)


def _if(argument: Any, scope: Scope) -> Any:
    condition, when_true, when_false = _list(argument)
    if condition not in scope.conditions:
        raise ValueError
    return _resolved(when_true if scope.conditions[condition] else when_false, scope)


def _find_in_map(argument: Any, scope: Scope) -> Any:
    if len(_list(argument)) not in (3, 4):
        raise ValueError
    keys = [_scalar(_resolved(one, scope)) for one in argument[:3]]
    if _is_unknown(keys):
        return UNKNOWN
    value = scope.mappings.get(keys[0], {}).get(keys[1], {}).get(keys[2])
    if value is not None:
        return value
    if len(argument) == 4:
        return _resolved(argument[3]["DefaultValue"], scope)
    raise ResolutionFailed(f"Template error: Unable to get mapping for {'::'.join(keys)}")


# Functions of values alone.


def _join(argument: Any, scope: Scope) -> str:
    delimiter, items = _list(argument)
    if items == UNKNOWN:
        return UNKNOWN
    between, texts = _scalar(delimiter), [_scalar(item) for item in _list(items)]
    scope.text.spend(len(between) * len(texts) + sum(map(len, texts)))
    return between.join(texts)


def _split(argument: Any, scope: Scope) -> list[str]:
    delimiter, source = _list(argument)
    text = _scalar(source)
    scope.text.spend(len(text))
    scope.text.spend_items(text.count(delimiter) if delimiter else 0)
    return text.split(delimiter)


def _select(argument: Any, _scope: Scope) -> Any:
    index, items = _list(argument)
    if _is_unknown(index) or items == UNKNOWN:
        return UNKNOWN
    position = int(_scalar(index))
    if not 0 <= position < len(_list(items)):
        raise ResolutionFailed(f"Template error: Fn::Select cannot select nonexistent value at index {position}")
    return items[position]


def _get_azs(argument: Any, scope: Scope) -> list[str]:
    # CloudFormation answers an empty list for any region but that of the stack.
    region = _scalar(argument) or scope.place.region
    return [region + zone for zone in "abc"] if region == scope.place.region else []


def _cidr(argument: Any, _scope: Scope) -> list[str]:
    block, count, bits = (_scalar(one) for one in [*_list(argument), 8][:3])
    network = ipaddress.ip_network(block, strict=False)
    subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
    blocks = [str(one) for one in itertools.islice(subnets, min(int(count), 256))]
    if not 1 <= int(count) == len(blocks):
        raise ValueError
    return blocks


def _base64(argument: Any, scope: Scope) -> str:
    content = _scalar(argument).encode()
    scope.text.spend(2 * len(content))
    return base64.b64encode(content).decode()


def _to_json_string(argument: Any, scope: Scope) -> str:
    # Counted afterwards: the text is at most six times as long as the value, which is counted already.
    text = json.dumps(argument, separators=(",", ":"))
    scope.text.spend(len(text))
    return text


def _import_value(argument: Any, scope: Scope) -> str:
    name = _scalar(argument)
    value = scope.exports(name)
    if value is None:
        raise ResolutionFailed(f"No export named {name} found.")
    return value


def _get_stack_output(argument: Any, scope: Scope) -> str:
    names = {name: _scalar(value) for name, value in argument.items()}
    if not {"StackName", "OutputName"} <= names.keys() <= {"StackName", "OutputName", "Region", "RoleArn"}:
        raise ValueError
    value = scope.stack_outputs(names["StackName"], names["OutputName"], names.get("Region"), names.get("RoleArn"))
    if value is None:
        where = f" in {names['Region']}" if "Region" in names else ""
        # The sentence is ours.
        raise ResolutionFailed(
            f"Template error: Fn::GetStackOutput finds no output {names['OutputName']} of a stack "
            f"{names['StackName']}{where}."
        )
    return value


_OF_THE_SCOPE: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::Sub": _sub,
}
_REFERENCES = frozenset({"Fn::FindInMap", "Fn::GetAtt", "Ref"})
_OF_VALUES: dict[str, Callable[[Any, Scope], Any]] = {
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::GetAZs": _get_azs,
    "Fn::GetStackOutput": _get_stack_output,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": lambda value, _: len(_list(value)),
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::ToJsonString": _to_json_string,
}
_THROUGH_UNKNOWN = frozenset({"Fn::Join", "Fn::Select", "Fn::ToJsonString"})
