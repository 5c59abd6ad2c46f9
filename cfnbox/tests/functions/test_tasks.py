"""State machines that invoke functions: errors have the names that retriers and catchers match."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.test_functions import Functions
from programs import running_cloud
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "arn:aws:iam::123456789012:role/machine"
CODE = """
def handler(event, context):
    if event.get("colour") == "none":
        raise ValueError("no such colour")
    return {"seen": event}
"""
INVOKE = "arn:aws:states:::lambda:invoke"


class Machines:
    """State machines of one cloud, and how their executions end."""

    def __init__(self, functions: Functions) -> None:
        self.client = functions.cloud.client("stepfunctions")
        self.functions, self.arn = functions, functions.create("painter", CODE)

    def run(self, name: str, given: Any, *states: dict[str, Any], **machine: Any) -> Any:
        """Return the description of an execution that has ended. Only the last state ends it."""
        names = [f"S{number}" for number in range(len(states))]
        linked = {
            state_name: {**state, **({"Next": following} if following else {"End": True})}
            for state_name, state, following in zip(names, states, [*names[1:], None], strict=True)
        }
        definition = json.dumps({"StartAt": "S0", "States": linked, **machine})
        made = self.client.create_state_machine(name=name, roleArn=ROLE, definition=definition)["stateMachineArn"]
        assert self.client.describe_state_machine(stateMachineArn=made)["definition"] == definition
        arn = self.client.start_execution(stateMachineArn=made, input=json.dumps(given))["executionArn"]

        def ended() -> Any:
            described = self.client.describe_execution(executionArn=arn)
            return described if described["status"] != "RUNNING" else None

        return eventually(ended)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with running_cloud() as cloud:
        yield Machines(Functions(cloud))


def test_failed_task_has_the_error_type_of_its_function(machines: Machines) -> None:
    ended = machines.run("fails", {"colour": "none"}, {"Type": "Task", "Resource": machines.arn})
    assert (ended["status"], ended["error"]) == ("FAILED", "ValueError")
    cause = json.loads(ended["cause"])
    assert (cause["errorType"], cause["errorMessage"]) == ("ValueError", "no such colour")


def test_catcher_matches_the_error_type(machines: Machines) -> None:
    catch = [{"ErrorEquals": ["KeyError"], "Next": "S2"}, {"ErrorEquals": ["ValueError"], "Next": "S1"}]
    parameters = {"FunctionName": machines.arn, "Payload.$": "$"}
    task = {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, "Catch": catch}
    states: list[dict[str, Any]] = [task, {"Type": "Pass", "Result": "caught"}, {"Type": "Pass"}]
    assert json.loads(machines.run("catches", {"colour": "none"}, *states)["output"]) == "caught"


def test_outputs_of_both_kinds_of_task_in_both_query_languages(machines: Machines) -> None:
    given, seen = {"colour": "blue"}, {"seen": {"colour": "blue"}}
    direct = {"Type": "Task", "Resource": machines.arn}
    assert json.loads(machines.run("direct", given, direct)["output"]) == seen
    payload = {"ExecutedVersion": "$LATEST", "Payload": seen, "StatusCode": 200}
    parameters = {"FunctionName": "painter", "Payload": {"colour.$": "$.colour"}}
    invoked = {"Type": "Task", "Resource": INVOKE, "Parameters": parameters}
    assert json.loads(machines.run("invoked", given, invoked)["output"]) == payload
    arguments = {"FunctionName": machines.arn, "Payload": "{% $states.input %}"}
    query = {"Type": "Task", "Resource": INVOKE, "Arguments": arguments}
    assert json.loads(machines.run("query", given, query, QueryLanguage="JSONata")["output"]) == payload


def test_tasks_in_maps_and_parallels_fail_alike(machines: Machines) -> None:
    inner = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": machines.arn, "End": True}}}
    mapped = {"Type": "Map", "ItemsPath": "$.all", "ItemProcessor": inner}
    ended = machines.run("maps", {"all": [{"colour": "blue"}, {"colour": "none"}]}, mapped)
    assert (ended["status"], ended["error"]) == ("FAILED", "ValueError")
    ended = machines.run("parallels", {"colour": "none"}, {"Type": "Parallel", "Branches": [inner]})
    assert (ended["status"], ended["error"]) == ("FAILED", "ValueError")


def test_function_that_is_missing_fails_its_task(machines: Machines) -> None:
    parameters = {"FunctionName": "nowhere", "Payload": {}}
    ended = machines.run("misses", {}, {"Type": "Task", "Resource": INVOKE, "Parameters": parameters})
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.ResourceNotFoundException")
    assert "function:nowhere" in ended["cause"]


def test_lists_show_what_the_user_made(machines: Machines) -> None:
    ended = machines.run("lists", {"colour": "blue"}, {"Type": "Task", "Resource": machines.arn})
    listed = machines.functions.client.list_functions()["Functions"]
    assert [function["FunctionName"] for function in listed] == ["painter"]
    groups = machines.functions.cloud.client("logs").describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in groups if "cfnbox" in group["logGroupName"]] == []
    events = machines.client.get_execution_history(executionArn=ended["executionArn"])["events"]
    assert "cfnbox" not in json.dumps(events, default=str)
