"""The files that are generated from the schema, and requirements on the schema for them."""

import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest

from tools import generate, not_applied, published_attributes

SCHEMA = json.loads((generate.ROOT / generate.SCHEMA).read_bytes())
SETTINGS = json.loads((generate.ROOT / generate.SETTINGS).read_bytes())


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return generate.generated(SCHEMA, SETTINGS)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what `make generate` reads and writes."""
    for name in (generate.SCHEMA, generate.SETTINGS, generate.ROLE, published_attributes.PATH, not_applied.PATH):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(generate.ROOT / name, tmp_path / name)
    for name in (generate.DOCS, generate.REFERENCE):
        shutil.copytree(generate.ROOT / name, tmp_path / name)
    package = tmp_path / generate.PACKAGE
    package.mkdir(parents=True)
    for name in ("models.py", "schema.json"):
        shutil.copy(generate.ROOT / generate.PACKAGE / name, package)
    return tmp_path


def test_every_generated_file_is_up_to_date() -> None:
    assert sorted(generate.stale()) == []


def test_check_names_outdated_files_and_changes_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / generate.DOCS / "tag.md").write_text("old")
    (tree / generate.REFERENCE / "gone.md").write_text("of a definition that is no more")
    (tree / generate.ROLE).unlink()

    assert generate.main(["--check"], tree) == 1

    assert capsys.readouterr().err.splitlines() == [
        f"{path} is stale: run `make generate`" for path in ("resource-role.yaml", "docs/tag.md", "reference/gone.md")
    ]
    assert (tree / generate.DOCS / "tag.md").read_text() == "old"
    assert (tree / generate.REFERENCE / "gone.md").exists()
    assert not (tree / generate.ROLE).exists()


def test_generate_writes_only_outdated_files(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / generate.DOCS / "tag.md").write_text("old")
    (tree / generate.REFERENCE / "gone.md").write_text("of a definition that is no more")

    assert generate.main([], tree) == 0

    assert capsys.readouterr().out.splitlines() == ["wrote docs/tag.md", "removed reference/gone.md"]
    assert generate.main(["--check"], tree) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"primaryIdentifier": []}, "[] should be non-empty (at ['primaryIdentifier'])", id="refused"),
        # cloudformation-cli only warns of this, and CloudFormation refuses it later.
        pytest.param(
            {"properties": SCHEMA["properties"] | {"Containers": {"type": "array", "items": {}, "pattern": "^a$"}}},
            "Incorrect JSON schema keyword(s) {'pattern'} for type: array for property: Containers",
            id="warned of",
        ),
    ],
)
def test_a_schema_that_does_not_validate_is_reported_in_one_line(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    words: str,
) -> None:
    (tree / generate.SCHEMA).write_text(json.dumps(SCHEMA | change))
    # As `make package` leaves it: it has seen the warnings by then.
    monkeypatch.setattr(logging.getLogger("rpdk"), "level", logging.CRITICAL)

    assert generate.main(["--check"], tree) == 1

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{generate.SCHEMA}: ")
    assert words in line


def test_the_type_can_be_generated_under_another_name() -> None:
    renamed = json.loads(json.dumps(SCHEMA).replace("AWS::SageMaker::Model", "Acme::SageMaker::Model"))
    files = generate.generated(renamed, SETTINGS | {"typeName": "Acme::SageMaker::Model"})

    assert set(files) == set(generate.generated(SCHEMA, SETTINGS))
    assert json.loads(files[f"{generate.PACKAGE}/schema.json"])["typeName"] == "Acme::SageMaker::Model"
    assert "Acme-SageMaker-Model" in files[generate.ROLE]
    assert [path for path, text in files.items() if "AWS::SageMaker::Model" in text] == []


def _described(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield every place that a description belongs to, with the description."""
    for keyword in ("properties", "patternProperties", "definitions"):
        for name, member in schema.get(keyword, {}).items():
            yield f"{path}/{keyword}/{name}", member.get("description")
            yield from _described(member, f"{path}/{keyword}/{name}")
    if "items" in schema:
        yield from _described(schema["items"], f"{path}/items")


DESCRIPTIONS = dict(_described(SCHEMA))


def test_every_property_has_a_description() -> None:
    assert [path for path, text in DESCRIPTIONS.items() if not (text and text[-1] == "." and text.isascii())] == []


def test_the_documentation_contains_every_description_of_the_schema(files: dict[str, str]) -> None:
    documentation = "\n".join(text for path, text in files.items() if path.startswith("reference/"))
    # The page of a map shows limits of its values in a list, where a sentence has no place.
    told = {path: text for path, text in DESCRIPTIONS.items() if "/patternProperties/" not in path}
    assert [path for path, text in told.items() if str(text) not in documentation] == []


def _sections(page: str) -> dict[str, str]:
    """Return the sections on single properties of a page, by the name of the property."""
    return dict(re.findall(r"^#### (\w+)\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL))


def test_only_tags_are_documented_to_change_in_place(files: dict[str, str]) -> None:
    updates = {
        (path, name): re.findall(r"_Update requires_: \[([\w ]+)\]", section)
        for path, text in files.items()
        if path.startswith("reference/")
        for name, section in _sections(text).items()
    }
    in_place = {("reference/README.md", "Tags"), ("reference/tag.md", "Key"), ("reference/tag.md", "Value")}
    returned = {place for place in updates if "recommendation" in place[0]}
    returned |= {("reference/README.md", pointer.split("/")[2]) for pointer in SCHEMA["readOnlyProperties"]}
    assert {place for place, said in updates.items() if said == ["No interruption"]} == in_place
    assert {place for place, said in updates.items() if said == []} == returned
    assert {place for place, said in updates.items() if said == ["Replacement"]} == set(updates) - in_place - returned


@pytest.mark.parametrize(
    ("page", "name", "lines"),
    [
        ("README", "ModelName", ["_Length_: 1 to 63 characters"]),
        ("README", "Containers", ["_Entries_: at most 15"]),
        ("README", "EnableNetworkIsolation", ["_Default_: `false`"]),
        ("README", "PrimaryContainer", ["The container of a model that has one. Give either this or `Containers`."]),
        (
            "containerdefinition",
            "Mode",
            ["_Default_: `SingleModel`", "_Allowed values_: `SingleModel` | `MultiModel`"],
        ),
        ("containerdefinition", "Environment", ["_Entries_: at most 100"]),
        ("vpcconfig", "Subnets", ["_Entries_: 1 to 16", "_Pattern of each entry_: `^[-0-9a-zA-Z]+$`"]),
    ],
)
def test_sections_show_limits_and_defaults(files: dict[str, str], page: str, name: str, lines: list[str]) -> None:
    section = _sections(files[f"reference/{page}.md"])[name].splitlines()
    assert [line for line in lines if line not in section] == []


def test_links_between_pages_have_a_target(files: dict[str, str]) -> None:
    anchors = {
        path.removeprefix("reference/"): {name.lower() for name in _sections(text)}
        for path, text in files.items()
        if path.startswith("reference/")
    }
    for path, text in files.items():
        if path.startswith("reference/"):
            for file, anchor in re.findall(r"(?:\]\(|href=\")(?!https:)([\w.-]*)#?(\w*)[)\"]", text):
                page = file or path.removeprefix("reference/")
                assert page in anchors, (path, page)
                assert not anchor or anchor in anchors[page], (path, page, anchor)


def test_definitions_have_the_names_of_api_shapes_for_links_to_the_reference() -> None:
    shapes = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")["shapes"]
    assert [name for name in SCHEMA["definitions"] if name not in shapes] == []


def test_roles_can_be_passed_to_sagemaker_only(files: dict[str, str]) -> None:
    role = files[generate.ROLE]
    conditions = role.split('Action: "iam:PassRole"')[1]
    assert re.match(
        r"\s+Resource:\s+Fn::Sub: arn:\$\{AWS::Partition}:iam::\$\{AWS::AccountId}:role/\*"
        r"\s+Condition:\s+StringEquals:\s+iam:PassedToService: sagemaker\.amazonaws\.com",
        conditions,
    )
    assert role.count("iam:PassRole") == 2  # once in the comment


def test_the_role_allows_the_permissions_of_the_handlers(files: dict[str, str]) -> None:
    needed = {action for handler in SCHEMA["handlers"].values() for action in handler["permissions"]}
    assert set(re.findall(r'"(\w+:\w+)"', files[generate.ROLE])) == needed


def test_the_list_of_properties_that_are_not_applied_is_generated_from_the_tables(tree: Path) -> None:
    readme = tree / not_applied.PATH
    listed = readme.read_text()
    assert "`AWS::S3::Bucket`" in listed
    readme.write_text(listed.replace("`InventoryConfigurations`, ", ""))
    assert generate.main(["--check"], tree) == 1
    assert generate.main([], tree) == 0
    assert readme.read_text() == listed
