"""Tasks of state machines that invoke functions: they fail with the function's own errorType, as on AWS.

ministack runs state machines and invokes their functions in "Lambda proxy mode", which has one error for all
failures. So each such task becomes a task that waits for its token and starts the function TASK_FUNCTION, whose
invocations arrive here. The function of the user is invoked here, and SendTaskSuccess or SendTaskFailure ends the
task.

Users see their own definitions, and neither TASK_FUNCTION nor its log group.
"""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cfnbox.aws.json_requests import answered_members, json_answer, members_of, operation_of, request_of
from cfnbox.core.place import Place
from cfnbox.core.unexpected import internal_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json
    from cfnbox.providers.clients import ServiceClients

TASK_FUNCTION = "cfnbox-tasks"
_TARGET = "AWSStepFunctions"
_WITH_DEFINITION = ("CreateStateMachine", "UpdateStateMachine")
_FUNCTION = re.compile(r"arn:aws[\w-]*:lambda:[^:]+:\d{12}:function:[^.]+")
_INVOKE = re.compile(r"arn:aws[\w-]*:states:::lambda:invoke")
_WAITING = ".waitForTaskToken"
# Members of a task that invokes a function by lambda:invoke, which are those of Invoke.
_INVOKE_MEMBERS = ("FunctionName", "Qualifier", "InvocationType", "ClientContext")
# Marks the input of TASK_FUNCTION.
_TOKEN, _EXECUTION, _RESOURCE, _INPUT = "Token", "Execution", "Resource", "Input"


class FunctionTasks:
    """Answers requests to Step Functions. `forward` has ministack answer. For any number of threads."""

    def __init__(self, forward: Callable[[HttpRequest], Answer], clients: ServiceClients) -> None:
        self._forward, self._clients = forward, clients
        # What users gave, by the definitions that were made from it.
        self._originals: dict[str, str] = {}
        self._prepared: set[Place] = set()
        self._lock = threading.Lock()

    def answer(self, request: HttpRequest) -> Answer:
        """Answer a request to Step Functions."""
        operation = operation_of(request, _TARGET)
        if operation in _WITH_DEFINITION:
            return self._forward(self._with_tasks(request, operation))
        answer = self._forward(request)
        if operation == "GetExecutionHistory":
            status, headers, content = answer
            content = _OWN_RESOURCE.sub(rb"arn:\g<partition>:states:::lambda:invoke", content)
            return status, _without_length(headers), content
        members = answered_members(answer) if self._originals and operation.startswith("Describe") else None
        if members is None or members.get("definition") not in self._originals:
            return answer
        return json_answer({**members, "definition": self._originals[members["definition"]]})

    def start(self, event: Json) -> None:
        """Carry out one task in a thread of its own, because its state has a time limit of its own."""
        threading.Thread(target=self._run, args=(event,), name="task of a state machine", daemon=True).start()

    def _with_tasks(self, request: HttpRequest, operation: str) -> HttpRequest:
        members, place = members_of(request), request.signature.place
        original = members.get("definition")
        try:
            machine = json.loads(original) if isinstance(original, str) else None
        except ValueError:
            return request
        own = f"arn:{place.partition}:lambda:{place.region}:{place.account}:function:{TASK_FUNCTION}{_WAITING}"
        if not isinstance(machine, dict) or not _rewrite(machine, own, str(machine.get("QueryLanguage", "JSONPath"))):
            return request
        self._prepare(place)
        definition = json.dumps(machine)
        self._originals[definition] = str(original)
        return request_of(request, _TARGET, operation, {**members, "definition": definition})

    def _prepare(self, place: Place) -> None:
        """Create TASK_FUNCTION. Its code never runs."""
        with self._lock:
            if place in self._prepared:
                return
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as packed:
                packed.writestr("tasks.py", "")
            functions = self._clients.of("lambda", place)
            with_code = {"Code": {"ZipFile": archive.getvalue()}, "Handler": "tasks.handler", "Runtime": "python3.13"}
            role = f"arn:{place.partition}:iam::{place.account}:role/cfnbox"
            functions.create_function(FunctionName=TASK_FUNCTION, Role=role, **with_code)
            self._prepared.add(place)

    def _run(self, event: Json) -> None:
        try:
            parts = str(event[_EXECUTION]).split(":")
            place = Place(parts[3], parts[4])
            try:
                output = self._invoked(place, event[_RESOURCE], event[_INPUT])
            except _TaskFailed as failed:
                self._end(place, "send_task_failure", event, error=failed.error, cause=failed.cause)
            else:
                self._end(place, "send_task_success", event, output=json.dumps(output))
        except Exception as problem:  # the thread has no caller
            internal_error("task of a state machine", problem)

    def _end(self, place: Place, operation: str, event: Json, **members: str) -> None:
        states = self._clients.of("stepfunctions", place)
        try:
            getattr(states, operation)(taskToken=event[_TOKEN], **members)
        except states.exceptions.ClientError as refused:
            # The time of the state was over, or its execution was stopped.
            if refused.response["Error"]["Code"] not in ("TaskDoesNotExist", "TaskTimedOut"):
                raise

    def _invoked(self, place: Place, resource: str, given: Any) -> Any:
        """Return the output of a task. `resource` is the function, or lambda:invoke."""
        is_invoke = bool(_INVOKE.fullmatch(resource))
        members: Json = {"FunctionName": resource, "Payload": json.dumps(given)}
        if is_invoke:
            if not isinstance(given, dict) or not isinstance(given.get("FunctionName"), str):
                raise _TaskFailed("States.Runtime", "The input of lambda:invoke has no FunctionName.")
            members = {name: given[name] for name in _INVOKE_MEMBERS if name in given}
            # Without Payload, ministack sends the whole input.
            members["Payload"] = json.dumps(given.get("Payload", given))
        try:
            answer = self._clients.of("lambda", place).invoke(**members)
            text = answer["Payload"].read().decode()
        except ClientError as refused:
            raise _refused(refused) from None
        except BotoCoreError as problem:
            raise _TaskFailed("Lambda.SdkClientException", str(problem)) from None
        payload = json.loads(text) if text else None
        if answer.get("FunctionError"):
            kind = payload.get("errorType") if isinstance(payload, dict) else None
            # Step Functions developer guide, "Handling errors": the errorType of the function is the error's name,
            # and a failure that Lambda does not name is Lambda.Unknown.
            raise _TaskFailed(str(kind or "Lambda.Unknown"), text)
        if not is_invoke:
            return payload
        version = {"ExecutedVersion": answer["ExecutedVersion"]} if "ExecutedVersion" in answer else {}
        return {**version, "Payload": payload, "StatusCode": answer["StatusCode"]}


class _TaskFailed(Exception):
    """A task of a state machine fails with this error and cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error)
        self.error, self.cause = error, cause


def _refused(refused: ClientError) -> _TaskFailed:
    """Return the failure of a task whose call Lambda refuses (developer guide, "Handling errors": Lambda.CODE)."""
    response: Any = refused.response
    metadata = response["ResponseMetadata"]
    status, request_id = metadata.get("HTTPStatusCode"), metadata.get("RequestId")
    cause = f"{response['Error']['Message']} (Service: Lambda, Status Code: {status}, HttpRequest ID: {request_id})"
    return _TaskFailed(f"Lambda.{response['Error']['Code']}", cause)


def _rewrite(machine: Json, own: str, language: str) -> bool:
    """Replace the tasks that invoke functions, at any depth; return whether there are any."""
    found = False
    states = machine.get("States")
    for state in states.values() if isinstance(states, dict) else ():
        if not isinstance(state, dict):
            continue
        state_language = str(state.get("QueryLanguage", language))
        inner = [*_listed(state.get("Branches")), state.get("Iterator"), state.get("ItemProcessor")]
        for part in inner:
            if isinstance(part, dict):
                found = _rewrite(part, own, state_language) or found
        resource = state.get("Resource")
        if state.get("Type") != "Task" or not isinstance(resource, str) or TASK_FUNCTION in resource:
            continue
        if _FUNCTION.fullmatch(resource) or _INVOKE.fullmatch(resource):
            _replace(state, own, resource, is_jsonata=state_language == "JSONata")
            found = True
    return found


def _replace(state: Json, own: str, resource: str, *, is_jsonata: bool) -> None:
    task: Json = {_RESOURCE: resource}
    if is_jsonata:
        task[_TOKEN] = "{% $states.context.Task.Token %}"
        task[_EXECUTION] = "{% $states.context.Execution.Id %}"
        task[_INPUT] = state.get("Arguments", "{% $states.input %}")
        state["Arguments"] = task
    else:
        task[f"{_TOKEN}.$"], task[f"{_EXECUTION}.$"] = "$$.Task.Token", "$$.Execution.Id"
        task.update({_INPUT: state["Parameters"]} if "Parameters" in state else {f"{_INPUT}.$": "$"})
        state["Parameters"] = task
    state["Resource"] = own


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# In an execution's history.
_OWN_RESOURCE = re.compile(
    rb"arn:(?P<partition>aws[\w-]*):lambda:[^:\"]+:\d{12}:function:" + f"{TASK_FUNCTION}{_WAITING}".encode()
)


def _without_length(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "content-length"}


def without_own(answer: Answer, member: str, key: str, name: str) -> Answer:
    """Return a list without the item of that name, which is not the user's."""
    status, headers, content = answer
    if name.encode() not in content:
        return answer
    members = json.loads(content)
    members[member] = [item for item in members.get(member, ()) if item.get(key) != name]
    return status, _without_length(headers), json.dumps(members).encode()
