"""Programs that start at once: each is a fork of a process that has made their imports before.

`aws`, `cfn`, `cfn-lint` and `laptop` take up to a second for their imports, and the tests start them more than a
hundred times. Under pytest-xdist there is a stand-in for each of them (stand_in.py), which the tests start instead. A
stand-in asks the process for a fork, which runs the installed program from its first line to the end of its
interpreter, with the arguments, variables, folder and open files of the stand-in. What comes before the first line is
not tried by that: tests that are about a start run the installed programs.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INSTALLED = Path(sys.executable).parent
_FOLDER = "FORKED_PROGRAMS"
# By process: awscli puts a botocore of its own in the place of everybody's who imports it later.
_PROCESSES = {
    ("aws",): ("awscli.clidriver", "awscli.handlers"),
    ("cfn", "cfn-lint", "laptop"): (
        "cfnlint.runner.cli",
        "hypothesis.strategies",
        "laptop.arguments",
        "laptop.cloud",
        "laptop.runtime",
        "rpdk.core.cli",
        "rpdk.python.codegen",
    ),
}
_WAITING = 100
_OBJECTS_UNTIL_COLLECTION = 50_000


def program(name: str) -> str:
    """The path of a program of the environment, or of its stand-in where there is one."""
    stand_in = Path(os.environ.get(_FOLDER, INSTALLED), name)
    return str(stand_in if stand_in.exists() else INSTALLED / name)


def path() -> str:
    """A PATH on which the programs of the environment come first, and their stand-ins before them."""
    return os.pathsep.join([os.environ.get(_FOLDER, ""), str(INSTALLED), os.environ["PATH"]]).lstrip(os.pathsep)


@contextmanager
def served() -> Iterator[None]:
    """Let this process, and those that it starts, have forks until the end of the block."""
    text = f"#!{sys.executable} -IS\n{Path(__file__).with_name('stand_in.py').read_text(encoding='utf-8')}"
    with tempfile.TemporaryDirectory(prefix="forked-programs-") as folder, ExitStack() as stack:
        for names, modules in _PROCESSES.items():
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(os.path.join(folder, f"{names[0]}.socket"))
            listener.listen(_WAITING)
            for name in names:
                stand_in = Path(folder, name)
                stand_in.write_text(text, encoding="utf-8")
                stand_in.chmod(0o700)
                if name != names[0]:
                    Path(folder, f"{name}.socket").symlink_to(f"{names[0]}.socket")
            command = [sys.executable, "-m", __name__, str(listener.fileno()), *modules]
            # The end of its standard input ends it, also when this process is killed.
            stack.enter_context(
                subprocess.Popen(command, pass_fds=[listener.fileno()], stdin=subprocess.PIPE, start_new_session=True)
            )
        os.environ[_FOLDER] = folder
        yield
        del os.environ[_FOLDER]


def _serve(listener: socket.socket, modules: Sequence[str]) -> None:
    """Fork for each connection until standard input ends; returns in the forks, which have become a program."""
    before = dict(os.environ)
    gc.set_threshold(_OBJECTS_UNTIL_COLLECTION)
    for module in modules:
        importlib.import_module(module)
    # awscli says in a variable where its data are.
    imported = dict(os.environ.items() - before.items())
    gc.collect()
    gc.freeze()
    # Nobody asks how the processes end that wait for the programs.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if listener not in select.select([listener, sys.stdin], [], [])[0]:
            sys.exit()
        connection, _ = listener.accept()
        if not os.fork():
            break
        connection.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("r", encoding="utf-8") as asked:
        request = json.loads(asked.readline())
    if started := os.fork():
        for file in files:
            os.close(file)
        connection.sendall(f"{started}\n".encode())
        ready, _, _ = select.select([connection, os.pidfd_open(started)], [], [])
        if connection in ready:
            # Its stand-in was killed.
            os.kill(started, signal.SIGKILL)
            os._exit(0)
        _, status = os.waitpid(started, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(imported | request["environment"])
    sys.argv = [str(INSTALLED / request["program"]), *request["arguments"]]


if __name__ == "__main__":
    # As for an installed program, which does not find the modules of the folder in which it is started.
    sys.path[0] = str(INSTALLED)
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    runpy.run_path(sys.argv[0], run_name="__main__")
