"""The function's code: what CloudFormation runs as ResourceProvider.zip.

Every module of the pinned libraries is in it, so that nothing can be missing on a rare path; LEFT_OUT says what is
not, and why. Of botocore's descriptions of some 400 services the operations in OPERATIONS are kept.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from gzip import decompress
from pathlib import Path
from typing import IO, Any

import psutil
from filelock import FileLock, Timeout

from tools import botocore_trim, environment

Tell = Callable[[str], None]

# The operations that the handlers call, by botocore's name of the service: SageMaker for the user, the others by the
# handlers' library for the provider's log and metrics. tests/package holds them against the calls that are made.
OPERATIONS = {
    "sagemaker": (
        "AddTags", "CreateModel", "DeleteModel", "DeleteTags", "DescribeModel", "ListModels", "ListTags",
    ),
    "logs": ("CreateLogGroup", "CreateLogStream", "PutLogEvents"),
    "cloudwatch": ("PutMetricData",),
}  # fmt: skip

# Left out of the folder that pip makes, and why. Nothing else in the package imports from them (tests/package).
LEFT_OUT = {
    "boto3": "replaced by tools/stubs/boto3: the handlers' library imports it, but this type does not use it, "
    "which would add a sixth to the cold start and half a megabyte (measured)",
    "s3transfer": "imported by boto3 alone",
    "setuptools": "asked for by the handlers' library for its installation, and imported by nothing",
    "_distutils_hack": "a part of setuptools",
    "distutils-precedence.pth": "a part of setuptools",
    "bin": "commands",
}
_LEFT_OUT_EVERYWHERE = (
    "__pycache__",
    # Compiled for one machine; the same module stands beside it as Python.
    "*.so",
    # What pip installed, with a digest of each file: it is not all here.
    "RECORD",
)
# Of a service's data botocore reads these two to make a client; the others describe pages and waiters.
_SERVICE_MODEL, _ENDPOINTS_OF_SERVICE = "service-2.json", "endpoint-rule-set-1.json"
# What this process has not finished is called so, wherever it lies: a build that is stopped removes it.
UNFINISHED = f".unfinished-{os.getpid()}-"
_STUBS = Path(__file__).with_name("stubs")
# Where Lambda unpacks a function, for the file names in tracebacks.
_LAMBDA_FOLDER = "/var/task"

# Licences ask that changes be told; people who look into a package as well.
_NOTICE = """botocore's service models of {services}
and its endpoints.json are cut to the operations in use, without documentation; the data of other services is
left out. boto3 is a stub that refuses to work. What else is here of a library is unchanged; licences lie in the
*.dist-info folders.
"""


class BuildFailed(Exception):
    """The package cannot be built; the message says why and what to do."""


def silent(_text: str) -> None:
    """Say nothing."""


def lambda_python(runtime: str) -> str | None:
    """Return the interpreter of a Lambda runtime ("python3.12") if it is here: on PATH or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    wanted = runtime.removeprefix("python")
    candidates = [shutil.which(runtime), *map(str, sorted(pyenv.glob(f"{wanted}*/bin/{runtime}"), reverse=True))]
    return next((found for found in candidates if found and version(found) == wanted), None)


def version(python: str) -> str | None:
    """Return the version of an interpreter as "3.12", or None where it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run([python, "-S", "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def install(requirements: Path, runtime: str, cache: Path, tell: Tell = silent) -> Path:
    """Return a folder with the pinned requirements, for Lambda's machines. It is made once. Raises BuildFailed."""
    digest = hashlib.sha256(requirements.read_bytes() + runtime.encode()).hexdigest()[:12]
    folder, unfinished = cache / digest, cache / f"{UNFINISHED}{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive(cache / f".{digest}.lock", tell):
        remove_leftovers(cache)
        if not folder.exists():
            tell("Installing the libraries of the function: 18 MB to download.")
            try:
                _install(requirements, runtime, unfinished)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


@contextmanager
def exclusive(lock: Path, tell: Tell = silent) -> Iterator[None]:
    """Let one process at a time work: another one waits, and then finds what the first one has made.

    The system ends the lock with its process. A process that holds it can take it again.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, is_singleton=True)
    try:
        held.acquire(blocking=False)
    except Timeout:
        tell("Another process is building the same. Waiting for it.")
        held.acquire()
    try:
        yield
    finally:
        held.release()


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished work of processes that were killed."""
    for path in folder.glob(".unfinished-*-*"):
        process = path.name.split("-")[1]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _install(requirements: Path, runtime: str, target: Path) -> None:
    """Install with pip and the user's settings for it. Raises BuildFailed."""
    pip = [
        sys.executable, "-m", "pip", "--no-input", "install", "--quiet",
        "--require-hashes", "--no-deps", "--no-compile", "--requirement", str(requirements),
        "--target", str(target), "--only-binary", ":all:", "--implementation", "cp",
        "--python-version", runtime.removeprefix("python"), "--platform", "manylinux2014_x86_64",
    ]  # fmt: skip
    try:
        settings = environment.pip_settings(Path(sys.executable))
    except environment.SetupFailed as failure:
        raise BuildFailed(str(failure)) from None
    done = subprocess.run(pip, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(f"pip could not install {requirements.name}:\n{done.stderr.strip()}")


def assemble(folder: Path, source: Path, dependencies: Path, python: str | None) -> None:
    """Write the function's code into a folder: the type's package and the libraries, cut and byte-compiled.

    `python` is the interpreter that compiles; without one there is source alone. Raises BuildFailed.
    """
    shutil.copytree(dependencies, folder, ignore=_ignored(dependencies))
    for own in (source, *_STUBS.iterdir()):
        shutil.copytree(own, folder / own.name, ignore=shutil.ignore_patterns("__pycache__"))
    _cut_data(folder / "botocore" / "data")
    (folder / "NOTICE").write_text(_NOTICE.format(services=", ".join(OPERATIONS)), encoding="utf-8")
    if python:
        _compile(folder, python)


def write_zip(target: Path | IO[bytes], folder: Path) -> None:
    """Write a folder as a zip that depends on the files' names and contents alone."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())


def _ignored(dependencies: Path) -> Callable[[str, list[str]], Collection[str]]:
    """Return what shutil.copytree asks for each folder: which of its names to leave out."""
    everywhere = shutil.ignore_patterns(*_LEFT_OUT_EVERYWHERE)
    top = shutil.ignore_patterns(*LEFT_OUT, *(f"{name}-*.dist-info" for name in LEFT_OUT))
    data = dependencies / "botocore" / "data"

    def ignored(folder: str, names: list[str]) -> Collection[str]:
        left_out = set(everywhere(folder, names))
        if Path(folder) == dependencies:
            left_out |= set(top(folder, names))
        elif Path(folder) == data:
            left_out |= {name for name in names if not name.endswith(".json") and name not in OPERATIONS}
        elif Path(folder).parent.parent == data:
            kept = (_SERVICE_MODEL, _ENDPOINTS_OF_SERVICE)
            left_out |= {name for name in names if name.removesuffix(".gz") not in kept}
        return left_out

    return ignored


def _cut_data(data: Path) -> None:
    """Cut botocore's data to the operations in use, and unpack it: a function's zip is packed as a whole."""
    prefixes = set()
    for service, operations in OPERATIONS.items():
        for path in data.glob(f"{service}/*/*.json.gz"):
            content = json.loads(decompress(path.read_bytes()))
            if path.name == f"{_SERVICE_MODEL}.gz":
                prefixes.add(content["metadata"]["endpointPrefix"])
                content = botocore_trim.cut_service_model(content, operations)
            _write_json(path.with_suffix(""), content)
            path.unlink()
    endpoints = data / "endpoints.json"
    _write_json(endpoints, botocore_trim.cut_endpoints(json.loads(endpoints.read_bytes()), prefixes))


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def _compile(folder: Path, python: str) -> None:
    """Byte-compile for good: Lambda keeps no times of files, so that only unchecked code is never compiled again."""
    command: Sequence[str] = [
        python, "-S", "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash",
        "-s", str(folder), "-p", _LAMBDA_FOLDER, str(folder),
    ]  # fmt: skip
    # The order of sets in byte code follows the seed.
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONHASHSEED": "0", "PATH": os.defpath}
    )
    if done.returncode:
        raise BuildFailed(f"{python} could not compile the package:\n{done.stdout}{done.stderr}")
