"""Registration with the local cloud's registry: no version is registered twice, and failures have a reason."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.registry import ACCOUNT, BUCKET, TYPE_NAME, Clients, write_package, write_unusable_package
from tools import register

EAST, WEST = "us-east-1", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/acme-execution"
LOG_ROLE = f"arn:aws:iam::{ACCOUNT}:role/acme-logging"
FIRST, SECOND = ("00000001", "default"), ("00000002", "default")


def arn(version: int, region: str = EAST) -> str:
    return f"arn:aws:cloudformation:{region}:{ACCOUNT}:type/resource/Acme-SageMaker-Model/{version:08}"


def key(package: Path) -> str:
    return f"acme-sagemaker-model/{hashlib.sha256(package.read_bytes()).hexdigest()}.zip"


def run(clients: Clients, package: Path, *more: str, bucket: str = BUCKET, regions: tuple[str, ...] = (EAST,)) -> int:
    in_regions = [argument for region in regions for argument in ("--region", region)]
    given = ["--bucket", bucket, "--package", str(package), *in_regions, *more]
    return register.main(given, clients, poll_seconds=0)


def stored(clients: Clients, bucket: str = BUCKET) -> list[str]:
    return [one["Key"] for one in clients("s3", EAST).list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_package_is_uploaded_and_registered(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--execution-role", ROLE, "--log-role", LOG_ROLE, "--log-group", "acme-logs"]
    assert run(clients, package, *options) == 0
    uploaded = clients("s3", EAST).get_object(Bucket=BUCKET, Key=key(package))
    assert uploaded["Body"].read() == package.read_bytes()
    assert f"{EAST}: registered: {arn(1)} (the default version)" in capsys.readouterr().out
    described = clients("cloudformation", EAST).describe_type(Arn=arn(1))
    assert described["ExecutionRoleArn"] == ROLE
    assert described["LoggingConfig"] == {"LogRoleArn": LOG_ROLE, "LogGroupName": "acme-logs"}
    assert clients.versions(EAST) == [FIRST]


def test_the_upload_has_the_digest_of_the_package(clients: Clients, package: Path) -> None:
    digest = base64.b64encode(hashlib.sha256(package.read_bytes()).digest()).decode()
    sent: list[dict[str, Any]] = []
    clients("s3", EAST).meta.events.register(
        "provide-client-params.s3.PutObject", lambda params, **_: sent.append(dict(params))
    )
    assert run(clients, package) == 0
    (upload,) = (one for one in sent if one["Key"] == key(package))
    assert (upload["Body"], upload["ChecksumSHA256"]) == (package.read_bytes(), digest)


def put_by_another_person(clients: Clients, package: Path, **checksum: str) -> None:
    """Put another package where the tool will look for this one."""
    clients("s3", EAST).put_object(Bucket=BUCKET, Key=key(package), Body=b"another package", **checksum)


def content(clients: Clients, package: Path) -> bytes:
    body: bytes = clients("s3", EAST).get_object(Bucket=BUCKET, Key=key(package))["Body"].read()
    return body


def test_every_request_to_s3_expects_the_bucket_of_the_caller(clients: Clients, package: Path) -> None:
    clients.expected_owners.clear()
    clients.readable = False
    assert run(clients, package) == 1
    clients.readable = True
    for options in (["--dry-run"], ["--set-default"], []):
        assert run(clients, package, *options) == 0
    assert set(clients.expected_owners) == {ACCOUNT}


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["registration", "dry run"])
def test_a_bucket_of_another_account_is_refused(
    clients: Clients, package: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    clients.owners[BUCKET] = "999988887777"
    assert run(clients, package, *options) == 1
    assert f"{EAST}: The bucket {BUCKET} is not a bucket of your account {ACCOUNT}" in capsys.readouterr().err
    assert (stored(clients), clients.versions(EAST)) == ([], [])


@pytest.mark.parametrize(
    "checksum", [{}, {"ChecksumAlgorithm": "SHA256"}], ids=["without a checksum", "with its own"]
)
def test_an_object_that_is_not_the_package_is_replaced_before_the_registration(
    clients: Clients, package: Path, checksum: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    put_by_another_person(clients, package, **checksum)
    assert run(clients, package, "--dry-run") == 0
    assert f"would replace the object at s3://{BUCKET}/{key(package)}, which is not" in capsys.readouterr().out
    assert content(clients, package) == b"another package"
    assert run(clients, package) == 0
    assert f"replacing the object at s3://{BUCKET}/{key(package)}, which is not" in capsys.readouterr().out
    assert content(clients, package) == package.read_bytes()
    assert clients.versions(EAST) == [FIRST]


def test_a_package_that_is_replaced_during_its_registration_fails_the_run(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def replace(**_: Any) -> None:
        put_by_another_person(clients, package)

    events = clients("cloudformation", EAST).meta.events
    events.register("after-call.cloudformation.DescribeTypeRegistration", replace)
    assert run(clients, package, "--set-default") == 1
    error = capsys.readouterr().err
    assert f"s3://{BUCKET}/{key(package)} was replaced while CloudFormation registered it" in error
    assert f"Deregister {arn(1)}" in error
    events.unregister("after-call.cloudformation.DescribeTypeRegistration", replace)
    # No record says that the version is this package.
    assert run(clients, package) == 0
    assert clients.versions(EAST) == [FIRST, ("00000002", "live")]


def test_an_interrupted_run_is_not_continued_with_a_replaced_package(clients: Clients, package: Path) -> None:
    tokens = request_tokens(clients)
    clients.lose_answer_once(EAST, "RegisterType")
    assert run(clients, package) == 1
    put_by_another_person(clients, package)
    assert run(clients, package) == 0
    first, second = tokens
    assert first != second


def test_an_unchanged_package_is_not_registered_again(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clients, package) == 0
    before = stored(clients)
    assert run(clients, package) == 0
    assert stored(clients) == before
    assert clients.versions(EAST) == [FIRST]
    assert "was registered already, nothing new" in capsys.readouterr().out


@pytest.mark.parametrize("changed", ["package", "role"])
def test_another_package_or_role_is_a_new_version(
    clients: Clients, package: Path, tmp_path: Path, changed: str
) -> None:
    assert run(clients, package) == 0
    if changed == "package":
        package = write_package(tmp_path / "new.zip", TYPE_NAME, "changed")
    assert run(clients, package, *(["--execution-role", ROLE] if changed == "role" else [])) == 0
    assert clients.versions(EAST) == [FIRST, ("00000002", "live")]


def test_set_default_makes_a_registered_version_the_default(
    clients: Clients, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clients, write_package(tmp_path / "former.zip", TYPE_NAME, "former")) == 0
    assert run(clients, package) == 0
    assert "--set-default makes it that" in capsys.readouterr().out
    for _ in range(2):
        assert run(clients, package, "--set-default") == 0
        assert clients.versions(EAST) == [("00000001", "live"), SECOND]


@pytest.mark.parametrize("gone", ["deregistered", "unknown"])
def test_a_deregistered_version_is_registered_again(clients: Clients, package: Path, gone: str) -> None:
    assert run(clients, package) == 0
    if gone == "deregistered":
        clients("cloudformation", EAST).deregister_type(Arn=arn(1))
    else:
        clients.forget()
    assert run(clients, package) == 0
    assert clients.versions(EAST) == ([("00000001", "gone"), SECOND] if gone == "deregistered" else [FIRST])


def test_a_failure_is_shown_completely_and_can_be_retried(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = request_tokens(clients)
    clients.readable = False
    assert run(clients, package) == 1
    said = capsys.readouterr().err
    assert f"{EAST}: Deployment is currently in VALIDATION_STAGE of status FAILED" in said
    assert f"s3://{BUCKET}/{key(package)} cannot be read." in said
    clients.readable = True
    assert run(clients, package) == 0
    first, second = tokens
    assert first != second
    assert clients.versions(EAST) == [FIRST]


def test_a_package_that_the_registry_refuses_fails_the_run(
    clients: Clients, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clients, write_unusable_package(tmp_path / "package.zip", TYPE_NAME)) == 1
    assert "schema.json is not a resource type schema" in capsys.readouterr().err
    assert clients.versions(EAST) == []


@pytest.mark.parametrize("cut_off", ["before", "after"])
def test_an_interrupted_run_continues_with_the_same_request_token(
    clients: Clients, package: Path, cut_off: str
) -> None:
    tokens = request_tokens(clients)
    if cut_off == "before":
        clients.refuse_once(EAST, "RegisterType", "CFNRegistryException", "the request was lost")
    else:
        clients.lose_answer_once(EAST, "RegisterType")
    assert run(clients, package) == 1
    assert run(clients, package) == 0
    first, second = tokens
    assert first == second
    assert clients.versions(EAST) == [FIRST]


def request_tokens(clients: Clients) -> list[str]:
    tokens: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        tokens.append(params["ClientRequestToken"])

    clients("cloudformation", EAST).meta.events.register("provide-client-params.cloudformation.RegisterType", note)
    return tokens


def test_an_unreadable_record_is_replaced(clients: Clients, package: Path) -> None:
    assert run(clients, package) == 0
    (record,) = (one for one in stored(clients) if one.endswith(".json"))
    clients("s3", EAST).put_object(Bucket=BUCKET, Key=record, Body=b"{")
    for _ in range(2):
        assert run(clients, package) == 0
        assert clients.versions(EAST) == [FIRST, ("00000002", "live")]


def test_several_regions_have_their_own_buckets(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for region in (EAST, WEST):
        place = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        clients("s3", region).create_bucket(Bucket=f"acme-{region}", **place)
    assert run(clients, package, bucket="acme-{region}", regions=(EAST, WEST, EAST)) == 0
    out = capsys.readouterr().out
    assert out.index(arn(1, EAST)) < out.index(arn(1, WEST))
    assert clients.versions(EAST) == clients.versions(WEST) == [FIRST]


def test_a_failed_region_does_not_stop_the_others(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clients.refuse_once(WEST, "RegisterType", "CFNRegistryException", "Limit of versions reached.")
    assert run(clients, package, regions=(WEST, EAST)) == 1
    output = capsys.readouterr()
    assert f"{WEST}: RegisterType: CFNRegistryException: Limit of versions reached." in output.err
    assert f"{EAST}: registered: {arn(1)}" in output.out
    assert (clients.versions(EAST), clients.versions(WEST)) == ([FIRST], [])


def test_a_dry_run_prints_its_steps_and_changes_nothing(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clients, package, "--dry-run", "--set-default", "--execution-role", ROLE) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{EAST}: would upload {package} (0.0 MB) to s3://{BUCKET}/{key(package)}",
        f"{EAST}: would register Acme::SageMaker::Model with {ROLE}",
        f"{EAST}: would make it the default version",
    ]
    assert stored(clients) == []
    assert clients.versions(EAST) == []


def test_a_dry_run_reports_a_registered_package(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clients, package) == 0
    capsys.readouterr()
    assert run(clients, package, "--dry-run") == 0
    assert capsys.readouterr().out == f"{EAST}: would register nothing, this package is {arn(1)} already\n"


def test_a_missing_bucket_is_reported_with_the_command_to_create_it(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clients, package, bucket="nobodys") == 1
    error = capsys.readouterr().err
    assert "NoSuchBucket" in error
    assert "aws s3 mb" in error


def test_concurrent_runs_register_a_single_version(clients: Clients, package: Path) -> None:
    tokens = request_tokens(clients)
    s3 = clients("s3", EAST)
    other = json.dumps({"requestToken": "of-the-other-run"}).encode()

    def other_run_is_first(params: dict[str, Any], **_: Any) -> None:
        if params.get("IfNoneMatch"):
            s3.put_object(Bucket=BUCKET, Key=params["Key"], Body=other)

    s3.meta.events.register("provide-client-params.s3.PutObject", other_run_is_first)
    assert run(clients, package) == 0
    assert tokens == ["of-the-other-run"]


def test_an_interruption_prints_advice(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_service: str, _region: str) -> Any:
        raise KeyboardInterrupt

    assert register.main(["--bucket", BUCKET, "--package", str(package), "--region", EAST], interrupted) == 1
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--region", "Ireland"], "Ireland does not look like eu-west-1"),
        (["--region", EAST, "--execution-role", "acme"], "acme does not look like arn:aws:iam::"),
        (["--region", EAST, "--log-group", "acme"], "give both or neither"),
        (["--region", EAST, "--package", "absent.zip"], "absent.zip is not there"),
        (["--region", EAST, "--package", __file__], "cannot be read as a zip file"),
        (["--region", EAST, "--type-name", "Other::SageMaker::Model"], "not Other::SageMaker::Model"),
        ([], "no region is set"),
    ],
)
def test_inconsistent_arguments_are_refused(
    clients: Clients, package: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        register.main(["--bucket", BUCKET, "--package", str(package), *given], clients)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_reserved_namespace_is_refused_before_any_request(
    clients: Clients, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(clients, write_package(tmp_path / "package.zip", "AWS::SageMaker::Model"))
    assert stopped.value.code == 2
    assert "the namespace AWS is reserved" in capsys.readouterr().err


def test_missing_credentials_are_reported(
    package: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert register.main(["--bucket", BUCKET, "--package", str(package), "--region", EAST]) == 1
    assert "No AWS credentials are there." in capsys.readouterr().err
