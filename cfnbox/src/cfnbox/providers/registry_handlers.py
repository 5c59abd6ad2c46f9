"""Registry types: invoke the type's own handlers with the events of CloudFormation's registry."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from cfnbox.core.errors import LocalFailure, Refused
from cfnbox.core.history import drop_oldest
from cfnbox.core.paths import Json, put_at, value_at
from cfnbox.handlers.events import RETRY_DELAYS, Action, Invoke, follow, production_event
from cfnbox.handlers.execution_environment import HandlerCrashed
from cfnbox.providers.failures import handler_failure
from cfnbox.providers.protocol import Resource, ResourceFailed, no_notice
from cfnbox.template import dynamic, secrets

if TYPE_CHECKING:
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.template.dynamic import DynamicReferences

Told = Callable[[Resource], None]
Wait = Callable[[float], None]
OnTagged = Callable[[str, Mapping[str, str]], None]
References = Callable[["Place"], "DynamicReferences"]
Hide = Callable[[Iterable[str]], None]

# Maximum number of cached identifiers whose text cannot be split into parts.
_MOST_KNOWN_PARTS = 10_000

# The codes of a failed progress event (cloudformation_cli_python_lib.interface.HandlerErrorCode and the CLI guide).
_ERROR_CODES = frozenset({
    "AccessDenied", "AlreadyExists", "GeneralServiceException", "InternalFailure", "InvalidCredentials",
    "InvalidRequest", "InvalidTypeConfiguration", "NetworkFailure", "NonCompliant", "NotFound", "NotStabilized",
    "NotUpdatable", "ResourceConflict", "ServiceInternalError", "ServiceLimitExceeded", "ServiceTimeout",
    "Throttling", "Unknown", "UnsupportedTarget",
})  # fmt: skip


@dataclass(frozen=True)
class RegistryType:
    """A registry type: its current schema, the invocation of its handlers, and its type configuration."""

    describe: Callable[[], TypeDefinition]
    invoke: Invoke
    configuration: Mapping[str, Any] | None = None
    version: str = "00000001"

    @property
    def definition(self) -> TypeDefinition:
        """Return the current schema. It reads the project's files again, because the user may edit them."""
        return self.describe()


class RegisteredTypes(Protocol):
    """The part of the registry that resource operations need."""

    def find(self, type_name: str, place: Place) -> RegistryType | None:
        """Return the default version of a type in a place, or None if it is not registered."""


class FixedTypes:
    """Types set at the start, the same in every account and region."""

    def __init__(self, types: Iterable[RegistryType]) -> None:
        self._types = {one.definition.type_name: one for one in types}

    def find(self, type_name: str, _place: Place) -> RegistryType | None:
        """Return the type of a name, or None."""
        return self._types.get(type_name)


class HandlersProvider:
    """The provider of all types in `types`.

    `on_tagged` receives the identifier and system tags of each resource that CloudFormation tags itself with
    `aws:cloudformation:` tags; it must not raise. `raised` returns the handler's last exception and its place for a
    request token, or "". `references` resolves the dynamic references of type configurations, and `hide` receives
    their secret values. `patient` removes the time limit of operations.
    """

    notice = staticmethod(no_notice)

    def __init__(
        self,
        types: RegisteredTypes,
        on_tagged: OnTagged = lambda _identifier, _tags: None,
        raised: Callable[[str], str] = lambda _token: "",
        *,
        references: References | None = None,
        hide: Hide = lambda _secrets: None,
        patient: bool = False,
    ) -> None:
        self._types, self._on_tagged, self._raised, self._patient = types, on_tagged, raised, patient
        self._references, self._hide = references, hide
        self._known_parts: dict[tuple[str, Place, str], Json] = {}
        self._changing = threading.Lock()

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the schema of the type's default version, or None."""
        found = self._types.find(type_name, place)
        return found.definition if found else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Invoke CREATE. Report the identifier of the first answer that has it, even if that answer is a failure."""
        operation = self._operation("CREATE", definition, request)
        told: list[str] = []

        def tell(resource: Resource) -> None:
            if resource.identifier not in told:
                told.append(resource.identifier)
                progress.identified(resource)

        resource = operation.resource(desired, None, progress.wait, tell)
        if any(one != resource.identifier for one in told):
            tell(resource)
            raise operation.failure("The handler changed the primary identifier during the creation.")
        return self._tagged(definition, request, resource)

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Invoke UPDATE, with the identifier and read-only properties added to both states as in CloudFormation."""
        operation = self._operation("UPDATE", definition, request)
        known = self._known(operation, resource)
        updated = operation.resource(_with(desired, known), _with(previous, known), progress.wait)
        operation.expect(updated, resource.identifier)
        return self._tagged(definition, request, updated)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Invoke DELETE, with the identifier and read-only properties added."""
        operation = self._operation("DELETE", definition, request)
        operation.run(_with(previous, self._known(operation, resource)), None, progress.wait)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Invoke READ with only the primary identifier."""
        operation = self._operation("READ", definition, request)
        resource = operation.adopted({}, operation.run(self._identifier_model(operation, identifier)))
        operation.expect(resource, identifier)
        return resource

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Invoke LIST for a page."""
        operation = self._operation("LIST", definition, request)
        answer = operation.run(filters, next_token=next_token)
        models = answer.get("resourceModels")
        if models is None or not all(isinstance(one, dict) for one in models):
            raise operation.failure("The handler's answer lacks resourceModels, a list of resource models.")
        return models, answer.get("nextToken") or None

    def _operation(self, action: Action, definition: TypeDefinition, request: Request) -> _HandlerOperation:
        found = self._types.find(definition.type_name, request.place)
        if found is None:
            raise ResourceFailed(
                f"The type {definition.type_name} is not registered any more, so nothing can {action.lower()} it.",
                "InvalidRequest",
            )
        if action.lower() not in definition.handlers:
            raise ResourceFailed(_undeclared(definition, action), "UnsupportedAction")
        limit = math.inf if self._patient else definition.timeout_seconds(action)
        operation = _HandlerOperation(action, definition, request, found, limit, self._raised)
        return self._configured(operation, found.configuration, request.place)

    def _configured(
        self, operation: _HandlerOperation, written: Mapping[str, Any] | None, place: Place
    ) -> _HandlerOperation:
        """Return the operation with the dynamic references of its type configuration resolved."""
        if written is None or self._references is None:
            return operation
        try:
            configuration = dynamic.replaced(written, self._references(place))
        except Refused as problem:
            text = f"The type configuration of {operation.definition.type_name} cannot be used. {problem}"
            raise operation.failure(text, "InvalidTypeConfiguration") from None
        hidden = frozenset(dynamic.secrets_of(written, configuration))
        self._hide(hidden)
        return replace(operation, type=replace(operation.type, configuration=configuration), secrets=hidden)

    def _tagged(self, definition: TypeDefinition, request: Request, resource: Resource) -> Resource:
        self._remember_parts(definition, request.place, resource)
        if request.system_tags:
            self._on_tagged(resource.identifier, request.system_tags)
        return resource

    def _remember_parts(self, definition: TypeDefinition, place: Place, resource: Resource) -> None:
        parts = _parts(definition, resource)
        try:
            is_told_by_text = parts is None or parts == definition.identifier_model(resource.identifier)
        except ValueError:
            is_told_by_text = False
        if parts is not None and not is_told_by_text:
            with self._changing:
                self._known_parts[definition.type_name, place, resource.identifier] = parts
                drop_oldest(self._known_parts, _MOST_KNOWN_PARTS)

    def _identifier_model(self, operation: _HandlerOperation, identifier: str) -> Json:
        """Return the model of an identifier. Use the handler's own parts if the text cannot be split."""
        definition = operation.definition
        known = self._known_parts.get((definition.type_name, operation.request.place, identifier))
        if known is not None:
            return known
        try:
            return definition.identifier_model(identifier)
        except ValueError:
            raise operation.failure("The identifier has the wrong number of parts.", "InvalidRequest") from None

    def _known(self, operation: _HandlerOperation, resource: Resource) -> Json:
        """Return the identifier and the known read-only properties of a resource, by dotted name."""
        definition = operation.definition
        parts = _parts(definition, resource) or self._identifier_model(operation, resource.identifier)
        identifier = {name: value_at(parts, name) for name in definition.primary_identifier}
        return {**definition.read_only_part(resource.model), **identifier}


def _undeclared(definition: TypeDefinition, action: Action) -> str:
    """Return the message for a handler that the schema of a type lacks."""
    lacks = f"The schema of {definition.type_name} declares no {action.lower()} handler"
    if action == "CREATE":
        return f"{lacks}, which makes the type NON_PROVISIONABLE: no template can create it."
    return f"{lacks}, so CloudFormation cannot {action.lower()} its resources."


@dataclass(frozen=True)
class _HandlerOperation:
    """One operation on one resource, from the first invocation of the handler to the last."""

    action: Action
    definition: TypeDefinition
    request: Request
    type: RegistryType
    limit_seconds: float
    raised: Callable[[str], str]
    secrets: frozenset[str] = frozenset()

    def resource(
        self, desired: Json, previous: Json | None, wait: Wait, tell: Told = lambda _resource: None
    ) -> Resource:
        """Run the operation to its end, and return the resource of the handler's last model."""
        return self.adopted(desired, self.run(desired, previous, wait, tell))

    def run(
        self,
        desired: Json,
        previous: Json | None = None,
        wait: Wait = lambda _seconds: None,
        tell: Told = lambda _resource: None,
        next_token: str | None = None,
    ) -> Json:
        """Return the SUCCESS progress event. Call `tell` with each reported identity. Raise ResourceFailed."""
        event = self._event(desired, previous, next_token)
        answer: Json = {}
        try:
            for answer in follow(
                self._deliver, event, sleep=wait, timeout=self.limit_seconds, retry_delays=RETRY_DELAYS
            ):
                self._tell(answer, desired, tell)
        except LocalFailure as failure:
            raise self.failure(str(failure)) from None
        if answer["status"] == "FAILED":
            raise self.failure(answer.get("message") or self._unsaid(), answer.get("errorCode"))
        return answer

    def _deliver(self, event: Json) -> Any:
        """Invoke the handler. Retry once after a crash, because CloudFormation delivers an event at least once."""
        try:
            return self.type.invoke(event)
        except HandlerCrashed:
            return self.type.invoke(event)

    def _event(self, desired: Json, previous: Json | None, next_token: str | None) -> Json:
        request, owner = self.request, self.request.owner
        return production_event(
            self.definition,
            self.action,
            desired=desired,
            previous=previous,
            stack_tags=request.stack_tags or None,
            previous_stack_tags=request.previous_stack_tags or None,
            system_tags=request.system_tags or None,
            previous_system_tags=request.previous_system_tags or None,
            logical_id=owner.logical_id if owner else None,
            stack_id=owner.stack_id if owner else None,
            token=request.token,
            next_token=next_token,
            region=request.place.region,
            account=request.place.account,
            type_configuration=self.type.configuration,
            type_version=self.type.version,
        )

    def _tell(self, answer: Json, desired: Json, tell: Told) -> None:
        # An existing resource is not a resource of this operation, so do not report its identity.
        if answer.get("errorCode") != "AlreadyExists" and self._identifier(answer) is not None:
            tell(self.adopted(desired, answer))

    def adopted(self, desired: Json, answer: Json) -> Resource:
        """Return the resource of a progress event, its model merged over the desired state. Raise ResourceFailed."""
        identifier = self._identifier(answer)
        if identifier is None:
            names = " and ".join(self.definition.primary_identifier)
            raise self.failure(f"The handler's answer lacks the primary identifier {names}.")
        model = {**desired, **answer["resourceModel"]}
        return Resource(identifier, identifier, model, self.definition.attributes_of(model))

    def _identifier(self, answer: Json) -> str | None:
        model = answer.get("resourceModel") or {}
        for name in self.definition.primary_identifier:
            try:
                value = value_at(model, name)
            except KeyError:
                return None
            if not isinstance(value, str | int | float) or value == "":
                return None
        return self.definition.identifier(model)

    def expect(self, resource: Resource, identifier: str) -> None:
        """Raise ResourceFailed if the handler's answer has another primary identifier than the request."""
        if resource.identifier != identifier:
            raise self.failure(f"The handler's answer to {self.action} has another primary identifier.")

    def _unsaid(self) -> str:
        """Return the substitute for a handler's missing message. AWS has no substitute."""
        raised = self.raised(self.request.token)
        return f"The handler ended with {raised}" if raised else "The handler gave no message."

    def failure(self, message: str, code: str | None = "InternalFailure") -> ResourceFailed:
        """Return a failure in the form of a handler failure in CloudFormation's stack events."""
        known = code if code in _ERROR_CODES else "InternalFailure"
        return handler_failure(self.request, str(secrets.hidden(message, self.secrets)), known)


def _parts(definition: TypeDefinition, resource: Resource) -> Json | None:
    """Return the identifier's model from the handler's answer, or None if the answer lacks a part."""
    parts: Json = {}
    try:
        for name in definition.primary_identifier:
            put_at(parts, name, value_at(resource.model, name))
    except KeyError:
        return None
    return parts if definition.identifier(parts) == resource.identifier else None


def _with(properties: Json, known: Json) -> Json:
    """Return a copy of the properties with values added at dotted names."""
    model: Json = copy.deepcopy(properties)
    for name, value in known.items():
        put_at(model, name, value)
    return model
