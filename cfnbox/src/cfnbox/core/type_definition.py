"""The schema of a resource type as CloudFormation reads it: identifiers, attributes, effects of a change. Pure.

Source of the rules: the "Resource type schema" chapter of the CloudFormation CLI user guide.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cfnbox.core.paths import Json, from_pointer, has, put_at, value_at, values_at
from cfnbox.core.property_transforms import transformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# timeoutInMinutes of a handler whose schema does not set it (user guide, "handlers").
_DEFAULT_TIMEOUT_MINUTES = 120

Replacement = Literal["False", "Conditional", "True"]


@dataclass(frozen=True, eq=False)
class TypeDefinition:
    """A resource type. Names are dotted property paths (cfnbox.core.paths); the attribute `*` stands for any name.

    A definition is equal only to itself, so that results compiled from its schema can be cached by definition.
    """

    type_name: str
    primary_identifier: tuple[str, ...]
    additional_identifiers: tuple[tuple[str, ...], ...]
    read_only: tuple[str, ...]
    create_only: tuple[str, ...]
    conditional_create_only: tuple[str, ...]
    write_only: tuple[str, ...]
    tag_property: str | None
    tags_are_a_map: bool
    handlers: Mapping[str, Mapping[str, Any]]
    schema: Mapping[str, Any]
    attributes: frozenset[str]

    @classmethod
    def load(cls, schema_path: str | Path, type_name: str | None = None) -> TypeDefinition:
        """Return the definition in a schema file, under `type_name` or its own name; errors name the file."""
        try:
            schema = json.loads(Path(schema_path).read_text(encoding="utf-8"))
            return cls.from_schema({**schema, "typeName": type_name} if type_name else schema)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{schema_path} is not a registry schema: {error}") from None

    @classmethod
    def from_schema(cls, schema: Mapping[str, Any], attributes: Sequence[str] | None = None) -> TypeDefinition:
        """Return the definition in a parsed schema. Raise KeyError if typeName or primaryIdentifier is missing.

        `attributes` are the published names that Fn::GetAtt serves. Default: the read-only properties; for a type
        in AWS's namespace also its identifiers, which Fn::GetAtt does not serve for a third-party type.
        """
        primary = _names(schema["primaryIdentifier"])
        additional = tuple(_names(pointers) for pointers in schema.get("additionalIdentifiers", []))
        read_only = _names(schema.get("readOnlyProperties", []))
        tag_property = _tag_property(schema)
        if attributes is None:
            identifiers = {name for names in (primary, *additional) for name in names}
            attributes = [*read_only, *(identifiers if schema["typeName"].startswith("AWS::") else ())]
        return cls(
            type_name=schema["typeName"],
            primary_identifier=primary,
            additional_identifiers=additional,
            read_only=read_only,
            create_only=_names(schema.get("createOnlyProperties", [])),
            conditional_create_only=_names(schema.get("conditionalCreateOnlyProperties", [])),
            write_only=_names(schema.get("writeOnlyProperties", [])),
            tag_property=tag_property,
            tags_are_a_map=schema.get("properties", {}).get(tag_property or "", {}).get("type") == "object",
            handlers=schema.get("handlers", {}),
            schema=schema,
            attributes=frozenset(attributes),
        )

    @property
    def deletes_first(self) -> bool:
        """Return whether a replacement deletes the old resource before it creates the new resource."""
        return bool(self.schema.get("replacementStrategy") == "delete_then_create")

    @property
    def is_updatable(self) -> bool:
        """Return False if the schema lists handlers without an update handler: every change is then a replacement."""
        return not self.handlers or "update" in self.handlers

    def identifier(self, model: Mapping[str, Any]) -> str:
        """Return the primary identifier as Ref does (several parts are joined by "|"); KeyError if absent."""
        return identifier_text(value_at(model, name) for name in self.primary_identifier)

    def identifier_model(self, identifier: str) -> Json:
        """Return the resource model with only the primary identifier, in the types of the schema.

        An identifier of one part is never split. Raise ValueError if the number of parts is wrong.
        """
        parts = identifier.split("|") if len(self.primary_identifier) > 1 else [identifier]
        model: Json = {}
        for name, text in zip(self.primary_identifier, parts, strict=True):
            put_at(model, name, _typed(self._declared(name).get("type"), text))
        return model

    def _declared(self, name: str) -> Mapping[str, Any]:
        """Return the schema of a property by its dotted name, empty where the schema does not declare it."""
        node = self.resolved(self.schema)
        for part in name.split("."):
            node = self.resolved(node.get("properties", {}).get(part, {}))
        return node

    def read_only_part(self, model: Mapping[str, Any]) -> Json:
        """Return only the model's read-only properties, as attributes by dotted name."""
        return {name: value_at(model, name) for name in self.read_only if has(model, name)}

    def attributes_of(self, model: Mapping[str, Any]) -> Json:
        """Return the attributes (Fn::GetAtt) of a resource model by dotted name, where it has a value."""
        return {name: value_at(model, name) for name in self.attributes if has(model, name)}

    def has_attribute(self, name: str) -> bool:
        """Return whether Fn::GetAtt accepts the name: an attribute, or a member of an attribute that is an object."""
        return any(known in ("*", name) or name.startswith(f"{known}.") for known in self.attributes)

    def changed(self, previous: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
        """Return the top-level properties that differ, sorted. The schema defines equality (see `_comparable`)."""
        before, after = self._comparable(previous), self._comparable(desired)
        return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))

    def replacement(self, previous: Mapping[str, Any], desired: Mapping[str, Any]) -> Replacement:
        """Return whether the change replaces the resource: "True", "Conditional" (the type decides) or "False"."""
        before, after = self._comparable(previous), self._comparable(desired)
        if before == after:
            return "False"
        if not self.is_updatable or _differs(before, after, self.create_only):
            return "True"
        return "Conditional" if _differs(before, after, self.conditional_create_only) else "False"

    def _comparable(self, model: Mapping[str, Any]) -> Json:
        """Return the model in a normal form for comparison: unordered lists sorted, property transforms applied."""
        ordered: Json = self._sorted(self.schema, dict(model))
        for pointer, expression in self.schema.get("propertyTransform", {}).items():
            name = from_pointer(pointer)
            if has(ordered, name):
                put_at(ordered, name, transformed(expression, ordered, value_at(ordered, name)))
        return ordered

    def _sorted(self, node: Mapping[str, Any], value: Any) -> Any:
        node = self.resolved(node)
        if isinstance(value, dict):
            declared = node.get("properties", {})
            return {key: self._sorted(declared.get(key, {}), member) for key, member in value.items()}
        if isinstance(value, list):
            items = [self._sorted(node.get("items", {}), item) for item in value]
            return items if node.get("insertionOrder", True) else sorted(items, key=_canonical)
        return value

    def resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema node, after following its $ref into this schema."""
        while "$ref" in node:
            target: Any = self.schema
            for part in str(node["$ref"]).removeprefix("#/").split("/"):
                target = target.get(part, {})
            node = target
        return node

    def explicitly_set(self, model: Mapping[str, Any], template: Mapping[str, Any]) -> Json:
        """Return the part of a read model that the template's properties set. Drift detection compares this part.

        Defaults of the service are left out at every depth. A free-form map stays whole: the template sets the map.
        """
        part: Json = self._set_part(self.schema, model, template)
        return part

    def _set_part(self, node: Mapping[str, Any], actual: Any, template: Any) -> Any:
        node = self.resolved(node)
        if isinstance(actual, dict) and isinstance(template, dict):
            declared = node.get("properties", {})
            return {
                key: self._set_part(declared.get(key, {}), value, template.get(key))
                for key, value in actual.items()
                if key in template or not declared
            }
        if isinstance(actual, list) and isinstance(template, list) and len(actual) == len(template):
            items = node.get("items", {})
            return [self._set_part(items, item, desired) for item, desired in zip(actual, template, strict=True)]
        return actual

    def timeout_seconds(self, action: str) -> int:
        """Return CloudFormation's timeout for one operation: the schema's timeoutInMinutes."""
        minutes = self.handlers.get(action.lower(), {}).get("timeoutInMinutes", _DEFAULT_TIMEOUT_MINUTES)
        return int(minutes) * 60


def identifier_text(parts: Iterable[Any]) -> str:
    """Return the parts of an identifier as Ref does: joined by "|", booleans as in JSON."""
    return "|".join(str(part).lower() if isinstance(part, bool) else str(part) for part in parts)


def _typed(kind: Any, text: str) -> Any:
    """Return a part of an identifier in the type of its property; the text itself if it cannot be converted."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,300}", text):
        return int(text)
    return text


def _names(pointers: Sequence[str]) -> tuple[str, ...]:
    return tuple(from_pointer(pointer) for pointer in pointers)


def _tag_property(schema: Mapping[str, Any]) -> str | None:
    tagging = schema.get("tagging", {})
    if not tagging.get("taggable", "Tags" in schema.get("properties", {})):
        return None
    return from_pointer(tagging.get("tagProperty", "/properties/Tags"))


def _differs(before: Json, after: Json, names: Sequence[str]) -> bool:
    return any(values_at(before, name) != values_at(after, name) for name in names)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
