"""`python -m tools.package`: build what CloudFormation's RegisterType takes, small and fast, and try it.

The outer zip is what `cfn submit --dry-run` would make, by the names of the same library; the function's code in it,
ResourceProvider.zip, holds the libraries without data that is never read (tools/function_package.py).
"""

import argparse
import hashlib
import importlib.metadata
import io
import json
import logging
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rpdk.core.project import (
    CFN_METADATA_FILENAME,
    INPUTS_FOLDER,
    SCHEMA_UPLOAD_FILENAME,
    SETTINGS_FILENAME,
    Project,
)
from rpdk.python.codegen import Python312LanguagePlugin

from cfnbox.cli.shutdown import Ending, run
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import follow, production_event
from cfnbox.handlers.execution_environment import RuntimeUnavailable
from cfnbox.handlers.runtime import LambdaRuntime
from cfnbox.sagemaker.server import LocalSageMaker
from tools import function_package, generate, type_name
from tools.function_package import BuildFailed, Tell, silent

ROOT = Path(__file__).resolve().parents[1]
FUNCTION_ZIP = "ResourceProvider.zip"
_BUILD = ROOT / "build"
_DEPENDENCIES = _BUILD / "dependencies"
_FUNCTION = "function"
_SCHEMA = ROOT / "aws-sagemaker-model.json"
_SOURCE = Path(generate.PACKAGE)
_MODEL = {
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/inference",
    "PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"},
}
_out = Console(highlight=False, soft_wrap=True)
_err = Console(highlight=False, soft_wrap=True, stderr=True)


class Package(NamedTuple):
    """A built package.

    `size` is the bytes of its ResourceProvider.zip; `python` is the interpreter that compiled it to byte code and
    `compiled_for` the version of that, None where none did.
    """

    path: Path
    type_name: str
    size: int
    python: str | None
    compiled_for: str | None

    @property
    def schema(self) -> Path:
        """The schema of the type, in the folder beside the zip."""
        return self.path.with_suffix("") / f"{type_name.file_name(self.type_name)}.json"


def main(arguments: Sequence[str] | None = None, ending: Ending | None = None) -> int:
    """Build a package as the arguments say: 0 when it is there and works, 1 when not, 2 for unusable arguments.

    `ending`: that of the process, where this is its command; it removes what is not finished.
    """
    own = own_type_name()
    parser = argparse.ArgumentParser(prog="python -m tools.package", description="Build the registrable package.")
    parser.add_argument("--type-name", default=own, help=f"name to register the type under (default: {own})")
    parser.add_argument("--output", type=Path, help="zip to write (default: build/NAME.zip)")
    parser.add_argument("--python", help="interpreter to byte-compile with (default: that of the Lambda runtime)")
    given = parser.parse_args(arguments)
    if ending:
        ending.unfinished = partial(_unfinished, given.output.parent if given.output else _BUILD, _DEPENDENCIES)
    try:
        if warning := type_name.check(given.type_name, own):
            _err.print(f"Warning: {warning}")
        output = given.output or _default_output(given.type_name)
        with _exclusive(output, _say):
            package = build(given.type_name, output, given.python, _say)
            _tell(package)
            _say("Trying it in the Lambda runtime.")
            with unpacked(package.path) as folder:
                _try(folder, TypeDefinition.load(package.schema))
        _out.print("It created, read, updated, listed and deleted a model in the Lambda runtime.")
    except RuntimeUnavailable as error:
        _out.print(f"It could not be tried in the Lambda runtime: {error}", markup=False)
    except type_name.UnusableTypeName as error:
        parser.error(str(error))
    except BuildFailed as error:
        _err.print(str(error), markup=False)
        return 1
    return 0


def own_type_name() -> str:
    """Return the type name that the source tree carries."""
    return str(json.loads(_SCHEMA.read_bytes())["typeName"])


def build(
    name: str | None = None, output: Path | None = None, python: str | None = None, tell: Tell = silent
) -> Package:
    """Build the package under a type name, byte-compiled by an interpreter: by default that of the Lambda runtime.

    A folder beside the zip, of its name, holds what is not for CloudFormation: the schema, docs and role under the
    type name, and the function's code. `tell` hears what takes its time. A second build of the same zip waits for the
    first. Raises BuildFailed.
    """
    name = name or own_type_name()
    runtime = str(_config()["runtime"])
    python = python or function_package.lambda_python(runtime)
    version = function_package.version(python) if python else None
    if python and version is None:
        raise BuildFailed(f"{python} does not run as Python: give --python an interpreter, or leave it out")
    output = output or _default_output(name)
    beside = output.with_suffix("")
    if beside.exists() and not (beside / _FUNCTION).exists():
        raise BuildFailed(f"{beside} is in the way, and was not made here: move it, or choose another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    dependencies = dependencies_folder(tell)
    with _exclusive(output, tell):
        function_package.remove_leftovers(output.parent)
        tell(f"Building {output.name}.")
        # Beside its place, so that it comes there whole or not at all.
        with tempfile.TemporaryDirectory(prefix=function_package.UNFINISHED, dir=output.parent) as directory:
            project = _write_project(Path(directory) / "project", name)
            function = project / _FUNCTION
            function_package.assemble(function, project / _SOURCE, dependencies, python)
            code = io.BytesIO()
            function_package.write_zip(code, function)
            _write_package(Path(directory) / "whole.zip", project, code.getvalue())
            shutil.rmtree(beside, ignore_errors=True)
            project.rename(beside)
            (Path(directory) / "whole.zip").replace(output)
    return Package(output, name, len(code.getvalue()), python, version)


def dependencies_folder(tell: Tell = silent) -> Path:
    """Return a folder with the pinned dependencies of the function, all of them and whole."""
    runtime = str(_config()["runtime"])
    return function_package.install(ROOT / "requirements.txt", runtime, _DEPENDENCIES, tell)


def _default_output(name: str) -> Path:
    return _BUILD / f"{type_name.file_name(name)}.zip"


def _exclusive(output: Path, tell: Tell) -> AbstractContextManager[None]:
    """Let one process at a time build a zip. The lock is not beside the zip, because that folder is the user's."""
    digest = hashlib.sha256(str(output.resolve()).encode()).hexdigest()[:12]
    return function_package.exclusive(_BUILD / "locks" / f"{digest}.lock", tell)


def _say(text: str) -> None:
    _out.print(text, markup=False)


def stock_size() -> int:
    """Return the bytes of the ResourceProvider.zip of `cfn submit`: every file but byte code, not compressed."""
    dependencies, file = dependencies_folder(), io.BytesIO()
    with zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for folder, base in ((dependencies, dependencies), (ROOT / _SOURCE, ROOT / _SOURCE.parent)):
            for path in _packaged(folder):
                archive.write(path.resolve(), str(path.relative_to(base)))
    return file.tell()


@contextmanager
def unpacked(package: Path) -> Iterator[Path]:
    """Give the function's code as Lambda does: in a folder that cannot be written to."""
    with tempfile.TemporaryDirectory(prefix="function-") as directory:
        folder = Path(directory) / "code"
        with zipfile.ZipFile(package) as outer, zipfile.ZipFile(io.BytesIO(outer.read(FUNCTION_ZIP))) as inner:
            inner.extractall(folder)
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            yield folder
        finally:
            for path in folders:
                path.chmod(stat.S_IRWXU)


def _config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads((ROOT / ".rpdk-config").read_bytes())
    return config


def _write_project(folder: Path, name: str) -> Path:
    """Write the project that the CloudFormation CLI packages, with everything generated under a type name."""
    schema = _SCHEMA.read_text(encoding="utf-8").replace(own_type_name(), name)
    config = _config()
    config |= {"typeName": name, "settings": config["settings"] | {"type_name": name}}
    try:
        generated = generate.generated(json.loads(schema), config)
    except generate.SchemaRefused as refused:
        raise BuildFailed(f"{_SCHEMA.name}: {refused}") from None
    shutil.copytree(ROOT / _SOURCE, folder / _SOURCE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "inputs", folder / "inputs", ignore=shutil.ignore_patterns("*.md"))
    written = {
        f"{type_name.file_name(name)}.json": schema,
        ".rpdk-config": json.dumps(config, indent=4) + "\n",
        **generated,
    }
    for path, text in written.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def _packaged(folder: Path) -> list[Path]:
    """Return the files of a folder that the plugin for Python packages."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc"]


def _write_package(output: Path, folder: Path, code: bytes) -> None:
    """Write the zip that `cfn submit` makes of a project, with our code of the function in place of pip's."""
    logging.getLogger("rpdk").setLevel(logging.CRITICAL + 1)
    project = Project(root=folder)
    project.load()
    metadata = {**Python312LanguagePlugin().get_plugin_information(project),
                "cli-version": importlib.metadata.version("cloudformation-cli")}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="package-") as directory:
        content = Path(directory)
        shutil.copy(project.settings_path, content / SETTINGS_FILENAME)
        shutil.copy(project.schema_path, content / SCHEMA_UPLOAD_FILENAME)
        shutil.copytree(project.inputs_path, content / INPUTS_FOLDER)
        for path in _packaged(folder / _SOURCE):
            copy = content / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        (content / FUNCTION_ZIP).write_bytes(code)
        (content / CFN_METADATA_FILENAME).write_text(json.dumps(metadata), encoding="utf-8")
        function_package.write_zip(output, content)


def _tell(package: Package) -> None:
    table = Table(title=str(package.path.name), title_justify="left")
    table.add_column(FUNCTION_ZIP)
    table.add_column("MB", justify="right")
    table.add_row("as `cfn submit` makes it", f"{stock_size() / 1e6:.2f}")
    table.add_row("as it is here", f"{package.size / 1e6:.2f}")
    _out.print(table)
    runtime = str(_config()["runtime"])
    if package.compiled_for is None:
        _err.print(
            f"The Lambda runtime's Python ({runtime}) is not here: the package holds source alone, and starts slower "
            "for it. Install it, or give it by --python."
        )
    elif runtime != f"python{package.compiled_for}":
        _err.print(
            f"Byte-compiled for Python {package.compiled_for}, which is of no use to the Lambda runtime ({runtime}): "
            "it compiles the source at every start. Leave out --python, or give it that version."
        )
    else:
        _out.print(f"Byte-compiled for Python {package.compiled_for}.")


def _try(folder: Path, definition: TypeDefinition) -> None:
    """Lead a model through its life in the Lambda runtime. Raises BuildFailed."""
    with LocalSageMaker() as server, LambdaRuntime(code=[folder], env={"AWS_ENDPOINT_URL": server.url}) as runtime:
        model: dict[str, Any] = dict(_MODEL)
        for action in ("CREATE", "READ", "UPDATE", "LIST", "DELETE"):
            desired = model | {"Tags": [{"Key": "team", "Value": "risk"}]} if action == "UPDATE" else model
            event = production_event(definition, action, desired=desired, previous=model)
            *_, answer = follow(runtime.invoke, event)
            if answer["status"] != "SUCCESS":
                raise BuildFailed(f"{action} failed in the package: {answer['errorCode']}: {answer['message']}")
            model = answer.get("resourceModel") or model


def _unfinished(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.glob(f"{function_package.UNFINISHED}*")]


if __name__ == "__main__":
    run(lambda ending: main(ending=ending))
