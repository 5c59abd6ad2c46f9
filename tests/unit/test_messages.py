"""Messages of refusals: each pattern has a description and an example, and messages fit into their field."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.sagemaker.faults import FAULTS, Fault, When
from tests.conftest import MODEL, SCHEMA, Invoke

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.sagemaker.server import LocalSageMaker

# The pattern of a value that may be any text: nothing can break it.
ANY_TEXT = r"^[\S\s]*$"


def patterned(name: str, node: Any) -> Iterator[Any]:
    """The name of every property with a pattern, the pattern, and the schema that has it."""
    if "pattern" in node and node["pattern"] != ANY_TEXT:
        yield name, node["pattern"], node
    yield from ((name, pattern, node) for pattern in node.get("patternProperties", {}))
    for inner, member in node.get("properties", {}).items():
        yield from patterned(inner, member)
    if "items" in node:
        yield from patterned(name, node["items"])


DOCUMENT = json.loads(SCHEMA.read_text())
PATTERNED = [one for node in [DOCUMENT, *DOCUMENT["definitions"].values()] for one in patterned("", node)]


@pytest.mark.parametrize(("name", "pattern", "node"), PATTERNED, ids=[name for name, _, _ in PATTERNED])
def test_every_pattern_has_a_description_and_an_example(name: str, pattern: str, node: Any) -> None:
    assert re.fullmatch(r"[a-zA-Z][\w,:/. ]*[\w/]", node["$comment"])
    (example,) = node["examples"]
    example = next(iter(example)) if isinstance(example, dict) else example
    assert re.compile(pattern, re.ASCII).fullmatch(example)
    assert node.get("minLength", 0) <= len(example) <= node.get("maxLength", 1024)


@pytest.mark.parametrize("count", [2, 8, 9, 50])
def test_a_long_message_is_cut_after_whole_violations(invoke: Invoke, count: Any) -> None:
    tags = [{"Key": f"aws:{number}%", "Value": "100%"} for number in range(count)]
    message = invoke("CREATE", {**MODEL, "Tags": tags})["message"]
    # CloudFormation keeps 1,024 characters of it.
    assert len(message) <= 1024
    violations = message.split("; ")
    more = re.fullmatch(r"… and (\d+) more", violations[-1])
    told = violations[:-1] if more else violations
    assert len(told) + int(more[1] if more else 0) == 3 * count
    assert bool(more) == (len(message) > 900) == (count > 2)
    for violation in told:
        assert re.fullmatch(r"/properties/Tags/\d+/(Key|Value) must .*[a-z@]", violation)


def test_a_long_message_of_the_service_is_cut(
    invoke: Invoke, sagemaker: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAULTS, "talkative", Fault(When.ERROR, 400, "ValidationException", "No, no. " * 500))
    sagemaker.faults.inject("CreateModel", "talkative")
    message = invoke("CREATE", MODEL)["message"]
    assert len(message) <= 1024
    assert "SageMaker said: No, no." in message
    assert "(CreateModel, ValidationException, request " in message
