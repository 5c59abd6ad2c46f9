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
from typing import TYPE_CHECKING, NoReturn

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


def _become_a_program(listener: socket.socket, modules: Sequence[str]) -> None:
    """Import modules, and fork for each connection until standard input ends. Returns in the forks, as a program."""
    imported = _variables_of(modules)
    connection = _connection_of_a_fork(listener)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("r", encoding="utf-8") as asked:
        request = json.loads(asked.readline())
    if program := os.fork():
        for file in files:
            os.close(file)
        _tell_the_end_of(program, connection)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(imported | request["environment"])
    sys.argv = [str(INSTALLED / request["program"]), *request["arguments"]]


def _variables_of(modules: Sequence[str]) -> dict[str, str]:
    """Import modules; the variables that they set, as awscli does to say where its data are."""
    before = dict(os.environ)
    gc.set_threshold(_OBJECTS_UNTIL_COLLECTION)
    for module in modules:
        importlib.import_module(module)
    # A fork shares the memory of what nobody looks through for garbage.
    gc.freeze()
    return dict(os.environ.items() - before.items())


def _connection_of_a_fork(listener: socket.socket) -> socket.socket:
    """Fork for each connection; returns in the forks. Ends the process with its standard input."""
    # Nobody asks how the forks end: each tells its own stand-in of its program.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return connection
        connection.close()
    sys.exit()


def _tell_the_end_of(program: int, connection: socket.socket) -> NoReturn:
    """Tell a stand-in its program's process id and then how it ended; end the program if the stand-in was killed."""
    connection.sendall(f"{program}\n".encode())
    ready, _, _ = select.select([connection, os.pidfd_open(program)], [], [])
    if connection in ready:
        os.kill(program, signal.SIGKILL)
        os._exit(0)
    _, status = os.waitpid(program, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    # As for an installed program, which does not find the modules of the folder in which it is started.
    sys.path[0] = str(INSTALLED)
    _become_a_program(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    runpy.run_path(sys.argv[0], run_name="__main__")
