"""The demo as a user runs it, and its picture in the README."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# What the story is about, in its order; each is looked for behind the one before.
STORY = (
    r"is served at http://127\.0\.0\.1:\d+ after",
    r"CREATE_IN_PROGRESS +churn",
    r"CREATE_COMPLETE +ExecutionRole",
    r"CREATE_COMPLETE +Model",
    r"CREATE_COMPLETE +EndpointConfig",
    r"CREATE_COMPLETE +Endpoint",
    r"CREATE_COMPLETE +churn",
    r"ModelArn +arn:aws:sagemaker:us-east-1:123456789012:model/churn-Model-\w+",
    r"change set: Model, Replacement: \w+",
    r"UPDATE_COMPLETE +Model",
    r"SageMaker: the same model, Stage is production",
    r"change set: Model, Replacement: True",
    r"Model  Requested update requires the creation of a new physical resource",
    r"UPDATE_COMPLETE +Model",
    r"EndpointConfig  Requested update requires the creation of a new physical resource",
    r"UPDATE_COMPLETE +EndpointConfig",
    r"UPDATE_COMPLETE +Endpoint\n",
    r"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS +churn",
    r"DELETE_COMPLETE +EndpointConfig",
    r"DELETE_COMPLETE +Model",
    r"SageMaker: (\S+) is gone, the same endpoint runs pytorch-inference:2\.4\.0",
    r"MODIFIED +Model",
    r"/Tags/0/Value: NOT_EQUAL: expected production, is broken",
    r"DELETE_COMPLETE +ExecutionRole",
    r"DELETE_COMPLETE +churn",
    r"CREATE +IN_PROGRESS +Trying again in \d+ s: SageMaker cannot assume the role",
    r"CREATE +SUCCESS +arn:\S+:model/by-hand  Stage=staging",
    r"READ +SUCCESS +arn:\S+:model/by-hand  Stage=staging",
    r"LIST +SUCCESS +arn:\S+:model/by-hand\n",
    r"UPDATE +SUCCESS +arn:\S+:model/by-hand  Stage=production",
    r"UPDATE +FAILED +NotUpdatable: /properties/PrimaryContainer cannot change",
    r"DELETE +SUCCESS",
    r"READ +FAILED +NotFound",
    r"The demo is complete after [\d.]+ s: .*nothing is left\.\n$",
)
# Names, addresses and times, which differ from run to run.
PASSING = (
    r"-[0-9a-f]{12}\b|(?:ExecutionRole|Endpoint)-\w+"
    r"|request [0-9a-f-]{36}|127\.0\.0\.1:\d+|\d+\.\d s|again in \d+ s"
)
# A user's surroundings, which are none of the demo's business: a proxy for the world, a profile that is broken.
SURROUNDINGS = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "AWS_PROFILE": "broken"}


def _demo(cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.demo"],
        cwd=cwd,
        env={**os.environ, **SURROUNDINGS, "PYTHONPATH": str(cwd / "cfnbox" / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def shown() -> str:
    run = _demo()
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    return run.stdout


def test_the_demo_tells_the_whole_story(shown: str) -> None:
    at = 0
    for part in STORY:
        found = re.compile(part).search(shown, at)
        assert found, f"{part} is not in what follows:\n{shown[at:]}"
        at = found.end()
    assert "\x1b" not in shown


def test_the_picture_in_the_readme_shows_what_the_demo_shows(shown: str) -> None:
    drawn = (ROOT / "assets" / "demo.svg").read_text()
    texts = re.findall(r'<text class="demo-r\d+"[^>]*>([^<]*)</text>', drawn)

    assert _lasting(html.unescape("\n".join(texts))) == _lasting(shown), "record it again: make demo-svg"
    assert "assets/demo.svg" in (ROOT / "README.md").read_text()
    assert "https://" not in re.sub(r"<!--.*?-->", "", drawn), "a picture that fetches something"


def _lasting(text: str) -> str:
    """The text without what differs from run to run, and without the white space that a width asks for."""
    return re.sub(r"\s+", "", re.sub(re.sub(" ", r"\\s*", PASSING), "", text))


def test_a_step_that_goes_wrong_stops_the_demo(tmp_path: Path) -> None:
    for name in ("cfnbox", "src", "examples", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("aws-sagemaker-model.json", ".rpdk-config", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / "src" / "aws_sagemaker_model" / "handlers.py").open("a") as handlers:
        handlers.write("\n\ntags.changes = lambda *_: tags.Changes({}, [])\n")

    run = _demo(tmp_path)

    assert run.returncode == 1
    assert "error: The demo stops: it should have come out that the tag of the same model changed" in run.stderr
    assert "Traceback" not in run.stderr
    assert "The demo is complete" not in run.stdout
