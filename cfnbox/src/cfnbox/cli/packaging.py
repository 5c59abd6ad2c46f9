"""Upload a template's local code and nested templates to the cloud's S3, as `aws cloudformation package` does."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfnbox.aws import clients
from cfnbox.core.errors import LocalFailure, Refused
from cfnbox.template import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.core.paths import Json

_BUCKET = "cfnbox-packages"
_Table = Mapping[str, Mapping[str, tuple[str, ...]]]
_ZIPPED = (".zip", ".jar")
# The earliest timestamp of a ZIP file. A fixed timestamp makes archives reproducible.
_TIME = (1980, 1, 1, 0, 0, 0)
# The formats of an S3 location in a property: a URL, or an object with these members.
_ADDRESS: tuple[str, ...] = ()
_LAMBDA, _OBJECT = ("S3Bucket", "S3Key"), ("Bucket", "Key")
# The properties that can name local files ("aws cloudformation package", AWS CLI command reference). Code is packed
# into an archive. The files of a nested template are replaced as well.
_TEMPLATES: _Table = {
    "AWS::CloudFormation::Stack": {"TemplateURL": _ADDRESS},
    "AWS::CloudFormation::StackSet": {"TemplateURL": _ADDRESS},
    "AWS::Serverless::Application": {"Location": _ADDRESS},
}
_CODE: _Table = {
    "AWS::Lambda::Function": {"Code": _LAMBDA},
    "AWS::Lambda::LayerVersion": {"Content": _LAMBDA},
    "AWS::Serverless::Function": {"CodeUri": _ADDRESS},
    "AWS::Serverless::LayerVersion": {"ContentUri": _ADDRESS},
}
_MAPPINGS = dict.fromkeys(
    ("CodeS3Location", "RequestMappingTemplateS3Location", "ResponseMappingTemplateS3Location"), _ADDRESS
)
_FILES: _Table = {
    "AWS::ApiGateway::RestApi": {"BodyS3Location": _OBJECT},
    "AWS::ApiGatewayV2::Api": {"BodyS3Location": _OBJECT},
    "AWS::AppSync::FunctionConfiguration": _MAPPINGS,
    "AWS::AppSync::GraphQLSchema": {"DefinitionS3Location": _ADDRESS},
    "AWS::AppSync::Resolver": _MAPPINGS,
    "AWS::CloudFormation::ModuleVersion": {"ModulePackage": _ADDRESS},
    "AWS::CloudFormation::ResourceVersion": {"SchemaHandlerPackage": _ADDRESS},
    "AWS::ElasticBeanstalk::ApplicationVersion": {"SourceBundle": _LAMBDA},
    # Below Command.
    "AWS::Glue::Job": {"ScriptLocation": _ADDRESS},
    "AWS::Serverless::Api": {"DefinitionUri": _ADDRESS},
    "AWS::Serverless::GraphQLApi": {"SchemaUri": _ADDRESS},
    "AWS::Serverless::HttpApi": {"DefinitionUri": _ADDRESS},
    "AWS::Serverless::StateMachine": {"DefinitionUri": _ADDRESS},
    "AWS::StepFunctions::StateMachine": {"DefinitionS3Location": _OBJECT},
}
_INCLUDED = {"Location": _ADDRESS}
_NAMES = {name for table in (_TEMPLATES, _CODE, _FILES) for names in table.values() for name in names}
_INCLUDE = "AWS::Include"


def packaged(template: str, path: str, url: str) -> str:
    """Return the template with local files replaced by S3 objects, or unchanged if it names no local file.

    `path` is the template's path. File names are relative to its folder. Raise LocalFailure.
    """
    # Most templates have no such property, and need no parsing.
    if path == "-" or not any(name in template for name in _NAMES):
        return template
    try:
        document = syntax.read(template)
    except Refused:
        # CloudFormation reports the error.
        return template
    has_changed = _Packaging(url).package(document, Path(path).resolve().parent)
    return json.dumps(document) if has_changed else template


class _Packaging:
    """The upload of templates' files. An object's key is the digest of its content."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._s3: Any = None

    def package(self, document: Any, folder: Path) -> bool:
        """Replace the local files of a template. Return whether the template had any."""
        replaced = [
            self._replace(holder, name, members, content, folder)
            for holder, names, content in _places(document)
            for name, members in names.items()
        ]
        return any(replaced)

    def _replace(self, holder: Json, name: str, members: tuple[str, ...], content: _Content, folder: Path) -> bool:
        value = holder.get(name)
        if not isinstance(value, str) or "://" in value or not (folder / value).exists():
            return False
        key = self._upload(*content(self, (folder / value).resolve()))
        if content is _Packaging.template:
            holder[name] = f"https://s3.amazonaws.com/{_BUCKET}/{key}"
        else:
            holder[name] = dict(zip(members, (_BUCKET, key), strict=True)) if members else f"s3://{_BUCKET}/{key}"
        return True

    def template(self, file: Path) -> tuple[bytes, str]:
        """Return a nested template with its own files replaced."""
        try:
            document = syntax.read(file.read_text(encoding="utf-8"))
        except Refused as refused:
            raise LocalFailure(f"{file} cannot be packaged: {refused.message}") from None
        except (OSError, ValueError):
            raise LocalFailure(f"{file} cannot be packaged: it is not a template in UTF-8.") from None
        self.package(document, file.parent)
        return json.dumps(document).encode(), ".template"

    def file(self, file: Path) -> tuple[bytes, str]:
        """Return the content and suffix of a file, or of an archive of a folder."""
        return self.code(file) if file.is_dir() else (_read(file), file.suffix)

    def code(self, file: Path) -> tuple[bytes, str]:
        """Return an archive of a folder or of a file. A file that is an archive is returned unchanged."""
        if file.is_file() and file.suffix in _ZIPPED:
            return _read(file), file.suffix
        archive, root = io.BytesIO(), file if file.is_dir() else file.parent
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for one in sorted(file.rglob("*")) if file.is_dir() else [file]:
                if one.is_file():
                    entry = zipfile.ZipInfo(one.relative_to(root).as_posix(), _TIME)
                    entry.external_attr, entry.compress_type = one.stat().st_mode << 16, zipfile.ZIP_DEFLATED
                    packed.writestr(entry, _read(one))
        return archive.getvalue(), ".zip"

    def _upload(self, content: bytes, suffix: str) -> str:
        if self._s3 is None:
            self._s3 = clients.client("s3", self._url)
            self._s3.create_bucket(Bucket=_BUCKET)
        key = hashlib.sha256(content).hexdigest()[:32] + suffix
        self._s3.put_object(Bucket=_BUCKET, Key=key, Body=content)
        return key


_Content = Callable[[_Packaging, Path], tuple[bytes, str]]
_Place = tuple[dict[str, Any], Mapping[str, tuple[str, ...]], _Content]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise LocalFailure(f"{file} cannot be packaged: {error.strerror}.") from None


def _places(document: Any) -> Iterator[_Place]:
    """Yield the objects of a template whose members can name local files."""
    parts = document if isinstance(document, dict) else {}
    for resource in _objects(parts.get("Resources")):
        yield from _properties(str(resource.get("Type")), resource.get("Properties"))
    for section, settings in _members(parts.get("Globals")).items():
        yield from _properties(f"AWS::Serverless::{section}", settings)
    for part in syntax.objects(document):
        for transform in _objects([part.get("Fn::Transform"), part.get("Transform")]):
            if transform.get("Name") == _INCLUDE:
                yield _members(transform.get("Parameters")), _INCLUDED, _Packaging.file


def _properties(kind: str, properties: Any) -> Iterator[_Place]:
    tables = ((_TEMPLATES, _Packaging.template), (_CODE, _Packaging.code), (_FILES, _Packaging.file))
    holder = _members(properties).get("Command") if kind == "AWS::Glue::Job" else properties
    yield from ((_members(holder), table[kind], content) for table, content in tables if kind in table)


def _members(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Json]:
    values = value.values() if isinstance(value, dict) else value or ()
    return [one for one in values if isinstance(one, dict)]
