"""Express mode: the effect of a DeploymentConfig, and the answers that show it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudformation.conftest import Control, User

EXPRESS: dict[str, Any] = {"DeploymentConfig": {"Mode": "EXPRESS"}}
BODY = template(M=thing(Name="m", Value="1"))


def test_answers_show_the_deployment_config_of_the_last_operation(user: User, control: Control) -> None:
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
def test_disable_rollback_of_a_deployment_config_applies(
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


IN_BACKGROUND = (
    "Resource operation completed using Express Mode. It may continue becoming available in the background."
)


def test_every_resource_says_that_the_mode_was_express(user: User) -> None:
    user.create("s", BODY, **EXPRESS)
    user.update("s", template(M=thing(Name="m", Value="2")), **EXPRESS)
    user.update("s", template(M=thing(Name="m", Value="3")))
    complete = [change for change in changes(user, "M") if change[0].endswith("_COMPLETE")]
    assert complete == [
        ("CREATE_COMPLETE", IN_BACKGROUND, None),
        ("UPDATE_COMPLETE", IN_BACKGROUND, None),
        ("UPDATE_COMPLETE", None, None),
    ]


@pytest.fixture
def stabilising(control: Control) -> Iterator[threading.Event]:
    """Let the thing m stabilise until the event is set."""
    event = control.things.orders.hang["stabilise create", "m"] = threading.Event()
    yield event
    event.set()


def changes(user: User, logical_id: str) -> list[tuple[Any, ...]]:
    """Return status, reason and detailed status of each event of a resource, oldest first."""
    return [
        (event["ResourceStatus"], event.get("ResourceStatusReason"), event.get("DetailedStatus"))
        for event in user.history("s")
        if event["LogicalResourceId"] == logical_id
    ]


def test_a_stack_does_not_wait_for_a_resource_that_stabilises(user: User, stabilising: threading.Event) -> None:
    user.client.create_stack(StackName="s", TemplateBody=text(BODY), **EXPRESS)
    eventually(lambda: user.describe("s")["StackStatus"] == "CREATE_COMPLETE")
    assert changes(user, "M") == [
        ("CREATE_IN_PROGRESS", None, None),
        ("CREATE_IN_PROGRESS", "Resource creation Initiated", None),
        ("CREATE_COMPLETE", IN_BACKGROUND, None),
    ]
    stabilising.set()
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"


def test_a_failure_in_the_background_changes_nothing(
    user: User, control: Control, stabilising: threading.Event
) -> None:
    control.things.orders.fail["create", "m"] = "after"
    user.client.create_stack(StackName="s", TemplateBody=text(BODY), **EXPRESS)
    eventually(lambda: user.describe("s")["StackStatus"] == "CREATE_COMPLETE")
    stabilising.set()
    eventually(lambda: not control.things.orders.fail)
    assert user.describe("s")["StackStatus"] == "CREATE_COMPLETE"
    assert changes(user, "M")[-1] == ("CREATE_COMPLETE", IN_BACKGROUND, None)


def test_a_dependent_is_tried_again_until_what_it_needs_is_available(
    user: User, control: Control, stabilising: threading.Event
) -> None:
    control.things.orders.fail["create", "n"] = "before"
    body = template(M=thing(Name="m"), N={**thing(Name="n"), "DependsOn": "M"})
    user.client.create_stack(StackName="s", TemplateBody=text(body), **EXPRESS)
    # Its first try has failed.
    eventually(lambda: not control.things.orders.fail)
    assert user.describe("s")["StackStatus"] == "CREATE_IN_PROGRESS"
    stabilising.set()
    assert user.rest("s")["StackStatus"] == "CREATE_COMPLETE"
    assert control.things.calls.count(("create", "n")) == 2


def test_a_dependent_fails_when_nothing_becomes_available(user: User, control: Control) -> None:
    control.things.orders.fail["create", "n"] = "before"
    body = template(M=thing(Name="m"), N={**thing(Name="n"), "DependsOn": "M"})
    assert user.create("s", body, **EXPRESS)["StackStatus"] == "CREATE_FAILED"
    assert control.things.calls.count(("create", "n")) == 1


def test_in_the_standard_mode_a_stabilising_resource_and_its_stack_tell_their_configuration(
    user: User, stabilising: threading.Event
) -> None:
    configured = ("CREATE_IN_PROGRESS", "Eventual consistency check initiated", "CONFIGURATION_COMPLETE")
    user.client.create_stack(
        StackName="s", TemplateBody=text({**BODY, "Resources": {**BODY["Resources"], "N": thing()}})
    )
    eventually(lambda: configured in changes(user, "s"))
    assert user.describe("s")["StackStatus"] == "CREATE_IN_PROGRESS"
    stabilising.set()
    user.rest("s")
    assert changes(user, "M") == [
        ("CREATE_IN_PROGRESS", None, None),
        ("CREATE_IN_PROGRESS", "Resource creation Initiated", None),
        configured,
        ("CREATE_COMPLETE", None, None),
    ]
    assert changes(user, "s") == [
        ("CREATE_IN_PROGRESS", "User Initiated", None), configured, ("CREATE_COMPLETE", None, None)
    ]  # fmt: skip
    # A resource that does not stabilise says nothing of it.
    assert [detailed for _, _, detailed in changes(user, "N")] == [None, None, None]


def test_a_nested_stack_has_the_deployment_config_of_its_parent(
    user: User, control: Control, stabilising: threading.Event
) -> None:
    user.client.create_stack(StackName="s", TemplateBody=text(nesting(control, BODY)), **EXPRESS)
    # Neither waits for the thing of the nested stack.
    eventually(lambda: user.describe("s")["StackStatus"] == "CREATE_COMPLETE")
    nested = user.resources("s")["N"]["PhysicalResourceId"]
    assert user.describe(nested)["DeploymentConfig"] == {"Mode": "EXPRESS"}
    stabilising.set()
    # The next operation of the parent is in the standard mode, and so is the nested one.
    user.update("s", nesting(control, template(M=thing(Name="m", Value="2"))))
    assert "DeploymentConfig" not in user.describe(nested)


def nesting(control: Control, nested: Any) -> dict[str, Any]:
    """Return a template with a nested stack."""
    url = "https://bucket.s3.amazonaws.com/child.yaml"
    control.documents[url] = text(nested)
    return template(N={"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}})


@pytest.mark.parametrize("end", ["the stack is deleted", "the cloud closes"])
def test_a_creation_in_the_background_ends_when(
    user: User, control: Control, stabilising: threading.Event, end: str
) -> None:
    # A creation that goes on in spite of the end would run into this failure, once the thing is stable.
    control.things.orders.fail["create", "m"] = "after"
    user.client.create_stack(StackName="s", TemplateBody=text(BODY), **EXPRESS)
    eventually(lambda: user.describe("s")["StackStatus"] == "CREATE_COMPLETE")
    creations = [thread for thread in threading.enumerate() if thread.name == "creation of M"]
    assert creations
    if end == "the stack is deleted":
        assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    else:
        control.cloudformation.runs.close()
    eventually(lambda: not any(thread.is_alive() for thread in creations))
    assert not stabilising.is_set()
    assert control.things.orders.fail
