"""Tags in random histories: changed stack and model tags, tags of other clients, and interrupted updates."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cfnbox.handlers.events import Action, production_event
from hypothesis_settings import property_test
from tests.conftest import MODEL
from tests.property.strategies import TAG_KEYS, TAG_VALUES, tag_list

if TYPE_CHECKING:
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.sagemaker.server import LocalSageMaker

# Few, so that the same key is met as a tag of the stack, of the model and of somebody else, and in both its cases.
KEYS = st.sampled_from(["a", "A", "stage", "Stage", "équipe", "awsome", "aws", "a b"]) | TAG_KEYS
SETS = st.dictionaries(KEYS, st.sampled_from(["", "1", "2"]) | TAG_VALUES, max_size=5)
MANY = st.integers(0, 50).map(lambda size: {f"many {number}": "" for number in range(size)})
TAG_LIMIT = 50


class TagHistory(RuleBasedStateMachine):
    """A model of tags beside the model: `there` is what SageMaker must hold, `stated` what the stack stated last."""

    sagemaker: LocalSageMaker
    client: Any
    definition: TypeDefinition

    @initialize(stack=SETS, own=SETS)
    def create(self, stack: Any, own: Any) -> None:
        self.sagemaker.reset()
        self.tokens = (f"token-{number}" for number in itertools.count())
        self.stated = (stack, own)
        answer = self.invoke("CREATE", self.event_of(self.stated))
        assert answer["status"] == "SUCCESS", answer
        self.arn = answer["resourceModel"]["ModelArn"]
        self.there = {**stack, **own}
        self.reserved = 0

    def invoke(self, action: Action, event: Any) -> Any:
        from aws_sagemaker_model.handlers import resource

        return resource(production_event(self.definition, action, **event), None)

    def event_of(self, state: Any, previous: Any = None) -> Any:
        identifier = {"ModelArn": self.arn} if previous else {}
        event = {"desired": {**MODEL, **identifier, "Tags": tag_list(state[1])}, "stack_tags": state[0]}
        if previous:
            event["previous"] = {**MODEL, **identifier, "Tags": tag_list(previous[1])}
            event["previous_stack_tags"] = previous[0]
        return event | {"token": next(self.tokens), "logical_id": "Scorer"}

    def would_be(self, state: Any, previous: Any) -> Any:
        """What is there when the stack goes from one state to another: others keep what the stack never stated."""
        desired, ours = {**state[0], **state[1]}, {**previous[0], **previous[1]}
        return {key: value for key, value in self.there.items() if key not in ours} | desired

    def update(self, state: Any, previous: Any) -> Any:
        """Update; say whether it succeeded, which it must unless the service's limit does not let it."""
        wanted = self.would_be(state, previous)
        answer = self.invoke("UPDATE", self.event_of(state, previous))
        if len(wanted) > TAG_LIMIT:
            assert answer["errorCode"] == "InvalidRequest", answer
            return False
        assert answer["status"] == "SUCCESS", answer
        self.there = wanted
        return True

    @rule(stack=SETS, own=SETS | MANY)
    def change(self, stack: Any, own: Any) -> None:
        if len({**stack, **own}) > TAG_LIMIT:
            answer = self.invoke("UPDATE", self.event_of((stack, own), self.stated))
            assert answer["errorCode"] == "InvalidRequest", answer
        elif self.update((stack, own), self.stated):
            self.stated = (stack, own)
        else:
            self.roll_back((stack, own))

    @rule(more=SETS)
    def change_little(self, more: Any) -> None:
        stack, own = self.stated
        self.change(stack, {**own, **more})

    @rule(
        stack=SETS,
        own=SETS,
        operation=st.sampled_from(["AddTags", "DeleteTags"]),
        fault=st.sampled_from(["access-denied", "garbled"]),
        again=st.booleans(),
    )
    def change_cut_off(self, stack: Any, own: Any, operation: str, fault: str, again: Any) -> None:
        state, event = (stack, own), self.event_of((stack, own), self.stated)
        self.sagemaker.faults.replace([{"operation": operation, "fault": fault}])
        answer = self.invoke("UPDATE", event)
        self.sagemaker.faults.clear()
        if answer["status"] == "IN_PROGRESS":
            again = True
            event = {**event, "desired": answer["resourceModel"], "context": answer["callbackContext"]}
        if answer["status"] == "FAILED" and not again:
            self.roll_back(state)
            return
        if answer["status"] != "SUCCESS":
            answer = self.invoke("UPDATE", event)
        assert answer["status"] == "SUCCESS", answer
        self.there, self.stated = self.would_be(state, self.stated), state

    def roll_back(self, failed: Any) -> None:
        """CloudFormation's answer to a failure: back from the state that was not reached, whatever was."""
        before = {**self.stated[0], **self.stated[1]}
        was_of_others = {key for key in self.there if key not in before} & {*failed[0], *failed[1]}
        answer = self.invoke("UPDATE", self.event_of(self.stated, failed))
        assert answer["status"] == "SUCCESS", answer
        # What the stack wrote over is the stack's own by then, and goes with it.
        self.there = {key: value for key, value in self.there.items() if key not in was_of_others} | before

    @rule(tags=SETS)
    def others_add(self, tags: Any) -> None:
        if tags and len({**self.there, **tags}) <= TAG_LIMIT:
            self.client.add_tags(ResourceArn=self.arn, Tags=tag_list(tags))
            self.there |= tags

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def others_remove(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.there)))
        self.client.delete_tags(ResourceArn=self.arn, TagKeys=[key])
        del self.there[key]

    @rule(count=st.integers(1, 8))
    def cloudformation_adds_its_own(self, count: Any) -> None:
        tags = {f"aws:cloudformation:{self.reserved + number}": "x" for number in range(count)}
        self.sagemaker.write_system_tags(self.arn, tags)
        self.reserved += count

    @invariant()
    def what_is_read_is_what_is_there(self) -> None:
        read = self.invoke("READ", {"desired": {"ModelArn": self.arn}})["resourceModel"]
        assert {tag["Key"]: tag["Value"] for tag in read.get("Tags", [])} == self.there
        pages = self.client.get_paginator("list_tags").paginate(ResourceArn=self.arn)
        held = [tag["Key"] for page in pages for tag in page["Tags"]]
        assert sum(key.startswith("aws:") for key in held) == self.reserved
        assert sorted(key for key in held if not key.startswith("aws:")) == sorted(self.there)


@pytest.mark.hypothesis
def test_tags_follow_the_stack_and_keep_tags_of_other_clients(
    sagemaker: LocalSageMaker, client: Any, definition: TypeDefinition
) -> None:
    fixtures = {"sagemaker": sagemaker, "client": client, "definition": definition}
    run_state_machine_as_test(
        type("TagHistory", (TagHistory,), fixtures),
        settings=property_test(10, stateful_step_count=10),
    )
