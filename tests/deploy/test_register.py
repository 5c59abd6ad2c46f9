"""Registration: the exact requests, nothing registered twice, and every failure in words."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY

from tests.deploy.stubbed_registry import ACCOUNT, BUCKET, Clients, write_package
from tools import register

EAST, WEST = "us-east-1", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/acme-execution"
LOG_ROLE = f"arn:aws:iam::{ACCOUNT}:role/acme-logging"
TYPE = {"Type": "RESOURCE", "TypeName": "Acme::SageMaker::Model"}


def arn(version: int, region: str = EAST) -> str:
    return f"arn:aws:cloudformation:{region}:{ACCOUNT}:type/resource/Acme-SageMaker-Model/{version:08}"


def key(package: Path) -> str:
    return f"acme-sagemaker-model/{hashlib.sha256(package.read_bytes()).hexdigest()}.zip"


def expect_registration(
    clients: Clients,
    package: Path,
    version: int,
    *,
    region: str = EAST,
    bucket: str = BUCKET,
    ends: bool = True,
    **settings: Any,
) -> None:
    request = {**TYPE, "SchemaHandlerPackage": f"s3://{bucket}/{key(package)}", "ClientRequestToken": ANY, **settings}
    clients.expect(region, "register_type", request, {"RegistrationToken": f"token-{version}"})
    if ends:
        expect_end(clients, version, region)


def expect_end(clients: Clients, version: int, region: str = EAST) -> None:
    done = {"ProgressStatus": "COMPLETE", "TypeVersionArn": arn(version, region)}
    for answer in ({"ProgressStatus": "IN_PROGRESS"}, done, done):
        clients.expect(region, "describe_type_registration", {"RegistrationToken": f"token-{version}"}, answer)


def expect_description(
    clients: Clients, version: int, *, region: str = EAST, default: bool = True, status: str = "LIVE"
) -> None:
    answer = {"IsDefaultVersion": default, "DeprecatedStatus": status}
    clients.expect(region, "describe_type", {**TYPE, "VersionId": f"{version:08}"}, answer)


def run(clients: Clients, package: Path, *more: str, bucket: str = BUCKET, regions: tuple[str, ...] = (EAST,)) -> int:
    in_regions = [argument for region in regions for argument in ("--region", region)]
    given = ["--bucket", bucket, "--package", str(package), *in_regions, *more]
    return register.main(given, clients, poll_seconds=0)


def stored(clients: Clients, bucket: str = BUCKET) -> list[str]:
    return [one["Key"] for one in clients("s3", EAST).list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_package_is_uploaded_registered_and_waited_for(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect_registration(
        clients,
        package,
        1,
        ExecutionRoleArn=ROLE,
        LoggingConfig={"LogRoleArn": LOG_ROLE, "LogGroupName": "acme-logs"},
    )
    expect_description(clients, 1)
    options = ["--execution-role", ROLE, "--log-role", LOG_ROLE, "--log-group", "acme-logs"]
    assert run(clients, package, *options) == 0
    uploaded = clients("s3", EAST).get_object(Bucket=BUCKET, Key=key(package))
    assert uploaded["Body"].read() == package.read_bytes()
    assert f"{EAST}: registered: {arn(1)} (the default version)" in capsys.readouterr().out


def test_s3_is_told_the_digest_that_must_arrive(clients: Clients, package: Path) -> None:
    digest = base64.b64encode(hashlib.sha256(package.read_bytes()).digest()).decode()
    sent: list[dict[str, Any]] = []
    clients("s3", EAST).meta.events.register(
        "provide-client-params.s3.PutObject", lambda params, **_: sent.append(dict(params))
    )
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    assert {"Bucket": BUCKET, "Key": key(package), "Body": package.read_bytes(), "ChecksumSHA256": digest} in sent


def test_the_same_package_again_registers_nothing(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    before = stored(clients)
    for _ in range(2):
        expect_description(clients, 1)
    assert run(clients, package) == 0
    assert stored(clients) == before
    assert "was registered already, nothing new" in capsys.readouterr().out


@pytest.mark.parametrize("changed", ["package", "role"])
def test_another_package_or_role_is_a_new_version(
    clients: Clients, package: Path, tmp_path: Path, changed: str
) -> None:
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    if changed == "package":
        package = write_package(tmp_path / "new.zip", TYPE["TypeName"], "changed")
        expect_registration(clients, package, 2)
    else:
        expect_registration(clients, package, 2, ExecutionRoleArn=ROLE)
    expect_description(clients, 2, default=False)
    assert run(clients, package, *(["--execution-role", ROLE] if changed == "role" else [])) == 0


def test_the_default_version_is_set_when_it_is_not_yet(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect_registration(clients, package, 2)
    expect_description(clients, 2, default=False)
    assert run(clients, package) == 0
    assert "--set-default makes it that" in capsys.readouterr().out
    for _ in range(2):
        expect_description(clients, 2, default=False)
    clients.expect(EAST, "set_type_default_version", {"Arn": arn(2)}, {})
    assert run(clients, package, "--set-default") == 0
    for _ in range(2):
        expect_description(clients, 2)
    assert run(clients, package, "--set-default") == 0


@pytest.mark.parametrize("gone", ["deprecated", "unknown"])
def test_a_version_that_was_deregistered_is_registered_anew(clients: Clients, package: Path, gone: str) -> None:
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    if gone == "deprecated":
        expect_description(clients, 1, status="DEPRECATED")
    else:
        clients.refuse(EAST, "describe_type", "TypeNotFoundException", "not found")
    expect_registration(clients, package, 2)
    expect_description(clients, 2)
    assert run(clients, package) == 0


def test_a_failure_is_shown_in_full_and_can_be_tried_again(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = request_tokens(clients)
    reason = "The schema [cannot be used]: " + "a long reason, " * 60
    expect_registration(clients, package, 1, ends=False)
    failed = {"ProgressStatus": "FAILED", "Description": reason}
    clients.expect(EAST, "describe_type_registration", {"RegistrationToken": "token-1"}, failed)
    assert run(clients, package) == 1
    assert f"{EAST}: {reason}".rstrip() in capsys.readouterr().err
    expect_registration(clients, package, 2)
    expect_description(clients, 2)
    assert run(clients, package) == 0
    first, second = tokens
    assert first != second


def test_a_run_that_was_cut_off_is_taken_up_with_the_same_request(clients: Clients, package: Path) -> None:
    tokens = request_tokens(clients)
    clients.refuse(EAST, "register_type", "CFNRegistryException", "the answer was lost")
    assert run(clients, package) == 1
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    first, second = tokens
    assert first == second


def request_tokens(clients: Clients) -> list[str]:
    tokens: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        tokens.append(params["ClientRequestToken"])

    clients("cloudformation", EAST).meta.events.register("provide-client-params.cloudformation.RegisterType", note)
    return tokens


def test_a_record_that_cannot_be_read_is_written_anew(clients: Clients, package: Path) -> None:
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    (record,) = (one for one in stored(clients) if one.endswith(".json"))
    clients("s3", EAST).put_object(Bucket=BUCKET, Key=record, Body=b"{")
    expect_registration(clients, package, 2)
    expect_description(clients, 2)
    assert run(clients, package) == 0
    expect_description(clients, 2)
    expect_description(clients, 2)
    assert run(clients, package) == 0


def test_many_regions_each_with_a_bucket_of_its_own(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for region in (EAST, WEST):
        place = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        clients("s3", region).create_bucket(Bucket=f"acme-{region}", **place)
        expect_registration(clients, package, 1, region=region, bucket=f"acme-{region}")
        expect_description(clients, 1, region=region)
    assert run(clients, package, bucket="acme-{region}", regions=(EAST, WEST, EAST)) == 0
    out = capsys.readouterr().out
    assert out.index(arn(1, EAST)) < out.index(arn(1, WEST))


def test_one_region_that_fails_does_not_keep_the_others_back(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clients.refuse(WEST, "register_type", "CFNRegistryException", "Limit of versions reached.")
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package, regions=(WEST, EAST)) == 1
    output = capsys.readouterr()
    assert f"{WEST}: RegisterType: CFNRegistryException: Limit of versions reached." in output.err
    assert f"{EAST}: registered: {arn(1)}" in output.out


def test_a_dry_run_tells_and_changes_nothing(
    clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clients, package, "--dry-run", "--set-default", "--execution-role", ROLE) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{EAST}: would upload {package} (0.0 MB) to s3://{BUCKET}/{key(package)}",
        f"{EAST}: would register Acme::SageMaker::Model with {ROLE}",
        f"{EAST}: would make it the default version",
    ]
    assert stored(clients) == []


def test_a_dry_run_of_what_is_registered(clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    capsys.readouterr()
    expect_description(clients, 1)
    assert run(clients, package, "--dry-run") == 0
    assert capsys.readouterr().out == f"{EAST}: would register nothing, this package is {arn(1)} already\n"


def test_a_bucket_that_is_not_there(clients: Clients, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clients, package, bucket="nobodys") == 1
    error = capsys.readouterr().err
    assert "NoSuchBucket" in error
    assert "aws s3 mb" in error


def test_two_runs_at_once_make_one_version(clients: Clients, package: Path) -> None:
    tokens = request_tokens(clients)
    s3 = clients("s3", EAST)
    other = json.dumps({"requestToken": "of-the-other-run"}).encode()

    def other_run_is_first(params: dict[str, Any], **_: Any) -> None:
        if params.get("IfNoneMatch"):
            s3.put_object(Bucket=BUCKET, Key=params["Key"], Body=other)

    s3.meta.events.register("provide-client-params.s3.PutObject", other_run_is_first)
    expect_registration(clients, package, 1)
    expect_description(clients, 1)
    assert run(clients, package) == 0
    assert tokens == ["of-the-other-run"]


def test_an_interruption_ends_in_words(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
def test_arguments_that_make_no_sense(
    clients: Clients, package: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        register.main(["--bucket", BUCKET, "--package", str(package), *given], clients)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_reserved_namespace_is_refused_before_anything_is_sent(
    clients: Clients, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(clients, write_package(tmp_path / "package.zip", "AWS::SageMaker::Model"))
    assert stopped.value.code == 2
    assert "the namespace AWS is reserved" in capsys.readouterr().err


def test_without_credentials(
    package: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert register.main(["--bucket", BUCKET, "--package", str(package), "--region", EAST]) == 1
    assert "No AWS credentials are there." in capsys.readouterr().err
