"""Any model that SageMaker accepts: create, read, tag, list, delete, and create from the properties of the read."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hypothesis_settings import property_test
from tests.property.strategies import (
    CREATE_ONLY,
    READ_ONLY,
    TAG_SETS,
    as_strings,
    is_within,
    models,
    places,
    replaced,
    tag_list,
    unordered,
    values,
)

if TYPE_CHECKING:
    from cfnbox.handlers.events import Action
    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.conftest import Invoke


@pytest.fixture
def succeed(invoke: Invoke) -> Any:
    """Send an event that must succeed, and return the model of the answer, if it has one."""

    def send(action: Action, desired: Any, **event: Any) -> Any:
        answer = invoke(action, desired, **event)
        assert answer["status"] == "SUCCESS", answer
        return answer.get("resourceModel")

    return send


@property_test(3)
@given(asked=models(), wanted=TAG_SETS, shuffled=st.randoms(use_true_random=False))
def test_a_created_model_has_the_requested_properties(
    sagemaker: LocalSageMaker, invoke: Invoke, succeed: Any, asked: Any, wanted: Any, shuffled: Any
) -> None:
    sagemaker.reset()
    created = succeed("CREATE", as_strings(asked), logical_id="Scorer")
    identifier = {"ModelArn": created["ModelArn"]}
    read = succeed("READ", identifier)
    assert unordered(read) == unordered(created)
    assert is_within(unordered(stated(asked)), unordered(read))
    assert created["ModelArn"].endswith(f":model/{created['ModelName']}")

    tagged = {**copy.deepcopy(asked), "Tags": tag_list(wanted)}
    shuffle(tagged, shuffled)
    updated = succeed("UPDATE", as_strings({**tagged, **identifier}), previous=asked)
    assert unordered(updated) == unordered(stated({**read, "Tags": tag_list(wanted)}))
    # A state that was read, as an import has it, is as good a state to come from as a template.
    succeed("UPDATE", {**asked, **identifier}, previous=written(updated))
    assert unordered(succeed("READ", identifier)) == unordered(read)

    assert invoke("LIST")["resourceModels"] == [{**identifier, "ModelName": created["ModelName"]}]
    succeed("DELETE", identifier)
    assert invoke("READ", identifier)["errorCode"] == "NotFound"

    again = succeed("CREATE", written(read))
    assert unordered(again | {"CreationTime": ""}) == unordered(read | {"CreationTime": ""})


@property_test(5)
@given(asked=models(), data=st.data())
def test_only_tags_change_in_place(
    sagemaker: LocalSageMaker, invoke: Invoke, succeed: Any, asked: Any, data: Any
) -> None:
    sagemaker.reset()
    created = succeed("CREATE", asked)
    leaves = [
        place for place in places(asked) if not isinstance(place.value, dict | list) and place.path[0] in CREATE_ONLY
    ]
    assume(leaves)
    place = data.draw(st.sampled_from(leaves))
    other = data.draw(values(place.schema).filter(lambda value: value != place.value))
    desired = {**replaced(asked, place.path, other), "ModelArn": created["ModelArn"]}
    answer = invoke("UPDATE", desired, previous=asked)
    assert answer["errorCode"] == "NotUpdatable", answer
    assert f"/properties/{place.path[0]}" in answer["message"]
    assert unordered(succeed("READ", {"ModelArn": created["ModelArn"]})) == unordered(created)


def stated(model: Any) -> Any:
    """A model without properties that are empty: no tags, and the kind of container that it has not."""
    return {name: value for name, value in model.items() if value not in ({}, [])}


def written(read: Any) -> Any:
    """Return the properties of a read model as a template would have them."""
    return {name: value for name, value in read.items() if name not in READ_ONLY}


def shuffle(model: Any, random: Any) -> None:
    """Bring the lists without an order into another one."""
    for _, schema, value in places(model):
        if isinstance(value, list) and not schema["insertionOrder"]:
            random.shuffle(value)
