"""The package: small, reproducible, complete under any name, and without dependencies on the machine."""

import ast
import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, ServiceModel, StructureShape

from tests.conftest import ROOT, SCHEMA
from tests.package.conftest import NAME
from tools import package
from tools.function_package import LEFT_OUT, BuildFailed
from tools.package import Package
from tools.registration import Package as RegistrablePackage

MODEL_FILE = "botocore/data/sagemaker/2017-07-24/service-2.json"


def test_is_at_most_three_megabytes(built: Package) -> None:
    assert built.size <= 3_000_000 < package.stock_size()


def test_is_reproducible(built: Package, tmp_path: Path) -> None:
    again = package.build(NAME, tmp_path / "elsewhere" / "again.zip", built.python)
    assert again.path.read_bytes() == built.path.read_bytes()


def test_contains_the_files_that_the_cli_submits(outer: zipfile.ZipFile) -> None:
    names = set(outer.namelist())
    assert {"schema.json", ".rpdk-config", ".cfn_metadata.json", "ResourceProvider.zip"} < names
    assert {f"inputs/{path.name}" for path in (ROOT / "inputs").glob("*.json")} < names
    assert {
        f"src/aws_sagemaker_model/{path.name}" for path in (ROOT / "src/aws_sagemaker_model").glob("*.py")
    } < names
    assert {name.split("/")[0] for name in names if "/" in name} == {"inputs", "src"}
    assert set(json.loads(outer.read(".cfn_metadata.json"))) == {"cli-version", "plugin-name", "plugin-tool-version"}


def test_registers_under_its_name(built: Package) -> None:
    assert RegistrablePackage.load(built.path).type_name == NAME


def test_the_type_name_occurs_only_in_data(outer: zipfile.ZipFile, inner: zipfile.ZipFile, built: Package) -> None:
    config = json.loads(outer.read(".rpdk-config"))
    own = json.loads((ROOT / ".rpdk-config").read_text())
    assert (config["typeName"], config["settings"]["type_name"]) == (NAME, NAME)
    assert (config["entrypoint"], config["testEntrypoint"]) == (own["entrypoint"], own["testEntrypoint"])

    named = json.loads(SCHEMA.read_text().replace("AWS::SageMaker::Model", NAME))
    assert json.loads(outer.read("schema.json")) == named
    assert json.loads(inner.read("aws_sagemaker_model/schema.json"))["typeName"] == NAME
    for pages in ("docs", "reference"):
        lines = (built.path.with_suffix("") / pages / "README.md").read_text().splitlines()
        assert [line for line in lines if line.startswith("# ")] == [f"# {NAME}"]

    for path in (ROOT / "src" / "aws_sagemaker_model").glob("*.py"):
        assert inner.read(f"aws_sagemaker_model/{path.name}") == path.read_bytes()
        assert outer.read(f"src/aws_sagemaker_model/{path.name}") == path.read_bytes()


def test_is_compiled_for_the_python_of_lambda(built: Package, inner: zipfile.ZipFile) -> None:
    assert built.compiled_for
    tag = "cpython-" + built.compiled_for.replace(".", "")
    modules = [Path(name) for name in inner.namelist() if name.endswith(".py")]
    assert modules
    for module in modules:
        code = inner.read(str(module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"))
        # PEP 552: the flags say that a hash stands for the source, and that nobody checks it.
        assert struct.unpack("<I", code[4:8]) == (0b01,)
        assert f"/var/task/{module}".encode() in code


def test_contains_no_machine_code(inner: zipfile.ZipFile) -> None:
    assert not [name for name in inner.namelist() if name.endswith((".so", ".pyd", ".exe"))]


def test_has_every_module_of_the_libraries(inner: zipfile.ZipFile) -> None:
    libraries = package.dependencies_folder()
    modules = {path.relative_to(libraries) for path in libraries.rglob("*.py")}
    expected = {str(path) for path in modules if path.parts[0] not in LEFT_OUT}
    assert expected <= set(inner.namelist())
    assert len(expected) > 150
    for name in expected:
        assert inner.read(name) == (libraries / name).read_bytes()


def test_excluded_modules_exist_in_the_libraries() -> None:
    libraries = package.dependencies_folder()
    assert [name for name in LEFT_OUT if not (libraries / name).exists()] == []


def test_no_module_imports_excluded_modules(inner: zipfile.ZipFile) -> None:
    own = {path.name for path in (ROOT / "tools" / "stubs").iterdir()}
    left_out = {name.partition(".")[0] for name in LEFT_OUT} - own
    importing = {
        (name, imported)
        for name in inner.namelist()
        if name.endswith(".py")
        for imported in _imports(inner.read(name))
        if imported.partition(".")[0] in left_out
    }
    assert importing == set()
    boto3 = {imported for name in inner.namelist() if name.endswith(".py") for imported in _imports(inner.read(name))}
    assert {name for name in boto3 if name.partition(".")[0] == "boto3"} == {"boto3.session"}


def _imports(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_contains_the_licences_of_its_libraries(inner: zipfile.ZipFile) -> None:
    told = {name.split("-")[0] for name in inner.namelist() if ".dist-info/" in name and "LICENSE" in name}
    there = {path.name.split("-")[0] for path in package.dependencies_folder().glob("*.dist-info")}
    assert told == there - {"boto3", "s3transfer", "setuptools"}


@pytest.fixture(scope="module")
def whole() -> Any:
    """SageMaker's service model as botocore ships it, but for the documentation."""
    folder = package.dependencies_folder()
    return json.loads(gzip.decompress((folder / f"{MODEL_FILE}.gz").read_bytes()), object_hook=_undocumented)


@pytest.fixture(scope="module")
def cut(inner: zipfile.ZipFile) -> Any:
    """SageMaker's service model in the package."""
    return json.loads(inner.read(MODEL_FILE))


class TestServiceModel:
    """SageMaker's service model, cut."""

    def test_has_the_operations_that_the_role_allows(self, cut: Any) -> None:
        schema = json.loads(SCHEMA.read_text())
        allowed = {action for handler in schema["handlers"].values() for action in handler["permissions"]}
        assert {f"sagemaker:{name}" for name in cut["operations"]} == allowed - {"iam:PassRole"}
        assert len(cut["operations"]) == 7

    def test_has_exactly_the_shapes_that_they_reach(self, cut: Any, whole: Any) -> None:
        model = ServiceModel(whole, "sagemaker")
        reached: set[str] = set()
        for name in cut["operations"]:
            operation = model.operation_model(name)
            for shape in (operation.input_shape, operation.output_shape, *operation.error_shapes):
                _walk(shape, reached)
        assert set(cut["shapes"]) == reached

    def test_leaves_the_shapes_unchanged(self, cut: Any, whole: Any) -> None:
        assert cut["shapes"] == {name: whole["shapes"][name] for name in cut["shapes"]}
        assert cut["operations"] == {name: whole["operations"][name] for name in cut["operations"]}
        assert cut["metadata"] == whole["metadata"]


class TestRefusals:
    """What ends a build, in words."""

    def test_a_name_that_cloudformation_would_refuse_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            package.main(["--type-name", "Acme::Model"])
        assert exit_.value.code == 2
        assert '"Acme::Model" is not a type name' in capsys.readouterr().err

    def test_an_interpreter_that_does_not_run_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert package.main(["--python", "/nowhere/python3.12"]) == 1
        assert "/nowhere/python3.12 does not run as Python" in capsys.readouterr().err

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_stopped_build_leaves_no_files(self, number: signal.Signals, tmp_path: Path) -> None:
        temporary, output = tmp_path / "temporary", tmp_path / "built"
        temporary.mkdir()
        # nohup, under which the tests may run, lets SIGHUP be ignored.
        heard = [shutil.which("env") or "env", "--default-signal=SIGHUP"]
        command = [*heard, sys.executable, "-m", "tools.package", "--output", str(output / "x.zip")]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as build:
            while build.poll() is None and not any(output.glob(".unfinished-*")):
                time.sleep(0.01)
            build.send_signal(number)
            _, said = build.communicate()
        assert build.returncode == 128 + number, said
        assert "Traceback" not in said
        assert [*temporary.iterdir(), *output.iterdir()] == []

    def test_a_folder_of_the_user_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis").write_text("")
        with pytest.raises(BuildFailed, match="in the way"):
            package.build(NAME, tmp_path / "mine.zip")
        assert (tmp_path / "mine" / "thesis").exists()


def _undocumented(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name != "documentation" or not isinstance(value, str)}


def _walk(shape: Any, reached: set[str]) -> None:
    if shape is None or shape.name in reached:
        return
    reached.add(shape.name)
    if isinstance(shape, StructureShape):
        parts = list(shape.members.values())
    elif isinstance(shape, MapShape):
        parts = [shape.key, shape.value]
    else:
        parts = [shape.member] if isinstance(shape, ListShape) else []
    for part in parts:
        _walk(part, reached)
