"""The outcomes of a template's conditions that can occur together. Pure."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import product
from typing import Any

Outcome = Mapping[str, bool]
"""Whether each of some conditions is true."""

_Values = Mapping[str, Any]
"""An assumed value for each variable of the conditions, by the JSON of the function that yields it."""
_Expression = Callable[[_Values], bool]

# A value of a variable that no condition compares it with.
_ANOTHER = object()
# With more combinations of values than this, every outcome counts as possible.
_MAX_COMBINATIONS = 4096


class Conditions:
    """The conditions of a template; a template that has none, or anything else there, has no conditions."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        stated, parameters = template.get("Conditions"), template.get("Parameters")
        self._stated: Mapping[str, Any] = stated if isinstance(stated, dict) else {}
        self._parameters: Mapping[str, Any] = parameters if isinstance(parameters, dict) else {}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._stated

    def outcomes(self, names: Collection[str], required: Collection[str]) -> Iterator[Outcome]:
        """Yield each outcome of the named conditions in which those required are true."""
        domains: dict[str, list[Any]] = {}
        expressions = {name: self._condition(name, domains, ()) for name in {*names, *required}}
        combinations = 1
        for domain in domains.values():
            combinations *= len(domain)
        if combinations > _MAX_COMBINATIONS:
            yield from _every_outcome(names, required)
            return
        found: set[tuple[tuple[str, bool], ...]] = set()
        for chosen in product(*domains.values()):
            values = dict(zip(domains, chosen, strict=True))
            if all(expressions[name](values) for name in required):
                found.add(tuple((name, expressions[name](values)) for name in sorted({*names, *required})))
        yield from map(dict, sorted(found, reverse=True))

    def _condition(self, name: Any, domains: dict[str, list[Any]], above: tuple[Any, ...]) -> _Expression:
        if name not in self or name in above:
            return self._unknown({"Condition": name}, domains)
        return self._expression(self._stated[name], domains, (*above, name))

    def _expression(self, stated: Any, domains: dict[str, list[Any]], above: tuple[Any, ...]) -> _Expression:
        match stated:
            case {"Condition": name}:
                return self._condition(name, domains, above)
            case {"Fn::Not": [inner]}:
                negated = self._expression(inner, domains, above)
                return lambda values: not negated(values)
            case {"Fn::And": [*inner]}:
                parts = [self._expression(part, domains, above) for part in inner]
                return lambda values: all(part(values) for part in parts)
            case {"Fn::Or": [*inner]}:
                parts = [self._expression(part, domains, above) for part in inner]
                return lambda values: any(part(values) for part in parts)
            case {"Fn::Equals": [left, right]}:
                return self._equals(left, right, domains)
        return self._unknown(stated, domains)

    def _equals(self, left: Any, right: Any, domains: dict[str, list[Any]]) -> _Expression:
        left_text, right_text = _literal(left), _literal(right)
        if left_text is not None and right_text is not None:
            return lambda _: left_text == right_text
        if left_text is None and right_text is None:
            return self._unknown({"Fn::Equals": sorted([_key(left), _key(right)])}, domains)
        variable, text = (left, right_text) if left_text is None else (right, left_text)
        key = _key(variable)
        domain = domains.setdefault(key, self._allowed_values(variable) or [_ANOTHER])
        if _ANOTHER in domain and text not in domain:
            domain.append(text)
        return lambda values: bool(values[key] == text)

    def _allowed_values(self, variable: Any) -> list[Any]:
        """Return the values that a parameter may have; none where its definition does not list them."""
        match variable:
            case {"Ref": str(name)} if isinstance(self._parameters.get(name), dict):
                allowed = self._parameters[name].get("AllowedValues")
                return [_literal(value) for value in allowed] if isinstance(allowed, list) else []
        return []

    def _unknown(self, stated: Any, domains: dict[str, list[Any]]) -> _Expression:
        key = _key(stated)
        domains[key] = [True, False]
        return lambda values: values[key] is True


def _every_outcome(names: Collection[str], required: Collection[str]) -> Iterator[Outcome]:
    free = sorted(set(names) - set(required))
    for values in product((True, False), repeat=len(free)):
        yield {**dict(zip(free, values, strict=True)), **dict.fromkeys(required, True)}


def _literal(value: Any) -> str | None:
    """Return the text of a value as CloudFormation compares it, None for a function."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
