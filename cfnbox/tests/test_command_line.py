"""The commands as a user types them: their output for people and programs, and their exit statuses."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import programs
from cfnbox.aws import clients
from programs import Command, running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import RunningCloud

PROJECT = Path(__file__).resolve().parents[2]
NOTE = PROJECT / "tests" / "e2e" / "note"
TEMPLATE = """\
Parameters:
  Seconds: {Type: Number, Default: 30}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: !Ref Seconds
Outputs:
  Address: {Value: !Ref Queue}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "queue.yaml").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


class User:
    """A user in a folder whose commands go to the cloud."""

    def __init__(self, folder: Path, url: str) -> None:
        self._command, self._url, self.folder = Command(folder), url, folder

    def fails(self, *given: str) -> str:
        done = self._command(*given, url=self._url)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return " ".join(done.stderr.split())

    def run(self, *given: str) -> subprocess.CompletedProcess[str]:
        done = self._command(*given, url=self._url)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def json(self, *given: str) -> Any:
        return json.loads(self.run(*given, "--json").stdout)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def user(folder: Path, cloud: RunningCloud) -> User:
    return User(folder, cloud.url)


def test_the_version_is_that_of_the_distribution(folder: Path) -> None:
    done = Command(folder)("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"cfnbox \d+\.\d+\.\d+\n", done.stdout)


def test_help_documents_exit_statuses(folder: Path) -> None:
    assert "exit status: 0 done; 1 refused, failed" in Command(folder)("--help").stdout


def test_commands_print_json_for_programs(user: User) -> None:
    deployed = user.json("deploy", "queue.yaml", "--stack-name", "shown")
    assert (deployed["name"], deployed["status"], deployed["parameters"]) == (
        "shown", "CREATE_COMPLETE", {"Seconds": "30"},
    )  # fmt: skip
    assert user.json("outputs", "--stack-name", "shown") == deployed["outputs"]
    assert user.json("outputs", "--stack-name", "shown", "Address") == deployed["outputs"]["Address"]
    (resource,) = user.json("describe", "--stack-name", "shown")["resources"]
    assert (resource["logicalId"], resource["status"]) == ("Queue", "CREATE_COMPLETE")
    assert user.json("deploy", "queue.yaml", "--stack-name", "shown")["status"] == "CREATE_COMPLETE"
    (change,) = user.json("change-set", "queue.yaml", "--stack-name", "shown", "--parameter", "Seconds=60")
    assert change["ResourceChange"]["LogicalResourceId"] == "Queue"
    assert "shown" in [stack["StackName"] for stack in user.json("list")]
    assert user.json("events", "--stack-name", "shown")[-1]["ResourceStatus"] == "CREATE_COMPLETE"
    assert [found["StackResourceDriftStatus"] for found in user.json("drift", "--stack-name", "shown")] == ["IN_SYNC"]
    status = user.json("status")
    assert (status["types"], status["stacks"]["shown"]) == ([], "CREATE_COMPLETE")
    assert user.json("env")["AWS_ENDPOINT_URL"] == status["url"]


def test_outputs_prints_the_outputs_of_a_stack(user: User, cloud: RunningCloud) -> None:
    user.run("deploy", "queue.yaml", "--stack-name", "told")
    address = user.run("outputs", "--stack-name", "told", "Address").stdout.strip()
    assert cloud.client("sqs").list_queues(QueueNamePrefix="told-")["QueueUrls"] == [address]
    assert "Stack told has no output Url. It has Address." in user.fails("outputs", "--stack-name", "told", "Url")


def test_quiet_commands_print_results_only(user: User) -> None:
    done = user.run("deploy", "queue.yaml", "--stack-name", "quiet", "--quiet")
    assert done.stderr == ""
    assert re.fullmatch(r"Output +Value *\nAddress +http://\S+\n", done.stdout)


def test_a_change_is_shown_with_its_values(user: User) -> None:
    user.run("deploy", "queue.yaml", "--stack-name", "changed")
    shown = user.run("change-set", "queue.yaml", "--stack-name", "changed", "--parameter", "Seconds=60").stdout
    assert "Queue VisibilityTimeout: 30 -> 60" in shown
    deployed = user.run("deploy", "queue.yaml", "--stack-name", "changed", "--parameter", "Seconds=60").stdout
    assert re.search(r"Modify +Queue +AWS::SQS::Queue +False +VisibilityTimeout\n", deployed)


HOSTING = """
Parameters: {Tag: {Type: String, Default: "1"}}
Resources:
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: !Sub arn:aws:iam::${AWS::AccountId}:role/host
      PrimaryContainer: {Image: !Sub "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/net:${Tag}"}
  Config:
    Type: AWS::SageMaker::EndpointConfig
    Properties:
      ProductionVariants:
        - VariantName: main
          ModelName: !GetAtt Model.ModelName
          InstanceType: ml.m5.large
          InitialInstanceCount: 1
          InitialVariantWeight: 1
  Endpoint:
    Type: AWS::SageMaker::Endpoint
    Properties: {EndpointConfigName: !GetAtt Config.EndpointConfigName}
"""


def test_a_change_of_a_model_is_shown_up_to_its_endpoint(user: User) -> None:
    template = user.write("hosting.yaml", HOSTING)
    user.run("deploy", template, "--stack-name", "hosting")
    shown = user.run("change-set", template, "--stack-name", "hosting", "--parameter", "Tag=2").stdout
    # A new model needs a new configuration, to which the endpoint moves.
    assert re.findall(r"Modify +(\w+) +\S+ +(\w+) +(\w+)", shown) == [
        ("Model", "True", "PrimaryContainer"),
        ("Config", "True", "ProductionVariants"),
        ("Endpoint", "False", "EndpointConfigName"),
    ]


FILES = {
    "create-stack": '[{"ParameterKey": "Seconds", "ParameterValue": "41"}]',
    "deploy": '["Seconds=41"]',
    "CodePipeline": '{"Parameters": {"Seconds": "41"}, "Tags": {}}',
    "an object": '{"Seconds": 41}',
    "CDK": '["shop:Seconds=1", "*:Seconds=2", "file-4:Seconds=41"]',
    "lines": "# of the queue\nother:Seconds=1\n\nSeconds=41\n",
    "shorthand": "ParameterKey=Seconds,ParameterValue=41",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_parameters_are_read_from_a_file(user: User, text: str) -> None:
    file = user.write("parameters.json", text)
    name = f"file-{list(FILES.values()).index(text)}"
    assert user.json("deploy", "queue.yaml", "--stack-name", name, "--parameters", file)["parameters"] == {
        "Seconds": "41"
    }
    named = user.json("deploy", "queue.yaml", "--stack-name", name, "--parameters", file, "--parameter", "Seconds=42")
    assert named["parameters"] == {"Seconds": "42"}


@pytest.mark.parametrize(
    "text",
    ['[{"Key": "team", "Value": "churn"}]', '{"team": "churn"}', '{"tags": [{"Key": "team", "Value": "churn"}]}'],
)
def test_tags_are_read_from_a_file(user: User, text: str) -> None:
    file = user.write("tags.json", text)
    assert user.json("deploy", "queue.yaml", "--stack-name", "tagged", "--tags", file)["tags"] == {"team": "churn"}


def test_parameters_of_a_file_keep_their_previous_value(user: User) -> None:
    user.run("deploy", "queue.yaml", "--stack-name", "kept", "--parameter", "kept:Seconds=43")
    file = user.write("parameters.json", '[{"ParameterKey": "Seconds", "UsePreviousValue": true}]')
    deployed = user.json("deploy", "queue.yaml", "--stack-name", "kept", "--parameters", file, "--tag", "a=b")
    assert deployed["parameters"] == {"Seconds": "43"}


@pytest.mark.parametrize("text", ["Key=team,Value=churn\\,2", "team=churn,2"])
def test_tags_are_read_from_lines(user: User, text: str) -> None:
    file = user.write("tags.txt", text)
    deployed = user.json("deploy", "queue.yaml", "--stack-name", "lines", "--tags", file)
    assert deployed["tags"] == {"team": "churn,2"}


def test_a_file_without_parameters_is_refused(user: User) -> None:
    file = user.write("parameters.json", '[{"Name": "Seconds"}]')
    assert "parameters.json holds no parameters" in user.fails("deploy", "queue.yaml", "--parameters", file)


def test_a_template_file_whose_name_begins_with_a_digit_has_a_valid_default_stack_name(user: User) -> None:
    file = user.write("2_queues v1.yaml", TEMPLATE)
    assert user.json("deploy", file)["name"] == "stack-2-queues-v1"


def test_a_failed_first_deployment_can_be_repeated(user: User) -> None:
    file = user.write("never.json", json.dumps({"Resources": waiting(1)}))
    bad = ("deploy", file, "--stack-name", "anew")
    assert "cfnbox delete --stack-name anew" in user.fails(*bad)
    again = user.fails(*bad)
    assert "is in ROLLBACK_COMPLETE state and can not be updated" in again
    assert "cfnbox delete --stack-name anew, or deploy with --recreate" in again
    made = user.json("deploy", "queue.yaml", "--stack-name", "anew", "--recreate")
    assert made["status"] == "CREATE_COMPLETE"
    same = user.json("deploy", "queue.yaml", "--stack-name", "anew", "--recreate")
    assert same["id"] == made["id"]


def waiting(seconds: int) -> dict[str, Any]:
    """Return resources that wait for a signal, and then fail."""
    properties = {"Handle": {"Ref": "Handle"}, "Timeout": str(seconds)}
    return {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": properties},
    }


HINTS = {
    "a property": (
        TEMPLATE.replace("VisibilityTimeout", "VisibilityTimeOut"),
        "Resources/Queue/Properties/VisibilityTimeOut",
        "There is no property VisibilityTimeOut. Did you mean VisibilityTimeout?",
    ),
    "a type of AWS": (
        TEMPLATE.replace("SQS::Queue", "SQS::Queues"),
        "Resources/Queue/Type",
        "AWS publishes no type AWS::SQS::Queues. Did you mean AWS::SQS::Queue?",
    ),
    "a type of one's own": (
        TEMPLATE.replace("AWS::SQS::Queue", "Acme::SQS::Line"),
        "Resources/Queue/Type",
        "No type Acme::SQS::Line is served. If it is yours, serve its folder: cfnbox up DIR.",
    ),
    "an attribute": (
        TEMPLATE.replace("!Ref Queue", "!GetAtt Queue.Name"),
        "Resources/Queue",
        "Fn::GetAtt of AWS::SQS::Queue has no Name. Did you mean QueueName?",
    ),
}


@pytest.mark.parametrize(("text", "place", "message"), HINTS.values(), ids=HINTS)
def test_mistakes_in_templates_have_hints(user: User, text: str, place: str, message: str) -> None:
    file = user.write("mistaken.yaml", text)
    done = Command(user.folder)("validate", file, "--json")
    assert done.returncode == 1
    hints = [(found["place"], found["message"]) for found in json.loads(done.stdout) if found["source"] == "hint"]
    assert hints == [(place, message)]
    assert f"hint: {place}: {message}" in user.fails("deploy", file, "--recreate")


def test_a_deployment_begins_with_the_warnings_of_the_validator(user: User) -> None:
    file = user.write("warned.yaml", TEMPLATE.replace("VisibilityTimeout", "VisibilityTimeOut"))
    output = user.fails("deploy", file, "--recreate")
    warning = re.search(
        r"cloudformation-validate: line \d, Queue: F3002 [^?]* Did you mean 'VisibilityTimeout'\?", output
    )
    assert warning is not None, output
    assert warning.end() < output.index("hint: Resources/Queue/Properties/VisibilityTimeOut"), output


def test_warnings_do_not_stop_a_deployment(user: User) -> None:
    """CloudFormation does not look at the properties of a resource whose condition is false."""
    never = "  Never: {Type: AWS::SQS::Queue, Condition: IsNever, Properties: {DelaySecond: 1}}\nOutputs:"
    text = TEMPLATE.replace("Outputs:", never) + "Conditions: {IsNever: !Equals [!Ref Seconds, '-1']}\n"
    file = user.write("accepted.yaml", text)
    done = user.run("deploy", file, "--stack-name", "accepted")
    assert "cloudformation-validate: line" in done.stderr
    quiet = user.run("deploy", file, "--stack-name", "accepted", "--quiet")
    assert quiet.stderr == ""


def test_attributes_of_a_type_in_another_namespace_are_checked(user: User) -> None:
    """Of a type that stands for one of AWS's, in the folder of that type."""
    own = "Acme::SageMaker::Model"
    model = {"Type": own, "Properties": {"PrimaryContainer": {"Image": "i"}}}
    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Model", "ModelName"]}}}
    file = user.write("model.json", json.dumps({"Resources": {"Model": model}, "Outputs": outputs}))
    done = Command(PROJECT)("validate", str(user.folder / file), "--type-name", own, "--json")
    (message,) = [found["message"] for found in json.loads(done.stdout) if found["source"] == "hint"]
    assert message.endswith("ModelName is an attribute of AWS::SageMaker::Model alone. Did you mean Name?")


def test_members_of_one_of_are_named(tmp_path: Path) -> None:
    schema = {
        "typeName": "Acme::Demo::Pot", "description": "A pot.", "primaryIdentifier": ["/properties/Name"],
        "properties": {"Name": {"type": "string"}, "Lid": {"type": "string"}, "Cover": {"type": "string"}},
        "oneOf": [{"required": ["Lid"]}, {"required": ["Cover"]}], "additionalProperties": False,
    }  # fmt: skip
    (tmp_path / "pot.json").write_text(json.dumps(schema), encoding="utf-8")
    resource = {"Type": "Acme::Demo::Pot", "Properties": {"Lid": "a", "Cover": "b"}}
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {"Pot": resource}}), encoding="utf-8")
    options = ("--schema", "pot.json", "--code", ".", "--handler", "pot.resource")
    done = Command(tmp_path)("validate", "t.json", *options)
    assert "Give exactly one of Lid and Cover, not both." in done.stdout


def test_validate_works_without_a_cloud(folder: Path) -> None:
    done = Command(folder)("validate", "queue.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Nothing is wrong with queue.yaml." in done.stderr


def test_validate_refuses_templates_that_cloudformation_refuses(user: User) -> None:
    file = user.write("circle.yaml", TEMPLATE.replace("!Ref Queue", "!Ref Nothing"))
    done = Command(user.folder)("validate", file)
    assert done.returncode == 1
    assert "cloudformation: Template format error: Unresolved resource dependencies [Nothing]" in done.stdout


def test_a_waiting_deployment_prints_the_seconds_without_an_event(user: User) -> None:
    """A wait condition has no handler, so only the seconds are printed."""
    file = user.write("wait.json", json.dumps({"Resources": waiting(4)}))
    assert re.search(r"\d s without an event", user.fails("deploy", file))


def cfnbox(folder: Path, *given: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [programs.program("cfnbox"), *given], cwd=folder, env=programs.environment_with(None, environment),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def exported(text: str) -> str:
    (url,) = re.findall(r"^export AWS_ENDPOINT_URL=(\S+)$", text, re.MULTILINE)
    return str(url)


def test_a_detached_cloud_keeps_its_stacks(folder: Path) -> None:
    options = ("up", "--port", "0", "--detach", "--state", "state.json")
    started = cfnbox(folder, *options, "--deploy", "queue.yaml")
    assert started.returncode == 0, started.stdout + started.stderr
    url = exported(started.stdout)
    (log,) = re.findall(r"writes to (\S+\.log)\.", started.stdout)
    assert Path(log).is_file()
    change = ("deploy", "queue.yaml", "--parameter", "Seconds=77", "--tag", "team=churn", "--quiet")
    try:
        changed = cfnbox(folder, *change, AWS_ENDPOINT_URL=url)
        assert changed.returncode == 0, changed.stderr
    finally:
        stopped = cfnbox(folder, "stop", "--endpoint", url)
    assert (stopped.returncode, stopped.stderr) == (0, f"The cloud at {url} has ended.\n")
    assert cfnbox(folder, "status", "--endpoint", url).returncode == 1
    assert not Path(log).exists()
    assert (folder / "state.json").stat().st_mode & 0o077 == 0

    url = exported(cfnbox(folder, *options).stdout)
    try:
        (stack,) = clients.client("cloudformation", url).describe_stacks()["Stacks"]
    finally:
        assert cfnbox(folder, "stop", "--endpoint", url).returncode == 0
    assert stack["StackName"] == "queue"
    assert stack["Parameters"] == [{"ParameterKey": "Seconds", "ParameterValue": "77"}]
    assert stack["Tags"] == [{"Key": "team", "Value": "churn"}]


def test_a_detached_cloud_that_does_not_start_prints_the_reason(folder: Path) -> None:
    (folder / "queue.yaml").write_text(TEMPLATE.replace("SQS::Queue", "SQS::Nothing"), encoding="utf-8")
    options = ("up", "--port", "0", "--detach", "--deploy", "queue.yaml")
    started = cfnbox(folder, *options, TMPDIR=str(folder))
    assert started.returncode == 1
    assert "The cloud did not start." in started.stderr
    assert "Unrecognized resource types: [AWS::SQS::Nothing]" in " ".join(started.stderr.split())
    assert not list(folder.glob("cfnbox-up-*"))


def test_output_works_in_an_ascii_locale(folder: Path, cloud: RunningCloud) -> None:
    (folder / "name.yaml").write_text(TEMPLATE.replace("!Ref Queue", "Grüße"), encoding="utf-8")
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "AWS_ENDPOINT_URL": cloud.url}
    done = cfnbox(folder, "deploy", "name.yaml", **environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Address +Gr\?\?e", done.stdout)
