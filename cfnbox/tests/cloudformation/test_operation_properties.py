"""Random sequences of stack operations over resources that fail, hang, or report their identifier late.

After every step, the stack lists exactly the existing resources, no resource is created twice or left behind, and
each status is a documented successor of the previous status.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cfnbox.cloudformation.status import FOLLOWING, ResourceStatus, StackStatus
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cloudformation.conftest import Control, thing
from hypothesis_settings import property_test
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Place("us-east-1")
NAMES = ("A", "B", "C", "D")
DESCRIBING = ("DescribeStacks", "ListStacks", "DescribeStackEvents", "DescribeStackResources", "ListStackResources",
              "ListChangeSets", "DescribeEvents", "GetStackPolicy")  # fmt: skip
# The members of DescribeStacks by status, as recorded on AWS. Those that vary are there if they have a value.
ALWAYS = {"StackId", "StackName", "CreationTime", "StackStatus", "DisableRollback", "RollbackConfiguration", "Tags",
          "NotificationARNs", "DriftInformation", "EnableTerminationProtection", "LastOperations"}  # fmt: skip
VARIABLE = {"StackStatusReason", "LastUpdatedTime", "ChangeSetId", "Outputs", "Parameters", "Capabilities"}
OF_CHANGE_SETS = {
    "ChangeSetId",
    "ChangeSetName",
    "StackId",
    "StackName",
    "CreationTime",
    "Status",
    "ExecutionStatus",
    "NotificationARNs",
    "RollbackConfiguration",
    "Capabilities",
    "IncludeNestedStacks",
    "Changes",
}
BY_STATUS = {
    StackStatus.DELETE_IN_PROGRESS: {"DeletionTime"},
    StackStatus.DELETE_FAILED: {"DeletionTime"},
    StackStatus.DELETE_COMPLETE: {"DeletionTime", "EnableTerminationProtection"},
    StackStatus.ROLLBACK_COMPLETE: {"DeletionTime"},
    StackStatus.ROLLBACK_FAILED: {"DeletionTime"},
}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Return every value that is not an object or a list, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}/{number}")
    else:
        yield path, value


values = st.sampled_from(["1", "2", "3"])


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    """Return one to four things. Each may depend on earlier things and use their attributes."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    kinds = {"A": "Thing", "B": "Lone", "C": "Fixed", "D": "Thing"}
    resources: dict[str, Any] = {}
    for position, name in enumerate(names):
        needed = draw(st.lists(st.sampled_from(names[:position]), unique=True)) if position else []
        properties: dict[str, Any] = {"Name": name, "Value": draw(values), "Frozen": draw(values)}
        if needed:
            properties["Needs"] = [{"Ref": one} for one in needed]
            if draw(st.booleans()):
                properties["Value"] = {"Fn::GetAtt": [needed[0], "Echo"]}
        resources[name] = thing(kinds[name], **properties)
    return {"Resources": resources}


class StackOperations(RuleBasedStateMachine):
    """A stack, and all operations on it."""

    def __init__(self) -> None:
        super().__init__()
        self.control = Control()
        self.things = self.control.things
        self.stack: Any = None
        self.complete: dict[str, Any] | None = None

    @property
    def state(self) -> str:
        return "" if self.stack is None else self.stack.status

    def call(self, operation: str, **request: Any) -> Any:
        return self.control.cloudformation.operations[operation](PLACE, {"StackName": "s", **request})

    def rest(self) -> None:
        """Release every hanging handler, then wait until no operation is in progress."""
        for event in self.things.orders.hang.values():
            event.set()
        self.things.orders.hang.clear()
        eventually(lambda: not self.stack.status.is_in_progress)
        self.things.orders.fail.clear()
        self.things.orders.wait.clear()

    @initialize(template=templates(), on_failure=st.sampled_from(["ROLLBACK", "DELETE", "DO_NOTHING"]),
                troubles=st.dictionaries(st.tuples(st.just("create"), st.sampled_from(NAMES)),
                                         st.sampled_from(["before", "after", "late"]), max_size=2))  # fmt: skip
    def create(self, template: dict[str, Any], on_failure: str, troubles: dict[tuple[str, str], str]) -> None:
        self.things.orders.fail.update(troubles)
        stack_id = self.call("CreateStack", TemplateBody=json.dumps(template), OnFailure=on_failure)["StackId"]
        self.stack = self.control.cloudformation.stacks.find(PLACE, stack_id)
        self.rest()
        self.note(template)

    @rule(template=templates(), disable=st.booleans(), by_change_set=st.booleans(),
          troubles=st.dictionaries(st.tuples(st.sampled_from(["create", "update", "delete"]), st.sampled_from(NAMES)),
                                   st.sampled_from(["before", "after", "late"]), max_size=2))  # fmt: skip
    def update(self, template: dict[str, Any], disable: bool, by_change_set: bool, troubles: Any) -> None:
        self.things.orders.fail.update(troubles)
        if self.begin(template, disable=disable, by_change_set=by_change_set):
            self.rest()
            self.note(template)
        self.things.orders.fail.clear()

    def begin(self, template: dict[str, Any], *, disable: bool = False, by_change_set: bool = False) -> bool:
        """Begin an update. Return False if CloudFormation refuses it; a refusal must not change anything."""
        before = json.dumps(self.things.things, sort_keys=True)
        body = json.dumps(template)
        try:
            if by_change_set:
                made = self.call("CreateChangeSet", ChangeSetName="c", TemplateBody=body)
                self.check_change_set(made["Id"])
                self.call("ExecuteChangeSet", ChangeSetName=made["Id"], DisableRollback=disable)
            else:
                self.call("UpdateStack", TemplateBody=body, DisableRollback=disable)
        except Refused:
            assert json.dumps(self.things.things, sort_keys=True) == before
            return False
        return True

    def check_change_set(self, change_set_id: str) -> None:
        """Check the members of a change set by its status."""
        for values in (False, True):
            answer = self.call("DescribeChangeSet", ChangeSetName=change_set_id, IncludePropertyValues=values)
            assert [path for path, value in leaves(answer) if value is None] == []
            is_failed = answer["Status"] == "FAILED"
            assert answer["ExecutionStatus"] == ("UNAVAILABLE" if is_failed else "AVAILABLE")
            with_reason = {"StatusReason"} if is_failed else set()
            # With values a reason may say which of them are not known yet.
            assert set(answer) - ({"StatusReason"} - with_reason) == OF_CHANGE_SETS | with_reason
            assert not (is_failed and answer["Changes"])

    @rule(template=templates(), name=st.sampled_from(NAMES), action=st.sampled_from(["create", "update"]),
          then=st.sampled_from(["cancel", "delete", "nothing"]))  # fmt: skip
    def interrupt(self, template: dict[str, Any], name: str, action: str, then: str) -> None:
        """Cancel an update, or try to delete the stack, while a handler hangs."""
        self.things.orders.hang[action, name] = threading.Event()
        if self.begin(template):
            try:
                if then == "cancel":
                    self.call("CancelUpdateStack")
                elif then == "delete":
                    self.call("DeleteStack")
            except Refused:
                pass
            self.rest()
            self.note(template)
        self.things.orders.hang.clear()

    # Which thread is first decides about the state, so no rule may depend on it by a precondition.
    @rule()
    def roll_back(self) -> None:
        if self.state not in ("CREATE_FAILED", "UPDATE_FAILED"):
            return
        self.call("RollbackStack")
        self.rest()
        self.note(None)

    @rule(skip=st.booleans())
    def continue_rollback(self, skip: bool) -> None:
        if self.state != "UPDATE_ROLLBACK_FAILED":
            return
        failed = [name for name, one in self.stack.resources.items() if one.status == "UPDATE_FAILED"]
        self.call("ContinueUpdateRollback", ResourcesToSkip=failed if skip else [])
        self.rest()
        self.complete = None if skip else self.complete

    @rule(trouble=st.none() | st.sampled_from(NAMES))
    def delete(self, trouble: str | None) -> None:
        if trouble:
            self.things.orders.fail["delete", trouble] = "before"
        self.call("DeleteStack")
        self.rest()

    @rule(template=templates(), name=st.sampled_from(NAMES))
    def create_and_delete_at_once(self, template: dict[str, Any], name: str) -> None:
        """Delete a stack during its create, while a handler hangs: no resource may reappear."""
        if self.state != "DELETE_COMPLETE":
            return
        self.things.orders.hang["create", name] = threading.Event()
        stack_id = self.call("CreateStack", TemplateBody=json.dumps(template))["StackId"]
        self.stack = self.control.cloudformation.stacks.find(PLACE, stack_id)
        self.call("DeleteStack")
        self.rest()
        assert self.state == "DELETE_COMPLETE"

    def note(self, template: dict[str, Any] | None) -> None:
        """Remember the template of a stack that is complete."""
        if template is not None and self.state in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            self.complete = template

    @invariant()
    def what_it_has_is_what_exists(self) -> None:
        if self.stack is None:
            return
        has = {one.physical_id for one in self.stack.resources.values() if one.is_live}
        left = {one.physical_id for one in self.stack.leftovers}
        assert set(self.things.things) - self.left_behind() == has | left
        if self.state.endswith("_COMPLETE"):
            assert not left

    def left_behind(self) -> set[str]:
        """Return resources whose clean-up failed: the last event is DELETE_FAILED, and no stack uses them."""
        last = {}
        for event in self.stack.events:
            last[event["PhysicalResourceId"]] = event["ResourceStatus"]
        has = {one.physical_id for one in self.stack.resources.values() if one.is_live}
        return {identifier for identifier, status in last.items() if status == "DELETE_FAILED"} - has

    @invariant()
    def each_status_follows_the_one_before(self) -> None:
        if self.stack is None:
            return
        previous, failures = StackStatus.REVIEW_IN_PROGRESS, 0
        for event in self.stack.events:
            if event["ResourceType"] == "AWS::CloudFormation::Stack":
                status = StackStatus(event["ResourceStatus"])
                assert status in FOLLOWING[previous], f"{status} after {previous}"
                is_failed_rollback = status.is_rollback and status.is_failed
                assert failures or not is_failed_rollback, "a rollback failed in which nothing failed"
                previous, failures = status, 0
            else:
                failures += ResourceStatus(event["ResourceStatus"]).is_failed

    @invariant()
    def answers_have_the_members_of_their_status(self) -> None:
        if self.stack is None:
            return
        answers = {name: self.call(name, StackName=self.stack.id) for name in DESCRIBING}
        assert [path for path, value in leaves(answers) if value is None] == []
        described = answers["DescribeStacks"]["Stacks"][0]
        assert set(described) - VARIABLE == ALWAYS ^ BY_STATUS.get(described["StackStatus"], set())
        assert all(described[member] for member in VARIABLE & described.keys())

    @invariant()
    def a_complete_stack_is_as_its_template_says(self) -> None:
        if self.complete is None or self.state not in (
            "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):  # fmt: skip
            return
        resources = self.complete["Resources"]
        assert self.stack.resources.keys() == resources.keys()
        for name, definition in resources.items():
            one = self.stack.resources[name]
            found = self.things.things[one.physical_id]
            for key in ("Name", "Frozen"):
                assert found[key] == definition["Properties"][key]
            for needed, identifier in zip(
                definition["Properties"].get("Needs", []), found.get("Needs", []), strict=True
            ):
                assert identifier == self.stack.resources[needed["Ref"]].physical_id

    def teardown(self) -> None:
        for event in self.things.orders.hang.values():
            event.set()
        self.control.cloudformation.runs.close()


StackOperations.TestCase.settings = property_test(stateful_step_count=12)
TestStackOperations = StackOperations.TestCase
