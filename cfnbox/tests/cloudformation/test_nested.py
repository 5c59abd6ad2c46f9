"""Stacks as resources of another: made, updated, rolled back and deleted with it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

URL = "https://bucket.s3.amazonaws.com/child.yaml"


def child(control: Control, value: str = "1", url: str = URL, **more: Any) -> None:
    """The child's template: a thing, and what it echoes."""
    control.documents[url] = text({
        "Parameters": {"P": {"Type": "String", "Default": "d"}},
        **template(C=thing(Name="c", Value={"Fn::Sub": value + "-${P}"}, **more)),
        "Outputs": {"Echo": {"Value": {"Fn::GetAtt": ["C", "Echo"]}}},
    })  # fmt: skip


def parent(url: str = URL, p: Any = "p", **others: Any) -> dict[str, Any]:
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": {"P": p}}}
    outputs = {"Outputs": {"Of": {"Value": {"Fn::GetAtt": ["N", "Outputs.Echo"]}}}}
    return {**template(N=nested, **others), **outputs}


def child_of(user: User, name: str = "s") -> dict[str, Any]:
    return user.describe(user.resources(name)["N"]["PhysicalResourceId"])


def test_made_and_deleted_with_its_parent(user: User, control: Control) -> None:
    child(control)
    stack = user.create("s", parent(), Tags=[{"Key": "team", "Value": "a"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert user.outputs("s") == {"Of": "1-p"}
    nested = child_of(user)
    assert nested["StackName"].startswith("s-N-")
    assert (nested["ParentId"], nested["RootId"]) == (stack["StackId"], stack["StackId"])
    assert nested["Tags"] == [{"Key": "team", "Value": "a"}]
    assert control.things.things["thing-1"]["Tags"] == [{"Key": "team", "Value": "a"}]
    assert user.story("s") == [
        "CREATE_IN_PROGRESS",
        "N CREATE_IN_PROGRESS",
        f"N CREATE_IN_PROGRESS {nested['StackId']}",
        f"N CREATE_COMPLETE {nested['StackId']}",
        "CREATE_COMPLETE",
    ]
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert user.describe(nested["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_policies_of_inner_resources_hold(user: User, control: Control) -> None:
    child(control, policies={"DeletionPolicy": "Retain"})
    user.create("s", parent())
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert [one["Name"] for one in control.things.things.values()] == ["c"]


def test_an_update_reaches_the_child_and_outputs_follow(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent())
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_COMPLETE"
    assert user.outputs("s") == {"Of": "1-q"}
    # What stands at the same address changes, and nothing else.
    child(control, "2")
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_COMPLETE"
    assert user.outputs("s") == {"Of": "2-q"}
    assert child_of(user)["StackStatus"] == "UPDATE_COMPLETE"
    assert list(control.things.things) == ["thing-1"]


def test_a_child_without_a_change(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1")))
    assert user.update("s", parent(A=thing(Name="a", Value="2")))["StackStatus"] == "UPDATE_COMPLETE"
    assert child_of(user)["StackStatus"] == "CREATE_COMPLETE"
    assert control.things.calls.count(("update", "c")) == 0


def test_a_rollback_of_the_parent_brings_the_child_back(user: User, control: Control) -> None:
    child(control)
    body = {"A": {**thing(Name="a", Value="1"), "DependsOn": "N"}}
    user.create("s", parent(**body))
    child(control, "2", "https://other/child")
    control.things.orders.fail["update", "a"] = "before"
    new = parent("https://other/child", A={**thing(Name="a", Value="2"), "DependsOn": "N"})
    assert user.update("s", new)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "1-p"
    assert user.outputs("s") == {"Of": "1-p"}
    nested = child_of(user)
    assert nested["StackStatus"] == "UPDATE_COMPLETE"
    assert nested["Outputs"] == [{"OutputKey": "Echo", "OutputValue": "1-p"}]
    # Again, to see that what it goes back to is still known.
    control.things.orders.fail["update", "a"] = "before"
    assert user.update("s", new)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "1-p"


def test_a_child_that_fails(user: User, control: Control) -> None:
    child(control)
    control.things.orders.fail["create", "c"] = "after"
    stack = user.create("s", parent())
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "CREATE_FAILED"))
    nested = user.resources("s")["N"]["PhysicalResourceId"]
    assert reason == (
        f"Embedded stack {nested} was not successfully created: The following resource(s) failed to create: [C]. "
    )
    assert user.describe(nested)["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_a_child_whose_update_fails(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent())
    control.things.orders.fail["update", "c"] = "after"
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "1-p"
    nested = child_of(user)
    assert nested["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "UPDATE_FAILED"))
    assert reason == (
        f"Embedded stack {nested['StackId']} was not successfully updated. Currently in UPDATE_ROLLBACK_IN_PROGRESS "
        "with reason: The following resource(s) failed to update: [C]. "
    )
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_COMPLETE"


def test_no_template_there(user: User, control: Control) -> None:
    assert user.create("s", parent("https://nowhere/x"))["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "CREATE_FAILED"))
    assert reason == "S3 error: there is nothing at https://nowhere/x"
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"


def test_a_stack_that_nests_itself_ends(user: User, control: Control) -> None:
    """The names of the stacks grow until no stack has such a name: nothing is left of it then."""
    control.documents[URL] = text(
        template(N={"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": URL}})
    )
    assert user.create("s", control.documents[URL])["StackStatus"] == "ROLLBACK_COMPLETE"
    live = [one for one in user.client.list_stacks()["StackSummaries"] if one["StackStatus"] != "DELETE_COMPLETE"]
    assert [one["StackName"] for one in live] == ["s"]


def test_the_deletion_of_a_parent_whose_child_cannot_be(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent())
    nested = child_of(user)["StackId"]
    control.things.orders.fail["delete", "c"] = "before"
    assert user.delete("s")["StackStatus"] == "DELETE_FAILED"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "DELETE_FAILED"))
    assert reason == (
        f"Embedded stack {nested} was not successfully deleted: The following resource(s) failed to delete: [C]. "
    )
    assert user.delete(user.describe("s")["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_a_child_that_an_update_did_not_change_is_left_alone_in_the_rollback(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1"), p="p"))
    assert user.update("s", parent(A=thing(Name="a", Value="1"), p="q"))["StackStatus"] == "UPDATE_COMPLETE"
    child(control, url="https://other/child")
    control.things.orders.fail["update", "a"] = "before"
    failing = parent("https://other/child", A={**thing(Name="a", Value="2"), "DependsOn": "N"}, p="q")
    assert user.update("s", failing)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert child_of(user)["Outputs"] == [{"OutputKey": "Echo", "OutputValue": "1-q"}]


def test_a_child_whose_template_alone_changed_goes_back_with_its_parent(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1")))
    child(control, "2")
    control.things.orders.fail["update", "a"] = "before"
    failing = parent(A={**thing(Name="a", Value="2"), "DependsOn": "N"})
    assert user.update("s", failing)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert child_of(user)["Outputs"] == [{"OutputKey": "Echo", "OutputValue": "1-p"}]
    assert user.outputs("s") == {"Of": "1-p"}


def test_a_child_in_a_failed_update_goes_back_with_its_parent(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1")))
    child(control, "2")
    event = control.things.orders.hang["update", "a"] = threading.Event()
    failing = parent(A={**thing(Name="a", Value="2"), "DependsOn": "N"})
    user.client.update_stack(StackName="s", TemplateBody=text(failing))
    user.reach("s", "A", "UPDATE_IN_PROGRESS")
    # Meanwhile the child is updated beside its parent, and left as it failed.
    nested = child_of(user)["StackId"]
    control.things.orders.fail["update", "c"] = "after"
    control.things.orders.fail["update", "a"] = "after"
    child(control, "3")
    user.client.update_stack(StackName=nested, TemplateURL=URL, DisableRollback=True,
                             Parameters=[{"ParameterKey": "P", "UsePreviousValue": True}])  # fmt: skip
    assert user.rest(nested)["StackStatus"] == "UPDATE_FAILED"
    event.set()
    assert user.rest("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert child_of(user)["Outputs"] == [{"OutputKey": "Echo", "OutputValue": "1-p"}]
    assert child_of(user)["StackStatus"] == "UPDATE_COMPLETE"
