"""Pairs of templates: a plan leads from the first to the second, and a change set predicts the operation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from cfnbox.cloudformation.deployment import Deployment, ResourceState
from cfnbox.cloudformation.plan import plan
from cfnbox.cloudformation.status import ResourceStatus
from cfnbox.core.place import Place
from cfnbox.providers.protocol import Request, Resource
from cfnbox.template import functions
from cfnbox.template.preparation import Prepared
from cfnbox.template.scope import Scope
from cloudformation.conftest import Control, thing
from cloudformation.store import DEFINITIONS, OPEN
from hypothesis_settings import property_test

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.cloudformation.changes import Change

PLACE = Place("us-east-1")
NAMES = ("A", "B", "C", "D", "E")
# A logical id keeps its type, as CloudFormation demands.
KINDS = dict(zip(NAMES, ("Acme::Store::Thing", "Acme::Store::Lone", "Acme::Store::Fixed", OPEN, OPEN), strict=True))
values = st.sampled_from(["1", "2", "3"])
tags = st.dictionaries(st.sampled_from(["team", "stage"]), values, max_size=2)


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    """Things that need those before them, by Ref, Fn::GetAtt, Fn::Sub or DependsOn."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    resources: dict[str, Any] = {}
    for position, name in enumerate(names):
        properties: dict[str, Any] = {"Name": name}
        depends_on = None
        for key in draw(st.lists(st.sampled_from(["Value", "Frozen", "Perhaps"]), unique=True)):
            properties[key] = draw(values)
            if position and draw(st.booleans()):
                needed = draw(st.sampled_from(names[:position]))
                references = [{"Ref": needed}, {"Fn::GetAtt": [needed, "Echo"]}, {"Fn::Sub": f"x-${{{needed}}}"}]
                if KINDS[needed] == OPEN:
                    written = [name for name in ("Value", "Frozen") if name in resources[needed]["Properties"]]
                    references += [{"Fn::GetAtt": [needed, name]} for name in written]
                properties[key] = draw(st.sampled_from(references))
        if draw(st.booleans()):
            properties["Unordered"] = draw(st.permutations(["a", "b"]))
        if position and draw(st.booleans()):
            depends_on = draw(st.sampled_from(names[:position]))
        resources[name] = {**thing(depends_on=depends_on, **properties), "Type": KINDS[name]}
    return resources


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two templates. The second is often the first with other values."""
    first = draw(templates())
    if draw(st.booleans()):
        return first, draw(templates())
    return first, {
        name: {**one, "Properties": {
            key: draw(values) if isinstance(value, str) and key != "Name" and draw(st.booleans()) else value
            for key, value in one["Properties"].items()
        }}
        for name, one in first.items()
    }  # fmt: skip


def deployment(resources: Mapping[str, Any], stack_tags: Mapping[str, str]) -> Deployment:
    document = {"Resources": dict(resources)}
    return Deployment(Prepared(json.dumps(document), document, document, {}, {}), stack_tags)


class Things:
    """A simple model of the existing resources: it carries out a plan and gives new resources new identifiers."""

    def __init__(self) -> None:
        self.existing: dict[str, ResourceState] = {}
        self._number = 0

    def plan(self, goal: Deployment, deployed: Deployment | None) -> list[Change]:
        return plan(goal, deployed, self.existing, self.scope(), DEFINITIONS.__getitem__)

    def scope(self) -> Scope:
        return Scope(PLACE, "s", "id", resources={
            name: one.live for name, one in self.existing.items() if one.live is not None})  # fmt: skip

    def carry_out(self, goal: Deployment, changes: list[Change]) -> None:
        needed = goal.template.dependencies
        for change in changes:
            name = change.logical_id
            if change.action == "Remove":
                del self.existing[name]
                continue
            if change.action == "Keep":
                continue
            definition = goal.template.resources[name]
            desired = functions.resolve(definition["Properties"], self.scope())
            had = self.existing.get(name)
            kind = DEFINITIONS[definition["Type"]]
            # A plan that leaves it open is decided by what the values then are.
            anew = had is None or kind.replacement(had.properties, desired) == "True"
            if change.replacement == "False":
                assert not anew
            self._number += anew
            identity = f"thing-{self._number}" if had is None or anew else had.physical_id
            attributes = kind.attributes_of({**desired, "Id": identity, "Echo": desired.get("Value", "")})
            self.existing[name] = ResourceState(
                name, definition["Type"], definition, frozenset(needed[name]),
                ResourceStatus.CREATE_COMPLETE, properties=desired, stack_tags=goal.tags,
                live=Resource(identity, identity, {}, attributes), is_created=True, physical_id=identity,
            )  # fmt: skip


@property_test()
@given(pair=pairs(), first_tags=tags, second_tags=tags)
def test_a_plan_leads_to_its_goal(pair: Any, first_tags: Any, second_tags: Any) -> None:
    things, deployed = Things(), None
    for resources, stack_tags in zip(pair, (first_tags, second_tags), strict=True):
        goal = deployment(resources, stack_tags)
        changes = things.plan(goal, deployed)
        assert sorted(one.logical_id for one in changes if one.action != "Remove") == sorted(goal.template.resources)
        before = dict(things.existing)
        things.carry_out(goal, changes)
        assert things.existing.keys() == goal.template.resources.keys()
        for name, one in things.existing.items():
            kind, desired = DEFINITIONS[one.type_name], functions.resolve(
                goal.template.resources[name]["Properties"], things.scope())  # fmt: skip
            assert kind.changed(one.properties, desired) == []
            assert one.stack_tags == stack_tags
            kept = before.get(name)
            if kept is not None and kept.physical_id == one.physical_id:
                # A resource that keeps its identifier has no changed create-only property.
                assert kind.replacement(kept.properties, desired) != "True"
        deployed = goal
        again = things.plan(goal, deployed)
        assert {one.action for one in again} == {"Keep"}


@property_test()
@given(resources=templates(), stack_tags=tags)
def test_the_order_of_a_plan_can_be_carried_out(resources: Any, stack_tags: Any) -> None:
    goal = deployment(resources, stack_tags)
    done: set[str] = set()
    for change in Things().plan(goal, None):
        assert goal.template.dependencies[change.logical_id] <= done
        assert change.action == "Add"
        done.add(change.logical_id)


@property_test(3)
@given(first=templates(), other=templates())
def test_failed_resources_are_planned_again(first: Any, other: Any) -> None:
    """A resource whose update failed is updated again, and a resource that was not created is added."""
    things, goal = Things(), deployment(first, {})
    things.carry_out(goal, things.plan(goal, None))
    name = sorted(first)[0]
    things.existing[name] = replace(things.existing[name], status=ResourceStatus.UPDATE_FAILED)
    assert {one.logical_id: one.action for one in things.plan(goal, goal)}[name] == "Modify"
    things.existing[name] = replace(things.existing[name], live=None)
    assert {one.logical_id: one.action for one in things.plan(goal, goal)}[name] == "Add"


@property_test(5)
@given(pair=pairs(), stack_tags=tags)
def test_a_change_set_predicts_the_operation(pair: Any, stack_tags: Any) -> None:
    control, (first, second) = Control(), pair

    def call(operation: str, **request: Any) -> Any:
        return control.cloudformation.operations[operation](PLACE, {"StackName": "s", **request})

    def rest() -> dict[str, Any]:
        stack = control.cloudformation.stacks.require(PLACE, "s")
        with stack_changed:
            assert stack_changed.wait_for(lambda: not stack.status.is_in_progress, 20)
        return {name: one.physical_id for name, one in stack.resources.items()}

    stack_changed = control.cloudformation.stacks.changed
    call("CreateStack", TemplateBody=json.dumps({"Resources": first}))
    before = rest()
    made = call("CreateChangeSet", ChangeSetName="c", TemplateBody=json.dumps({"Resources": second}),
                Tags=[{"Key": key, "Value": value} for key, value in stack_tags.items()])  # fmt: skip
    change_set = call("DescribeChangeSet", ChangeSetName=made["Id"])
    said = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in change_set["Changes"]}
    if change_set["Status"] == "FAILED":
        assert said == {}
        return
    control.things.calls.clear()
    call("ExecuteChangeSet", ChangeSetName=made["Id"])
    after = rest()
    for name in before.keys() | after.keys():
        told = said.get(name, {})
        if name not in before or name not in after:
            assert told["Action"] == ("Add" if name in after else "Remove")
        elif before[name] != after[name]:
            assert (told["Action"], told["Replacement"]) in (("Modify", "True"), ("Modify", "Conditional"))
        elif told:
            sources = {(one["ChangeSource"], one["Evaluation"]) for one in told["Details"]}
            assert told["Action"] == "Modify"
            # A replaced resource may have the attribute that the one before had.
            assert told["Replacement"] in ("False", "Conditional") or ("ResourceAttribute", "Static") in sources
            certain = "Tags" in told["Scope"] or ("DirectModification", "Static") in sources
            assert ("update", name) in control.things.calls or not certain
        else:
            assert not [one for one in control.things.calls if one[1] == name]
    assert sorted(control.things.things) == sorted(after.values())
    # What each resource has is what its template resolves to now.
    live = {name: control.things.read(DEFINITIONS[one["Type"]], Request(PLACE), after[name])
            for name, one in second.items()}  # fmt: skip
    for name, one in second.items():
        desired = functions.resolve(one["Properties"], Scope(PLACE, "s", "id", resources=live))
        assert {key: control.things.things[after[name]].get(key) for key in desired} == desired
    control.cloudformation.runs.close()
