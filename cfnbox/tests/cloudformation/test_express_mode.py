"""Express mode: what a DeploymentConfig changes, and where it is shown."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing
from waiting import eventually

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

EXPRESS: dict[str, Any] = {"DeploymentConfig": {"Mode": "EXPRESS"}}
BODY = template(M=thing(Name="m", Value="1"))


def test_it_is_shown(user: User, control: Control) -> None:
    assert user.create("s", BODY, **EXPRESS)["DeploymentConfig"] == {"Mode": "EXPRESS"}
    change_set = user.change_set("s", template(M=thing(Name="m", Value="2")), **EXPRESS)
    assert change_set["DeploymentConfig"] == {"Mode": "EXPRESS"}
    assert user.execute(change_set)["DeploymentConfig"] == {"Mode": "EXPRESS"}
    # It is that of the last operation.
    assert "DeploymentConfig" not in user.update("s", template(M=thing(Name="m", Value="3")))


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        (EXPRESS, ("CREATE_FAILED", "UPDATE_FAILED")),
        ({"DeploymentConfig": {"Mode": "EXPRESS", "DisableRollback": False}},
         ("ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")),
        ({"DeploymentConfig": {"Mode": "STANDARD", "DisableRollback": True}}, ("CREATE_FAILED", "UPDATE_FAILED")),
        ({"DeploymentConfig": {"Mode": "STANDARD"}}, ("ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")),
    ],
)  # fmt: skip
def test_the_rollback_of_a_failure(
    user: User, control: Control, options: dict[str, Any], statuses: tuple[str, str]
) -> None:
    control.things.orders.fail["create", "m"] = "before"
    assert user.create("c", BODY, **options)["StackStatus"] == statuses[0]
    control.things.orders.fail["create", "m"] = "before"
    made = user.change_set("d", BODY, ChangeSetType="CREATE", **options)
    assert user.execute(made)["StackStatus"] == statuses[0]
    user.create("u", template(N=thing(Name="n")))
    control.things.orders.fail["create", "m"] = "before"
    assert user.update("u", BODY, **options)["StackStatus"] == statuses[1]


@pytest.mark.xfail(
    strict=True, reason="Express mode waits for each resource, as the standard mode does: README, differences"
)
def test_a_stack_does_not_wait_for_a_resource_that_stabilises(user: User, control: Control) -> None:
    stabilising = control.things.orders.hang["stabilise create", "m"] = threading.Event()
    try:
        user.client.create_stack(StackName="s", TemplateBody=text(BODY), **EXPRESS)
        user.reach("s", "M", "CREATE_IN_PROGRESS")
        eventually(lambda: user.describe("s")["StackStatus"] == "CREATE_COMPLETE", seconds=1)
    finally:
        stabilising.set()
        user.rest("s")
