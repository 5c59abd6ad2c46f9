"""Small templates that expand without end are refused, and other clients are served meanwhile."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.errors import Invalid
from cfnbox.core.place import Place
from cfnbox.template import transforms
from cfnbox.template.limits import MOST_CHARACTERS
from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from cloudformation.conftest import User

TOO_MUCH_TEXT = (
    f"Template error: The functions of the template give more than {MOST_CHARACTERS:,} characters of text, the most "
    "that cfnbox works with: let them give less, or split the template into nested stacks."
)
TOO_LONG = "Template may not exceed 1000000 bytes in size."
TOO_SLOW = (
    "Template format error: AllowedPattern of parameter P takes too long to match: the patterns of one request "
    "together may compute 2 s. Write it without nested repetitions."
)
# Each value matches, after a fraction of a second. All differ, because equal values are matched once.
SLOW_VALUES = [f"{'a' * 33}{number:02}" for number in range(100)]
SLOW = {"AllowedPattern": "(a|aa)+[A-Z]|a*[0-9]*"}
HUNDRED = [str(number) for number in range(100)]


def sub(text: str, **values: Any) -> dict[str, Any]:
    return {"Fn::Sub": [text, values]}


def nested_sub(levels: int) -> Any:
    return sub("${A}" * 10, A=nested_sub(levels - 1)) if levels else "x"


def extended(resources: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {"Transform": "AWS::LanguageExtensions", "Resources": resources, **sections}


def parametrized(**parameters: dict[str, Any]) -> dict[str, Any]:
    return {**template(A=thing()), "Parameters": parameters}


def loops(levels: int, member: dict[str, Any], collection: Any = HUNDRED) -> dict[str, Any]:
    """Nested loops around a member, which is named by all of their identifiers."""
    for level in range(levels):
        member = {f"Fn::ForEach::L{level}": [f"I{level}", collection, member]}
    return member


def named(levels: int, value: Any) -> dict[str, Any]:
    return {"N" + "".join(f"${{I{level}}}" for level in range(levels)): value}


def json_strings(levels: int) -> Any:
    return {"Fn::ToJsonString": {"A": json_strings(levels - 1)}} if levels else '"'


BOMBS = {
    "Fn::Sub of Fn::Sub": (
        template(A=thing(Value=sub("${A}" * 8_000, A=sub("${B}" * 900, B="x" * 900)))),
        TOO_MUCH_TEXT,
    ),
    "thirty levels of Fn::Sub": (template(A=thing(Value=nested_sub(30))), TOO_MUCH_TEXT),
    "a mapping that is named often": (
        {
            **template(A=thing(Parts=[{"Fn::FindInMap": ["M", "a", "b"]}] * 150)),
            "Mappings": {"M": {"a": {"b": ["x"] * 7_000}}},
        },
        TOO_MUCH_TEXT,
    ),
    "five loops over a hundred items": (extended(loops(5, named(5, thing()))), TOO_LONG),
    "five loops in properties": (extended({"A": thing(Parts=loops(5, named(5, "1")))}), TOO_LONG),
    "loops around one without items": (
        extended(loops(5, {"Fn::ForEach::Z": ["Z", [], {"A${Z}": thing()}]})),
        TOO_LONG,
    ),
    "loops over a parameter": (
        extended(
            loops(5, named(5, thing()), {"Ref": "P"}),
            Parameters={"P": {"Type": "CommaDelimitedList", "Default": ",".join("a" * 2000)}},
        ),
        TOO_LONG,
    ),
    "Fn::ToJsonString of Fn::ToJsonString": (extended({"A": thing(Value=json_strings(44))}), TOO_MUCH_TEXT),
    "a pattern that repeats": (
        parametrized(P={"Type": "String", "AllowedPattern": "a{10000000}", "Default": "a"}),
        "Template format error: AllowedPattern of parameter P repeats more than cfnbox can match: write a pattern of "
        "at most 5000 items, with repetitions written out.",
    ),
    "patterns that backtrack": (
        parametrized(
            **{f"P{at}": {**SLOW, "Type": "String", "Default": value} for at, value in enumerate(SLOW_VALUES)}
        ),
        TOO_SLOW,
    ),
    "a list against a pattern that backtracks": (
        parametrized(P={**SLOW, "Type": "CommaDelimitedList", "Default": ",".join(SLOW_VALUES)}),
        TOO_SLOW,
    ),
}  # fmt: skip


def refused(user: User, document: dict[str, Any], name: str = "s") -> str:
    return user.refused("create_stack", StackName=name, TemplateBody=json.dumps(document),
                        Capabilities=["CAPABILITY_AUTO_EXPAND"])[1]  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_template_that_expands_without_end_is_refused(user: User, bomb: str) -> None:
    document, message = BOMBS[bomb]
    assert re.sub(r"parameter P\d+", "parameter P", refused(user, document)) == message


def test_other_clients_are_served_while_templates_expand(user: User) -> None:
    bombs = [threading.Thread(target=refused, args=(user, document)) for document, _ in BOMBS.values()]
    for bomb in bombs:
        bomb.start()
    answers = 0
    while any(bomb.is_alive() for bomb in bombs):
        user.client.list_stacks()
        answers += 1
    # All bombs together take some seconds.
    assert answers >= 5


def test_the_placeholders_of_a_long_text_are_parsed_once(user: User) -> None:
    stack = user.create("s", template(A=thing(Value={"Fn::Sub": "${" * 24_000})))
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_included_objects_together_are_no_larger_than_a_template() -> None:
    include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}}
    document = template(**{f"A{at}": thing(Parts=[include]) for at in range(30)})
    content = b"A: " + b"x" * 100_000
    with pytest.raises(Invalid, match=re.escape(TOO_LONG)):
        transforms.transform(document, {}, Place("us-east-1"), lambda _bucket, _key: content)
