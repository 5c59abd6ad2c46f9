"""The table of status transitions is complete, and the state enforces it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.loaders
import pytest

from cfnbox.cloudformation.stacks import Stacks
from cfnbox.cloudformation.status import (
    FAILURE_OF,
    FOLLOWING,
    ChangeSetStatus,
    ExecutionStatus,
    InvalidTransition,
    OnFailure,
    OperationStatus,
    ResourceStatus,
    StackStatus,
)
from cfnbox.core.place import Place

if TYPE_CHECKING:
    from enum import StrEnum


@pytest.mark.parametrize(("shape", "enum"), [
    ("StackStatus", StackStatus), ("ResourceStatus", ResourceStatus), ("ChangeSetStatus", ChangeSetStatus),
    ("ExecutionStatus", ExecutionStatus), ("OnFailure", OnFailure), ("BeaconStackOperationStatus", OperationStatus),
])  # fmt: skip
def test_statuses_equal_those_of_the_cloudformation_service_model(shape: str, enum: type[StrEnum]) -> None:
    model = botocore.loaders.Loader().load_service_model("cloudformation", "service-2")
    assert set(enum) <= set(model["shapes"][shape]["enum"])


def test_every_stack_status_has_its_transitions() -> None:
    assert FOLLOWING.keys() == set(StackStatus)
    # Every status but the first can be reached, and the deletion is the end.
    reached = set().union(*FOLLOWING.values(), FAILURE_OF.values())
    assert set(StackStatus) - reached == {StackStatus.REVIEW_IN_PROGRESS}
    assert [status for status, following in FOLLOWING.items() if not following] == [StackStatus.DELETE_COMPLETE]


@pytest.mark.parametrize("status", sorted(set(StackStatus) - FOLLOWING[StackStatus.REVIEW_IN_PROGRESS]))
def test_an_impossible_transition_is_an_error(status: StackStatus) -> None:
    stacks = Stacks()
    stack = stacks.new(Place("us-east-1"), "s")
    stacks.enter_review(stack)
    with pytest.raises(InvalidTransition, match=f"{status} cannot follow REVIEW_IN_PROGRESS"):
        stacks.set_status(stack, status)
    assert stack.status == StackStatus.REVIEW_IN_PROGRESS
    assert len(stack.events) == 1
