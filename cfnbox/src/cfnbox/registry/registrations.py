"""Registrations: a package becomes a version of a type, or a reason why it does not."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused
from cfnbox.core.history import drop_oldest
from cfnbox.core.place import Place
from cfnbox.core.unexpected import internal_error
from cfnbox.registry.packages import BadPackage, Package
from cfnbox.registry.schemas import RESERVED_NAMESPACES
from cfnbox.registry.types import MOST_VERSIONS, type_arn

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.registry.types import TypeRegistry, Version

# Reads an object by its S3 URL. Raises Refused.
ReadObject = Callable[[str, Place], bytes]

# How CloudFormation describes where a registration ended (reports in aws-cloudformation/cloudformation-cli).
_MOST_REGISTRATIONS = 500
_COMPLETED = "Deployment is currently in DEPLOY_STAGE of status COMPLETED"
_FAILED = (
    "Deployment is currently in VALIDATION_STAGE of status FAILED; Next is DEPLOY_STAGE with status CANCELLED\n"
    "Deployment failed with error. Error message: [{token}] {reason}"
)
# botocore, Description of DescribeTypeRegistration.
_LONGEST_DESCRIPTION = 1024
_STOP_SECONDS = 5.0


@dataclass
class Registration:
    """One registration. `version` is what came of it once `ended` is set, or None when it failed."""

    place: Place
    type_name: str
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    description: str = ""
    version: Version | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def status(self) -> str:
        """The ProgressStatus."""
        if not self.ended.is_set():
            return "IN_PROGRESS"
        return "COMPLETE" if self.version else "FAILED"

    def answer(self) -> Json:
        """What DescribeTypeRegistration says."""
        answer: Json = {"ProgressStatus": self.status}
        if self.description:
            answer["Description"] = self.description
        if self.version:
            answer |= {"TypeArn": type_arn(self.place, self.type_name), "TypeVersionArn": self.version.arn}
        return answer


class Registrations:
    """Every registration of every place; each runs in a thread of its own, those of one type one after another."""

    def __init__(self, types: TypeRegistry, read_object: ReadObject) -> None:
        self._types, self._read_object = types, read_object
        self._made: dict[str, Registration] = {}
        self._tokens: dict[tuple[Place, str], tuple[Json, Registration]] = {}
        self._changing, self._working = threading.Lock(), threading.Lock()

    def start(self, place: Place, request: Json) -> Registration:
        """Begin a registration, or return that of the same request. Raises Refused."""
        name, token = request["TypeName"], request.get("ClientRequestToken")
        self._refuse_reserved(name)
        with self._changing:
            if token and (place, token) in self._tokens:
                asked, made = self._tokens[place, token]
                if asked != request:
                    raise Refused(
                        "CFNRegistryException",
                        f"The ClientRequestToken {token} came with another request before: give each its own.",
                    )
                return made
            made = Registration(place, name)
            self._made[made.token] = made
            drop_oldest(self._made, _MOST_REGISTRATIONS, lambda other: other.ended.is_set())
            if token:
                self._tokens[place, token] = request, made
                drop_oldest(self._tokens, _MOST_REGISTRATIONS, lambda kept: kept[1].ended.is_set())
        threading.Thread(target=self._run, args=(made, request), name=f"register-{name}", daemon=True).start()
        return made

    def _refuse_reserved(self, name: str) -> None:
        namespace = name.partition("::")[0]
        if namespace in RESERVED_NAMESPACES and name not in self._types.started:
            raise Refused(
                "CFNRegistryException",
                f"The namespace {namespace} of {name} is reserved: register the type under your own, as in "
                f"{'::'.join(['Acme', *name.split('::')[1:]])}.",
            )

    def find(self, token: str) -> Registration:
        """The registration of a token. Raises Refused."""
        with self._changing:
            if (found := self._made.get(token)) is not None:
                return found
        raise Refused("CFNRegistryException", f"There is no registration with the token {token}.")

    def of(self, place: Place) -> list[Registration]:
        """The registrations of a place, latest first."""
        with self._changing:
            return [one for one in reversed(self._made.values()) if one.place == place]

    def close(self) -> None:
        """Wait for what is under way, for a while."""
        with self._changing:
            running = [one for one in self._made.values() if not one.ended.is_set()]
        for one in running:
            one.ended.wait(_STOP_SECONDS)

    def _run(self, registration: Registration, request: Json) -> None:
        try:
            registration.version = self._registered(registration, request)
            description = _COMPLETED
        except (BadPackage, Refused) as problem:
            description = _FAILED.format(token=registration.token, reason=problem)
        except Exception as problem:
            # A registration never stays IN_PROGRESS for ever.
            reason = internal_error(f"the registration of {registration.type_name}", problem)
            description = _FAILED.format(token=registration.token, reason=reason)
        registration.description = description[:_LONGEST_DESCRIPTION]
        registration.ended.set()

    def _registered(self, registration: Registration, request: Json) -> Version:
        content = self._read_object(request["SchemaHandlerPackage"], registration.place)
        settings = {name: value for name, value in request.items() if name in _KEPT}
        with self._working:
            self._refuse_too_many(registration)
            return self._types.add(registration.place, Package(content, registration.type_name), settings)

    def _refuse_too_many(self, registration: Registration) -> None:
        with self._types.changing:
            found = self._types.of(registration.place).get(registration.type_name)
            if found and len(found.live_versions) >= MOST_VERSIONS:
                raise BadPackage(
                    f"{registration.type_name} has {MOST_VERSIONS} versions, the most that CloudFormation keeps: "
                    "deregister some of them."
                )


_KEPT = ("SchemaHandlerPackage", "ExecutionRoleArn", "LoggingConfig")
