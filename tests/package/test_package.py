"""The package: small, the same every time, complete under any name, and working where nothing else is installed."""

import ast
import gzip
import json
import os
import shutil
import signal
import ssl
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, ServiceModel, StructureShape
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.serving import make_server

from laptop.cloud import Cloud
from laptop.definition import TypeDefinition
from laptop.events import production_event
from laptop.sagemaker.server import LocalSageMaker, create_app
from tests.conftest import MODEL, ROOT, SCHEMA
from tests.e2e.conftest import Stack
from tests.package.conftest import NAME
from tools import package
from tools.function_package import LEFT_OUT, OPERATIONS, BuildFailed
from tools.package import Package
from tools.registration import Package as RegistrablePackage

MODEL_FILE = "botocore/data/sagemaker/2017-07-24/service-2.json"
DRIVER = ROOT / "bench" / "child.py"

_TELL_ENDPOINTS = """
import json, sys
sys.path[0] = sys.argv[1]
from aws_sagemaker_model.session import CALLER
metas = [CALLER.client(service, region).meta for service, region in json.load(sys.stdin)]
print(json.dumps([[meta.endpoint_url, meta.partition] for meta in metas]))
"""


def test_is_at_most_three_megabytes(built: Package) -> None:
    assert built.size <= 3_000_000 < built.stock_size


def test_is_the_same_every_time(built: Package, tmp_path: Path) -> None:
    again = package.build(NAME, tmp_path / "elsewhere" / "again.zip", built.python)
    assert again.path.read_bytes() == built.path.read_bytes()


def test_holds_what_the_cli_submits(outer: zipfile.ZipFile) -> None:
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


def test_a_name_is_data(outer: zipfile.ZipFile, inner: zipfile.ZipFile, built: Package) -> None:
    config = json.loads(outer.read(".rpdk-config"))
    own = json.loads((ROOT / ".rpdk-config").read_text())
    assert (config["typeName"], config["settings"]["type_name"]) == (NAME, NAME)
    assert (config["entrypoint"], config["testEntrypoint"]) == (own["entrypoint"], own["testEntrypoint"])

    named = json.loads(SCHEMA.read_text().replace("AWS::SageMaker::Model", NAME))
    assert json.loads(outer.read("schema.json")) == named
    assert json.loads(inner.read("aws_sagemaker_model/schema.json"))["typeName"] == NAME
    for pages in ("docs", "reference"):
        assert (built.path.with_suffix("") / pages / "README.md").read_text().startswith(f"# {NAME}\n")

    for path in (ROOT / "src" / "aws_sagemaker_model").glob("*.py"):
        assert inner.read(f"aws_sagemaker_model/{path.name}") == path.read_bytes()
        assert outer.read(f"src/aws_sagemaker_model/{path.name}") == path.read_bytes()


def test_is_compiled_for_lambda_once_and_for_all(built: Package, inner: zipfile.ZipFile) -> None:
    assert built.compiled_for
    tag = "cpython-" + built.compiled_for.replace(".", "")
    modules = [Path(name) for name in inner.namelist() if name.endswith(".py")]
    assert modules
    for module in modules:
        code = inner.read(str(module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"))
        # PEP 552: the flags say that a hash stands for the source, and that nobody checks it.
        assert struct.unpack("<I", code[4:8]) == (0b01,)
        assert f"/var/task/{module}".encode() in code


def test_runs_anywhere_in_lambda(inner: zipfile.ZipFile) -> None:
    assert not [name for name in inner.namelist() if name.endswith((".so", ".pyd", ".exe"))]


def test_has_every_module_of_the_libraries(inner: zipfile.ZipFile) -> None:
    libraries = package.dependencies_folder()
    modules = {path.relative_to(libraries) for path in libraries.rglob("*.py")}
    expected = {str(path) for path in modules if path.parts[0] not in LEFT_OUT}
    assert expected <= set(inner.namelist())
    assert len(expected) > 150
    for name in expected:
        assert inner.read(name) == (libraries / name).read_bytes()


def test_what_is_left_out_is_there_to_leave_out() -> None:
    libraries = package.dependencies_folder()
    assert [name for name in LEFT_OUT if not (libraries / name).exists()] == []


def test_nothing_imports_what_is_left_out(inner: zipfile.ZipFile) -> None:
    own = {path.name for path in (ROOT / "tools" / "stand_ins").iterdir()}
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


def test_tells_the_licences_of_what_it_holds(inner: zipfile.ZipFile) -> None:
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

    def test_changes_none_of_them(self, cut: Any, whole: Any) -> None:
        assert cut["shapes"] == {name: whole["shapes"][name] for name in cut["shapes"]}
        assert cut["operations"] == {name: whole["operations"][name] for name in cut["operations"]}
        assert cut["metadata"] == whole["metadata"]


class TestAlone:
    """The function in an interpreter that has nothing else, as Lambda unpacks it."""

    def test_makes_the_declared_calls_and_no_others(self, built: Package, function: Path) -> None:
        before = _stand(function)
        with LocalSageMaker() as server:
            server.reset()
            server.faults.replace([{"operation": "DescribeModel", "fault": "internal-error", "times": 1}])
            answers = _alone(built, function, list(_life()), {"AWS_ENDPOINT_URL": server.url})
            called = {(call.service, call.operation) for call in server.calls}
        assert [status for status, _ in answers] == [*["SUCCESS"] * 6, "FAILED"], answers
        assert _stand(function) == before
        # CloudWatch signs as what it was called once.
        names = {"monitoring": "cloudwatch"}
        assert {(names.get(service, service), operation) for service, operation in called} == {
            (service, operation) for service, operations in OPERATIONS.items() for operation in operations
        }

    def test_serves_every_partition(self, built: Package, function: Path) -> None:
        regions = ("us-gov-west-1", "cn-north-1", "eu-central-1")
        events = [production_event(TypeDefinition.load(SCHEMA), "LIST", region=region) for region in regions]
        with LocalSageMaker() as server:
            answers = _alone(built, function, events, {"AWS_ENDPOINT_URL": server.url})
        assert answers == [["SUCCESS", ""]] * 3

    def test_trusts_the_authorities_that_certifi_brings(self, built: Package, function: Path, tmp_path: Path) -> None:
        # Mozilla's list, which certifi repeats, has some 150.
        public = ssl.create_default_context(cafile=function / "certifi" / "cacert.pem")
        assert public.cert_store_stats()["x509_ca"] > 100
        with _tls_server(tmp_path) as (url, authority):
            distrusted = _list_models(built, function, {"AWS_ENDPOINT_URL": url})
            chosen = _list_models(built, function, {"AWS_ENDPOINT_URL": url, "AWS_CA_BUNDLE": str(authority)})
            copy = _copy(function, tmp_path)
            with (copy / "certifi" / "cacert.pem").open("a") as bundle:
                bundle.write(authority.read_text())
            trusted = _list_models(built, copy, {"AWS_ENDPOINT_URL": url})
        assert (distrusted[0], chosen[0], trusted[0]) == ("FAILED", "SUCCESS", "SUCCESS")
        assert "SSLError" in distrusted[1]

    def test_finds_the_services_of_every_region(
        self, built: Package, function: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        session = botocore.session.Session()
        partitions = session.get_available_partitions()
        regions = [r for partition in partitions for r in session.get_available_regions("sagemaker", partition)]
        clients = [
            session.create_client(service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b").meta
            for service in ("sagemaker", "logs", "cloudwatch")
            for region in [*regions, "us-newest-9"]
        ]
        ran = subprocess.run(
            [str(built.python), "-S", "-B", "-c", _TELL_ENDPOINTS, str(function)],
            input=json.dumps([(meta.service_model.service_name, meta.region_name) for meta in clients]),
            env={}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert len(regions) > 30
        assert json.loads(ran.stdout) == [[meta.endpoint_url, meta.partition] for meta in clients]

    def test_the_stand_in_refuses_to_work(self, built: Package, function: Path) -> None:
        code = f"import sys; sys.path[0] = {str(function)!r}; import boto3.session; boto3.session.Session()"
        ran = subprocess.run([str(built.python), "-S", "-B", "-c", code], capture_output=True, text=True, check=False)
        assert "boto3 is not in this package" in ran.stderr


class TestInTheCloud:
    """The function under a user's name, in the Lambda runtime."""

    def test_a_stack_deploys(self, function: Path, schema: Path) -> None:
        template = {"Resources": {"Model": {"Type": NAME, "Properties": MODEL}}}
        with Cloud(schema=schema, code=[function]) as cloud:
            stack = Stack(cloud.url, "own-name")
            assert stack.create(template, tags={"team": "risk"})["StackStatus"] == "CREATE_COMPLETE"
            assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
            assert cloud.sagemaker.calls[0].operation == "CreateModel"

    @pytest.mark.slow
    def test_the_contract_holds(self, function: Path, schema: Path, tmp_path: Path) -> None:
        for path in (ROOT / "inputs").glob("inputs_1_*.json"):
            shutil.copy(path, tmp_path)
        command = ["contract", "--code", str(function), "--schema", str(schema), "--inputs", str(tmp_path)]
        ran = subprocess.run(
            [sys.executable, "-m", "laptop", *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "contract tests passed: 13 passed, 2 skipped, 0 failed" in ran.stdout


class TestRefusals:
    """What ends a build, in words."""

    def test_a_name_that_cloudformation_would_refuse(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            package.main(["--type-name", "Acme::Model"])
        assert exit_.value.code == 2
        assert '"Acme::Model" is not a type name' in capsys.readouterr().err

    def test_an_interpreter_that_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert package.main(["--python", "/nowhere/python3.12"]) == 1
        assert "/nowhere/python3.12 does not run as Python" in capsys.readouterr().err

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_build_that_is_stopped_leaves_nothing(self, number: signal.Signals, tmp_path: Path) -> None:
        temporary, output = tmp_path / "temporary", tmp_path / "built"
        temporary.mkdir()
        command = [sys.executable, "-m", "tools.package", "--output", str(output / "x.zip")]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as build:
            while build.poll() is None and not any(output.glob(".package-*")):
                time.sleep(0.01)
            build.send_signal(number)
            _, said = build.communicate()
        assert build.returncode == 128 + number, said
        assert "Traceback" not in said
        assert [*temporary.iterdir(), *output.iterdir()] == []

    def test_a_folder_of_the_users_stays(self, tmp_path: Path) -> None:
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


def _stand(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def _copy(function: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(function, copy, copy_function=shutil.copyfile)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy


def _life() -> Iterator[dict[str, Any]]:
    """Events of a model's life, with the provider's log and metrics; the last finds nothing."""
    definition = TypeDefinition.load(SCHEMA)
    model = {**MODEL, "ModelName": "alone"}
    tagged = {**model, "Tags": [{"Key": "team", "Value": "risk"}]}
    retagged = {**model, "Tags": [{"Key": "stage", "Value": "test"}]}
    yield production_event(definition, "CREATE", desired=tagged, log_group="alone")
    yield production_event(definition, "READ", desired=model, log_group="alone")
    yield production_event(definition, "UPDATE", desired=retagged, previous=tagged)
    yield production_event(definition, "LIST")
    yield production_event(definition, "READ", desired=model)
    yield production_event(definition, "DELETE", desired=model)
    yield production_event(definition, "READ", desired=model, log_group="alone")


def _alone(
    built: Package, function: Path, events: list[dict[str, Any]], environ: dict[str, str]
) -> list[tuple[str, str]]:
    """Return status and message of each answer of a function in an interpreter that finds nothing else."""
    region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    lambda_sets = {"PATH": os.defpath, "AWS_LAMBDA_FUNCTION_NAME": "function", **region}
    ran = subprocess.run(
        [str(built.python), "-S", "-s", "-B", str(DRIVER), str(function)],
        input="".join(json.dumps(event) + "\n" for event in events),
        env=lambda_sets | environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    *answers, _ = map(json.loads, ran.stdout.splitlines())
    return answers


def _list_models(built: Package, function: Path, environ: dict[str, str]) -> tuple[str, str]:
    event = production_event(TypeDefinition.load(SCHEMA), "LIST")
    [answer] = _alone(built, function, [event], environ)
    return answer


@contextmanager
def _tls_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """A SageMaker that speaks TLS, and the certificate of its authority."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _write_certificate(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = make_server("127.0.0.1", 0, create_app(), threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.port}", certificate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _write_certificate(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
