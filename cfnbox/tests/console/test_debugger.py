"""`--debug`: handlers wait for a debugger, which attaches by the debug adapter protocol and sets breakpoints."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import programs
from cfnbox.aws import clients
from cfnbox.handlers.debugging import Debugger
from cfnbox.handlers.runtime import LambdaRuntime
from console.conftest import BAD, PAINT
from waiting import eventually

HERE = Path(__file__).parent
# Far more than a machine needs that is busy with a dozen other processes.
_SECONDS = 300


def _connected(port: int) -> socket.socket | None:
    with suppress(OSError):
        return socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    return None


class Editor:
    """A client of the debug adapter protocol, as an editor has one."""

    def __init__(self, port: int) -> None:
        self._socket = eventually(lambda: _connected(port))
        self._stream = self._socket.makefile("rwb")
        self._sent = 0

    def send(self, command: str, **arguments: Any) -> None:
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stream.flush()

    def until(self, name: str) -> dict[str, Any]:
        """The next event or response of that name."""
        while True:
            message = self._next()
            if name in (message.get("event"), message.get("command")):
                assert message.get("success", True), message
                return message

    def _next(self) -> dict[str, Any]:
        length = 0
        while line := self._stream.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert length, "the debugger has gone"
        message: dict[str, Any] = json.loads(self._stream.read(length))
        return message

    def attach(self, file: Path, *lines: int) -> None:
        """Attach with a breakpoint at each of those lines, and let the process go on."""
        self.send("initialize", adapterID="test")
        self.until("initialize")
        self.send("attach", justMyCode=False)
        self.until("initialized")
        self.send("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": one} for one in lines])
        self.until("setBreakpoints")
        self.send("configurationDone")
        self.until("attach")

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


def _line_of(text: str) -> int:
    return 1 + next(n for n, line in enumerate((HERE / "paint.py").read_text().splitlines()) if text in line)


@pytest.fixture
def event(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"Name": "one", "Colour": "blue"}))
    return path


def test_invoke_waits_for_a_debugger_and_stops_at_its_breakpoint(event: Path, tmp_path: Path) -> None:
    command = [programs.program("cfnbox"), "invoke", "CREATE", "--schema", str(HERE / "paint.json"),
               "--code", str(HERE), "--handler", "paint.resource", "--model", str(event),
               # Far less than the debugger takes: it must not count.
               "--timeout", "1", "--debug", "--debug-port", "0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            said = process.stderr.readline()
            found = re.search(r"paint\.resource waits for a debugger on port (\d+)", said)
            assert found, said
            assert '"request": "attach", "connect": {"port": ' + found[1] in "".join(
                process.stderr.readline() for _ in range(3)
            )
            editor = Editor(int(found[1]))
            editor.attach(HERE / "paint.py", _line_of("print(f"))
            stopped = editor.until("stopped")["body"]
            assert stopped["reason"] == "breakpoint"
            # Longer than Lambda's time limit of this function.
            time.sleep(1.5)
            editor.send("setBreakpoints", source={"path": str(HERE / "paint.py")}, breakpoints=[])
            editor.send("continue", threadId=stopped["threadId"])
            output, rest = process.communicate(timeout=_SECONDS)
            editor.close()
        finally:
            process.kill()
    assert process.returncode == 0, rest
    assert '"status": "SUCCESS"' in output


def test_an_operation_of_a_stack_waits_for_a_debugger() -> None:
    command = [programs.program("cfnbox"), "up", "--port", "0", "--debug", "--debug-port", "0", *PAINT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stderr
            said = next(line for line in process.stdout if line.startswith("export AWS_ENDPOINT_URL="))
            cloudformation = clients.client("cloudformation", said.partition("=")[2].strip())
            cloudformation.create_stack(StackName="bad", TemplateBody=json.dumps(BAD), DisableRollback=True)
            found = re.search(r"waits for a debugger on port (\d+)", process.stderr.readline())
            assert found
            editor = Editor(int(found[1]))
            editor.attach(HERE / "paint.py", _line_of("return colours[name]"))
            stopped = editor.until("stopped")["body"]
            held = cloudformation.describe_stacks(StackName="bad")["Stacks"][0]["StackStatus"]
            editor.send("continue", threadId=stopped["threadId"])
            eventually(
                lambda: (
                    cloudformation.describe_stacks(StackName="bad")["Stacks"][0]["StackStatus"]
                    != "CREATE_IN_PROGRESS"
                )
            )
            editor.close()
        finally:
            process.terminate()
    assert held == "CREATE_IN_PROGRESS"


def test_isolated_handlers_also_wait_for_a_debugger() -> None:
    """A registered package has its own packages, without debugpy."""
    told: list[str] = []
    folder = HERE.parent / "providers"
    event = {"requestData": {"resourceProperties": {"Answers": json.dumps([{"status": "SUCCESS"}])}}}
    with (
        LambdaRuntime(
            "scripted_handlers.resource", [folder], isolated=True, debugger=Debugger(0, told.append)
        ) as runtime,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = pool.submit(runtime.invoke, event)
        eventually(lambda: told)
        editor = Editor(int(re.findall(r"on port (\d+)", told[0])[0]))
        editor.attach(folder / "scripted_handlers.py")
        assert answer.result(_SECONDS) == {"status": "SUCCESS"}
        assert runtime.invoke(event) == {"status": "SUCCESS"}
        editor.close()
    # The process that serves the second invocation is the one that was attached to.
    assert len(told) == 1


def test_a_used_port_is_not_announced() -> None:
    told: list[str] = []
    folder = HERE.parent / "providers"
    event = {"requestData": {"resourceProperties": {"Answers": json.dumps([{"status": "SUCCESS"}])}}}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    debugger = Debugger(port, told.append)
    # Both are made before either has a process, so that the port is free for each of them.
    with (
        LambdaRuntime("scripted_handlers.resource", [folder], debugger=debugger) as first,
        LambdaRuntime("scripted_handlers.resource", [folder], debugger=debugger) as second,
        ThreadPoolExecutor(2) as pool,
    ):
        answers = [pool.submit(runtime.invoke, event) for runtime in (first, second)]
        while len(told) < 2 and not any(answer.done() for answer in answers):
            time.sleep(0.01)
        ports = {int(re.findall(r"on port (\d+)", text)[0]) for text in told}
        assert len(ports) == 2
        editors = [Editor(port) for port in ports]
        for editor in editors:
            editor.attach(folder / "scripted_handlers.py")
        assert [answer.result(_SECONDS) for answer in answers] == [{"status": "SUCCESS"}] * 2
        for editor in editors:
            editor.close()
