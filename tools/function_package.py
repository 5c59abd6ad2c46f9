"""The function's code, cut to what it uses: what CloudFormation runs as ResourceProvider.zip."""

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from gzip import decompress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tools import botocore_trim
from tools.package_trace import Usage

_WITHOUT_CACHES = shutil.ignore_patterns("__pycache__")
_STAND_INS = Path(__file__).with_name("stand_ins")

# OpenSSL opens the certificates of authorities itself, where no trace sees it.
_READ_BY_OPENSSL = "botocore/cacert.pem"
# Modules that the trace did not see, and that a module in the package imports when it needs them: why it never does.
# A reference that is not listed here ends the build: have tools/package_trace.py use it, or say why it is not needed.
_NEVER_NEEDED = {
    "botocore.crt.auth": "signs with awscrt, which a stand-in keeps out",
    "dateutil.rrule": "reads time zones of calendar files",
    "dateutil.tz.win": "reads time zones of Windows",
    "dateutil.zoneinfo": "reads time zones by name; the services' times are numbers or end in Z",
    "idna": "connects to host names with letters beyond ASCII",
    "urllib3.contrib.emscripten": "runs in browsers",
    "urllib3.contrib.pyopenssl": "replaces Python's own TLS on versions of it that lack one",
    "urllib3.http2.connection": "speaks HTTP/2, which botocore does not ask for",
}
# Where Lambda unpacks a function, for the file names in tracebacks.
_LAMBDA_FOLDER = "/var/task"


# Licences ask that changes be told; people who look into a package as well.
_NOTICE = """This package holds only what its function uses, found out by running it.
Of botocore the service models of {services}
and endpoints.json are cut to the operations in use, without documentation; its other data and modules
that are never imported are left out, as they are of the other libraries. boto3 and requests are stand-ins
that refuse to work. What is left of every library is unchanged; licences lie in the *.dist-info folders.
"""


class BuildFailed(Exception):
    """The package cannot be built; the message says why and what to do."""


@dataclass(frozen=True)
class Sources:
    """Where the function's code comes from: all of an overlay, and what else is used of the dependencies."""

    overlay: Path
    dependencies: Path

    @property
    def search_path(self) -> str:
        """The folders as Python searches them."""
        return os.pathsep.join(map(str, (self.overlay, self.dependencies)))

    def find(self, relative: str) -> Path | None:
        """Return the file of a relative path, if there is one."""
        return next((f / relative for f in (self.overlay, self.dependencies) if (f / relative).is_file()), None)


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


def install(requirements: Path, runtime: str, cache: Path) -> Path:
    """Return a folder with the pinned requirements, for Lambda's machines; it is made once. Raises BuildFailed."""
    digest = hashlib.sha256(requirements.read_bytes() + runtime.encode()).hexdigest()[:12]
    folder, unfinished = cache / digest, cache / f"{digest}.{os.getpid()}"
    if not folder.exists():
        pip = [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet",
            "--require-hashes", "--no-deps", "--no-compile", "--requirement", str(requirements),
            "--target", str(unfinished), "--only-binary", ":all:", "--implementation", "cp",
            "--python-version", runtime.removeprefix("python"), "--platform", "manylinux2014_x86_64",
        ]  # fmt: skip
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise BuildFailed(f"pip could not install {requirements.name}:\n{done.stderr.strip()}")
        unfinished.rename(folder)
    return folder


def overlay(folder: Path, source: Path) -> None:
    """Write what goes before the dependencies, all of it: the type's code and the stand-ins."""
    shutil.copytree(_STAND_INS, folder, ignore=_WITHOUT_CACHES)
    shutil.copytree(source, folder / source.name, ignore=_WITHOUT_CACHES)


def assemble(folder: Path, sources: Sources, used: Usage, python: str | None) -> None:
    """Write the function's code into a folder: what is used, byte-compiled where an interpreter is given."""
    _require_known_references(sources, used)
    _require_portable(used)
    shutil.copytree(sources.overlay, folder)
    added = (used.modules | used.data | {_READ_BY_OPENSSL}) - set(_files(sources.overlay))
    services = {service: _service_model(sources, used, service) for service in used.operations}
    for relative in added:
        plain = relative.removesuffix(".gz")
        _write(folder / plain, _cut(plain, _read(sources, relative), services))
    for relative in _distribution_files(sources.dependencies, added):
        _write(folder / relative, _read(sources, relative))
    _write(folder / "NOTICE", _NOTICE.format(services=", ".join(sorted(services))).encode())
    if python:
        _compile(folder, python)


def write_zip(target: Path | IO[bytes], folder: Path) -> None:
    """Write a folder as a zip that depends on the files' names and contents alone."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for relative in _files(folder):
            entry = zipfile.ZipInfo(relative, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, (folder / relative).read_bytes())


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _read(sources: Sources, relative: str) -> bytes:
    found = sources.find(relative)
    if found is None:
        raise BuildFailed(f"{relative} is needed, but no dependency has it")
    content = found.read_bytes()
    return decompress(content) if relative.endswith(".gz") else content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _service_model(sources: Sources, used: Usage, service: str) -> dict[str, Any]:
    (relative,) = (p for p in used.data if re.fullmatch(rf"botocore/data/{service}/[^/]+/service-2\.json(\.gz)?", p))
    return botocore_trim.cut_service_model(json.loads(_read(sources, relative)), used.operations[service])


def _cut(relative: str, content: bytes, services: Mapping[str, dict[str, Any]]) -> bytes:
    path = PurePosixPath(relative)
    if path.suffix != ".json":
        return content
    if path.name == "endpoints.json":
        prefixes = {model["metadata"]["endpointPrefix"] for model in services.values()}
        data: Any = botocore_trim.cut_endpoints(json.loads(content), prefixes)
    elif path.name == "service-2.json":
        data = services[path.parts[2]]
    else:
        data = json.loads(content)
    return json.dumps(data, separators=(",", ":")).encode()


def _distribution_files(dependencies: Path, added: Collection[str]) -> Iterator[str]:
    """Name, version and licence of each distribution of which a part is in the package."""
    for information in sorted(dependencies.glob("*.dist-info")):
        owned = {line.split(",")[0] for line in (information / "RECORD").read_text(encoding="utf-8").splitlines()}
        for name in _files(information) if owned & set(added) else ():
            if name == "METADATA" or re.match(r"(.*/)?(LICEN[CS]E|NOTICE|COPYING|AUTHORS)", name, re.IGNORECASE):
                yield f"{information.name}/{name}"


def _require_portable(used: Usage) -> None:
    if native := sorted(path for path in used.modules if not path.endswith(".py")):
        raise BuildFailed(f"Only Python runs on every architecture and version of Lambda, but used is {native[0]}")


def _require_known_references(sources: Sources, used: Usage) -> None:
    """Raise BuildFailed when a module in the package may want one that was left out, for no stated reason."""
    unknown: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(used.modules):
        for name in _imported(path, _read(sources, path)):
            files = {file for file in _files_of(name) if (sources.dependencies / file).is_file()}
            stands_in = (sources.overlay / name.split(".")[0]).exists()
            if files and not files & used.modules and not stands_in and name not in _NEVER_NEEDED:
                unknown[name].append(path)
    if unknown:
        lines = [f"  {name}, for {', '.join(paths)}" for name, paths in sorted(unknown.items())]
        raise BuildFailed(
            "Modules may be imported that no traced invocation used:\n" + "\n".join(lines) + "\n"
            "Let tools/package_trace.py use them, or say in tools/function_package.py why they are never needed."
        )


def _files_of(name: str) -> tuple[str, str]:
    path = name.replace(".", "/")
    return f"{path}.py", f"{path}/__init__.py"


def _imported(path: str, source: bytes) -> Iterator[str]:
    """Every name that the import statements of a module could mean a module by, at any depth."""
    package = ".".join(PurePosixPath(path).parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


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


def size(paths: Collection[Path]) -> int:
    """Return the bytes that files take."""
    return sum(path.stat().st_size for path in paths)
