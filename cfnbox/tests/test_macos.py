"""A run without the features that macOS lacks: the wheel of awslambdaric, /proc, and functions of Linux."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import programs

PROJECT = Path(__file__).resolve().parents[2]
# Python imports a module of this name at its start. psutil reads /proc itself here, and asks the kernel on macOS.
SITE = """
import builtins, ctypes, importlib.machinery, importlib.metadata, io, os, select, signal, sys

for module, names in {
    os: ("sched_getaffinity", "sched_setaffinity", "memfd_create", "pidfd_open", "eventfd", "pipe2",
         "copy_file_range", "posix_fadvise", "setns", "unshare"),
    select: ("epoll",),
    signal: ("pidfd_send_signal", "sigtimedwait", "sigwaitinfo"),
}.items():
    for name in names:
        vars(module).pop(name, None)


PACKAGES = ("awslambdaric", "runtime_client")
found, named = importlib.machinery.PathFinder.find_spec, importlib.metadata.Distribution.from_name


def without_packages(name, path=None, target=None):
    return None if name.partition(".")[0] in PACKAGES else found(name, path, target)


def without_distribution(name):
    if name in PACKAGES:
        raise importlib.metadata.PackageNotFoundError(name)
    return named(name)


importlib.machinery.PathFinder.find_spec = without_packages
importlib.metadata.Distribution.from_name = without_distribution
opened = builtins.open


def without_proc(file, *arguments, **options):
    caller = sys._getframe(1).f_globals.get("__name__", "")
    if str(file).startswith("/proc") and not caller.startswith("psutil"):
        raise FileNotFoundError(2, "No such file or directory", str(file))
    return opened(file, *arguments, **options)


builtins.open = io.open = without_proc
loaded = ctypes.CDLL.__getattr__


def without_prctl(library, name):
    if name == "prctl":
        raise AttributeError(name)
    return loaded(library, name)


ctypes.CDLL.__getattr__ = without_prctl
"""
MODEL = """\
Resources:
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: arn:aws:iam::123456789012:role/inference
      PrimaryContainer:
        Image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1
Outputs:
  Name:
    Value: !GetAtt Model.Name
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    site, temporary = tmp_path / "site", tmp_path / "temporary"
    site.mkdir()
    temporary.mkdir()
    (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    return {**programs.environment_with(None, {}), "PYTHONPATH": str(site), "TMPDIR": str(temporary)}


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_linux_features_are_removed(environment: dict[str, str]) -> None:
    program = "import os\ntry: open('/proc/self/status')\nexcept FileNotFoundError: print(hasattr(os, 'pidfd_open'))"
    done = run(environment, programs.program("python"), "-c", program)
    assert (done.returncode, done.stdout) == (0, "False\n")
    done = run(environment, programs.program("python"), "-c", "import awslambdaric")
    assert "No module named 'awslambdaric'" in done.stderr


def test_templates_deploy_and_leave_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    """With handlers of the type in the project, which has the attribute Name, and with the services."""
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    done = run(environment, programs.program("cfnbox"), "deploy", str(tmp_path / "model.yaml"), "--own-cloud")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CREATE_COMPLETE" in done.stdout
    assert "Name    model-Model-" in done.stdout
    done = run(environment, programs.program("cfnbox"), "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [name for name in os.listdir(environment["TMPDIR"]) if name.startswith("cfnbox-run-")] == []
