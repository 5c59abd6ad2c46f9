"""No value of a property or tag in a log line, a message, a metric or a callback context, on any path."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from aws_sagemaker_model import entrypoint, session
from aws_sagemaker_model.session import HandlerSession
from cfnbox.aws.http import HttpServer
from cfnbox.handlers.events import Action, new_token, production_event
from cfnbox.handlers.runtime import LambdaRuntime
from cfnbox.sagemaker.faults import FAULTS, Fault, When
from tests.conftest import ROOT
from tests.faults.canaries import MARK, models, pointers, settable
from tests.faults.scenarios import ARN, DEFINITION, SITUATIONS, STACK, Service, outcome, tag_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cfnbox.handlers.events import Action
    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.faults.scenarios import Deliver

MODELS = models()
LOG_GROUP = "aws-sagemaker-model-logs"
TAGS = {f"{MARK}-key": f"{MARK}-value", f"{MARK}-stack": f"{MARK}:{MARK} {MARK}"}
LINE = {"type", "action", "model", "calls", "outcome", "error_code", "milliseconds"}
# How services repeat what they were given; the values are those of the model asked for.
ECHOES = {
    "a value": "1 validation error: Value '{value}' at 'primaryContainer.image' failed to satisfy constraint",
    "a map": "Value '{{A={value}, B=it's {value}}}' at 'primaryContainer.environment' failed to satisfy constraint",
    "bare": "The container {value} cannot be used with {value}.",
    "quoted twice": "Cannot use \"{value}\": '{value}' is not allowed, see https://aws.amazon.com/{value}?x={value}",
    "over lines": "No.\n{value}\n\t{value}",
}


def event(action: Action, desired: Any, **more: Any) -> Any:
    given = {"stack_id": STACK, "logical_id": "Scorer", "stack_tags": {f"{MARK}-of-stack": MARK}, **more}
    return production_event(DEFINITION, action, desired=desired, **given)


def lifecycle(model: Any) -> Any:
    """Every request there is for a model, each with all that CloudFormation knows."""
    there = {**model, "ModelName": "scorer", "ModelArn": f"{ARN}scorer"}
    retagged = {**there, "Tags": tag_list(TAGS)}
    requests = [
        ("CREATE", {**model, "ModelName": "scorer"}, None),
        ("CREATE", {**model, "ModelName": "scorer"}, None),
        ("READ", there, None),
        ("UPDATE", retagged, there),
        ("UPDATE", {**retagged, "EnableNetworkIsolation": False}, retagged),
        ("LIST", there, None),
        ("DELETE", retagged, None),
        ("DELETE", retagged, None),
    ]
    return [
        event(cast("Action", action), desired, previous=previous, log_group=LOG_GROUP)
        for action, desired, previous in requests
    ]


def said(answer: Any) -> Any:
    """What an answer says beside the resource model, which is the user's own."""
    return json.dumps({name: value for name, value in answer.items() if not name.startswith("resourceModel")})


def lines_in(text: str) -> Any:
    """The structured lines in a log."""
    return [json.loads(line[line.index("{") :]) for line in text.splitlines() if '"milliseconds"' in line]


@pytest.fixture
def nothing_told(sagemaker: LocalSageMaker, written: Any, logs: Any, cloudwatch: Any) -> Any:
    """Look for a value in all that was written and sent until now; return the structured lines."""

    def look() -> Any:
        text = written()
        assert MARK not in text.lower()
        assert "local-caller-secret" not in text
        if any(call.operation == "PutLogEvents" and call.status == 200 for call in sagemaker.calls):
            for stream in logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]:
                sent = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"])
                assert MARK not in str(sent["events"]).lower()
            assert MARK not in str(cloudwatch.list_metrics()["Metrics"]).lower()
        return lines_in(text)

    return look


def test_the_models_fill_every_property() -> None:
    assert {pointer for model in MODELS.values() for pointer in pointers(model)} | {"/ModelName"} == settable()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_from_create_to_delete(model: Any, deliver: Deliver, written: Any, nothing_told: Any) -> None:
    deliver(event("LIST", {}))
    written()
    answers = [deliver(one) for one in lifecycle(model)]
    assert [outcome(answer) for answer in answers] == [
        "SUCCESS",
        "AlreadyExists",
        "SUCCESS",
        "SUCCESS",
        "NotUpdatable",
        "SUCCESS",
        "SUCCESS",
        "NotFound",
    ]
    assert MARK in str(answers[0]["resourceModel"])
    assert not [answer for answer in answers if MARK in said(answer).lower()]
    assert [line["action"] for line in nothing_told()] == [one["action"] for one in lifecycle(model)]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "stall"])
def test_under_every_fault(
    fault: str, sagemaker: LocalSageMaker, deliver: Deliver, written: Any, nothing_told: Any
) -> None:
    model = MODELS["a pipeline"]
    deliver(event("CREATE", {**model, "ModelName": "scorer"}))
    sagemaker.faults.inject(None, fault)
    written()
    answers = [deliver(one) for one in [event("CREATE", model, log_group=LOG_GROUP), *lifecycle(model)]]
    assert not [answer for answer in answers if MARK in said(answer).lower()]
    sagemaker.faults.replace([])
    assert len(nothing_told()) == len(answers)


@pytest.mark.parametrize("code", ["ValidationException", "SomethingNew", "AccessDeniedException"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_what_a_service_repeats(
    echo: Any,
    code: str,
    sagemaker: LocalSageMaker,
    deliver: Deliver,
    written: Any,
    nothing_told: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = MODELS["an image"]
    for value in (model["ExecutionRoleArn"], model["PrimaryContainer"]["Image"], *tag_values(model)):
        text = echo.format(value=value).replace("{", "{{").replace("}", "}}")
        monkeypatch.setitem(FAULTS, "echo", Fault(When.ERROR, 400, code, text))
        sagemaker.faults.replace([{"fault": "echo", "operation": "CreateModel"}])
        written()
        answer = deliver(event("CREATE", model))
        assert answer["status"] == "FAILED"
        assert MARK not in said(answer).lower()
        nothing_told()


def test_what_a_proxy_says_of_a_request(
    sagemaker: LocalSageMaker, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is no JSON, with a page for its text."""

    def page(_environ: Any, start_response: Any) -> Any:
        start_response("403 Forbidden", [("Content-Type", "text/html")])
        return [f"<h1>Not here: {MARK}s of this page</h1>".encode()]

    proxy = HttpServer(page)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr(entrypoint, "CALLER", HandlerSession(session._MUTATIONS))
    answer = deliver(event("CREATE", MODELS["an image"]))
    proxy.close()
    assert outcome(answer) == "GeneralServiceException"
    assert MARK not in said(answer)


def tag_values(model: Any) -> Any:
    return [*model["PrimaryContainer"]["Environment"].values(), model["Tags"][0]["Value"]]


def wrong(value: Any) -> Iterator[Any]:
    """A value of another type in each place of a model, one at a time, the marks still in it."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from ({**value, name: other} for other in wrong(member))
        yield {**value, "Unknown": MARK}
    elif isinstance(value, list):
        yield from ([other] for item in value for other in wrong(item))
    yield {"Unknown": value} if not isinstance(value, dict) else [f"{MARK} {value}"]
    yield None


@pytest.mark.parametrize("action", ["CREATE", "UPDATE"])
def test_what_is_wrong_with_a_model(
    action: Action, service: Service, deliver: Deliver, written: Any, nothing_told: Any
) -> None:
    model = {**MODELS["an image"], "ModelName": "scorer"}
    container = model["PrimaryContainer"]
    deliver(event("CREATE", model))
    written()
    for mistaken in wrong(model):
        one = event(action, {}, previous=model if action == "UPDATE" else None)
        one["requestData"]["resourceProperties"] = mistaken
        answer = deliver(one)
        # To an update, null is a property that is left out, as this one could be.
        is_default = action == "UPDATE" and mistaken == {**model, "PrimaryContainer": {**container, "Mode": None}}
        assert answer["status"] == ("SUCCESS" if is_default else "FAILED"), mistaken
        assert MARK not in said(answer).lower()
    nothing_told()


@pytest.mark.parametrize(
    "hostile",
    [
        MARK,
        [MARK],
        {"action": MARK},
        {"action": "CREATE", "region": {MARK: MARK}},
        event("CREATE", MODELS["an image"]) | {"callbackContext": {"attempt": MARK, "since": MARK}},
        event("CREATE", MODELS["an image"]) | {"callbackContext": MARK},
        event("CREATE", MODELS["an image"]) | {"region": f"{MARK} {MARK}"},
        event("CREATE", MODELS["an image"]) | {"bearerToken": None},
        event("CREATE", MODELS["an image"], stack_tags={MARK: MARK * 100}),
        event("CREATE", {"Unknown": MARK}),
        event("READ", {"ModelArn": {MARK: MARK}}),
        event("LIST", {}, next_token=MARK),
    ],
    ids=range(12),
)
def test_events_that_are_none(hostile: Any, deliver: Deliver, written: Any, nothing_told: Any) -> None:
    deliver(event("LIST", {}))
    written()
    answer = deliver(hostile)
    assert answer["status"] == "FAILED"
    assert MARK not in said(answer).lower()
    assert len(nothing_told()) == 1


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("fault", [None, "access-denied"])
def test_one_line_tells_what_happened(
    name: str,
    fault: str,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    written: Any,
    operations_of: Callable[[], list[str]],
) -> None:
    SITUATIONS[name].prepare(service)
    if fault:
        sagemaker.faults.inject(None, fault)
    written()
    answer = deliver(SITUATIONS[name].event())
    (line,) = lines_in(written())
    assert line.keys() == LINE
    assert line["type"] == "AWS::SageMaker::Model"
    assert line["action"] == SITUATIONS[name].action
    assert line["outcome"] == answer["status"]
    assert line["error_code"] == answer.get("errorCode") == ("AccessDenied" if fault else None)
    assert line["calls"] == operations_of()
    assert line["milliseconds"] > 0
    if name in ("create named", "read", "update", "delete"):
        assert line["model"] == "scorer"


DEBUGGING = """
import logging
from aws_sagemaker_model.handlers import resource as _resource

def resource(event, context):
    logging.getLogger().setLevel(logging.DEBUG)
    return _resource(event, context)
"""


def test_in_the_lambda_process(sagemaker: LocalSageMaker, tmp_path: Path) -> None:
    """Standard output and standard error of the process, the root logger at DEBUG."""
    (tmp_path / "debugging.py").write_text(DEBUGGING)
    code, env = [tmp_path, ROOT / "src"], {"AWS_ENDPOINT_URL": sagemaker.url}
    with LambdaRuntime("debugging.resource", code, env) as runtime:
        for model in MODELS.values():
            for one in lifecycle(model):
                runtime.invoke(one)
        for fault in ("truncated", "garbled", "eula", "iam-race-data", "access-denied"):
            sagemaker.faults.replace([{"fault": fault, "times": 6}])
            runtime.invoke(event("CREATE", MODELS["an image"], token=new_token()))
        runtime.invoke({"action": MARK})
        text = runtime.logs()
    assert len(lines_in(text)) == 3 * len(lifecycle({})) + 6
    assert MARK not in text.lower()
    assert "local-caller-secret" not in text


def test_the_search_finds_what_is_there(deliver: Deliver, written: Any) -> None:
    logging.getLogger("aws_sagemaker_model").warning("a %s", MARK)
    assert MARK in written()
