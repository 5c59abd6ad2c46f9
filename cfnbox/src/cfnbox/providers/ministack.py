"""ministack in this process: AWS's other services, and the resources of 187 types that it makes of them.

Beside the reader of templates this is the only module that knows private names of ministack. Its state and its
settings belong to the process, so one cloud at a time may use it.
"""

from __future__ import annotations

import ast
import contextvars
import importlib
import importlib.metadata
import json
import logging
import os
import re
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_ACCOUNT, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cfnbox.core.paths import Json

MINISTACK_VERSION = "1.5.33"
DEFAULT_REGION = "us-east-1"
# What `cdk bootstrap` leaves behind, and every template of the CDK asks for (aws-cdk, DefaultStackSynthesizer).
BOOTSTRAP_PARAMETER, BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version", "21"
T = TypeVar("T")

_APP, _CLOUDFORMATION = "ministack.app", "ministack.services.cloudformation"
_PROVISIONERS = f"{_CLOUDFORMATION}.provisioners"
_CHANGE_SETS, _DRIFT, _STACKS = (f"{_CLOUDFORMATION}.{name}" for name in ("changesets", "drift", "stacks"))
_RESPONSES, _IAM = "ministack.core.responses", "ministack.services.iam"
# Every name of ministack that is used here; `Ministack` reports one that is gone.
_NAMES = {
    _APP: ("_reset_all_state", "app"),
    _RESPONSES: ("request_scope",),
    _IAM: ("_roles",),
    _PROVISIONERS: (
        "_CUSTOM_NAME_REPLACEMENT",
        "_DEFERRED_PREDECESSOR_DELETES",
        "_NAME_SEED",
        "_RESOURCE_HANDLERS",
        "_STACK_TAG_PROPERTY",
        "_delete_resource",
        "_provision_resource",
        "_update_resource",
    ),
    _STACKS: ("_runs_on_worker_thread",),
    _DRIFT: ("_DRIFT_READERS",),
    _CHANGE_SETS: ("_IMPORT_LOOKUPS",),
}
# What the control plane and providers beside this one make.
_NOT_SERVED = frozenset(
    f"AWS::CloudFormation::{name}" for name in ("CustomResource", "Stack", "WaitCondition", "WaitConditionHandle")
)
# ministack is written for one event loop: what it does in threads is done in one at a time. Its state belongs to the
# process, and so do these locks.
_one_at_a_time = threading.RLock()
_in_use = threading.Lock()


class MinistackUnavailable(LocalFailure):
    """ministack is missing, in use, or not the version that is written for; the message says what to do."""


class MinistackFailed(Exception):
    """ministack did not carry something out; the message is a sentence, `code` a HandlerErrorCode."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Emulated:
    """A resource that is to be made, or is there: `seed` is what a generated name is drawn from."""

    place: Place
    type_name: str
    stack_name: str
    logical_id: str
    properties: Json
    physical_id: str
    attributes: Json
    seed: str


class Ministack:
    """ministack, empty at the start and at the end. A context manager; one at a time in a process."""

    def __init__(self, port: int) -> None:
        _configure(port)
        # Where somebody has asked for what `cdk bootstrap` leaves behind, and whether it is there in place of it.
        self._bootstrapped: dict[Place, bool] = {}

    @cached_property
    def _modules(self) -> dict[str, Any]:
        # Imported when they are needed: that takes a quarter of a second.
        return _load()

    def __enter__(self) -> Ministack:
        if not _in_use.acquire(blocking=False):
            raise MinistackUnavailable(
                "Another cloud runs in this process, and ministack keeps its state once for a whole process. "
                "Close the other cloud first, or start this one in a process of its own."
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        _in_use.release()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application that serves ministack's services."""
        await self._modules[_APP].app(scope, receive, send)

    def clear(self) -> None:
        """Empty ministack's state, which belongs to the process."""
        with _one_at_a_time:
            self._bootstrapped.clear()
            if "_modules" in vars(self):
                self._modules[_APP]._reset_all_state()

    def serves(self, type_name: str) -> bool:
        """Whether ministack makes resources of that type."""
        return type_name in self._table("_RESOURCE_HANDLERS") and type_name not in _NOT_SERVED

    def bootstrap(self, place: Place) -> None:
        """Have what `cdk bootstrap` leaves behind there: the SSM parameter with the version of its stack. Once."""
        with _one_at_a_time:
            if place not in self._bootstrapped:
                parameter = {"Name": BOOTSTRAP_PARAMETER, "Type": "String", "Value": BOOTSTRAP_VERSION}
                self.create(Emulated(place, "AWS::SSM::Parameter", "CDKToolkit", "", parameter, "", {}, ""))
                self._bootstrapped[place] = True

    def give_way(self, place: Place) -> None:
        """The bootstrap stack itself is deployed there: what stands for it goes, and does not come again."""
        with _one_at_a_time:
            if self._bootstrapped.get(place):
                self.delete(Emulated(place, "AWS::SSM::Parameter", "CDKToolkit", "", {}, BOOTSTRAP_PARAMETER, {}, ""))
            self._bootstrapped[place] = False

    def create(self, wanted: Emulated) -> tuple[str, Json, str]:
        """Make a resource: its physical id, its attributes by dotted name, and the seed of its name."""

        def work() -> tuple[str, Json, str]:
            self._table("_NAME_SEED").set(wanted.seed)
            provision = self._table("_provision_resource")
            made = provision(wanted.type_name, wanted.logical_id, wanted.properties, wanted.stack_name)
            return made[0], made[1] or {}, self._table("_NAME_SEED").get()

        return self._run(wanted.place, wanted.type_name, work)

    def update(self, known: Emulated, desired: Json) -> tuple[str, Json, str, Callable[[], None]]:
        """Update a resource: as `create`, and what is to be done before the old one is deleted, if ids differ."""
        superseded: list[tuple[Callable[..., object], Sequence[Any], Json]] = []

        def delete_superseded() -> None:
            for delete, arguments, options in superseded:
                delete(*arguments, **options)

        def work() -> tuple[str, Json, str]:
            self._table("_NAME_SEED").set(known.seed)
            self._table("_DEFERRED_PREDECESSOR_DELETES").set(superseded)
            change = self._table("_update_resource")
            made = change(known.type_name, known.physical_id, known.properties, desired, known.stack_name,
                          known.logical_id, dict(known.attributes))  # fmt: skip
            if made[0] == known.physical_id:
                # The same resource by its id: what it was elsewhere goes at once.
                delete_superseded()
            return made[0], made[1] or {}, self._table("_NAME_SEED").get()

        made = self._run(known.place, known.type_name, work)
        return *made, lambda: self._run(known.place, known.type_name, delete_superseded)

    def delete(self, known: Emulated) -> None:
        """Delete a resource; one that is not there is no failure."""
        remove = self._table("_delete_resource")
        self._run(known.place, known.type_name, lambda: remove(
            known.type_name, known.physical_id, known.properties, known.stack_name, known.logical_id))  # fmt: skip

    def read_properties(self, type_name: str) -> frozenset[str] | None:
        """The names of the properties that ministack reads of such a resource; None when it cannot find it."""
        reader = self._modules[_DRIFT]._DRIFT_READERS.get(type_name)
        return frozenset(reader[1]) if reader else None

    def read(self, known: Emulated) -> Json | None:
        """The properties that ministack reads, as they are now; None when the resource is not there."""
        reader = self._modules[_DRIFT]._DRIFT_READERS[known.type_name][0]
        found = self._run(known.place, known.type_name, lambda: reader(known.physical_id, known.properties))
        return cast("Json | None", found)

    def trust_policy(self, role_arn: str) -> Json | str | None:
        """The policy that says who may assume a role; None for a role that was not made here."""
        if "_modules" not in vars(self):
            return None
        account, _, path = role_arn.partition("::")[2].partition(":")
        name, roles = path.rpartition("/")[2], self._modules[_IAM]._roles
        role = self._run(Place(DEFAULT_REGION, account), "AWS::IAM::Role", lambda: roles.get(name))
        return role["AssumeRolePolicyDocument"] if role and role["Arn"] == role_arn else None

    def identifiers(self, type_name: str) -> tuple[str, ...]:
        """The properties by which ministack finds a resource that no stack made; empty when it cannot."""
        if "import" not in self._table("_RESOURCE_HANDLERS")[type_name]:
            return ()
        lookup = self._modules[_CHANGE_SETS]._IMPORT_LOOKUPS.get(type_name)
        return tuple(lookup[0]) if lookup else ()

    def find(self, place: Place, type_name: str, values: Sequence[str]) -> tuple[str, Json] | None:
        """Physical id and attributes of the resource with these values of `identifiers`, or None."""
        names, problem = self._modules[_CHANGE_SETS]._IMPORT_LOOKUPS[type_name]
        adopt = self._table("_RESOURCE_HANDLERS")[type_name]["import"]

        def work() -> tuple[str, Json] | None:
            if problem(*values) is not None:
                return None
            physical_id, attributes = adopt(dict(zip(names, values, strict=True)))
            return physical_id, attributes or {}

        return self._run(place, type_name, work)

    def tag_property(self, type_name: str) -> tuple[str, bool] | None:
        """The property whose tags ministack keeps, and whether that is a map; None when it keeps none."""
        where = self._table("_STACK_TAG_PROPERTY").get(type_name)
        return (where[0], where[1] == "map") if where else None

    def name_properties(self, type_name: str) -> tuple[str, ...]:
        """The properties that name such a resource where a template does so."""
        names = self._table("_CUSTOM_NAME_REPLACEMENT").get(type_name, {}).get("name", ())
        return (names,) if isinstance(names, str) else tuple(names)

    def _table(self, name: str) -> Any:
        return getattr(self._modules[_PROVISIONERS], name)

    def _run(self, place: Place, type_name: str, work: Callable[[], T]) -> T:
        """Do something in an account and region, alone unless it may take long; MinistackFailed."""
        scope = self._modules[_RESPONSES].request_scope
        alone = not self._modules[_STACKS]._runs_on_worker_thread(type_name)

        def scoped() -> T:
            with scope(place.account, place.region):
                return work()

        with _one_at_a_time if alone else nullcontext():
            try:
                return contextvars.copy_context().run(scoped)
            except Exception as problem:
                raise _failed(type_name, problem) from None


def _configure(port: int) -> None:
    """Settings of a cloud on that port, which ministack reads when it is imported; MinistackUnavailable."""
    os.environ.update(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        MINISTACK_ACCOUNT_ID=DEFAULT_ACCOUNT,
        MINISTACK_REGION=DEFAULT_REGION,
        LOG_LEVEL="CRITICAL",
    )
    if not Path("/var/run/docker.sock").exists():
        # Without Docker ministack tries again and again and leaves a socket open each time; here nothing listens.
        os.environ.setdefault("DOCKER_HOST", "tcp://127.0.0.1:9")
    try:
        version = importlib.metadata.version("ministack")
    except ImportError:
        version = "none"
    if version != MINISTACK_VERSION:
        raise MinistackUnavailable(
            f"cfnbox is written for ministack {MINISTACK_VERSION}; installed is {version}. "
            f"Install the pinned version: pip install ministack=={MINISTACK_VERSION}"
        )


def _load() -> dict[str, Any]:
    """ministack's modules by name; MinistackUnavailable when they lack something."""
    try:
        modules = {name: importlib.import_module(name) for name in _NAMES}
    except ImportError as error:
        raise MinistackUnavailable(
            f"ministack {MINISTACK_VERSION} lacks a module ({error}). "
            f"Install it again: pip install --force-reinstall ministack=={MINISTACK_VERSION}"
        ) from None
    missing = [f"{name}.{one}" for name, names in _NAMES.items() for one in names if not hasattr(modules[name], one)]
    if missing:
        raise MinistackUnavailable(
            f"ministack lacks {', '.join(missing)}, which version {MINISTACK_VERSION} has. "
            f"Install it again: pip install --force-reinstall ministack=={MINISTACK_VERSION}"
        )
    logging.getLogger("cloudformation").setLevel(logging.CRITICAL)
    return modules


def _failed(type_name: str, problem: Exception) -> MinistackFailed:
    """What ministack's exception says, in a sentence."""
    if isinstance(problem, KeyError | TypeError | AttributeError | IndexError | AssertionError):
        # Raised by mistake and not in words; the text may hold a value.
        kind = type(problem).__name__
        return MinistackFailed(
            f"ministack cannot carry this out for {type_name}: it ends with {kind}.", "InternalFailure"
        )
    text = str(problem) or type(problem).__name__
    quoted = re.search(r"b'.*'|b\".*\"", text, re.DOTALL)
    if quoted:
        text = _of_answer(ast.literal_eval(quoted[0]).decode("utf-8", "replace")) or text
    taken = re.search(r"already ?exists", text, re.IGNORECASE)
    return MinistackFailed(text, "AlreadyExists" if taken else "GeneralServiceException")


def _of_answer(body: str) -> str:
    """The message of a service's error answer, JSON or XML."""
    try:
        answer = json.loads(body)
    except ValueError:
        found = re.search(r"<Message>(.*?)</Message>", body, re.DOTALL)
        return found[1] if found else ""
    return str(answer.get("message") or answer.get("Message") or answer.get("__type", ""))
