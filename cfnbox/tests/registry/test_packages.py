"""Packages that cannot be registered: the registration fails with a reason and leaves no files."""

from __future__ import annotations

import io
import json
import stat
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from registry.package_builders import NAME, function, members, package, zipped

if TYPE_CHECKING:
    from pathlib import Path

    from registry.conftest import Cloud


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that packages are unpacked into."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def with_member(name: str, body: str | bytes = "x", mode: int | None = None, inside: bool = False) -> bytes:
    """Return a package with an additional file, in the package or in its function."""
    whole = members()
    content = io.BytesIO(function() if inside else zipped(whole))
    with zipfile.ZipFile(content, "a") as archive:
        member = zipfile.ZipInfo(name)
        if mode is not None:
            member.create_system = 3
            member.external_attr = mode << 16
        archive.writestr(member, body)
    return zipped({**whole, "ResourceProvider.zip": content.getvalue()}) if inside else content.getvalue()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    "name",
    ["../stray.py", "/tmp/stray.py", "a/../../stray.py", "..\\stray.py", "C:\\stray.py", "c:x", "."],  # noqa: S108
)
def test_a_file_outside_of_the_folder_is_refused(cloud: Cloud, folder: Path, name: str, inside: bool) -> None:
    said = cloud.failure(with_member(name, inside=inside))
    assert (
        said == f"{'ResourceProvider.zip' if inside else 'The package'} contains {name}, whose path leads outside of "
        "the folder."
    )
    assert list(folder.iterdir()) == []
    assert not list(folder.parent.rglob("stray.py"))


@pytest.mark.parametrize("inside", [False, True])
def test_a_symbolic_link_is_refused(cloud: Cloud, inside: bool) -> None:
    said = cloud.failure(with_member("link", "/etc/passwd", mode=stat.S_IFLNK | 0o777, inside=inside))
    assert said.endswith("contains the symbolic link link, which is not allowed.")


@pytest.mark.parametrize("inside", [False, True])
def test_a_package_of_more_than_250_mb_is_refused(cloud: Cloud, folder: Path, inside: bool) -> None:
    content = io.BytesIO(function() if inside else zipped(members()))
    with (
        zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("zeros", "w") as file,
    ):
        for _ in range(251):
            file.write(bytes(1 << 20))
    body = content.getvalue()
    said = cloud.failure(zipped({**members(), "ResourceProvider.zip": body}) if inside else body)
    assert said.endswith("is larger than Lambda's limit of 250 MB unzipped.")
    assert list(folder.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_package_with_two_schemas_is_refused(cloud: Cloud) -> None:
    assert cloud.failure(with_member("schema.json", "{}")) == "The package contains schema.json twice."
    assert cloud.failure(with_member("./schema.json", "{}")) == "The package contains ./schema.json twice."


@pytest.mark.parametrize("name", ["schema.json", ".rpdk-config", "ResourceProvider.zip"])
def test_a_package_without_a_required_file_is_refused(cloud: Cloud, name: str) -> None:
    whole = members()
    del whole[name]
    assert cloud.failure(zipped(whole)) == f"The package has no {name}. Make the package with cfn submit."


def test_a_package_that_is_not_a_zip_file_is_refused(cloud: Cloud) -> None:
    assert cloud.failure(b"not a zip").startswith("The package cannot be read as a zip file")
    whole = {**members(), "ResourceProvider.zip": b"PK\x03\x04 broken"}
    assert cloud.failure(zipped(whole)).startswith("ResourceProvider.zip cannot be read as a zip file")
    assert cloud.failure(package()[:-10]).startswith("The package cannot be read as a zip file")


def test_a_file_and_a_folder_with_the_same_name_are_refused(cloud: Cloud) -> None:
    assert "cannot be read as a zip file" in cloud.failure(with_member("schema.json/inside"))


def test_an_encrypted_package_is_refused(cloud: Cloud) -> None:
    content = bytearray(package())
    # The first bit of the flags of the last file, as the directory of the zip has them.
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    assert cloud.failure(bytes(content)) == "The package is encrypted."


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"language": "java"}, "Its handlers are written in java. cfnbox runs only handlers in Python."),
        # Recorded on AWS: a runtime of Python alone is enough.
        ({"language": None, "runtime": None}, "Its handlers are written in None. cfnbox runs only handlers in "
                                              "Python."),
        ({"artifact_type": "HOOK"}, "It is a hook. cfnbox runs only resource types, not hooks or "
                                    "modules."),
        ({"artifact_type": "MODULE", "language": None}, "It is a module. cfnbox runs only resource types, "
                                                        "not hooks or modules."),
        ({"entrypoint": "os.system('x')"}, "The entrypoint in .rpdk-config does not name a function of a module, "
                                           "such as acme.handlers.resource."),
        ({"entrypoint": None}, "The entrypoint in .rpdk-config does not name a function of a module, such "
                               "as acme.handlers.resource."),
    ],
)  # fmt: skip
def test_settings_that_do_not_describe_a_resource_type_are_refused(cloud: Cloud, settings: Any, said: str) -> None:
    assert cloud.failure(package(settings=settings)) == said


def test_a_python_runtime_does_not_require_a_language(cloud: Cloud) -> None:
    assert cloud.register(package(settings={"language": None, "runtime": "python3.9"})).endswith("/00000001")


def test_settings_that_are_not_a_json_object_are_refused(cloud: Cloud) -> None:
    for body in ("{", "[]"):
        said = cloud.failure(zipped({**members(), ".rpdk-config": body}))
        assert said == ".rpdk-config does not have the format that `cfn init` writes."


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"typeName": "Example::Other::Note"}, f"schema.json is the schema of Example::Other::Note, not of {NAME}."),
        ({"typeName": "AWS::S3::Bucket"}, f"schema.json is the schema of AWS::S3::Bucket, not of {NAME}."),
        ({"primaryIdentifier": None}, "schema.json is not a resource type schema: 'primaryIdentifier' is a required "
                                      "property."),
        ({"additionalProperties": True}, "schema.json is not a resource type schema: False was expected, at "
                                         "additionalProperties."),
        ({"properties": {"Id": {"$ref": "https://example.com/schema.json#/Id"}}},
         "The schema refers to https://example.com/schema.json#/Id, which is outside of the schema. cfnbox reads no "
         "other documents: move the definition into the schema."),
    ],
)  # fmt: skip
def test_a_schema_that_the_cli_would_refuse_is_refused(cloud: Cloud, schema: Any, said: str) -> None:
    assert cloud.failure(package(schema=schema)) == said


def test_a_schema_that_is_not_json_is_refused(cloud: Cloud) -> None:
    assert cloud.failure(zipped({**members(), "schema.json": "{"})).startswith("schema.json is not JSON: ")
    assert cloud.failure(zipped({**members(), "schema.json": b"\xff"})) == "schema.json is not UTF-8 text."
    assert cloud.failure(zipped({**members(), "schema.json": "[]"})).startswith("schema.json is not ")


def test_a_schema_may_refer_to_itself_by_its_name(cloud: Cloud) -> None:
    filters = {"properties": {"Text": {"$ref": "resource-schema.json#/properties/Text"}}, "required": ["Text"]}
    handlers = {"create": {"permissions": []}, "list": {"permissions": [], "handlerSchema": filters}}
    cloud.register(package(schema={"handlers": handlers}))


@pytest.mark.parametrize("namespace", ["AWS", "Amazon", "AMZN", "Alexa", "Custom", "Dev"])
def test_a_reserved_namespace_is_refused(cloud: Cloud, namespace: str) -> None:
    name = f"{namespace}::SageMaker::Model"
    call = cloud.client.register_type
    said = cloud.refused("CFNRegistryException", call, TypeName=name, SchemaHandlerPackage="s3://types/x.zip")
    assert "is reserved. Use a namespace of your own, for example Acme::SageMaker::Model." in said


def test_a_missing_package_object_fails_the_registration(cloud: Cloud) -> None:
    token = cloud.client.register_type(TypeName=NAME, SchemaHandlerPackage="s3://types/none")["RegistrationToken"]
    answer = cloud.ended(token)
    assert answer["ProgressStatus"] == "FAILED"
    assert answer["Description"].endswith(f"[{token}] There is no object s3://types/none.")


def test_closing_the_registry_deletes_unpacked_packages(cloud: Cloud, folder: Path) -> None:
    cloud.register()
    assert json.loads((next(folder.iterdir()) / "package" / "schema.json").read_text())["typeName"] == NAME
    cloud.types.close()
    assert list(folder.iterdir()) == []
