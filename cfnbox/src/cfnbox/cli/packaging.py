"""Local code and templates that a template names, put into the cloud's S3 by `sam package`, as for an account."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.aws import clients
from cfnbox.core.errors import LocalFailure, Refused
from cfnbox.core.place import DEFAULT_REGION
from cfnbox.template import syntax

if TYPE_CHECKING:
    from cfnbox.core.paths import Json

_BUCKET = "cfnbox-packages"
# The properties that `sam package` looks at (samcli.lib.utils.resources), by their last names.
_PROPERTIES = frozenset(
    {
        "BodyS3Location", "Code", "CodeS3Location", "CodeUri", "Content", "ContentUri", "DefinitionS3Location",
        "DefinitionUri", "Location", "RequestMappingTemplateS3Location", "ResponseMappingTemplateS3Location",
        "SchemaHandlerPackage", "SchemaUri", "ScriptLocation", "SourceBundle", "TemplateURL",
    }
)  # fmt: skip
_NAMED = re.compile(rf"\b({'|'.join(sorted(_PROPERTIES))})\b")


def packaged(template: str, path: str, url: str) -> str:
    """The template with objects of the cloud's S3 in the place of local files; itself when it names none.

    `path` is where it was read: files are named relative to its folder. Raises LocalFailure.
    """
    # Most templates name no such property, and need not be parsed for it.
    if path == "-" or not _NAMED.search(template) or not _names_files(template, Path(path).resolve().parent):
        return template
    clients.client("s3", url).create_bucket(Bucket=_BUCKET)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "packaged.yaml"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {**clients.CREDENTIALS, "AWS_ENDPOINT_URL": url,
                        "AWS_DEFAULT_REGION": DEFAULT_REGION, "SAM_CLI_TELEMETRY": "0"}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "samcli", "package", "--template-file", str(Path(path).resolve()),
             "--s3-bucket", _BUCKET, "--output-template-file", str(made)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise LocalFailure(f"`sam package` refuses {path}: {said[-1] if said else 'it does not say why.'}")
        return made.read_text(encoding="utf-8")


def _names_files(template: str, folder: Path) -> bool:
    try:
        document = syntax.read(template)
    except Refused:
        # CloudFormation says what is wrong with it.
        return False
    resources = document.get("Resources") if isinstance(document, dict) else None
    return any(_is_file(one, folder) for one in syntax.objects(resources))


def _is_file(properties: Json, folder: Path) -> bool:
    given = [value for name, value in properties.items() if name in _PROPERTIES and isinstance(value, str)]
    return any("://" not in value and (folder / value).exists() for value in given)
