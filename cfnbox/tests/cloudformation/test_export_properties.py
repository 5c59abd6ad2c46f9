"""Random sequences of operations on stacks that export values to each other.

After every step: an imported export exists with the value that the importing stack has, names of
exports are unique, and an export that is imported is neither changed nor deleted.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cloudformation.conftest import Control, thing
from hypothesis_settings import property_test

PLACE = Place("us-east-1")
STACKS = ("one", "two", "three")
EXPORTS = ("x", "y")

values = st.sampled_from(["1", "2"])


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    """A thing with a value of its own or an imported one, and outputs that may be exported."""
    value = draw(values | st.sampled_from([{"Fn::ImportValue": name} for name in EXPORTS]))
    outputs: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(EXPORTS), unique=True)):
        exported = draw(values | st.just({"Fn::GetAtt": ["A", "Echo"]}))
        outputs[f"O{name}"] = {"Value": exported, "Export": {"Name": name}}
    return {"Resources": {"A": thing(Name="a", Value=value)}, **({"Outputs": outputs} if outputs else {})}


class Exports(RuleBasedStateMachine):
    """Three stacks, each of which may export to the others."""

    def __init__(self) -> None:
        super().__init__()
        self.control = Control()
        self.stacks = self.control.cloudformation.stacks

    def call(self, operation: str, name: str, **request: Any) -> bool:
        """Call an operation, and wait for its end; return False when it is refused."""
        stack = self.stacks.find(PLACE, name)
        try:
            self.control.cloudformation.operations[operation](PLACE, {"StackName": name, **request})
        except Refused:
            return False
        stack = stack or self.stacks.find(PLACE, name)
        if stack is None:
            return True
        with self.stacks.changed:
            assert self.stacks.changed.wait_for(lambda: not stack.status.is_in_progress, 20), stack.status
        self.control.things.orders.fail.clear()
        return True

    @rule(name=st.sampled_from(STACKS), template=templates(), by_change_set=st.booleans(),
          trouble=st.none() | st.sampled_from(["create", "update", "delete"]))  # fmt: skip
    def deploy(self, name: str, template: dict[str, Any], by_change_set: bool, trouble: str | None) -> None:
        if trouble:
            self.control.things.orders.fail[trouble, "a"] = "after"
        body, stack = json.dumps(template), self.stacks.find(PLACE, name)
        is_new = stack is None or stack.deployment is None
        if by_change_set:
            kind = "CREATE" if is_new else "UPDATE"
            if self.call("CreateChangeSet", name, ChangeSetName="c", ChangeSetType=kind, TemplateBody=body):
                self.call("ExecuteChangeSet", name, ChangeSetName="c")
        else:
            self.call("CreateStack" if is_new else "UpdateStack", name, TemplateBody=body)
        self.control.things.orders.fail.clear()

    @rule(name=st.sampled_from(STACKS))
    def delete(self, name: str) -> None:
        stack = self.stacks.find(PLACE, name)
        in_use = stack is not None and any(
            self.stacks.importers(PLACE, output["ExportName"], except_for=stack)
            for output in stack.outputs
            if "ExportName" in output
        )
        self.call("DeleteStack", name)
        if stack is not None:
            assert in_use != stack.is_deleted

    @invariant()
    def every_import_has_its_export(self) -> None:
        exports = self.stacks.exports(PLACE)
        for stack in self.stacks.in_place(PLACE):
            if stack.is_deleted or not stack.status.is_complete or stack.deployment is None:
                continue
            imported = stack.deployment.template.resources["A"]["Properties"]["Value"]
            live = stack.resources.get("A")
            if isinstance(imported, dict) and live is not None and live.is_live:
                owner, value = exports[imported["Fn::ImportValue"]]
                assert not owner.is_deleted
                assert self.control.things.things[live.physical_id]["Value"] == value

    @invariant()
    def names_of_exports_are_unique(self) -> None:
        names = [
            output["ExportName"]
            for stack in self.stacks.in_place(PLACE)
            if not stack.is_deleted
            for output in stack.outputs
            if "ExportName" in output
        ]
        assert len(names) == len(set(names))

    def teardown(self) -> None:
        self.control.cloudformation.runs.close()


Exports.TestCase.settings = property_test(stateful_step_count=12)
TestExports = Exports.TestCase
