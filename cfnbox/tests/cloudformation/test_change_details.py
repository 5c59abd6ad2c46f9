"""Details of changes: the cause of each change, recorded on AWS with and without property values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing
from cloudformation.store import OPEN

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
# (ChangeSource, Evaluation, CausingEntity)
WRITTEN = ("DirectModification", "Static", None)
FOLLOWS = ("DirectModification", "Dynamic", None)


def open_thing(**properties: Any) -> dict[str, Any]:
    """A resource whose properties are attributes too."""
    return {"Type": OPEN, "Properties": properties}


def attribute(of: str, name: str = "Value") -> dict[str, list[str]]:
    return {"Fn::GetAtt": [of, name]}


def parametrised(**resources: Any) -> dict[str, Any]:
    return {"Parameters": {"P": {"Type": "String"}}, **template(**resources)}


def given(value: str) -> list[dict[str, str]]:
    return [{"ParameterKey": "P", "ParameterValue": value}]


def described(user: User, change_set: dict[str, Any], *, values: bool = False) -> dict[str, Any]:
    name = change_set["ChangeSetId"]
    answer: dict[str, Any] = user.client.describe_change_set(ChangeSetName=name, IncludePropertyValues=values)
    return answer


def changes(user: User, change_set: dict[str, Any], *, values: bool = False) -> dict[str, dict[str, Any]]:
    listed = [one["ResourceChange"] for one in described(user, change_set, values=values)["Changes"]]
    return {one["LogicalResourceId"]: one for one in listed}


def causes(change: dict[str, Any], name: str = "Value") -> list[tuple[str, str, str | None]]:
    return [
        (detail["ChangeSource"], detail["Evaluation"], detail.get("CausingEntity"))
        for detail in change["Details"]
        if detail["Target"].get("Name", detail["Target"]["Attribute"]) == name
    ]


def target(name: str = "Value", recreation: str = "Never") -> dict[str, str]:
    return {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}


def test_a_changed_parameter_causes_two_details(user: User, control: Control) -> None:
    body = parametrised(M=thing(Name="m", Value={"Ref": "P"}))
    user.create("s", body, Parameters=given("1"))
    change_set = user.change_set("s", body, Parameters=given("2"))
    assert change_set["Changes"] == [{
        "Type": "Resource",
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": "M",
            "PhysicalResourceId": "thing-1",
            "ResourceType": "Acme::Store::Thing",
            "Replacement": "False",
            "Scope": ["Properties"],
            "Details": [
                {"Target": target(), "Evaluation": "Static", "ChangeSource": "ParameterReference",
                 "CausingEntity": "P"},
                {"Target": target(), "Evaluation": "Dynamic", "ChangeSource": "DirectModification"},
            ],
        },
    }]  # fmt: skip
    assert change_set["Parameters"] == given("2")
    assert causes(changes(user, change_set, values=True)["M"]) == [("ParameterReference", "Static", "P"), FOLLOWS]


def test_an_unchanged_parameter_is_not_a_cause(user: User, control: Control) -> None:
    user.create("s", parametrised(M=thing(Name="m", Value={"Fn::Sub": "1-${P}"})), Parameters=given("1"))
    new = parametrised(M=thing(Name="m", Value={"Fn::Sub": "2-${P}"}))
    change_set = user.change_set("s", new, Parameters=given("1"))
    assert causes(changes(user, change_set)["M"]) == [WRITTEN]


def test_an_attribute_of_a_resource_that_changes_in_place_is_a_dynamic_cause(user: User, control: Control) -> None:
    """A change set with property values omits the new value because it is not known yet."""

    def body(value: str) -> dict[str, Any]:
        return template(A=open_thing(Name="a", Value=value), B=open_thing(Name="b", Value=attribute("A")),
                        C=thing(Name="c", Value=attribute("B")))  # fmt: skip

    user.create("s", body("1"))
    change_set = user.change_set("s", body("2"))
    plain = changes(user, change_set)
    assert user.changes(change_set) == dict.fromkeys("ABC", "Modify False")
    assert causes(plain["A"]) == [WRITTEN]
    assert causes(plain["B"]) == [("ResourceAttribute", "Dynamic", "A.Value")]
    assert causes(plain["C"]) == [("ResourceAttribute", "Dynamic", "B.Value")]
    valued = described(user, change_set, values=True)
    assert "StatusReason" not in valued
    assert valued["Changes"] == [{
        "Type": "Resource",
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": "A",
            "PhysicalResourceId": "thing-1",
            "ResourceType": OPEN,
            "Replacement": "False",
            "Scope": ["Properties"],
            "BeforeContext": json.dumps({"Properties": {"Name": "a", "Value": "1"}}),
            "AfterContext": json.dumps({"Properties": {"Name": "a", "Value": "2"}}),
            "Details": [{
                "Target": target() | {"Path": "/Properties/Value", "AttributeChangeType": "Modify",
                                      "BeforeValue": "1", "AfterValue": "2"},
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }],
        },
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "cause"),
    [
        (attribute("A"), ("ResourceAttribute", "Static", "A.Value")),
        ({"Ref": "A"}, ("ResourceReference", "Static", "A")),
    ],
)
def test_references_to_a_replaced_resource_cause_changes(
    user: User, control: Control, reference: Any, cause: tuple[str, str, str]
) -> None:
    def body(frozen: str) -> dict[str, Any]:
        return template(A=open_thing(Name="a", Value="v", Frozen=frozen),
                        B=open_thing(Name="b", Value={"Fn::Join": ["-", ["x", reference]]}),
                        C=open_thing(Name="c", Frozen=reference))  # fmt: skip

    user.create("s", body("1"))
    change_set = user.change_set("s", body("2"))
    assert user.changes(change_set) == {"A": "Modify True", "B": "Modify False", "C": "Modify True"}
    assert [causes(changes(user, change_set)["B"]), causes(changes(user, change_set)["C"], "Frozen")] == [[cause]] * 2
    valued = changes(user, change_set, values=True)["B"]
    assert causes(valued) == [cause, FOLLOWS]
    assert {detail["Target"]["AfterValue"] for detail in valued["Details"]} == {UNKNOWN}
    # The whole value is unknown, although a part of it is known.
    assert json.loads(valued["AfterContext"]) == {"Properties": {"Name": "b", "Value": UNKNOWN}}
    assert json.loads(valued["BeforeContext"])["Properties"]["Value"].startswith("x-")


def test_a_new_resource_shows_the_current_value_of_an_attribute(user: User, control: Control) -> None:
    user.create("s", template(A=open_thing(Name="a", Value="1")))
    new = template(A=open_thing(Name="a", Value="2"), B=open_thing(Name="b", Frozen=attribute("A")))
    change_set = user.change_set("s", new)
    added = changes(user, change_set, values=True)["B"]
    assert added == {
        "Action": "Add",
        "LogicalResourceId": "B",
        "ResourceType": OPEN,
        "Scope": [],
        "Details": [],
        "AfterContext": json.dumps({"Properties": {"Name": "b", "Frozen": "1"}}),
    }


def test_a_removed_resource_does_not_show_values_of_attributes(user: User, control: Control) -> None:
    parts = {"Unordered": ["x", attribute("A")], "Echo": "e"}
    user.create("s", template(A=open_thing(Name="a", Value="1"), B=thing(Name="b", Value=attribute("A")),
                              C=thing(Name="c", Ordered=parts["Unordered"])))  # fmt: skip
    change_set = user.change_set("s", template(A=open_thing(Name="a", Value="1")))
    removed = changes(user, change_set, values=True)
    assert json.loads(removed["B"]["BeforeContext"]) == {"Properties": {"Name": "b", "Value": UNKNOWN}}
    assert json.loads(removed["C"]["BeforeContext"]) == {"Properties": {"Name": "c", "Ordered": ["x", UNKNOWN]}}
    assert "AfterContext" not in removed["B"]


def test_a_changed_parameter_in_metadata_is_a_change_of_metadata(user: User, control: Control) -> None:
    body = parametrised(M=thing(Name="m", policies={"Metadata": {"a": {"Ref": "P"}}}))
    user.create("s", body, Parameters=given("1"))
    change_set = user.change_set("s", body, Parameters=given("2"))
    change = changes(user, change_set)["M"]
    assert change["Scope"] == ["Metadata"]
    assert causes(change, "Metadata") == [("ParameterReference", "Static", "P"), FOLLOWS]


def test_a_wrong_mapping_is_refused_at_once(user: User, control: Control) -> None:
    body = parametrised(M=thing(Name="m", Value={"Fn::FindInMap": ["Map", {"Ref": "P"}, "Suffix"]}))
    body["Mappings"] = {"Map": {"A": {"Suffix": "a"}}}
    request = {"StackName": "s", "ChangeSetName": "c", "TemplateBody": text(body), "Parameters": given("C")}
    sentence = "Template error: Unable to get mapping for Map::C::Suffix"
    assert user.refused("create_change_set", **request, ChangeSetType="CREATE") == ("ValidationError", sentence)
    assert user.client.list_stacks()["StackSummaries"] == []
    user.create("s", body, Parameters=given("A"))
    assert user.refused("create_change_set", **request) == ("ValidationError", sentence)
    assert user.client.list_change_sets(StackName="s")["Summaries"] == []


@pytest.mark.parametrize(("exists", "status"), [(True, "CREATE_COMPLETE"), (False, "ROLLBACK_COMPLETE")])
def test_an_import_of_a_missing_export_is_shown_in_a_change_set(
    user: User, control: Control, exists: bool, status: str
) -> None:
    body = template(M=thing(Name="m", Value={"Fn::ImportValue": "later"}))
    change_set = user.change_set("s", body, ChangeSetType="CREATE")
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert "StatusReason" not in change_set
    valued = described(user, change_set, values=True)
    assert valued["StatusReason"] == (
        "[WARN] --include-property-values option can return incomplete ChangeSet data because: ChangeSet creation "
        "failed for resource [M] because: No export named later"
    )
    change = valued["Changes"][0]["ResourceChange"]
    assert json.loads(change["AfterContext"]) == {"Properties": {"Name": "m", "Value": UNKNOWN}}
    if exists:
        output = {"O": {"Value": "v", "Export": {"Name": "later"}}}
        user.create("exporting", {**template(E=thing(Name="e")), "Outputs": output})
    assert user.execute(change_set)["StackStatus"] == status


@pytest.mark.parametrize("allowed", [["AWS::EC2::*"], ["AWS::EC2:*"], ["Acme::Store::Fixed", "AWS::Store::*"]])
def test_a_type_outside_of_resource_types_is_refused(user: User, control: Control, allowed: list[str]) -> None:
    body, listed = template(M=thing(Name="m")), ", ".join(allowed)
    refusal = (
        "ValidationError",
        f"Resource type Acme::Store::Thing is not allowed by parameter ResourceTypes [{listed}]",
    )
    request = {"StackName": "s", "TemplateBody": text(body), "ResourceTypes": allowed}
    assert user.refused("create_change_set", **request, ChangeSetName="c", ChangeSetType="CREATE") == refusal
    assert user.refused("create_stack", **request) == refusal
    assert user.client.list_stacks()["StackSummaries"] == []
    user.create("s", body, ResourceTypes=["Acme::*"])
    assert user.refused("update_stack", **request) == refusal
    assert user.client.create_change_set(
        StackName="s", ChangeSetName="c", TemplateBody=text(template(M=thing(Name="n"))),
        ResourceTypes=["Acme::Store::Thing"])["Id"]  # fmt: skip


def test_references_to_a_property_that_changes_in_place_are_updated(user: User, control: Control) -> None:
    def body(value: str) -> dict[str, Any]:
        refers = {"Fn::Sub": "x-${A.Value}"}
        return template(A=open_thing(Name="a", Value=value), B=open_thing(Name="b", Value=refers),
                        C=thing(Name="c", Frozen=attribute("B")))  # fmt: skip

    user.create("s", body("1"))
    assert user.update("s", body("2"))["StackStatus"] == "UPDATE_COMPLETE"
    things = {one["Name"]: one for one in control.things.things.values()}
    assert (things["b"]["Value"], things["c"]["Frozen"]) == ("x-2", "x-2")


def test_references_to_an_output_of_a_nested_stack_are_updated(user: User, control: Control) -> None:
    url = "https://bucket.s3.amazonaws.com/child.yaml"
    control.documents[url] = text({
        "Parameters": {"P": {"Type": "String"}},
        **template(C=thing(Name="c", Value={"Ref": "P"})),
        "Outputs": {"Echo": {"Value": attribute("C", "Echo")}},
    })  # fmt: skip

    def body(value: str) -> dict[str, Any]:
        nested = {"Type": "AWS::CloudFormation::Stack",
                  "Properties": {"TemplateURL": url, "Parameters": {"P": value}}}  # fmt: skip
        return template(N=nested, B=thing(Name="b", Value=attribute("N", "Outputs.Echo")))

    user.create("s", body("1"))
    assert causes(changes(user, user.change_set("s", body("2")))["B"]) == [
        ("ResourceAttribute", "Dynamic", "N.Outputs.Echo")]  # fmt: skip
    assert user.update("s", body("2"))["StackStatus"] == "UPDATE_COMPLETE"
    assert {one["Name"]: one["Value"] for one in control.things.things.values()} == {"b": "2", "c": "2"}
