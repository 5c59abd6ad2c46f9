"""Registry types through a real handler process in AWS's Lambda runtime."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.invocations import InvocationLog, InvocationOutcome
from cfnbox.handlers.runtime import LambdaRuntime
from cfnbox.providers.protocol import Cancelled, Resource, ResourceFailed
from cfnbox.providers.registry_handlers import FixedTypes, HandlersProvider, RegistryType
from providers.provider_requests import PLACE, STACK_ID, SYSTEM_TAGS, RecordingProgress, request

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: dict[str, Any] = {
    "typeName": "Example::Scripts::Script",
    "properties": {
        "Answers": {"type": "string"},
        "Id": {"type": "string"},
        "Size": {"type": "integer"},
        "Event": {"type": "string"},
    },
    "primaryIdentifier": ["/properties/Id"],
    "readOnlyProperties": ["/properties/Id", "/properties/Size", "/properties/Event"],
    "handlers": {"create": {"timeoutInMinutes": 2}, "update": {}, "delete": {}, "read": {}, "list": {}},
    "additionalProperties": False,
}
DEFINITION = TypeDefinition.from_schema(SCHEMA)
MADE = Resource("one", "one", {"Answers": "[]", "Id": "one", "Size": 7}, {"Id": "one", "Size": 7})


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the answers of READ and LIST, whose requests hold no properties."""
    return tmp_path_factory.mktemp("handlers") / "answers.json"


@pytest.fixture(scope="module", params=["awslambdaric", "without awslambdaric's C extension and the emulator"])
def missing_modules(request: pytest.FixtureRequest) -> list[str]:
    return [] if request.param == "awslambdaric" else ["runtime_client", "samcli"]


@pytest.fixture(scope="module")
def invocations(missing_modules: list[str]) -> InvocationLog:
    """The invocation record of the runtime."""
    return InvocationLog()


@pytest.fixture(scope="module")
def runtime(missing_modules: list[str], answers: Path, invocations: InvocationLog) -> Iterator[LambdaRuntime]:
    with pytest.MonkeyPatch.context() as patch:
        for name in missing_modules:
            patch.setitem(sys.modules, name, None)
        started = LambdaRuntime(
            "scripted_handlers.resource",
            [Path(__file__).parent],
            env={"ANSWERS": str(answers)},
            record=invocations.add,
        )
        with started:
            yield started


@pytest.fixture
def tagged() -> list[tuple[str, dict[str, str]]]:
    return []


@pytest.fixture
def provider(
    runtime: LambdaRuntime, invocations: InvocationLog, tagged: list[tuple[str, dict[str, str]]]
) -> HandlersProvider:
    types = FixedTypes([RegistryType(lambda: DEFINITION, runtime.invoke, {"Key": "configured"}, "00000004")])
    return HandlersProvider(
        types, lambda identifier, tags: tagged.append((identifier, dict(tags))), invocations.raised
    )


def script(*answers: Any) -> dict[str, Any]:
    return {"Answers": json.dumps(answers)}


def success(**model: Any) -> dict[str, Any]:
    return {"status": "SUCCESS", "resourceModel": model}


def going(step: int, delay: float = 0, **model: Any) -> dict[str, Any]:
    return {
        "status": "IN_PROGRESS",
        "callbackContext": {"step": step},
        "callbackDelaySeconds": delay,
        "resourceModel": model or None,
    }


def test_a_create_event_has_the_members_of_cloudformation(provider: HandlersProvider, tagged: Any) -> None:
    desired = script(success(Id="one", Event="$event"))
    asked = request(stack_tags={"team": "ml"}, system_tags=SYSTEM_TAGS)
    made = provider.create(DEFINITION, asked, desired, RecordingProgress())
    event = json.loads(made.attributes["Event"])
    assert made.physical_id == made.identifier == "one"
    assert made.model["Answers"] == desired["Answers"]
    assert event["action"] == "CREATE"
    assert event["bearerToken"] == asked.token
    assert event["stackId"] == STACK_ID
    assert event["resourceTypeVersion"] == "00000004"
    data = event["requestData"]
    assert data["logicalResourceId"] == "Thing"
    assert data["stackTags"] == {"team": "ml"}
    assert data["systemTags"] == SYSTEM_TAGS
    assert data["typeConfiguration"] == {"Key": "configured"}
    assert tagged == [("one", SYSTEM_TAGS)]


def test_the_identity_is_reported_once_and_the_progress_waits(provider: HandlersProvider) -> None:
    progress = RecordingProgress()
    answers = [going(1, 3), going(2, 4, Id="late"), success(Id="late", Size=2)]
    made = provider.create(DEFINITION, request(), script(*answers), progress)
    assert [one.identifier for one in progress.identities] == ["late"]
    assert progress.waits == [3, 4]
    assert made.attributes == {"Id": "late", "Size": 2}


def test_a_failure_with_an_identifier_reports_the_resource(provider: HandlersProvider) -> None:
    progress = RecordingProgress()
    failed = {"status": "FAILED", "errorCode": "NotStabilized", "message": "Too slow.", "resourceModel": {"Id": "x"}}
    with pytest.raises(ResourceFailed) as raised:
        provider.create(DEFINITION, request(), script(failed), progress)
    assert raised.value.code == "NotStabilized"
    assert str(raised.value) == (
        'Resource handler returned message: "Too slow." '
        "(RequestToken: token-of-Thing, HandlerErrorCode: NotStabilized)"
    )
    assert [one.identifier for one in progress.identities] == ["x"]


def test_an_existing_resource_is_not_reported_as_created(provider: HandlersProvider) -> None:
    progress = RecordingProgress()
    failed = {"status": "FAILED", "errorCode": "AlreadyExists", "message": "Taken.", "resourceModel": {"Id": "x"}}
    with pytest.raises(ResourceFailed) as raised:
        provider.create(DEFINITION, request(), script(failed), progress)
    assert raised.value.code == "AlreadyExists"
    assert progress.identities == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            "large",
            "The handler ended with Function.ResponseSizeTooLarge: Response payload size exceeded maximum allowed "
            "payload size (6291556 bytes).",
        ),
        ("not json", "The handler's answer cannot be written as JSON: Object of type set is not JSON serializable."),
        ("end", "The handler ended with"),
        (None, "it has no status"),
        ([], "it has no status"),
        ({"hello": "world"}, "it has no status"),
        ({"status": "DONE"}, "it has no status"),
        ({"status": ["SUCCESS"]}, "it has no status"),
        ({"status": "SUCCESS"}, "lacks the primary identifier Id"),
        ({"status": "SUCCESS", "resourceModel": {}}, "lacks the primary identifier Id"),
        ({"status": "SUCCESS", "resourceModel": {"Id": {"not": "text"}}}, "lacks the primary identifier Id"),
        ({"status": "SUCCESS", "resourceModel": {"Id": ""}}, "lacks the primary identifier Id"),
        ({"status": "SUCCESS", "resourceModel": ["Id"]}, "value of resourceModel is not valid"),
        ({"status": "IN_PROGRESS", "callbackDelaySeconds": "soon"}, "value of callbackDelaySeconds is not valid"),
        ({"status": "IN_PROGRESS", "callbackContext": 5}, "value of callbackContext is not valid"),
        ({"status": "FAILED"}, "The handler gave no message."),
        ({"status": "FAILED", "errorCode": "Whatever", "message": "No."}, "No."),
    ],
)
def test_an_invalid_answer_fails_the_resource_with_a_reason(
    provider: HandlersProvider, answer: Any, said: str
) -> None:
    with pytest.raises(ResourceFailed) as raised:
        provider.create(DEFINITION, request(), script(answer), RecordingProgress())
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.code == "InternalFailure"


def test_an_exception_in_a_handler_is_reported_with_its_line(provider: HandlersProvider) -> None:
    with pytest.raises(ResourceFailed) as raised:
        provider.create(DEFINITION, request(), script("raise"), RecordingProgress())
    line = _line_of("raise RuntimeError")
    said = (
        f"The handler ended with RuntimeError: the secret of the handler (scripted_handlers.py:{line}, in resource)"
    )
    assert said in str(raised.value)


def test_an_exception_that_the_library_hides_is_reported_with_its_line(provider: HandlersProvider) -> None:
    with pytest.raises(ResourceFailed) as raised:
        provider.create(DEFINITION, request(), script("swallow"), RecordingProgress())
    line = _line_of("of_a_resource = ")
    assert f"The handler ended with KeyError: 'Colour' (scripted_handlers.py:{line}, in _swallow)" in str(
        raised.value
    )
    assert raised.value.code == "InternalFailure"


@pytest.fixture(scope="module")
def library_provider() -> Iterator[HandlersProvider]:
    """The handlers of `library_handlers`, in AWS's library for Python."""
    with LambdaRuntime("library_handlers.resource", [Path(__file__).parent]) as runtime:
        yield HandlersProvider(FixedTypes([RegistryType(lambda: DEFINITION, runtime.invoke)]))


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ("context", "InternalFailure", "callbackContext.steps.1.seen is of the type set, which JSON does not have."),
        ("model", "InternalFailure", "resourceModel.Answer is of the type bytes, which JSON does not have."),
        ("key", "InternalFailure", "a key of callbackContext.pairs is of the type tuple"),
        ("exception", "InvalidRequest", 'message: "Id is taken"'),
    ],
)
def test_values_in_an_answer_that_are_not_json_are_named(
    library_provider: HandlersProvider, answer: str, code: str, said: str
) -> None:
    with pytest.raises(ResourceFailed) as raised:
        library_provider.create(DEFINITION, request(), {"Answer": answer}, RecordingProgress())
    assert (raised.value.code, said in str(raised.value)) == (code, True), str(raised.value)
    assert library_provider.create(DEFINITION, request(), {"Answer": "fine"}, RecordingProgress()).identifier == "x"


def test_an_invocation_is_recorded_with_its_log(provider: HandlersProvider, invocations: InvocationLog) -> None:
    asked = request("Recorded")
    provider.create(DEFINITION, asked, script(going(1, 3), "log", success(Id="one")), RecordingProgress())
    first, second, third = [one for one in invocations.all(STACK_ID) if one.logical_id == "Recorded"]
    assert {one.token for one in (first, second, third)} == {asked.token}
    assert (first.action, first.type_name, first.version) == ("CREATE", "Example::Scripts::Script", "00000004")
    assert (first.status, first.delay, first.context, first.next_context) == ("IN_PROGRESS", 3, None, {"step": 1})
    assert (second.context, second.log) == ({"step": 1}, "printed by the handler")
    assert (third.status, third.message, third.log) == ("SUCCESS", "", "")
    told = json.dumps(third.to_json(with_properties=False))
    assert "Answers" not in told
    assert "Answers" in json.dumps(third.to_json(with_properties=True))


def test_invocations_of_an_ended_process_are_recorded(provider: HandlersProvider, invocations: InvocationLog) -> None:
    with pytest.raises(ResourceFailed):
        provider.create(DEFINITION, request("Ends"), script("end"), RecordingProgress())
    ended = [one for one in invocations.all() if one.logical_id == "Ends"]
    # An event without an answer is delivered once more.
    assert [one.status for one in ended] == ["", ""]
    assert "The handler ended with" in ended[-1].message


def test_the_record_of_invocations_is_bounded() -> None:
    kept = InvocationLog()
    for number in range(1100):
        kept.add(
            {"bearerToken": str(number)}, InvocationOutcome(datetime.now(UTC), 0.1, "x" * 100_000 * (number == 1099))
        )
    assert [one.token for one in kept.all()] == [str(number) for number in range(100, 1100)]
    assert kept.find(1) is None
    assert len(kept.all()[-1].log) < 100_000


def _line_of(text: str) -> int:
    lines = (Path(__file__).parent / "scripted_handlers.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_changed_identifier_fails_and_both_resources_are_reported(provider: HandlersProvider) -> None:
    progress = RecordingProgress()
    with pytest.raises(ResourceFailed, match="changed the primary identifier"):
        provider.create(DEFINITION, request(), script(going(1, Id="a"), success(Id="b")), progress)
    assert [one.identifier for one in progress.identities] == ["a", "b"]


def test_an_event_is_delivered_again_when_the_handler_ends(provider: HandlersProvider) -> None:
    made = provider.create(DEFINITION, request("EndsOnce"), script("end once"), RecordingProgress())
    assert made.identifier == "second"


def test_an_operation_ends_at_the_time_limit_of_its_schema(provider: HandlersProvider) -> None:
    progress = RecordingProgress()
    with pytest.raises(ResourceFailed, match="after its time limit") as raised:
        provider.create(DEFINITION, request(), script(going(0, 50)), progress)
    assert raised.value.code == "NotStabilized"
    assert progress.waits == [50, 50]


def test_a_cancelled_wait_ends_the_operation(provider: HandlersProvider) -> None:
    with pytest.raises(Cancelled):
        provider.create(DEFINITION, request(), script(going(0, 50)), RecordingProgress(patience=60))


def test_update_and_delete_know_the_read_only_properties(provider: HandlersProvider, tagged: Any) -> None:
    desired = script(success(Id="one", Event="$event"))
    updated = provider.update(
        DEFINITION,
        request(stack_tags={"a": "2"}, previous_stack_tags={"a": "1"}, system_tags=SYSTEM_TAGS),
        MADE,
        {"Answers": "[]"},
        desired,
        RecordingProgress(),
    )
    data = json.loads(updated.model["Event"])["requestData"]
    assert data["resourceProperties"] == {**desired, "Id": "one", "Size": 7}
    assert data["previousResourceProperties"] == {"Answers": "[]", "Id": "one", "Size": 7}
    assert (data["stackTags"], data["previousStackTags"]) == ({"a": "2"}, {"a": "1"})
    assert tagged == [("one", SYSTEM_TAGS)]
    told = script({"status": "FAILED", "errorCode": "NotFound", "message": "$event"})
    with pytest.raises(ResourceFailed) as raised:
        provider.delete(DEFINITION, request(), MADE, told, RecordingProgress())
    assert raised.value.code == "NotFound"
    assert '"Id": "one", "Size": 7' in str(raised.value)


def test_an_update_must_answer_about_the_same_resource(provider: HandlersProvider) -> None:
    with pytest.raises(ResourceFailed, match="another primary identifier"):
        provider.update(DEFINITION, request(), MADE, script(), script(success(Id="two")), RecordingProgress())


def test_read_and_list_return_models_and_a_token(provider: HandlersProvider, answers: Path) -> None:
    answers.write_text(json.dumps([success(Id="one", Size=3)]))
    read = provider.read(DEFINITION, request(), "one")
    assert read == Resource("one", "one", {"Id": "one", "Size": 3}, {"Id": "one", "Size": 3})
    with pytest.raises(ResourceFailed, match="another primary identifier"):
        provider.read(DEFINITION, request(), "two")
    answers.write_text(json.dumps([{"status": "SUCCESS", "resourceModels": [{"Id": "one"}], "nextToken": "more"}]))
    assert provider.list(DEFINITION, request(), {}, None) == ([{"Id": "one"}], "more")
    answers.write_text(json.dumps([{"status": "SUCCESS", "resourceModels": ["one"]}]))
    with pytest.raises(ResourceFailed, match="lacks resourceModels"):
        provider.list(DEFINITION, request(), {}, None)
    answers.write_text(json.dumps([going(1)]))
    with pytest.raises(ResourceFailed, match="must not return IN_PROGRESS"):
        provider.read(DEFINITION, request(), "one")


def test_a_deregistered_type_is_refused_with_a_reason() -> None:
    provider = HandlersProvider(FixedTypes([]))
    assert provider.definition(DEFINITION.type_name, PLACE) is None
    with pytest.raises(ResourceFailed, match="not registered any more"):
        provider.create(DEFINITION, request(), {}, RecordingProgress())


def test_a_closed_runtime_fails_the_resource() -> None:
    runtime = LambdaRuntime("scripted_handlers.resource", [Path(__file__).parent])
    with runtime:
        pass
    provider = HandlersProvider(FixedTypes([RegistryType(lambda: DEFINITION, runtime.invoke)]))
    with pytest.raises(ResourceFailed):
        provider.create(DEFINITION, request(), script(success(Id="x")), RecordingProgress())
