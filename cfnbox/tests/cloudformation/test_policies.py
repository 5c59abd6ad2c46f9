"""Stack policies: the updates that they deny."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

BASE = template(A=thing(Name="a", Value="1", Frozen="1"), B=thing(Name="b", depends_on="A"))
MODIFIED = template(A=thing(Name="a", Value="2", Frozen="1"), B=thing(Name="b", depends_on="A"))
REPLACED = template(A=thing(Name="a", Value="1", Frozen="2"), B=thing(Name="b", depends_on="A"))
REMOVED = template(A=thing(Name="a", Value="1", Frozen="1"))


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": statements})


def statement(effect: str, action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Principal": "*", "Resource": resource, **more}


ALL = statement("Allow", "Update:*")
OF_TYPE = {"Condition": {"StringEquals": {"ResourceType": ["Acme::Store::Thing"]}}}
# The policy, the new template, and the action that is denied: None when it is allowed.
SITUATIONS = {
    "everything allowed": ([ALL], MODIFIED, None),
    "modify denied": ([ALL, statement("Deny", "Update:Modify", "LogicalResourceId/A")], MODIFIED, "Update:Modify"),
    "by a pattern": ([ALL, statement("Deny", "Update:*", "LogicalResourceId/*")], MODIFIED, "Update:Modify"),
    "of another resource": ([ALL, statement("Deny", "Update:*", "LogicalResourceId/B")], MODIFIED, None),
    "replace denied": ([ALL, statement("Deny", "Update:Replace", "*")], REPLACED, "Update:Replace"),
    "replace denied, modified": ([ALL, statement("Deny", "Update:Replace", "*")], MODIFIED, None),
    "delete denied": ([ALL, statement("Deny", "Update:Delete", "LogicalResourceId/B")], REMOVED, "Update:Delete"),
    "by a list": ([ALL, statement("Deny", ["Update:Delete", "Update:Modify"])], MODIFIED, "Update:Modify"),
    "of a type": ([ALL, statement("Deny", "Update:*", **OF_TYPE)], MODIFIED, "Update:Modify"),
    "everything but": (
        [ALL, {"Effect": "Deny", "NotAction": "Update:Replace", "Resource": "*"}], MODIFIED, "Update:Modify"),
    "of all but": (
        [ALL, {"Effect": "Deny", "Action": "Update:*", "NotResource": "LogicalResourceId/A"}], MODIFIED, None),
    "nothing allowed": ([statement("Allow", "Update:*", "LogicalResourceId/B")], MODIFIED, "Update:Modify"),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "new", "denied"), SITUATIONS.values(), ids=SITUATIONS)
def test_a_stack_policy_denies_updates(
    user: User, control: Control, statements: Any, new: Any, denied: str | None
) -> None:
    user.create("s", BASE, StackPolicyBody=policy(*statements))
    had = json.dumps(control.things.things)
    stack = user.update("s", new)
    assert stack["StackStatus"] == ("UPDATE_ROLLBACK_COMPLETE" if denied else "UPDATE_COMPLETE")
    reasons = [one[2] for one in user.events("s") if one[1] == "UPDATE_FAILED"]
    assert len(reasons) == (1 if denied else 0)
    if denied:
        assert reasons[0].startswith("Action denied by stack policy: ")
        assert f"[{denied}]" in reasons[0]
        assert json.dumps(control.things.things) == had
        assert {action for action, _ in control.things.calls} == {"create"}


def test_a_policy_during_update_applies_to_a_single_update(user: User) -> None:
    user.create("s", BASE, StackPolicyBody=policy(statement("Deny", "Update:*")))
    stack = user.update("s", MODIFIED, StackPolicyDuringUpdateBody=policy(ALL))
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert user.update("s", REPLACED)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_set_stack_policy_replaces_the_policy(user: User, control: Control) -> None:
    user.create("s", BASE)
    assert "StackPolicyBody" not in user.client.get_stack_policy(StackName="s")
    body = policy(statement("Deny", "Update:*"))
    user.client.set_stack_policy(StackName="s", StackPolicyBody=body)
    assert user.client.get_stack_policy(StackName="s")["StackPolicyBody"] == body
    assert user.update("s", MODIFIED)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    control.documents["https://policies/one"] = policy(ALL)
    user.client.set_stack_policy(StackName="s", StackPolicyURL="https://policies/one")
    assert user.update("s", MODIFIED)["StackStatus"] == "UPDATE_COMPLETE"


NO_POLICIES = ["no json", "null", "[]", '{"Statement": "x"}', '{"Statement": [1]}',
               '{"Statement": [{"Effect": "Perhaps"}]}', '{"Statement": {"Effect": "Deny"}}']  # fmt: skip


@pytest.mark.parametrize("body", NO_POLICIES)
def test_an_invalid_stack_policy_is_refused(user: User, control: Control, body: str) -> None:
    expected = ("ValidationError", "Error validating stack policy: Invalid stack policy")
    asked = {"StackName": "s", "TemplateBody": json.dumps(BASE), "StackPolicyBody": body}
    assert user.refused("create_stack", **asked) == expected
    assert control.things.calls == []
    user.create("s", BASE)
    assert user.refused("set_stack_policy", StackName="s", StackPolicyBody=body) == expected
    new = {"StackName": "s", "TemplateBody": json.dumps(MODIFIED)}
    for member in ("StackPolicyBody", "StackPolicyDuringUpdateBody"):
        assert user.refused("update_stack", **new, **{member: body}) == expected
    assert user.describe("s")["StackStatus"] == "CREATE_COMPLETE"
    assert user.client.get_template(StackName="s")["TemplateBody"] == BASE
