"""Each handler's permissions are the calls that it makes: no more, and no fewer."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode import cfn_yaml

from cfnbox.handlers.events import follow
from tests.conftest import ROOT
from tests.faults.scenarios import (
    ARN,
    BEFORE,
    DEFINITION,
    MODEL,
    NAMED,
    SITUATIONS,
    THEIRS,
    Service,
    Situation,
    tag_list,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.faults.scenarios import Deliver

# Permissions that a call needs beside its own, by handler. Source: Service Authorization Reference, "Actions,
# resources, and condition keys for Amazon SageMaker", dependent actions of CreateModel.
WITHOUT_A_CALL = {"create": {"iam:PassRole", "sagemaker:AddTags"}}
PERMISSIONS = {name: handler["permissions"] for name, handler in DEFINITION.handlers.items()}

_IDENTIFIED = {"ModelArn": f"{ARN}scorer"}
MORE = {
    "create without tags": Situation("CREATE", MODEL, exists=False, tags={}),
    "create under a name that is taken": Situation("CREATE", NAMED, exists=True, tags=BEFORE),
    "update of nothing": Situation("UPDATE", {**NAMED, **_IDENTIFIED}, exists=False, tags=None),
    "update that changes no tag": Situation(
        "UPDATE",
        {**NAMED, **_IDENTIFIED, "Tags": tag_list(BEFORE)},
        exists=True,
        tags=BEFORE,
        previous={**NAMED, **_IDENTIFIED, "Tags": tag_list(BEFORE)},
    ),
    "update of what cannot change": Situation(
        "UPDATE",
        {**NAMED, **_IDENTIFIED, "EnableNetworkIsolation": True},
        exists=True,
        tags=BEFORE,
        previous={**NAMED, **_IDENTIFIED},
    ),
    "read of nothing": Situation("READ", _IDENTIFIED, exists=False, tags=None),
    "delete of nothing": Situation("DELETE", _IDENTIFIED, exists=False, tags=None),
}
DISTURBED = (None, "reset-after", "garbled", "throttling", "read-after-create-delay", "tags-after-create-delay")


@pytest.fixture
def used(sagemaker: LocalSageMaker, service: Service, deliver: Deliver) -> Any:
    """The operations of each handler over all scenarios, undisturbed and under faults, as IAM names them."""
    permissions: defaultdict[str, set[str]] = defaultdict(set)
    for situation in (SITUATIONS | MORE).values():
        for fault in DISTURBED:
            sagemaker.reset()
            situation.prepare(service)
            service.create("another", THEIRS)
            if fault:
                sagemaker.faults.inject(None, fault, times=3)
            list(follow(deliver, situation.event(stack_tags={"cost": "42"}), sleep=lambda _: None))
            assert {call.access_key for call in sagemaker.calls} <= {"local-caller"}
            made = {f"{call.service}:{call.operation}" for call in sagemaker.calls}
            permissions[situation.action.lower()] |= made
    return permissions


def test_permissions_are_the_calls(used: Any) -> None:
    assert used.keys() == PERMISSIONS.keys()
    for handler, permissions in PERMISSIONS.items():
        assert set(permissions) - WITHOUT_A_CALL.get(handler, set()) == used[handler]
        assert set(permissions) >= WITHOUT_A_CALL.get(handler, set())
        assert len(permissions) == len(set(permissions))
    calls = used["update"] & {"sagemaker:AddTags", "sagemaker:DeleteTags", "sagemaker:ListTags"}
    assert set(DEFINITION.schema["tagging"]["permissions"]) == calls


@pytest.fixture(params=["resource-role.yaml", "deploy/registration.yaml"])
def allowed(request: Any) -> Any:
    """The statements that allow something of SageMaker or IAM, in a template of ours that makes a role."""
    return [
        statement
        for statement in statements(cfn_yaml.load(str(ROOT / request.param)))
        if any(action.startswith(("sagemaker:", "iam:")) for action in actions(statement))
    ]


def statements(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if value.get("Effect") == "Allow" and "Action" in value:
            yield value
        for member in value.values():
            yield from statements(member)
    elif isinstance(value, list):
        for item in value:
            yield from statements(item)


def actions(statement: Any) -> Any:
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)


def test_a_role_allows_what_the_handlers_need(allowed: Any) -> None:
    needed = {permission for permissions in PERMISSIONS.values() for permission in permissions}
    assert {action for statement in allowed for action in actions(statement)} == needed


def test_a_role_is_passed_to_sagemaker_only(allowed: Any) -> None:
    passing = [statement for statement in allowed if "iam:PassRole" in actions(statement)]
    assert passing
    for statement in passing:
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        assert actions(statement) == ["iam:PassRole"]
