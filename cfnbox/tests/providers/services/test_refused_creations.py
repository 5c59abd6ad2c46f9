"""Properties that AWS refuses and ministack accepts: the create is refused and has no effect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.protocol import ResourceFailed
from providers.services.harness import Bench
from providers.services.samples_iam import trust

if TYPE_CHECKING:
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

RULE, FUNCTION, MACHINE = "AWS::Events::Rule", "AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"
SECRET, ROLE = "AWS::SecretsManager::Secret", "AWS::IAM::Role"
CODE = {"Handler": "index.handler", "Runtime": "python3.12", "Code": {"ZipFile": "def handler(event, context): ..."}}
END: dict[str, Any] = {"Type": "Pass", "End": True}


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


def refusal(bench: Bench, type_name: str, properties: dict[str, Any]) -> str:
    with pytest.raises(ResourceFailed) as caught:
        bench.create(type_name, properties)
    return str(caught.value).removeprefix('Resource handler returned message: "').partition(" (Service")[0]


def test_a_rule_without_a_pattern_or_schedule_is_refused(bench: Bench, connect: Any) -> None:
    said = refusal(bench, RULE, {"Name": "nothing"})
    assert said == "Parameter(s) EventPattern or ScheduleExpression must be specified."
    assert connect("events").list_rules()["Rules"] == []


def test_a_function_with_a_role_that_does_not_trust_lambda_is_refused(bench: Bench, connect: Any) -> None:
    role = bench.create(ROLE, {"RoleName": "other", "AssumeRolePolicyDocument": trust("ec2")})
    arn = role.attributes["Arn"]
    said = refusal(bench, FUNCTION, {"FunctionName": "f", "Role": arn, **CODE})
    assert said == "The role defined for the function cannot be assumed by Lambda."
    assert connect("lambda").list_functions()["Functions"] == []
    bench.create(ROLE, {"RoleName": "mine", "AssumeRolePolicyDocument": trust("lambda")})
    bench.create(FUNCTION, {"FunctionName": "f", "Role": arn.replace("other", "mine"), **CODE})


def test_a_secret_with_a_value_and_a_generation_rule_is_refused(bench: Bench, connect: Any) -> None:
    value = {"Name": "s", "SecretString": "value-of-secret", "GenerateSecretString": {"PasswordLength": 8}}
    said = refusal(bench, SECRET, value)
    assert said == "Give either SecretString or GenerateSecretString a value, but not both."
    assert connect("secretsmanager").list_secrets()["SecretList"] == []


def missing(field: str, name: str, path: str) -> str:
    return f"MISSING_TRANSITION_TARGET: Missing '{field}' target: {name} at {path}"


def unreachable(name: str, path: str) -> str:
    return f'MISSING_TRANSITION_TARGET: State "{name}" is not reachable. at {path}'


CATCH = {"ErrorEquals": ["States.ALL"], "Next": "Nowhere"}
CHOICE = {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "A"}], "Default": "Nowhere"}
DEFINITIONS: dict[str, tuple[Any, list[str]]] = {
    "no first state": ({"StartAt": "A", "States": {}}, [missing("StartAt", "A", "/StartAt")]),
    "a misspelt state": (
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Transform"}, "Trasform": END}},
        [missing("Next", "Transform", "/States/A/Next"), unreachable("Trasform", "/States/Trasform")],
    ),
    "a default of a choice": (
        {"StartAt": "C", "States": {"C": CHOICE, "A": END}}, [missing("Default", "Nowhere", "/States/C/Default")]
    ),
    "a catcher in a branch": (
        {"StartAt": "P", "States": {"P": {"Type": "Parallel", "End": True, "Branches": [
            {"StartAt": "A", "States": {"A": {**END, "Catch": [CATCH]}}}]}}},
        [missing("Next", "Nowhere", "/States/P/Branches[0]/States/A/Catch[0]/Next")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_state_machine_with_unreachable_or_missing_states_is_refused(bench: Bench, connect: Any, name: str) -> None:
    definition, problems = DEFINITIONS[name]
    role = "arn:aws:iam::123456789012:role/pipeline"
    properties = {"StateMachineName": "m", "RoleArn": role, "DefinitionString": json.dumps(definition)}
    assert refusal(bench, MACHINE, properties) == f"Invalid State Machine Definition: '{', '.join(problems)}'"
    assert connect("stepfunctions").list_state_machines()["stateMachines"] == []


def test_a_state_machine_definition_that_is_not_json_is_refused(bench: Bench, connect: Any) -> None:
    role = "arn:aws:iam::123456789012:role/pipeline"
    said = refusal(bench, MACHINE, {"StateMachineName": "m", "RoleArn": role, "DefinitionString": "{nothing"})
    assert said.startswith("Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: ")
    assert connect("stepfunctions").list_state_machines()["stateMachines"] == []


@pytest.mark.parametrize("member", ["Branches", "Catch", "Choices"])
def test_a_state_with_a_member_of_another_type_is_no_internal_error(bench: Bench, member: str) -> None:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere", member: 5}}}
    properties = {"StateMachineName": "m", "RoleArn": "arn:aws:iam::123456789012:role/p"}
    said = refusal(bench, MACHINE, {**properties, "DefinitionString": json.dumps(definition)})
    assert missing("Next", "Nowhere", "/States/A/Next") in said


def test_a_state_machine_that_is_nested_too_deeply_is_refused(bench: Bench) -> None:
    properties = {"StateMachineName": "m", "RoleArn": "arn:aws:iam::123456789012:role/p"}
    said = refusal(bench, MACHINE, {**properties, "DefinitionString": "[" * 100_000})
    assert said.startswith("Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: ")
