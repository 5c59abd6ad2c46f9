"""What the documentation says of each property, read from the schema of the type."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

# The title of a limit, the keywords of its two ends, and its unit.
_RANGES = (
    ("Length", "minLength", "maxLength", "characters"),
    ("Entries", "minItems", "maxItems", ""),
    ("Entries", "minProperties", "maxProperties", ""),
    ("Range", "minimum", "maximum", ""),
)


class Update(NamedTuple):
    """What a change of a property does to the resource, in CloudFormation's words."""

    title: str
    anchor: str


REPLACEMENT = Update("Replacement", "update-replacement")
NO_INTERRUPTION = Update("No interruption", "update-no-interrupt")


class PropertyFacts(NamedTuple):
    """A property as its section shows it; `update` is None for what only SageMaker sets."""

    name: str
    description: str
    limits: list[tuple[str, str]]
    update: Update | None


class PageFacts(NamedTuple):
    """A definition, or a map within one, as its page introduces it."""

    description: str
    used_by: list[tuple[str, str]]
    reference: str | None
    read_only: bool
    is_map: bool


class Documentation:
    """The pages of a type. A page is "" for the type, "VpcConfig" for a definition, "A B" for the map B within A."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    @property
    def read_only(self) -> list[str]:
        """The top-level properties that only SageMaker sets."""
        return [pointer.rsplit("/", 1)[1] for pointer in self._schema["readOnlyProperties"]]

    def property_facts(self, page: str, name: str) -> PropertyFacts:
        """Return what is to say of a property, its own description before its definition's."""
        stated = self._members(page)[name]
        return PropertyFacts(
            name,
            stated.get("description") or self._resolved(stated).get("description", ""),
            list(_limits(self._resolved(stated))),
            self._update({name} if not page else self._roots(page)),
        )

    def page_facts(self, page: str) -> PageFacts:
        """Return what is to say of a page but the type's own."""
        schema = self._page_schema(page)
        is_map = "properties" not in schema
        user, _, member = page.rpartition(" ")
        uses = [(user, member)] if user else self._uses(page)
        # Definitions are named as the shapes of SageMaker's API are.
        reference = self._schema["documentationUrl"].rsplit("/", 1)[0] + f"/API_{page}.html"
        return PageFacts(
            schema["description"],
            [(f"{user or 'Model'} {name}", f"{_file(user)}#{name.lower()}") for user, name in uses],
            None if is_map else reference,
            self._update(self._roots(page)) is None,
            is_map,
        )

    def _page_schema(self, page: str) -> Schema:
        schema, *names = self._schema, *page.split()
        for depth, name in enumerate(names):
            schema = schema["definitions" if depth == 0 else "properties"][name]
        return schema

    def _members(self, page: str) -> dict[str, Schema]:
        schema = self._page_schema(page)
        members: dict[str, Schema] = schema.get("properties") or schema["patternProperties"]
        return members

    def _resolved(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        resolved: Schema = self._schema["definitions"][reference.rsplit("/", 1)[1]] if reference else schema
        return resolved

    def _uses(self, definition: str) -> list[tuple[str, str]]:
        """Return every page and property of it that uses a definition."""
        reference = f"#/definitions/{definition}"
        return [
            (page, name)
            for page in ("", *self._schema["definitions"])
            for name, stated in self._members(page).items()
            if reference in (stated.get("$ref"), stated.get("items", {}).get("$ref"))
        ]

    def _roots(self, page: str) -> set[str]:
        """Return the top-level properties that a page is part of."""
        definition = page.split()[0]
        return {root for user, name in self._uses(definition) for root in ({name} if not user else self._roots(user))}

    def _update(self, roots: set[str]) -> Update | None:
        """Say what a change below top-level properties does: create-only is so at every depth."""
        if roots <= set(self.read_only):
            return None
        create_only = {pointer.rsplit("/", 1)[1] for pointer in self._schema["createOnlyProperties"]}
        return REPLACEMENT if roots & create_only else NO_INTERRUPTION


def _file(page: str) -> str:
    return page.lower() + ".md" if page else "README.md"


def _limits(schema: Schema) -> Iterator[tuple[str, str]]:
    if "default" in schema:
        yield "Default", _code(schema["default"])
    if "enum" in schema:
        yield "Allowed values", " | ".join(map(_code, schema["enum"]))
    yield from _own_limits(schema)
    if "items" in schema:
        for title, limit in _own_limits(schema["items"]):
            yield f"{title} of each entry", limit


def _own_limits(schema: Schema) -> Iterator[tuple[str, str]]:
    for title, least, most, unit in _RANGES:
        if schema.get(least) or most in schema:
            yield title, f"{_range(schema.get(least), schema.get(most))} {unit}".rstrip()
    if "pattern" in schema:
        yield "Pattern", _code(schema["pattern"])
    for example in schema.get("examples", ()):
        yield "Example", _code(example if isinstance(example, str) else json.dumps(example))


def _range(least: int | None, most: int | None) -> str:
    if most is None:
        return f"at least {least:,}"
    return f"{least:,} to {most:,}" if least else f"at most {most:,}"


def _code(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`"
