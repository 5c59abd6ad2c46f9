"""Other packages are used by their public names, and nothing of theirs is replaced, in everything that is no test."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDERS = ("src", "cfnbox/src", "tools", "lint", "bench", "acceptance", "deploy", "examples")
OURS = {"acceptance", "aws_sagemaker_model", "bench", "cfnbox", "lint", "lint_sagemaker_model", "tests", "tools"}
# Written by `cfn generate`, in the way of its own library.
GENERATED = {"src/aws_sagemaker_model/models.py"}
# The standard library's documented names, and stubs that no program imports.
PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit", "_typeshed"}
REPLACE = {"setattr", "delattr"}


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.relative_to(ROOT).as_posix() not in GENERATED:
                yield path


def is_private(name: str) -> bool:
    parts = [part for part in name.split(".") if part not in PUBLIC]
    return any(part.startswith("_") and not part.endswith("__") for part in parts)


def is_foreign(module: str) -> bool:
    return module.partition(".")[0] not in OURS | sys.stdlib_module_names


def findings(code: str) -> list[str]:
    """Return the uses of private names of other packages, and the places where something of theirs is replaced."""
    tree = ast.parse(code)
    imports = dict(_imports(tree))
    foreign = {name: module for name, module in imports.items() if is_foreign(module)}
    # A name with an underscore that this file defines itself is its own, on whatever object it is used.
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_of_self(node)} | {
        name for name, _ in _annotated(tree)
    }
    found = [f"imports {module}" for module in foreign.values() if is_private(module)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            found.append(f"uses {ast.unparse(node)}")
        parts = [target for target in _targets(node) if isinstance(target, ast.Attribute | ast.Subscript)]
        found += [f"replaces {ast.unparse(target)}" for target in parts if _root(target) in foreign]
        if isinstance(node, ast.Call):
            name, arguments = ast.unparse(node.func), node.args
            if name in REPLACE and arguments and _root(arguments[0]) in foreign:
                found.append(f"replaces by {ast.unparse(node)}")
            if name in ("mock.patch", "patch", "mock.patch.object", "patch.object"):
                found.append(f"replaces by {ast.unparse(node)}")
            if name == "getattr" and len(arguments) > 1 and isinstance(arguments[1], ast.Constant):
                found += [f"uses {ast.unparse(node)}"] if is_private(str(arguments[1].value)) else []
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.asname or name.name.partition(".")[0], name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((name.asname or name.name, f"{node.module}.{name.name}") for name in node.names)


def _annotated(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
        elif isinstance(node, ast.Assign):
            yield from ((target.id, node) for target in node.targets if isinstance(target, ast.Name))


def _is_of_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def _targets(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return targets
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return [target]
    return []


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_no_private_name_of_another_package_is_used_and_nothing_is_replaced() -> None:
    found = {path.relative_to(ROOT).as_posix(): findings(path.read_text()) for path in sources()}
    assert {path: uses for path, uses in found.items() if uses} == {}
    assert len(found) > 150


def test_the_cloud_changes_no_environment_of_its_process() -> None:
    """A command may, because its process is its own."""
    # The second runs in a child process.
    own = [path for path in sources() if path.parent.name == "cli" or path.name == "guarded_application.py"]
    library = [path for path in sources() if "cfnbox/src/" in path.as_posix() and path not in own]
    changes = {path.name: found for path in library if (found := _environment_changes(path.read_text()))}
    assert changes == {}
    assert _environment_changes("os.environ.update(A=1)\nos.environ['A'] = 1\nos.environ.get('A')") == [1, 2]


def _environment_changes(code: str) -> list[int]:
    changing = ("update", "setdefault", "pop", "clear", "putenv")
    lines = list[int]()
    for node in ast.walk(ast.parse(code)):
        targets = [ast.unparse(target) for target in _targets(node)]
        call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if any(target.startswith("os.environ[") for target in targets) or (
            call in [*(f"os.environ.{name}" for name in changing), "os.putenv"]
        ):
            lines.append(node.lineno)  # type: ignore[attr-defined]
    return sorted(lines)


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("from moto.sagemaker import _models", "imports moto.sagemaker._models"),
        ("from moto._internal import models", "imports moto._internal.models"),
        ("import ministack.app\nministack.app._reset()", "uses ministack.app._reset"),
        ("from moto import backends\nbackends.get()._store", "uses backends.get()._store"),
        ("import botocore.loaders\nbotocore.loaders.Loader = 1", "replaces botocore.loaders.Loader"),
        ("from moto import backends\nbackends['s3'] = 1", "replaces backends['s3']"),
        ("from moto import models\nsetattr(models, 'Model', 1)", "replaces by setattr(models, 'Model', 1)"),
        ("from unittest import mock\nmock.patch('moto.x')", "replaces by mock.patch('moto.x')"),
        ("import moto\ngetattr(moto, '_models')", "uses getattr(moto, '_models')"),
    ],
)
def test_the_search_finds(code: str, finding: str) -> None:
    assert findings(code) == [finding]
