"""Requests of CloudFormation in their surroundings, to be tried under faults."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cfnbox.core.place import Place
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import Action, new_token, production_event
from cfnbox.sagemaker.api import OPERATIONS
from cfnbox.sagemaker.server import LocalSageMaker
from tests.conftest import ARTIFACTS, IMAGE, ROLE, SCHEMA

Json = dict[str, Any]
Models = dict[str, dict[str, str]]
"""Tags by the name of the model that has them."""

DEFINITION = TypeDefinition.load(SCHEMA)
STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/fraud-scoring/11111111-2222-3333-4444-555555555555"
PLACE = Place("us-east-1")
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/"
CANARY = "canary-7c1f"
MODEL: Json = {
    "ExecutionRoleArn": f"{ROLE}-{CANARY}",
    "PrimaryContainer": {
        "Image": f"{IMAGE}-{CANARY}",
        "ModelDataUrl": f"{ARTIFACTS}?{CANARY}",
        "Environment": {"TOKEN": CANARY, "GREETING": f'it\'s {CANARY}, "twice" {CANARY}'},
    },
}
NAMED = {**MODEL, "ModelName": "scorer"}
# Somebody else's: no request may touch it.
THEIRS = {"owner": "somebody else"}
BYSTANDER: Models = {"bystander": THEIRS}
BEFORE = {"team": f"red {CANARY}", "stage": f"dev {CANARY}", "cost": "42"}
AFTER = {"team": f"blue {CANARY}", "added": f"new {CANARY}", "cost": "42"}


def tag_list(tags: dict[str, str]) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Service:
    """SageMaker behind its door: what others do, and what there is. Meets no fault and leaves no record."""

    def __init__(self, server: LocalSageMaker) -> None:
        self._server = server

    def create(self, name: str, tags: dict[str, str]) -> None:
        """Make a model, equal in all but its name and tags to those that the scenarios ask for."""
        store = self._server.service.store(PLACE)
        OPERATIONS["CreateModel"](store, {**MODEL, "ModelName": name, "Tags": tag_list(tags)})
        self._server.faults.note_create(name)
        # CreationTime has milliseconds: a model of somebody else is older than whatever is asked for next.
        time.sleep(0.002)

    def models(self) -> Models:
        """All models, with their tags."""
        store = self._server.service.store(PLACE)
        arns = {one["ModelName"]: one["ModelArn"] for one in OPERATIONS["ListModels"](store, {})["Models"]}
        tags = {name: OPERATIONS["ListTags"](store, {"ResourceArn": arn})["Tags"] for name, arn in arns.items()}
        return {name: {tag["Key"]: tag["Value"] for tag in listed} for name, listed in tags.items()}


@dataclass(frozen=True)
class Situation:
    """One request: `exists` says whether its model does beforehand, `tags` are those at the end (None: no model)."""

    action: Action
    desired: Json
    exists: bool
    tags: dict[str, str] | None
    previous: Json | None = None
    chosen_name: bool = True
    repeated: str = "SUCCESS"
    """What the answer to the same event must be once it was carried out: the status, or the error code."""

    @property
    def mutates(self) -> bool:
        """Whether the handler may answer IN_PROGRESS."""
        return self.action in ("CREATE", "UPDATE", "DELETE")

    def event(self, **more: Any) -> Json:
        """The event, with a token of its own unless one is given."""
        given = {"logical_id": "Scorer", "stack_id": STACK, "token": new_token(), **more}
        return production_event(DEFINITION, self.action, desired=self.desired, previous=self.previous, **given)

    def prepare(self, service: "Service") -> None:
        """Make what exists beforehand."""
        for name, tags in {**BYSTANDER, **({"scorer": BEFORE} if self.exists else {})}.items():
            service.create(name, tags)

    def expected(self, present: Models) -> Models:
        """The models at the end; a generated name is taken from those present."""
        if self.tags is None:
            return BYSTANDER
        names = {"scorer"} if self.chosen_name else present.keys() - BYSTANDER.keys()
        assert len(names) == 1
        return {**BYSTANDER, names.pop(): self.tags}


_IDENTIFIED = {"ModelArn": f"{ARN}scorer"}
_TAGGED = {**MODEL, "Tags": tag_list(BEFORE)}
SITUATIONS: dict[str, Situation] = {
    "create": Situation("CREATE", _TAGGED, exists=False, tags=BEFORE, chosen_name=False),
    "create named": Situation("CREATE", {**NAMED, **_TAGGED}, exists=False, tags=BEFORE),
    "read": Situation("READ", _IDENTIFIED, exists=True, tags=BEFORE),
    "update": Situation(
        "UPDATE",
        {**NAMED, **_IDENTIFIED, "Tags": tag_list(AFTER)},
        exists=True,
        tags=AFTER,
        previous={**NAMED, **_IDENTIFIED, "Tags": tag_list(BEFORE)},
    ),
    "delete": Situation("DELETE", _IDENTIFIED, exists=True, tags=None, repeated="NotFound"),
    "list": Situation("LIST", {}, exists=True, tags=BEFORE),
}


def outcome(answer: Json) -> str:
    """The status of an answer, or its error code."""
    return str(answer.get("errorCode") or answer["status"])


Deliver = Callable[..., Json]
