"""`python -m tools.register --bucket B`: register a package with CloudFormation, in one region or in many."""

from __future__ import annotations

import argparse
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tools import type_name
from tools.registration import BadPackage, Connect, Package, Registration, RegistrationFailed, Settings, StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent
_POLL_SECONDS = 5
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8})

# botocore's service model of cloudformation: RoleARN2, LogGroupName.
_ROLE = r"arn:.+:iam::[0-9]{12}:role/.+"
_LOG_GROUP = r"[\.\-_/#A-Za-z0-9]{1,512}"
_REGION = r"[a-z]{2,4}(-[a-z]+)+-[0-9]+"

# What a service says, and what the user can do about it.
_ADVICE = {
    "NoSuchBucket": "Create it first (aws s3 mb s3://BUCKET) or correct --bucket.",
    "AccessDenied": "Ask for that permission, or use another AWS_PROFILE.",
    "AccessDeniedException": "Ask for that permission, or use another AWS_PROFILE.",
    "ExpiredToken": "Log in again.",
    "ExpiredTokenException": "Log in again.",
    "InvalidClientTokenId": "Check the credentials and AWS_PROFILE, and that the region is enabled for the account.",
    "UnrecognizedClientException": "Check the credentials, and that the region is enabled for the account.",
    "OptInRequired": "Enable the region for the account, or leave it out.",
}
_PLANS = {
    StoredObject.NOTHING: "would upload {path} ({size}) to {url}",
    StoredObject.THE_PACKAGE: "{url} is there",
    StoredObject.SOMETHING_ELSE: "would replace the object at {url}, which is not this package, by {path} ({size})",
}
_out = Console(highlight=False, soft_wrap=True)
_err = Console(highlight=False, soft_wrap=True, stderr=True)
_EXPECTED = (BotoCoreError, ClientError, RegistrationFailed)


def main(
    arguments: Sequence[str] | None = None, connect: Connect | None = None, poll_seconds: int = _POLL_SECONDS
) -> int:
    """Register as the arguments say: 0 when every region has it, 1 when one has not, 2 for unusable arguments.

    `connect` makes the client of a service in a region; `poll_seconds` lie between two questions for the state.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if bool(given.log_role) != bool(given.log_group):
        parser.error("--log-role and --log-group come together: give both or neither")
    try:
        session = boto3.Session()
        regions = list(dict.fromkeys(given.region or filter(None, [session.region_name])))
        if not regions:
            parser.error("no region is set: give --region, or set AWS_REGION")
        package = _package(given.type_name, given.package)
    except (BadPackage, BotoCoreError, type_name.UnusableTypeName) as error:
        parser.error(str(error))
    settings = Settings(given.bucket, given.execution_role, given.log_role, given.log_group, given.set_default)
    connect = connect or partial(_client, session)
    registrations = [Registration(package, settings, region, connect) for region in regions]
    run = _plan if given.dry_run else partial(_register, poll_seconds=poll_seconds)
    problems: list[str] = []
    try:
        run(registrations, problems)
    except KeyboardInterrupt:
        problems.append("Interrupted. Registrations that began go on; run the same command again to wait for them.")
    # After the display of progress, which a line on another stream would tear.
    for problem in problems:
        _err.print(f"[red]error:[/] {escape(problem)}")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.register", description=__doc__)
    parser.add_argument("--bucket", required=True, help="S3 bucket for the package; {region} in it is replaced")
    parser.add_argument(
        "--type-name", metavar="NAME", help="what the package must hold (default: the tree's own name)"
    )
    parser.add_argument(
        "--region", action="append", type=_matching(_REGION, "eu-west-1"), help="repeatable; default: your profile's"
    )
    role = _matching(_ROLE, "arn:aws:iam::123456789012:role/NAME")
    parser.add_argument("--execution-role", type=role, metavar="ARN", help="the role that the handlers work with")
    parser.add_argument("--log-role", type=role, metavar="ARN", help="the role that CloudFormation logs with")
    parser.add_argument("--log-group", type=_matching(_LOG_GROUP, "acme-sagemaker-model-logs"), metavar="NAME")
    parser.add_argument("--set-default", action="store_true", help="let templates get this version")
    parser.add_argument("--dry-run", action="store_true", help="look, and say what would be done")
    parser.add_argument("--package", type=Path, metavar="PATH", help="default: build/NAME.zip of the type's name")
    return parser


def _matching(pattern: str, example: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text} does not look like {example}")
        return text

    return check


def _package(wanted: str | None, path: Path | None) -> Package:
    """Return the package of a type name or of a path. Raises BadPackage and UnusableTypeName."""
    own: str = json.loads((ROOT / "aws-sagemaker-model.json").read_bytes())["typeName"]
    package = Package.load(path or Path("build") / f"{(wanted or own).replace('::', '-').lower()}.zip")
    if wanted and wanted != package.type_name:
        raise BadPackage(f"{package.path} holds {package.type_name}, not {wanted}: make package TYPE_NAME={wanted}")
    if warning := type_name.check(package.type_name, own=""):
        _err.print(f"[yellow]warning:[/] {escape(warning)}")
    return package


def _client(session: Any, service: str, region: str) -> Any:
    return session.client(service, region_name=region, config=_CONFIG)


def _plan(registrations: Sequence[Registration], problems: list[str]) -> None:
    """Say what a registration would do. Only reads."""
    for one in registrations:
        _attempt(one, partial(_planned, one), problems)


def _planned(registration: Registration) -> str:
    region, package, settings = registration.region, registration.package, registration.settings
    version = registration.registered_version()
    if version is None:
        size = package.path.stat().st_size / 1e6
        _say(
            f"{region}: {_PLANS[registration.stored_object()]}".format(
                path=package.path, size=f"{size:.1f} MB", url=registration.url
            )
        )
        _say(f"{region}: would register {package.type_name} with {settings.execution_role or 'no execution role'}")
    else:
        _say(f"{region}: would register nothing, this package is {version} already")
    if settings.set_default and not (version and registration.is_default(version)):
        _say(f"{region}: would make it the default version")
    return version or ""


def _register(registrations: Sequence[Registration], problems: list[str], poll_seconds: int) -> None:
    """Start in every region, then wait for each: CloudFormation works on all of them at once."""
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.fields[stage]}"), TimeElapsedColumn())
    with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
        shown = [(one, _stage(progress, one)) for one in registrations]
        started = [_attempt(one, partial(_started, one, stage), problems) for one, stage in shown]
        for (one, stage), version in zip(shown, started, strict=True):
            if version is not None:
                _attempt(one, partial(_finished, one, version, stage, poll_seconds), problems)


def _stage(progress: Progress, registration: Registration) -> Callable[[str], None]:
    """Return what shows how far a region is: in its line of the display, or as a line of its own in a pipe."""
    task = progress.add_task(registration.region, stage="")

    def show(text: str) -> None:
        progress.update(task, stage=text)
        if not _out.is_terminal:
            _say(f"{registration.region}: {text}")

    return show


def _started(registration: Registration, stage: Callable[[str], None]) -> str:
    """Return the version that this package is already, or "" with its registration under way."""
    version = registration.registered_version()
    if version:
        return version
    stored = registration.stored_object()
    if stored is StoredObject.NOTHING:
        stage(f"uploading to {registration.url}")
        registration.upload()
    elif stored is StoredObject.SOMETHING_ELSE:
        stage(f"replacing the object at {registration.url}, which is not this package")
        registration.replace()
    stage(f"registering {registration.package.type_name}")
    registration.start()
    return ""


def _finished(registration: Registration, version: str, stage: Callable[[str], None], poll_seconds: int) -> str:
    outcome = "was registered already, nothing new" if version else "registered"
    version = version or registration.wait(poll_seconds)
    if registration.is_default(version):
        default = "the default version"
    elif registration.settings.set_default:
        stage("setting the default version")
        registration.make_default(version)
        default = "the default version now"
    else:
        default = "not the default version: --set-default makes it that"
    _say(f"{registration.region}: {outcome}: {version} ({default})")
    return version


def _attempt(registration: Registration, act: Callable[[], str], problems: list[str]) -> str | None:
    """Return what was done, or None after noting what went wrong: the other regions go on."""
    try:
        return act()
    except _EXPECTED as error:
        problems.append(f"{registration.region}: {_words(error)}")
        return None


def _words(error: Exception) -> str:
    if isinstance(error, NoCredentialsError):
        return "No AWS credentials are there. Log in, or set AWS_PROFILE."
    if not isinstance(error, ClientError):
        return str(error)
    said = error.response["Error"]
    code, message = said.get("Code", "Unknown"), said.get("Message", "no message")
    return f"{error.operation_name}: {code}: {message} {_ADVICE.get(code, '')}".rstrip()


def _say(text: str) -> None:
    _out.print(escape(text))


if __name__ == "__main__":
    sys.exit(main())
