"""Registrations: turn a package into a version of a type, or say why that failed."""

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

_MOST_REGISTRATIONS = 500
# CloudFormation's descriptions of ended registrations (reports in aws-cloudformation/cloudformation-cli).
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
    """A registration. Once `ended` is set, `version` is its result, or None if it failed."""

    place: Place
    type_name: str
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    description: str = ""
    version: Version | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def status(self) -> str:
        """Return the ProgressStatus."""
        if not self.ended.is_set():
            return "IN_PROGRESS"
        return "COMPLETE" if self.version else "FAILED"

    def described(self) -> Json:
        """Return the answer of DescribeTypeRegistration."""
        answer: Json = {"ProgressStatus": self.status}
        if self.description:
            answer["Description"] = self.description
        if self.version:
            answer |= {"TypeArn": type_arn(self.place, self.type_name), "TypeVersionArn": self.version.arn}
        return answer


class Registrations:
    """The registrations of every place. Each has its own thread; they run one after another."""

    def __init__(self, types: TypeRegistry, read_object: ReadObject) -> None:
        self._types, self._read_object = types, read_object
        self._registrations: dict[str, Registration] = {}
        self._tokens: dict[tuple[Place, str], tuple[Json, Registration]] = {}
        self._changing, self._working = threading.Lock(), threading.Lock()

    def start(self, place: Place, request: Json) -> Registration:
        """Start a registration, or return the one that the same request started. Raise Refused."""
        name, token = request["TypeName"], request.get("ClientRequestToken")
        self._refuse_reserved(name)
        with self._changing:
            if token and (place, token) in self._tokens:
                first_request, registration = self._tokens[place, token]
                if first_request != request:
                    raise Refused(
                        "CFNRegistryException",
                        f"The ClientRequestToken {token} belongs to another request. Use a new token.",
                    )
                return registration
            registration = Registration(place, name)
            self._registrations[registration.token] = registration
            drop_oldest(self._registrations, _MOST_REGISTRATIONS, lambda other: other.ended.is_set())
            if token:
                self._tokens[place, token] = request, registration
                drop_oldest(self._tokens, _MOST_REGISTRATIONS, lambda entry: entry[1].ended.is_set())
        threading.Thread(target=self._run, args=(registration, request), name=f"register-{name}", daemon=True).start()
        return registration

    def _refuse_reserved(self, name: str) -> None:
        namespace = name.partition("::")[0]
        if namespace in RESERVED_NAMESPACES and name not in self._types.started:
            raise Refused(
                "CFNRegistryException",
                f"The namespace {namespace} of {name} is reserved. Use a namespace of your own, for example "
                f"{'::'.join(['Acme', *name.split('::')[1:]])}.",
            )

    def find(self, token: str) -> Registration:
        """Return the registration of a token. Raise Refused when it does not exist."""
        with self._changing:
            if (registration := self._registrations.get(token)) is not None:
                return registration
        raise Refused("CFNRegistryException", f"No registration has the token {token}.")

    def of(self, place: Place) -> list[Registration]:
        """Return the registrations of a place, latest first."""
        with self._changing:
            newest_first = reversed(self._registrations.values())
            return [registration for registration in newest_first if registration.place == place]

    def close(self) -> None:
        """Wait for the registrations in progress, for _STOP_SECONDS each at most."""
        with self._changing:
            running = [
                registration for registration in self._registrations.values() if not registration.ended.is_set()
            ]
        for registration in running:
            registration.ended.wait(_STOP_SECONDS)

    def _run(self, registration: Registration, request: Json) -> None:
        try:
            registration.version = self._register(registration, request)
            description = _COMPLETED
        except (BadPackage, Refused) as problem:
            description = _FAILED.format(token=registration.token, reason=problem)
        except Exception as problem:
            # An unexpected error must not leave the registration IN_PROGRESS for ever.
            reason = internal_error(f"the registration of {registration.type_name}", problem)
            description = _FAILED.format(token=registration.token, reason=reason)
        registration.description = description[:_LONGEST_DESCRIPTION]
        registration.ended.set()

    def _register(self, registration: Registration, request: Json) -> Version:
        content = self._read_object(request["SchemaHandlerPackage"], registration.place)
        settings = {name: value for name, value in request.items() if name in _SETTINGS}
        with self._working:
            self._refuse_too_many(registration)
            return self._types.add(registration.place, Package(content, registration.type_name), settings)

    def _refuse_too_many(self, registration: Registration) -> None:
        with self._types.changing:
            registered = self._types.of(registration.place).get(registration.type_name)
            if registered and len(registered.live_versions) >= MOST_VERSIONS:
                raise BadPackage(
                    f"{registration.type_name} has {MOST_VERSIONS} versions, which is CloudFormation's limit. "
                    "Deregister versions that you do not need."
                )


_SETTINGS = ("SchemaHandlerPackage", "ExecutionRoleArn", "LoggingConfig")
