"""Projects: how they are found and opened, changed while they serve, and refused with a reason."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import programs
from cfnbox.core.errors import LocalFailure
from cfnbox.handlers.distributions import RequirementsFailed
from cfnbox.registry.projects import Project, UnusableProject, layout, projects
from programs import Command
from registry.package_builders import HANDLERS, NAME, SCHEMA, SETTINGS, package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from registry.conftest import Cloud


class Written:
    """A project folder with the files that an author writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._writes = 0
        self.write(".rpdk-config", json.dumps(SETTINGS))
        self.write("example-notes-note.json", json.dumps(SCHEMA))
        self.write("requirements.txt", "")
        self.write("src/example_notes_note/__init__.py", "")
        self.handlers("first")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # Times of files are coarse on some file systems.
        self._writes += 1
        os.utime(path, ns=(self._writes, self._writes))

    def handlers(self, by: str, more: str = "") -> None:
        self.write("src/example_notes_note/handlers.py", f"{more}\n{HANDLERS.format(by=by)}")

    def schema(self, **changes: Any) -> None:
        self.write("example-notes-note.json", json.dumps(SCHEMA | changes))

    def settings(self, **changes: Any) -> None:
        self.write(".rpdk-config", json.dumps(SETTINGS | changes))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "note")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def served(written: Written, said: list[str], open_cloud: Callable[..., Cloud]) -> Cloud:
    return open_cloud(*projects([written.root], said.append))


def wheel(folder: Path, version: str = "1") -> Path:
    """Build a wheel of a module `ink`, which is not installed."""
    path = folder / f"ink-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ink.py", f'COLOUR = "blue {version}"\ndef spill():\n    raise ValueError("spilt")\n')
        archive.writestr(
            f"ink-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: ink\nVersion: {version}\n"
        )
        archive.writestr(
            f"ink-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"ink-{version}.dist-info/RECORD", "")
    return path


def test_a_project_is_version_1_of_its_type_in_every_region_and_account(served: Cloud) -> None:
    for client in (served.client, served.connect("eu-west-1"), served.connect(account="999999999999")):
        (version,) = client.list_type_versions(Type="RESOURCE", TypeName=NAME)["TypeVersionSummaries"]
        assert (version["VersionId"], version["IsDefaultVersion"]) == ("00000001", True)
    assert served.created_by().startswith("first us-east-1")


def test_the_next_operation_runs_changed_code(written: Written, said: list[str], served: Cloud) -> None:
    assert served.created_by().startswith("first ")
    written.handlers("second")
    assert served.created_by().startswith("second ")
    assert said == [f"{NAME}: changed, and taken up: src/example_notes_note/handlers.py"]
    written.write("src/example_notes_note/more.py", "")
    (written.root / "src/example_notes_note/__pycache__").mkdir(exist_ok=True)
    assert served.created_by().startswith("second ")
    assert said[1:] == [f"{NAME}: changed, and taken up: src/example_notes_note/more.py"]


def test_saving_an_unchanged_file_does_not_restart_handlers(written: Written, said: list[str], served: Cloud) -> None:
    served.created_by()
    written.handlers("first")
    (written.root / "src/example_notes_note/__pycache__").mkdir(exist_ok=True)
    (written.root / "src/example_notes_note/__pycache__/x.pyc").write_bytes(b"x")
    served.created_by()
    assert said == []
    assert len(served.runtimes) == 1


def test_the_next_operation_uses_a_changed_schema(written: Written, said: list[str], served: Cloud) -> None:
    written.schema(description="A better note")
    answer = served.client.describe_type(Type="RESOURCE", TypeName=NAME)
    assert answer["Description"] == "A better note"
    assert said == [f"{NAME}: changed, and taken up: example-notes-note.json"]


def test_a_broken_schema_fails_operations_until_it_is_fixed(written: Written, served: Cloud) -> None:
    served.created_by()
    written.write("example-notes-note.json", "{")
    for _ in range(2):
        with pytest.raises(
            LocalFailure, match=r"example-notes-note.json cannot be used. example-notes-note.json is not JSON"
        ):
            served.created_by()
    assert json.loads(served.client.describe_type(Type="RESOURCE", TypeName=NAME)["Schema"]) == SCHEMA
    written.schema()
    assert served.created_by().startswith("first ")


def test_a_broken_handler_fails_until_it_is_fixed(written: Written, served: Cloud) -> None:
    written.handlers("first", more="import nowhere")
    with pytest.raises(LocalFailure, match="No module named 'nowhere'"):
        served.created_by()
    written.handlers("mended")
    assert served.created_by().startswith("mended ")


def test_handlers_can_import_their_requirements_only(written: Written, served: Cloud) -> None:
    written.handlers("first", more="import boto3")
    assert served.created_by().startswith("first ")
    written.handlers("first", more="import rich")
    with pytest.raises(LocalFailure, match="No module named 'rich'"):
        served.created_by()
    written.write("requirements.txt", "rich>1 # tables\n")
    assert served.created_by().startswith("first ")
    assert not (written.root / ".cfnbox").exists()


def test_missing_requirements_are_installed_once_into_the_project(
    written: Written, said: list[str], open_cloud: Callable[..., Cloud]
) -> None:
    requirements = written.root / "requirements.txt"
    written.write("requirements.txt", f"{wheel(written.root)}\n")
    written.handlers("first", more="import ink; print(ink.COLOUR)")
    for _ in range(2):
        cloud = open_cloud(*projects([written.root], said.append))
        assert cloud.created_by().startswith("first ")
        cloud.types.close()
    assert (said[0], said[-1]) == (f"Installing {requirements}", f"Installed {requirements}")
    assert said.count(said[0]) == 1
    assert (written.root / ".cfnbox/.gitignore").read_text() == "*\n"


def test_requirements_that_cannot_be_installed_are_refused(written: Written, said: list[str], served: Cloud) -> None:
    written.write("requirements.txt", "./nowhere.whl\n")
    for _ in range(2):
        with pytest.raises(RequirementsFailed, match=r"cannot be installed. The installer says:\n"):
            served.created_by()
    # The installer is not asked again before something changes.
    assert len([one for one in said if one.startswith("Installing ")]) == 1
    assert list((written.root / ".cfnbox").glob("requirements-*")) == []
    written.write("requirements.txt", "")
    assert served.created_by().startswith("first ")


def test_a_project_can_serve_another_type_name(written: Written, open_cloud: Callable[..., Cloud]) -> None:
    find = partial(layout, written.root)
    cloud = open_cloud(Project(find), Project(find, type_name="Acme::Notes::Note"))
    names = [one["TypeName"] for one in cloud.client.list_types()["TypeSummaries"]]
    assert names == ["Acme::Notes::Note", NAME]


def test_a_version_can_be_registered_beside_the_project(written: Written, said: list[str], served: Cloud) -> None:
    arn = served.register(package("registered"))
    assert arn.endswith("/00000002")
    assert served.created_by().startswith("first ")
    assert said == []
    served.client.set_type_default_version(Arn=arn)
    (told,) = said
    assert told.startswith(
        f"{NAME}: version 00000002 is the default version now, so changes in {written.root} have no effect"
    )
    written.handlers("second")
    assert served.created_by().startswith("registered ")
    assert told.endswith(f"set-type-default-version --type RESOURCE --type-name {NAME} --version-id 00000001")
    served.client.set_type_default_version(Type="RESOURCE", TypeName=NAME, VersionId="00000001")
    assert served.created_by().startswith("second ")


def test_several_projects_are_found_in_one_or_several_folders(tmp_path: Path) -> None:
    Written(tmp_path / "note")
    other = Written(tmp_path / "other")
    other.settings(typeName="Example::Notes::Other")
    (other.root / "example-notes-note.json").rename(other.root / "example-notes-other.json")
    (other.root / "example-notes-other.json").write_text(json.dumps(SCHEMA | {"typeName": "Example::Notes::Other"}))
    (tmp_path / "empty").mkdir()
    names = ["Example::Notes::Note", "Example::Notes::Other"]
    for folders in ([tmp_path], [tmp_path / "note", tmp_path / "other"]):
        opened = projects(folders)
        assert [one.definition.type_name for one in opened] == names
        for one in opened:
            one.close()


def test_an_exception_in_a_package_is_reported_at_the_line_of_the_author(written: Written, served: Cloud) -> None:
    written.write("requirements.txt", f"{wheel(written.root)}\n")
    written.write(
        "src/example_notes_note/handlers.py", "import ink\n\ndef resource(_event, _context):\n    ink.spill()\n"
    )
    with pytest.raises(LocalFailure, match=r"ValueError: spilt \(example_notes_note/handlers.py:4, in resource\)"):
        served.created_by()


def test_a_folder_of_types_serves_runnable_types_and_names_the_others(tmp_path: Path, said: list[str]) -> None:
    Written(tmp_path / "note")
    Written(tmp_path / "a-hook").settings(artifact_type="HOOK")
    Written(tmp_path / "java").settings(language="java")
    Written(tmp_path / "no-requirements").root.joinpath("requirements.txt").unlink()
    (opened,) = projects([tmp_path], said.append)
    opened.close()
    assert opened.definition.type_name == NAME
    assert [text.partition(str(tmp_path))[2] for text in said] == [
        "/a-hook cannot run here. It is a hook. cfnbox runs only resource types, not hooks or modules.",
        "/java cannot run here. Its handlers are written in java. cfnbox runs only handlers in Python.",
        f"/no-requirements has no requirements.txt, what cfn submit installs of {NAME}.",
    ]
    assert all(text.startswith("Left out: ") for text in said)
    with pytest.raises(UnusableProject, match="written in java"):
        projects([tmp_path / "note", tmp_path / "java"])


def test_a_project_can_have_a_runtime_without_a_language(written: Written) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "language"}
    written.write(".rpdk-config", json.dumps(settings | {"runtime": "python3.9"}))
    for project in projects([written.root]):
        project.close()
    written.write(".rpdk-config", json.dumps(settings | {"runtime": "java8"}))
    with pytest.raises(UnusableProject, match="written in java8"):
        projects([written.root])


def test_a_folder_without_a_runnable_type_is_refused(tmp_path: Path, said: list[str]) -> None:
    for language in ("go", "java"):
        Written(tmp_path / language).settings(language=language)
    with pytest.raises(UnusableProject, match="written in go"):
        projects([tmp_path], said.append)
    assert said == []


def library(folder: Path, version: str) -> Path:
    """Build a wheel of a version of the library, without its code."""
    name = "cloudformation_cli_python_lib"
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_an_outdated_library_is_refused_before_the_first_operation(tmp_path: Path, written: Written) -> None:
    written.write("requirements.txt", f"{library(tmp_path, '2.0.0')}\n")
    said = (
        r"requirements.txt installs cloudformation-cli-python-lib 2\.0\.0, which .* Name cloudformation-.*>=2\.1\.0"
    )
    with pytest.raises(UnusableProject, match=said):
        projects([written.root])
    written.write("requirements.txt", f"{library(tmp_path, '2.1.0')}\n")
    for project in projects([written.root]):
        project.close()


def test_a_git_requirement_without_git_is_refused(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write("requirements.txt", "# git+ here is a comment\nink @ git+https://me:key@example.com/ink.git@v1\n")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RequirementsFailed, match="needs git, which is not installed: ink @ git") as caught:
        projects([written.root])
    assert "key" not in str(caught.value)


@pytest.mark.parametrize(
    ("definitions", "circle"),
    [
        ({"A": {"$ref": "#/definitions/A"}}, "#/definitions/A -> #/definitions/A"),
        (
            {"A": {"$ref": "#/definitions/B"}, "B": {"$ref": "#/definitions/A"}},
            "#/definitions/A -> #/definitions/B -> #/definitions/A",
        ),
        ({"A": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/A"}]}}, "#/definitions/A -> #/definitions/A"),
    ],
)
def test_a_schema_with_circular_references_is_refused(written: Written, definitions: Any, circle: str) -> None:
    written.schema(definitions=definitions, properties=SCHEMA["properties"] | {"A": {"$ref": "#/definitions/A"}})
    with pytest.raises(UnusableProject, match=f"has a cycle of references, {circle}, so"):
        projects([written.root])


def test_a_schema_may_refer_to_itself_through_a_property(written: Written) -> None:
    tree = {"type": "object", "additionalProperties": False, "properties": {
        "Left": {"$ref": "#/definitions/Tree"}, "Right": {"anyOf": [{"$ref": "#/definitions/Tree"}]}}}  # fmt: skip
    written.schema(
        definitions={"Tree": tree}, properties=SCHEMA["properties"] | {"A": {"$ref": "#/definitions/Tree"}}
    )
    for project in projects([written.root]):
        project.close()


def test_an_invalid_property_transform_is_refused(written: Written) -> None:
    written.schema(propertyTransform={"/properties/Text": "$uppercase("})
    with pytest.raises(UnusableProject, match=r"propertyTransform of /properties/Text is not valid JSONata: Exp"):
        projects([written.root])


def test_two_projects_of_the_same_type_are_refused(tmp_path: Path) -> None:
    for name in ("note", "copy"):
        Written(tmp_path / name)
    with pytest.raises(UnusableProject, match=r"copy and .*note both hold Example::Notes::Note: name one of them"):
        projects([tmp_path])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"language": "java"}, "Its handlers are written in java. cfnbox runs only handlers in Python."),
        ({"language": "typescript"}, "Its handlers are written in typescript."),
        (
            {"artifact_type": "HOOK"},
            "It is a hook. cfnbox runs only resource types, not hooks or modules.",
        ),
        ({"artifact_type": "MODULE"}, "It is a module."),
        ({"entrypoint": None}, "lacks a typeName, or an entrypoint such as acme.handlers.resource"),
        ({"entrypoint": "elsewhere.handlers.resource"}, "has no src/elsewhere, the package of its entrypoint"),
        (
            {"typeName": "Example::Notes::Other"},
            "has no example-notes-other.json, the schema of Example::Notes::Other",
        ),
    ],
)
def test_a_project_that_cannot_run_is_refused(written: Written, settings: Any, reason: str) -> None:
    written.settings(**settings)
    with pytest.raises(UnusableProject) as caught:
        projects([written.root])
    assert reason in str(caught.value)
    assert not (written.root / ".cfnbox").exists()


def test_folders_without_a_project_are_refused(tmp_path: Path, written: Written) -> None:
    with pytest.raises(UnusableProject, match=r"holds no .rpdk-config, and no folder in it does"):
        projects([written.root / "src"])
    with pytest.raises(UnusableProject, match="is not a folder"):
        projects([tmp_path / "nowhere"])
    for text in ("{", "[]"):
        written.write(".rpdk-config", text)
        with pytest.raises(UnusableProject, match=r"\.rpdk-config is not"):
            projects([written.root])
    written.settings()
    (written.root / "requirements.txt").unlink()
    with pytest.raises(UnusableProject, match=r"has no requirements.txt, what cfn submit installs"):
        projects([written.root])


def test_a_schema_that_cfn_validate_refuses_is_refused(written: Written) -> None:
    written.schema(additionalProperties=True)
    with pytest.raises(UnusableProject, match="False was expected, at additionalProperties"):
        projects([written.root])
    written.schema(typeName="Example::Notes::Other")
    with pytest.raises(UnusableProject, match=r"is the schema of Example::Notes::Other, and .rpdk-config names"):
        projects([written.root])


def contract(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [programs.program("cfnbox"), "contract", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_contract_tests_use_only_the_files_of_their_project_and_exports_of_a_stack(written: Written) -> None:
    # pytest, in which cfn test runs, would load a conftest.py of the project.
    written.write("tests/conftest.py", "raise RuntimeError")
    written.write("conftest.py", "raise RuntimeError")
    for kind in ("create", "update", "invalid"):
        written.write(f"inputs/inputs_1_{kind}.json", '{"Text": "{{NoteText}}"}')
    done = contract(str(written.root))
    assert done.returncode == 1
    assert "The inputs name exports of a stack, NoteText: --stack TEMPLATE deploys it." in done.stderr
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}
    output = {"Value": {"Ref": "Parameter"}, "Export": {"Name": "NoteText"}}
    written.write("setup.json", json.dumps({"Resources": {"Parameter": parameter}, "Outputs": {"Text": output}}))
    stack = str(written.root / "setup.json")
    before = sorted(written.root.rglob("*"))
    done = contract(str(written.root), "--stack", stack, "--select", "check_asserts_work")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"AWS's contract tests of {NAME}: " in done.stdout
    assert "1 passed, 0 skipped, 0 failed, 1 set of inputs" in done.stdout
    assert [path for path in sorted(written.root.rglob("*")) if "__pycache__" not in path.parts] == before
    written.write("setup.json", json.dumps({"Resources": {"Note": {"Type": NAME, "Properties": {"Text": []}}}}))
    done = contract(str(written.root), "--stack", stack)
    assert done.returncode == 1
    assert "expected type: String, found: JSONArray /Resources/Note/Properties/Text" in done.stderr


def test_contract_without_a_project_is_refused(tmp_path: Path) -> None:
    done = Command(tmp_path)("contract", str(tmp_path))
    assert done.returncode == 1
    said = f"{tmp_path} holds no .rpdk-config, which cfn init writes: name the folder of a type."
    assert said in done.stderr
