"""`python -m acceptance`: the story on the local cloud, or with --live on the account that the environment names.

Each answer is kept beside that of a fresh local cloud, and the differences are printed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from acceptance.account import Account, StoryFailed, planned, remove
from acceptance.interruption import Interruption
from acceptance.recording import Recording, differences
from acceptance.story import ROOT, Story, built_package
from cfnbox.aws import clients
from cfnbox.core.errors import LocalFailure
from tools.function_package import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_out = Console(highlight=False, soft_wrap=True, markup=False)
_err = Console(highlight=False, soft_wrap=True, markup=False, stderr=True)
_EXPECTED = (StoryFailed, BuildFailed, LocalFailure, BotoCoreError, ClientError)
# Where examples/xgboost.yaml knows the account of the image.
_REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1")


def main(given: Sequence[str] | None = None) -> int:
    """Tell the story: 0 when it came out as it should and nothing is left, 1 when not, 2 for unusable arguments.

    `given` is what stands behind the command; without it, that of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m acceptance", description=__doc__.partition("\n")[0])
    parser.add_argument("--live", action="store_true", help="on the real account; without --confirm, say what for")
    parser.add_argument("--confirm", metavar="ACCOUNT", help="the number of the account in which things may be made")
    parser.add_argument("--remove", metavar="RUN", help="only remove what a run has left in the real account")
    arguments = parser.parse_args(given)
    run = arguments.remove or secrets.token_hex(4)
    interruption = Interruption()
    interruption.listen()
    try:
        if arguments.live or arguments.remove:
            account = Account.of_environment(run, _region(), interruption)
            return _live(account, arguments.confirm, only_remove=bool(arguments.remove))
        with _local_cloud(os.environ.get("AWS_ENDPOINT_URL")) as url:
            return _compare(Account.of_cloud(run, url, interruption), ROOT / "build" / "acceptance.json")
    except _EXPECTED as problem:
        return _failed(str(problem))


def _failed(message: str) -> int:
    _err.print(f"error: {message}")
    return 1


def _region() -> str:
    """The region that the environment names. Raises StoryFailed for one that will not do."""
    endpoints = [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]
    if endpoints:
        raise StoryFailed(f"{endpoints[0]} is set, so this would not be a real account: unset it, or leave out LIVE.")
    # boto3 does not look at the first, the AWS CLI does.
    region = os.environ.get("AWS_REGION") or boto3.Session().region_name
    if region not in _REGIONS:
        raise StoryFailed(f"The region is {region or 'not set'}: set AWS_REGION to one of {', '.join(_REGIONS)}.")
    return region


def _live(account: Account, confirmed: str | None, *, only_remove: bool) -> int:
    if only_remove:
        return 0 if _removed(account) else 1
    _out.print(f"In account {account.number}, region {account.region}, this makes and removes again:")
    for what, cost in planned(account):
        _out.print(f"  {what:<45} {cost}")
    if confirmed != account.number:
        _out.print(f"Nothing has been made. To go on: make acceptance LIVE=1 CONFIRM={account.number}")
        return 0
    return _compare(account, Path(__file__).with_name("recorded.json"))


def _compare(account: Account, file: Path) -> int:
    """Tell the story there and on a fresh local cloud, keep both, and print where they differ."""
    recording, function_package = Recording(account), built_package(account.type_name)
    if not _told(account, recording, function_package):
        return 1
    with _local_cloud(None) as url:
        beside = Account.of_cloud(account.run, url, account.interruption)
        local = Recording(beside)
        if not _told(beside, local, function_package):
            return 1
    kept = {one: {"answer": answer, "local": local.answers.get(one)} for one, answer in recording.answers.items()}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    found = list(differences(recording.answers, local.answers))
    for place, answer, said in found:
        _out.print(f"{place}\n  answered: {answer}\n  local:    {said}")
    _out.print(
        f"{len(kept)} answers are kept in {file.relative_to(ROOT)}; {len(found)} differences from the local cloud"
    )
    return 0


def _told(account: Account, recording: Recording, function_package: bytes) -> bool:
    """Tell the story in an account and remove what it made, whatever happens; whether all went well."""
    _out.print(f"On {account.url or f'account {account.number}'}, run {account.run}:")
    well = False
    try:
        Story(account, recording, function_package).tell(lambda chapter: _out.print(f"  {chapter}"))
        well = True
    except _EXPECTED as problem:
        _failed(str(problem))
    finally:
        # Not twice: what began to be removed is removed.
        with account.interruption.held_back():
            well = _removed(account) and well
    return well


def _removed(account: Account) -> bool:
    _out.print("  removing all that was made; Ctrl-C does not stop this")
    problems = remove(account)
    for problem in problems:
        _failed(problem)
    if problems and not account.url:
        _failed(f"Something is left. Try again: make acceptance REMOVE={account.run}")
    return not problems


@contextmanager
def _local_cloud(running: str | None) -> Iterator[str]:
    """The URL of the cloud that runs already, or of a fresh one that ends with the story."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    if running:
        yield clients.require_loopback(running)
        return
    command = [sys.executable, "-m", "cfnbox", "up", "--port", "0"]
    # In a session of its own: Ctrl-C must not end it before everything is removed.
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            said = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout or ()))
            urls = [line.strip().partition("=")[2] for line in said if "AWS_ENDPOINT_URL=" in line]
            if not urls:
                raise StoryFailed("cfnbox does not start: try cfnbox up.")
            yield urls[0]
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
