"""The function of the package as in Lambda: alone, with the data to reach AWS, and in the local cloud."""

import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.serving import make_server

import programs
from cfnbox.cloud import Cloud
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import production_event
from cfnbox.registry.projects import Project, layout
from cfnbox.sagemaker.server import LocalSageMaker, SageMakerApp
from tests.conftest import MODEL, ROOT, SCHEMA
from tests.e2e.conftest import Stack
from tests.package.conftest import NAME
from tools.function_package import OPERATIONS
from tools.package import Package

DRIVER = ROOT / "bench" / "child.py"

_TELL_ENDPOINTS = """
import json, sys
sys.path[0] = sys.argv[1]
from aws_sagemaker_model.session import CALLER
metas = [CALLER.client(service, region).meta for service, region in json.load(sys.stdin)]
print(json.dumps([[meta.endpoint_url, meta.partition] for meta in metas]))
"""


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
        assert answers == [("SUCCESS", "")] * 3

    def test_trusts_the_certificate_authorities_of_certifi(
        self, built: Package, function: Path, tmp_path: Path
    ) -> None:
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

    def test_finds_the_endpoints_of_every_region(
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

    def test_the_stub_refuses_to_work(self, built: Package, function: Path) -> None:
        code = f"import sys; sys.path[0] = {str(function)!r}; import boto3.session; boto3.session.Session()"
        ran = subprocess.run([str(built.python), "-S", "-B", "-c", code], capture_output=True, text=True, check=False)
        assert "boto3 is not in this package" in ran.stderr


class TestInTheCloud:
    """The function under a user's name, in the Lambda runtime."""

    def test_deploys_a_stack(self, function: Path, schema: Path) -> None:
        template = {"Resources": {"Model": {"Type": NAME, "Properties": MODEL}}}
        found = replace(layout(ROOT), schema=schema, code=(function,), requirements=None, type_name=None)
        with Cloud(sources=[Project(lambda: found)]) as cloud:
            stack = Stack(cloud.url, "own-name")
            assert stack.create(template, tags={"team": "risk"})["StackStatus"] == "CREATE_COMPLETE"
            assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
            assert cloud.sagemaker.calls[0].operation == "CreateModel"

    def test_passes_the_contract_tests(self, function: Path, schema: Path, tmp_path: Path) -> None:
        for path in (ROOT / "inputs").glob("inputs_1_*.json"):
            shutil.copy(path, tmp_path)
        command = ["contract", "--code", str(function), "--schema", str(schema), "--inputs", str(tmp_path)]
        ran = subprocess.run(
            [programs.program("cfnbox"), *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "contract tests passed: 13 passed, 2 skipped, 0 failed" in ran.stdout


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
    return [(status, message) for status, message in answers]


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
    server = make_server("127.0.0.1", 0, SageMakerApp(), threaded=True, ssl_context=context)
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
