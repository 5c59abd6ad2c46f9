"""Random events: the Lambda entry point answers all of them, and invalid ones have no effect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import ACTIONS, Action, production_event
from hypothesis_settings import property_test
from tests.conftest import IMAGE, MODEL
from tests.property.strategies import TYPE, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.sagemaker.server import LocalSageMaker

NAMES = st.sampled_from(sorted({name for one in [TYPE, *TYPE["definitions"].values()] for name in one["properties"]}))
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["s3://b/", "true", "10", "\ud800", "aws:", "x" * 5000, IMAGE, "arn:aws:sagemaker:us-east-1:123456789012:model/a"]
)
# All that Python takes for JSON, and more.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.just(10**4000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | ANY_TEXT, inner, max_size=6),
    max_leaves=20,
)
DEFINITION = TypeDefinition.from_schema(TYPE)
RIGHT_CODES = {"InvalidRequest", "InvalidCredentials", "NotFound", "NotUpdatable"}
DEEP = 100_000


def answered(sagemaker: LocalSageMaker, event: Any) -> Any:
    """The answer to an event, which is JSON that Lambda can carry; what is not there is not made."""
    from aws_sagemaker_model.handlers import resource, test_entrypoint

    for entry_point in (test_entrypoint, resource):
        sagemaker.reset()
        answer = entry_point(event, None)
        json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
        assert answer["status"] == "SUCCESS" or answer["errorCode"] in RIGHT_CODES, answer
    made = [call for call in sagemaker.calls if call.operation == "CreateModel" and call.status == 200]
    assert bool(made) == (answer["status"] == "SUCCESS" and event["action"] == "CREATE")
    return answer


def whole(action: Action) -> Any:
    """An event with all that CloudFormation may send."""
    return production_event(
        DEFINITION,
        action,
        desired=MODEL,
        previous=MODEL,
        stack_tags={"a": "b"},
        previous_stack_tags={"a": "b"},
        system_tags={"aws:cloudformation:stack-name": "s"},
        previous_system_tags={"aws:cloudformation:stack-name": "s"},
        logical_id="Scorer",
        stack_id="arn:aws:cloudformation:us-east-1:123456789012:stack/s/1",
        context={"attempt": 1, "since": 0.0},
        next_token="t",
    )


def paths(value: Any, path: Any = ()) -> Iterator[Any]:
    """Every place in an event, but for the inside of the callback context, which is the type's own."""
    yield path
    if isinstance(value, dict) and path != ("callbackContext",):
        for name, member in value.items():
            yield from paths(member, (*path, name))


@property_test(2)
@given(event=ANYTHING)
def test_a_random_event_is_refused(sagemaker: LocalSageMaker, event: Any) -> None:
    assert answered(sagemaker, event)["status"] == "FAILED"


@property_test()
@given(action=st.sampled_from(ACTIONS), properties=ANYTHING, previous=ANYTHING)
def test_random_properties_are_answered(
    sagemaker: LocalSageMaker, action: Action, properties: Any, previous: Any
) -> None:
    event = whole(action)
    event["requestData"] |= {"resourceProperties": properties, "previousResourceProperties": previous}
    answered(sagemaker, event)


@property_test()
@given(action=st.sampled_from(ACTIONS), data=st.data(), anything=ANYTHING)
def test_an_event_with_a_random_member_is_answered(
    sagemaker: LocalSageMaker, action: Action, data: Any, anything: Any
) -> None:
    event = whole(action)
    path = data.draw(st.sampled_from(list(paths(event))))
    answered(sagemaker, replaced(event, path, anything))


def test_an_event_nested_deeper_than_python_can_parse_is_refused(sagemaker: LocalSageMaker) -> None:
    value: Any = {}
    nested = value
    for _ in range(DEEP):
        value["a"] = value = {}
    event = whole("CREATE")
    event["requestData"]["resourceProperties"] = nested
    assert answered(sagemaker, event)["errorCode"] == "InvalidRequest"
