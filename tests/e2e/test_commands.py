"""`cfnbox`, as a user runs it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pty
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.aws import clients
from programs import Command, environment_with
from tests.e2e.conftest import ROOT, local_command

if TYPE_CHECKING:
    from cfnbox.cloud import Cloud

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"
TEMPLATE = """
Parameters:
  Image: {Type: String}
Resources:
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: arn:aws:iam::123456789012:role/execution
      PrimaryContainer: {Image: !Ref Image}
Outputs:
  Name: {Value: !GetAtt Model.Name}
"""


@pytest.fixture
def template(tmp_path: Path) -> str:
    file = tmp_path / "one_model.yaml"
    file.write_text(TEMPLATE)
    return str(file)


def run(*arguments: str, url: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        local_command(*arguments), cwd=ROOT, env=environment_with(url, variables),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def command() -> Command:
    return Command(ROOT)


def test_the_command_works_from_any_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for command in ([sys.executable, "-m", "cfnbox"], [str(Path(sys.executable).with_name("cfnbox"))]):
        done = subprocess.run(
            [*command, "list"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "No local cloud answers at http://127.0.0.1:9" in done.stderr


def test_without_its_environment_one_line_says_what_to_do() -> None:
    # -S: Python without the packages of its environment.
    done = subprocess.run(
        [sys.executable, "-S", "-m", "cfnbox", "up"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "cfnbox/src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "pip install cfnbox" in line
    assert "`make setup`" in line


def test_up_says_that_the_port_is_taken() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = run("up", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_deploy_in_a_cloud_of_its_own(template: str, cloud: Cloud) -> None:
    done = run("deploy", template, "--parameter", f"Image={IMAGE}", "--tag", "team=search", "--own-cloud")
    assert done.returncode == 0, done.stderr
    assert re.search(r"Model +AWS::SageMaker::Model", done.stdout)
    assert re.search(r"CREATE_COMPLETE +one-model ", done.stdout)
    assert re.search(r"Name +one-model-Model-", done.stdout)
    assert "\x1b" not in done.stdout


def test_a_stacks_life_in_a_running_cloud(template: str, cloud: Cloud, command: Command) -> None:
    def changed(image: str) -> tuple[str, ...]:
        return (template, "--stack-name", "life", "--parameter", f"Image={image}")

    assert command("deploy", *changed(IMAGE), url=cloud.url).returncode == 0
    assert "up to date" in command("deploy", *changed(IMAGE), url=cloud.url).stdout
    shown = command("change-set", *changed(IMAGE + "1"), url=cloud.url).stdout
    assert re.search(r"Modify +Model +AWS::SageMaker::Model +True +PrimaryContainer", shown)
    assert re.search(r"IN_SYNC +Model", command("drift", "--stack-name", "life", url=cloud.url).stdout)
    assert re.search(r"life +CREATE_COMPLETE", command("list", url=cloud.url).stdout)
    assert "Resource creation Initiated" in command("events", "--stack-name", "life", url=cloud.url).stdout
    deleted = command("delete", "--stack-name", "life", url=cloud.url)
    assert deleted.returncode == 0
    assert re.search(r"DELETE_COMPLETE +life", deleted.stdout)


def test_a_failed_deployment_gives_the_whole_reason(template: str, cloud: Cloud, command: Command) -> None:
    done = command("deploy", template, "--stack-name", "bad", "--parameter", "Image=not an image", url=cloud.url)
    assert done.returncode == 1
    assert "[AWS::EarlyValidation::PropertyValidation]" in done.stderr
    assert "Model (AWS::SageMaker::Model): " in done.stderr
    assert "/Resources/Model/Properties/PrimaryContainer/Image" in done.stderr


def test_import(template: str, cloud: Cloud, tmp_path: Path, command: Command) -> None:
    sagemaker: Any = clients.client("sagemaker", cloud.url)
    role = "arn:aws:iam::123456789012:role/execution"
    container = {"Image": IMAGE}
    made = sagemaker.create_model(ModelName="adopted", ExecutionRoleArn=role, PrimaryContainer=container)
    file = tmp_path / "import.yaml"
    file.write_text(TEMPLATE.partition("Outputs")[0] + "    DeletionPolicy: Retain\n")
    resources = json.dumps(
        [
            {
                "ResourceType": "AWS::SageMaker::Model",
                "LogicalResourceId": "Model",
                "ResourceIdentifier": {"ModelArn": made["ModelArn"]},
            }
        ]
    )
    options = ("--parameter", f"Image={IMAGE}", "--resources-to-import", resources)
    done = command("import", str(file), *options, url=cloud.url)
    assert done.returncode == 0, done.stderr
    assert re.search(r"IMPORT_COMPLETE +Model", done.stdout)


def test_invoke_shows_each_progress_event(tmp_path: Path, cloud: Cloud, command: Command) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"PrimaryContainer": {"Image": IMAGE}}))
    cloud.sagemaker.faults.replace([{"operation": "CreateModel", "fault": "iam-race-role", "times": 1}])
    done = command("invoke", "create", "--model", str(file), url=cloud.url)
    assert done.returncode == 0, done.stderr
    progress = [json.loads(one) for one in re.split(r"\n(?=\{)", done.stdout)]
    assert [one["status"] for one in progress] == ["IN_PROGRESS", "SUCCESS"]
    assert progress[1]["resourceModel"]["ModelArn"] == progress[0]["resourceModel"]["ModelArn"]


MISTAKES = {
    "another machine": (("list", "--endpoint", "https://cloudformation.us-east-1.amazonaws.com"), 1,
                        "is not an address of this machine"),
    "no cloud": (("list", "--endpoint", "http://127.0.0.1:9"), 1, "Start one: cfnbox up"),
    "no file": (("deploy", "nowhere.yaml"), 1, "nowhere.yaml cannot be read"),
    "no stack": (("events", "--stack-name", "nowhere"), 1, "error: Stack [nowhere] does not exist"),
    "port": (("up", "--port", "99999"), 2, "99999 is no port: give a number from 1 to 65535, or 0 for any free one"),
    "timeout": (("up", "--timeout", "0"), 2, "0 is no time limit"),
    "schema": (("up", "--schema", "nowhere.json"), 1, "--schema nowhere.json is not a file"),
    "contract schema": (("contract", "--schema", "nowhere.json"), 1, "--schema nowhere.json is not a file"),
    "code": (("up", "--code", "nowhere"), 1, "--code nowhere is not a directory"),
    "command": (("deplyo",), 2, "invalid choice: 'deplyo'"),
    "parameter": (("deploy", "examples/xgboost.yaml", "--own-cloud", "--parameter", "Stage"), 1,
                  "--parameter takes KEY=VALUE, and Stage has no ="),
    "shell": (("completion", "csh"), 2, "invalid choice: 'csh'"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "status", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_have_error_messages(
    given: tuple[str, ...], status: int, message: str, cloud: Cloud, command: Command
) -> None:
    done = command(*given, url=cloud.url)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


TEMPLATES_THAT_ARE_NONE = {
    "empty": ("", " is empty: a template needs Resources."),
    "comment": ("# soon\n", " is no template: it has no Resources."),
    "no resources": ("Description: nothing\n", " is no template: it has no Resources."),
    "a list": ("- Resources\n", " is no template: it has no Resources."),
    "YAML": ("Resources:\n  Model:\n    Type: [\n  Other\n",
             ", line 5, column 1: not valid YAML: while parsing a flow sequence, expected ',' or ']'"),
    "a tab": ("Resources:\n\tModel: {}\n", ", line 2, column 1: not valid YAML: while scanning for the next token"),
    "JSON": ('{\n "Resources": {\n  "A": "secret" "B"\n',
             ", line 3, column 17: not valid JSON: expecting ',' delimiter."),
    "JSON that YAML would take": ('{"Resources": {"A": }}', ", line 1, column 21: not valid JSON: expecting value."),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), TEMPLATES_THAT_ARE_NONE.values(), ids=TEMPLATES_THAT_ARE_NONE)
def test_an_invalid_template_is_refused_with_its_place(
    text: str, message: str, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    done = command("deploy", str(file), url="http://127.0.0.1:9")
    assert done.returncode == 1
    assert f"error: {file}{message}" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "text", ['{"Resources": ' + '{"a":' * 99_999, "Resources: " + "[" * 2_000], ids=["JSON", "YAML"]
)
def test_a_template_that_is_too_deep_is_refused(text: str, tmp_path: Path) -> None:
    # In a process of its own, and no fork: some libraries raise Python's limit of recursions.
    file = tmp_path / "deep.yaml"
    file.write_text(text)
    command = [sys.executable, "-m", "cfnbox", "deploy", str(file), "--endpoint", "http://127.0.0.1:9"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {file} is nested too deeply for a template.\n"


def test_json_may_be_indented_by_tabs(tmp_path: Path, cloud: Cloud, command: Command) -> None:
    file = tmp_path / "tabs.json"
    topic = {"Type": "AWS::SNS::Topic"}
    file.write_text(json.dumps({"Resources": {"Topic": topic}}, indent="\t"))
    assert command("deploy", str(file), url=cloud.url).returncode == 0


def test_a_template_from_standard_input_needs_a_stack_name(command: Command) -> None:
    done = command("deploy", "-")
    assert done.returncode == 1
    assert "give the stack's with --stack-name" in done.stderr


def test_a_parameter_without_a_value_is_named(template: str, cloud: Cloud, command: Command) -> None:
    done = command("deploy", template, "--stack-name", "unfinished", url=cloud.url)
    assert done.returncode == 1
    assert "The template needs a value for Image: add --parameter Image=..." in done.stderr
    assert "unfinished" not in command("list", url=cloud.url).stdout


def test_the_cloud_that_is_used_is_named(template: str, cloud: Cloud, command: Command) -> None:
    done = command("change-set", template, "--parameter", f"Image={IMAGE}", url=cloud.url)
    assert done.returncode == 0
    assert f"In the cloud at {cloud.url}" in done.stderr


@pytest.mark.parametrize("variable", ["", "AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_stack_is_in_the_region_that_is_meant(variable: str, template: str, cloud: Cloud, command: Command) -> None:
    name, region = f"of-{variable.replace('_', '-')}-x", "eu-west-1"
    options, variables = ((), {variable: region}) if variable else (("--region", region), {"AWS_REGION": "us-west-2"})
    stack = ("--stack-name", name, *options)
    image = f"Image={IMAGE.replace('us-east-1', region)}"
    done = command("deploy", template, "--parameter", image, *stack, url=cloud.url, **variables)
    assert done.returncode == 0, done.stderr
    assert f"In the cloud at {cloud.url}, region {region}" in done.stderr
    found = clients.client("cloudformation", cloud.url, region).describe_stacks(StackName=name)["Stacks"]
    assert found[0]["StackId"].startswith(f"arn:aws:cloudformation:{region}:")
    assert name not in command("list", url=cloud.url).stdout
    assert command("delete", *stack, url=cloud.url, **variables).returncode == 0


def test_an_invocation_is_in_the_region_that_is_meant(tmp_path: Path, cloud: Cloud, command: Command) -> None:
    model = json.dumps({"PrimaryContainer": {"Image": IMAGE.replace("us-east-1", "eu-west-1")}})
    done = command("invoke", "create", "--model", model, "--region", "eu-west-1", url=cloud.url)
    answer = json.loads(done.stdout)
    assert answer["resourceModel"]["ModelArn"].startswith("arn:aws:sagemaker:eu-west-1:")


def test_without_a_command_there_is_help_with_examples(command: Command) -> None:
    done = command()
    assert done.returncode == 0
    assert "cfnbox deploy TEMPLATE" in done.stdout.partition("examples:")[2]
    assert done.stderr == ""


def test_the_exports_of_up_keep_the_proxys_exceptions() -> None:
    environment = {**os.environ, "NO_PROXY": "a.example, b.example", "no_proxy": "127.0.0.1"}
    command = local_command("up", "--port", "0")
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        finally:
            process.terminate()
    # As a shell reads them.
    words = [shlex.split(line) for line in said if line.startswith("export ")]
    exports = dict(export.split("=", 1) for _, export in words)
    assert exports["NO_PROXY"] == "a.example, b.example,127.0.0.1,localhost"
    assert exports["no_proxy"] == "127.0.0.1,localhost"
    assert f"cfn test --endpoint {exports['AWS_ENDPOINT_URL']} --function-name TypeFunction" in "".join(said)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not here")
def test_bash_completes_commands_options_and_files() -> None:
    program = (
        'source <("$0" completion bash); '
        'complete_at() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_cfnbox; echo "${COMPREPLY[@]}"; }; '
        "complete_at cfnbox dep; complete_at cfnbox deploy --para; complete_at cfnbox deploy READ"
    )
    command = [str(shutil.which("bash")), "-c", program, str(Path(sys.executable).with_name("cfnbox"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["deploy", "--parameter --parameters", "README.md"], done.stderr


def test_progress_never_passes_its_end(template: str, cloud: Cloud, command: Command) -> None:
    """On a terminal: a replacement makes and deletes, which is more events than resources."""
    options = ("--stack-name", "progress", "--parameter")
    assert command("deploy", template, *options, f"Image={IMAGE}", url=cloud.url).returncode == 0
    shown = _on_a_terminal("deploy", template, *options, f"Image={IMAGE}1", url=cloud.url)
    counts = [(int(done), int(all_)) for done, all_ in re.findall(r"(\d+)/(\d+)", re.sub(r"\S+:\S+", "", shown))]
    assert (1, 1) in counts, shown
    assert [count for count in counts if count[0] > count[1]] == []


def _on_a_terminal(*arguments: str, url: str) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "AWS_ENDPOINT_URL": url, "TERM": "xterm"}
    # The installed command: rich looks for a terminal when it is imported, and a fork has imported it before.
    command = [sys.executable, "-m", "cfnbox", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        # The end of a terminal's output is an error on Linux.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 1 << 16):
                shown += part
        os.close(ours)
        assert process.wait() == 0
    return shown.decode()


def test_what_is_only_simulated_is_said_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "rollout.yaml"
    file.write_text("Resources: {Application: {Type: AWS::CodeDeploy::Application}}\n")
    done = run("deploy", str(file), "--own-cloud")
    assert done.returncode == 0, done.stderr
    assert "simulated: no such service in cfnbox" in done.stdout
    assert "Simulated, because cfnbox has no such service: Application." in done.stderr

    refused = run("deploy", str(file), "--own-cloud", "--strict")
    assert refused.returncode == 1
    assert "Unrecognized resource types: [AWS::CodeDeploy::Application]" in refused.stderr


def test_a_property_that_is_not_applied_is_said_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "bucket.yaml"
    file.write_text("Resources: {Data: {Type: AWS::S3::Bucket, Properties: {AbacStatus: Enabled}}}\n")
    done = run("deploy", str(file), "--own-cloud")
    assert done.returncode == 0, done.stderr
    assert "not applied here: AbacStatus" in done.stdout
    said = "Not applied here, because the local service does not keep it: Data (AbacStatus). --strict refuses."
    assert said in " ".join(done.stderr.split())

    refused = run("deploy", str(file), "--own-cloud", "--strict")
    assert refused.returncode == 1
    assert "cfnbox does not apply AbacStatus of AWS::S3::Bucket" in refused.stderr
