"""Requests to the handlers of a registry type, and how their answers are interpreted by the type's schema.

The handlers are functions of this process: event in, progress event out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.invocations import InvocationLog
from cfnbox.providers import identifiers
from cfnbox.providers.properties import violations
from cfnbox.providers.protocol import Resource, ResourceFailed, Served
from cfnbox.providers.registry_handlers import FixedTypes, HandlersProvider, RegistryType
from providers.provider_requests import PLACE, RecordingProgress, request

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
NAME = "Example::Boxes::Box"
ACTIONS = ("create", "read", "update", "delete", "list")


def definition(*, handlers: tuple[str, ...] = ACTIONS, **schema: Any) -> TypeDefinition:
    """Return a type whose schema declares these handlers and has these additional members."""
    base: Json = {
        "typeName": NAME,
        "properties": {"Name": {"type": "string"}, "Zone": {"type": "string"}, "On": {"type": "boolean"},
                       "Port": {"type": "integer"}},
        "primaryIdentifier": ["/properties/Name"],
        "handlers": {name: {"timeoutInMinutes": 2} for name in handlers},
    }  # fmt: skip
    return TypeDefinition.from_schema(base | schema)


class Handlers:
    """Answers each event with the next of the answers, and the last one from then on; remembers the events."""

    def __init__(self, *answers: Any) -> None:
        self._answers, self.events = list(answers), list[Json]()

    def __call__(self, event: Json) -> Any:
        self.events.append(event)
        answer = self._answers[min(len(self.events), len(self._answers)) - 1]
        return answer(event) if callable(answer) else answer

    @property
    def models(self) -> list[Json]:
        """The desired state of each event."""
        return [event["requestData"]["resourceProperties"] for event in self.events]


def provider(described: TypeDefinition, handlers: Callable[[Json], Any], **options: Any) -> HandlersProvider:
    configuration = options.pop("configuration", None)
    types = FixedTypes([RegistryType(lambda: described, handlers, configuration)])
    return HandlersProvider(types, **options)


def echo(event: Json) -> Json:
    return {"status": "SUCCESS", "resourceModel": event["requestData"]["resourceProperties"]}


def failed(code: str, message: Any = "No.", **members: Any) -> Json:
    return {"status": "FAILED", "errorCode": code, "message": message, **members}


@pytest.mark.parametrize("identifier", ["a|b", "|", "a||b"])
def test_an_identifier_of_one_part_is_never_split(identifier: str) -> None:
    handlers, described = Handlers(echo), definition()
    served = provider(described, handlers)
    made = served.create(described, request(), {"Name": identifier}, RecordingProgress())
    assert made.identifier == identifier
    served.update(
        described, request(), made, {"Name": identifier}, {"Name": identifier, "Zone": "z"}, RecordingProgress()
    )
    assert served.read(described, request(), identifier).identifier == identifier
    served.delete(described, request(), made, {"Name": identifier}, RecordingProgress())
    assert [model["Name"] for model in handlers.models] == [identifier] * 4


def test_parts_of_a_composite_are_kept_as_the_handler_answered_them() -> None:
    handlers = Handlers(echo)
    described = definition(primaryIdentifier=["/properties/Name", "/properties/Zone"])
    served, properties = provider(described, handlers), {"Name": "a|b", "Zone": "c|d"}
    made = served.create(described, request(), properties, RecordingProgress())
    assert made.physical_id == "a|b|c|d"
    served.update(described, request(), made, properties, {**properties, "Port": 1}, RecordingProgress())
    assert served.read(described, request(), made.identifier).identifier == made.identifier
    served.delete(described, request(), made, properties, RecordingProgress())
    assert [{name: model[name] for name in properties} for model in handlers.models] == [properties] * 4


def test_a_composite_identifier_must_have_all_its_parts() -> None:
    described = definition(primaryIdentifier=["/properties/Name", "/properties/Zone"])
    with pytest.raises(ResourceFailed, match="wrong number of parts"):
        provider(described, Handlers(echo)).read(described, request(), "a|b|c")


@pytest.mark.parametrize(
    ("name", "value", "text"), [("On", True, "true"), ("On", False, "false"), ("Port", 8080, "8080")]
)
def test_an_identifier_reads_back_in_the_type_of_the_schema(name: str, value: Any, text: str) -> None:
    handlers, described = Handlers(echo), definition(primaryIdentifier=[f"/properties/{name}"])
    served = provider(described, handlers)
    made = served.create(described, request(), {name: value}, RecordingProgress())
    assert made.physical_id == text
    served.read(described, request(), text)
    assert handlers.models[-1] == {name: value}
    assert identifiers.primary(Served(served, described), request(), {name: value}) == text


@pytest.mark.parametrize("action", ["create", "update", "delete", "read", "list"])
def test_a_handler_that_the_schema_does_not_declare_is_never_called(action: str) -> None:
    handlers = Handlers(echo)
    described = definition(handlers=tuple(name for name in ACTIONS if name != action))
    served = provider(described, handlers)
    made = Resource("x", "x", {"Name": "x"}, {})
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: served.create(described, request(), {"Name": "x"}, RecordingProgress()),
        "update": lambda: served.update(described, request(), made, {}, {}, RecordingProgress()),
        "delete": lambda: served.delete(described, request(), made, {}, RecordingProgress()),
        "read": lambda: served.read(described, request(), "x"),
        "list": lambda: served.list(described, request(), {}, None),
    }
    with pytest.raises(ResourceFailed, match=f"The schema of {NAME} declares no {action} handler") as raised:
        calls[action]()
    assert raised.value.code == "UnsupportedAction"
    assert ("NON_PROVISIONABLE" in str(raised.value)) == (action == "create")
    assert handlers.events == []


@pytest.mark.parametrize("code", ["Throttling", "NetworkFailure", "ServiceInternalError", "ResourceConflict"])
def test_a_retriable_failure_is_retried(code: str) -> None:
    handlers, described, progress = Handlers(failed(code), failed(code), echo), definition(), RecordingProgress()
    made = provider(described, handlers).create(described, request(), {"Name": "x"}, progress)
    assert made.identifier == "x"
    assert handlers.events == [handlers.events[0]] * 3
    assert len(progress.waits) == 2


def test_a_retry_continues_from_the_last_callback() -> None:
    going = {"status": "IN_PROGRESS", "callbackContext": {"step": 1}, "resourceModel": {"Name": "x", "Port": 1}}
    handlers, described = Handlers(going, failed("Throttling"), echo), definition()
    provider(described, handlers).create(described, request(), {"Name": "x"}, RecordingProgress())
    assert [event.get("callbackContext") for event in handlers.events] == [None, {"step": 1}, {"step": 1}]
    assert handlers.models[1:] == [{"Name": "x", "Port": 1}] * 2


def test_retries_end_with_the_last_failure() -> None:
    handlers, described, progress = Handlers(failed("Throttling", "Slow down.")), definition(), RecordingProgress()
    with pytest.raises(ResourceFailed, match=r"Slow down\..*HandlerErrorCode: Throttling"):
        provider(described, handlers).create(described, request(), {"Name": "x"}, progress)
    assert len(handlers.events) == len(progress.waits) + 1 == 4
    assert progress.waits == sorted(progress.waits)


@pytest.mark.parametrize("code", ["NotStabilized", "ServiceLimitExceeded", "GeneralServiceException", "AccessDenied"])
def test_a_terminal_failure_is_not_retried(code: str) -> None:
    handlers, described = Handlers(failed(code)), definition()
    with pytest.raises(ResourceFailed, match=code):
        provider(described, handlers).create(described, request(), {"Name": "x"}, RecordingProgress())
    assert len(handlers.events) == 1


def test_a_read_is_not_retried() -> None:
    handlers, described = Handlers(failed("Throttling")), definition()
    with pytest.raises(ResourceFailed, match="Throttling"):
        provider(described, handlers).read(described, request(), "x")
    assert len(handlers.events) == 1


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"reason": "full"}, '{"reason": "full"}'),
        (["a", 1], '["a", 1]'),
        (5, "5"),
        ("x" * 200_000, f"{'x' * 4096}... (the message has 200000 characters)"),
    ],
)
def test_a_message_that_is_not_text_keeps_the_error_code(message: Any, text: str) -> None:
    described = definition()
    with pytest.raises(ResourceFailed) as raised:
        provider(described, Handlers(failed("InvalidRequest", message))).create(
            described, request(), {"Name": "x"}, RecordingProgress()
        )
    assert raised.value.code == "InvalidRequest"
    assert str(raised.value) == (
        f'Resource handler returned message: "{text}" '
        "(RequestToken: token-of-Thing, HandlerErrorCode: InvalidRequest)"
    )


@pytest.mark.parametrize("delay", [0, -5, 0.001])
def test_a_handler_can_be_reinvoked_two_thousand_times_without_a_delay(delay: float) -> None:
    going = {"status": "IN_PROGRESS", "callbackDelaySeconds": delay, "resourceModel": {"Name": "x"}}
    handlers, described, progress = Handlers(*[going] * 2000, echo), definition(), RecordingProgress()
    assert provider(described, handlers).create(described, request(), {"Name": "x"}, progress).identifier == "x"
    assert len(handlers.events) == 2001
    assert min(progress.waits) >= 0


def test_an_endlessly_reinvoked_handler_ends_at_its_time_limit() -> None:
    going = {"status": "IN_PROGRESS", "callbackDelaySeconds": -1, "resourceModel": {"Name": "x"}}
    described = definition()
    with pytest.raises(ResourceFailed, match=r"after its time limit.*NotStabilized"):
        provider(described, Handlers(going)).create(described, request(), {"Name": "x"}, RecordingProgress())


class References:
    """Parameters and secrets by name."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def parameter(self, name: str) -> str | None:
        return self._values.get(name)

    def secret(self, secret_id: str, _stage: str | None, _version_id: str | None) -> str | None:
        return self._values.get(secret_id)


CONFIGURATION = {
    "Key": "{{resolve:ssm-secure:key:1}}",
    "App": {"Tokens": ["{{resolve:secretsmanager:app:SecretString:token}}"]},
    "Site": "{{resolve:ssm:site}}",
    "Header": "Bearer {{resolve:secretsmanager:header}} of {{resolve:ssm:site}}",
}
VALUES = {"key:1": "the-key", "app": '{"token": "the-token"}', "site": "example.com",
          "header": "the-bearer"}  # fmt: skip


def test_dynamic_references_of_a_type_configuration_are_resolved_and_hidden() -> None:
    def telling(event: Json) -> Json:
        return failed(
            "InvalidRequest", f"Refused with the-key, the-bearer, {event['requestData']['typeConfiguration']}"
        )

    handlers, described, invocations = Handlers(telling), definition(), InvocationLog()
    served = provider(described, handlers, configuration=CONFIGURATION, hide=invocations.hide,
                      references=lambda _place: References(**VALUES))  # fmt: skip
    with pytest.raises(ResourceFailed) as raised:
        served.create(described, request(), {"Name": "x"}, RecordingProgress())
    (event,) = handlers.events
    assert event["requestData"]["typeConfiguration"] == {
        "Key": "the-key", "App": {"Tokens": ["the-token"]}, "Site": "example.com",
        "Header": "Bearer the-bearer of example.com",
    }  # fmt: skip
    assert "the-key" not in str(raised.value)
    assert "the-token" not in str(raised.value)
    # A part of a text is hidden by itself.
    assert "the-bearer" not in str(raised.value)
    assert "Refused with ****" in str(raised.value)
    assert "example.com" in str(raised.value)


def test_an_unresolvable_reference_of_a_type_configuration_fails_the_resource() -> None:
    handlers, described = Handlers(echo), definition()
    served = provider(described, handlers, configuration=CONFIGURATION, references=lambda _place: References())
    with pytest.raises(ResourceFailed, match=f"The type configuration of {NAME} cannot be used. Could not resolve"):
        served.create(described, request(), {"Name": "x"}, RecordingProgress())
    assert handlers.events == []


def test_a_read_only_property_in_a_list_is_refused_at_its_index() -> None:
    described = definition(
        properties={"Name": {"type": "string"}, "Items": {"type": "array", "items": {"$ref": "#/definitions/Item"}}},
        definitions={
            "Item": {"type": "object", "properties": {"Id": {"type": "string"}, "Size": {"type": "integer"}}}
        },
        readOnlyProperties=["/properties/Items/*/Id"],
    )
    properties = {"Name": "x", "Items": [{"Size": 1}, {"Id": "a"}, {"Id": "b"}]}
    assert violations(described, properties) == [
        "#/Items/1: extraneous key [Id] is not permitted",
        "#/Items/2: extraneous key [Id] is not permitted",
    ]


def test_resources_of_different_regions_and_accounts_are_separate() -> None:
    described = definition(primaryIdentifier=["/properties/Name", "/properties/Zone"])
    served = provider(described, Handlers(echo))
    served.create(described, request(place=PLACE), {"Name": "a|b", "Zone": "c"}, RecordingProgress())
    with pytest.raises(ResourceFailed, match="wrong number of parts"):
        served.read(described, request(place=type(PLACE)("eu-west-1")), "a|b|c")
