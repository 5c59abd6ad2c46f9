"""What no model can be: refused in one answer with a JSON pointer for each mistake, and nothing created."""

import json
import re

import pytest

from laptop.definition import TypeDefinition
from laptop.events import production_event
from laptop.sagemaker.faults import FAULTS, Fault, When
from tests.conftest import ARTIFACTS, IMAGE, MODEL, ROLE, SCHEMA

CONTAINER = MODEL["PrimaryContainer"]
SECRET = "hunter2-hunter2"
DEFINITION = TypeDefinition.load(SCHEMA)
# The pattern of a value that may be any text: nothing can break it.
ANY_TEXT = r"^[\S\s]*$"


def primary(**members):
    return {**MODEL, "PrimaryContainer": {**CONTAINER, **members}}


def source(**members):
    return {
        "S3DataSource": {
            "S3Uri": "s3://bucket/model/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
            **members,
        }
    }


def pipeline(*containers, **model):
    return {
        "ExecutionRoleArn": ROLE,
        "Containers": [{"Image": IMAGE, **container} for container in containers],
        **model,
    }


def tags(*pairs):
    return {**MODEL, "Tags": [{"Key": key, "Value": value} for key, value in pairs]}


# A model, and the pointers of all that is wrong with it.
REFUSED = {
    "nothing": ({}, ["/properties"]),
    "no container": ({"ExecutionRoleArn": ROLE}, ["/properties"]),
    "an empty container": ({"PrimaryContainer": {}}, ["/properties"]),
    "no containers": ({"Containers": []}, ["/properties"]),
    "an empty container in a list": ({"Containers": [{"Image": IMAGE}, {}]}, ["/properties/Containers/1"]),
    "both kinds of container": ({**MODEL, "Containers": [CONTAINER]}, ["/properties"]),
    "unknown property": ({**MODEL, "Retired": SECRET}, ["/properties/Retired"]),
    "unknown property, nested": (primary(Retired=SECRET), ["/properties/PrimaryContainer/Retired"]),
    "unknown property that looks like a value": ({**MODEL, "pa$$word here": 1}, ["/properties/*"]),
    "text for an object": ({"PrimaryContainer": SECRET}, ["/properties/PrimaryContainer"]),
    "object for text": (primary(Image={"a": SECRET}), ["/properties/PrimaryContainer/Image"]),
    "list for an object": (primary(Environment=[SECRET]), ["/properties/PrimaryContainer/Environment"]),
    "text for a list": ({**MODEL, "Tags": SECRET}, ["/properties/Tags"]),
    "text for a boolean": ({**MODEL, "EnableNetworkIsolation": SECRET}, ["/properties/EnableNetworkIsolation"]),
    "null": ({**MODEL, "VpcConfig": None}, ["/properties/VpcConfig"]),
    "null in a map": (primary(Environment={"A": None}), ["/properties/PrimaryContainer/Environment/A"]),
    "null in a list": ({**MODEL, "Tags": [None]}, ["/properties/Tags/0"]),
    "nested object for text in a map": (
        primary(Environment={"A": {"B": SECRET}}),
        ["/properties/PrimaryContainer/Environment/A"],
    ),
    "empty object that must have members": (
        {**MODEL, "VpcConfig": {}},
        ["/properties/VpcConfig", "/properties/VpcConfig"],
    ),
    "empty list that must have entries": (
        {**MODEL, "VpcConfig": {"Subnets": [], "SecurityGroupIds": ["sg-1"]}},
        ["/properties/VpcConfig/Subnets"],
    ),
    "name of 300 characters": ({**MODEL, "ModelName": "n" * 300}, ["/properties/ModelName"]),
    "name with a trailing hyphen": ({**MODEL, "ModelName": "scorer-"}, ["/properties/ModelName"]),
    "name with a trailing newline": ({**MODEL, "ModelName": "scorer\n"}, ["/properties/ModelName"]),
    "role that is none": (
        {**MODEL, "ExecutionRoleArn": "arn:aws:s3:::a-bucket-with-a-long-name"},
        ["/properties/ExecutionRoleArn"],
    ),
    "enum": (primary(Mode="Many"), ["/properties/PrimaryContainer/Mode"]),
    "101 environment entries": (
        primary(Environment={f"K{number}": "v" for number in range(101)}),
        ["/properties/PrimaryContainer/Environment"],
    ),
    "environment key": (primary(Environment={"1ST": "v"}), ["/properties/PrimaryContainer/Environment/1ST"]),
    "33 KB of environment": (
        primary(Environment={f"K{number:02}": "v" * 1021 for number in range(33)}),
        ["/properties/PrimaryContainer/Environment"],
    ),
    "33 KB of environment over two containers": (
        pipeline(*({"Environment": {f"K{number:02}": "v" * 1021 for number in range(17)}} for _ in range(2))),
        ["/properties/Containers"],
    ),
    "16 containers": (pipeline(*[{}] * 16), ["/properties/Containers"]),
    "two multi-model containers": (
        pipeline({"Mode": "MultiModel"}, {"Mode": "MultiModel"}),
        ["/properties/Containers/1/Mode"],
    ),
    "hostname on some containers": (
        pipeline({"ContainerHostname": "a"}, {}),
        ["/properties/Containers/1/ContainerHostname"],
    ),
    "hostname twice": (
        pipeline({"ContainerHostname": "a"}, {"ContainerHostname": "a"}),
        ["/properties/Containers/0/ContainerHostname", "/properties/Containers/1/ContainerHostname"],
    ),
    "Direct without hostnames": (
        pipeline({}, {}, InferenceExecutionConfig={"Mode": "Direct"}),
        ["/properties/Containers/0/ContainerHostname", "/properties/Containers/1/ContainerHostname"],
    ),
    "prefix without a slash": (
        primary(ModelDataSource=source(S3Uri="s3://bucket/model")),
        ["/properties/PrimaryContainer/ModelDataSource/S3DataSource/S3Uri"],
    ),
    "compressed prefix": (
        primary(AdditionalModelDataSources=[{"ChannelName": "a", **source(CompressionType="Gzip")}]),
        ["/properties/PrimaryContainer/AdditionalModelDataSources/0/S3DataSource/CompressionType"],
    ),
    "multi-model with a data source": (
        primary(Mode="MultiModel", ModelDataSource=source()),
        ["/properties/PrimaryContainer/ModelDataSource"],
    ),
    "private registry without VPC": (
        primary(ImageConfig={"RepositoryAccessMode": "Vpc"}),
        ["/properties/PrimaryContainer/ImageConfig/RepositoryAccessMode"],
    ),
    "credentials for Amazon ECR": (
        primary(
            ImageConfig={
                "RepositoryAccessMode": "Platform",
                "RepositoryAuthConfig": {"RepositoryCredentialsProviderArn": "arn:aws:lambda:::function:f"},
            }
        ),
        ["/properties/PrimaryContainer/ImageConfig/RepositoryAuthConfig"],
    ),
    "package and artifacts": (
        primary(ModelPackageName="package/1"),
        ["/properties/PrimaryContainer/Image", "/properties/PrimaryContainer/ModelDataUrl"],
    ),
    "tag of AWS": (tags(("aws:mine", "x")), ["/properties/Tags/0/Key"]),
    "tag of AWS in capitals": (tags(("AWS:mine", "x")), ["/properties/Tags/0/Key"]),
    "tag twice": (tags(("a", "1"), ("a", "2")), ["/properties/Tags/0/Key", "/properties/Tags/1/Key"]),
    "tag with an illegal character": (tags(("a", "100%")), ["/properties/Tags/0/Value"]),
    "51 tags": (tags(*((f"k{number}", "v") for number in range(51))), ["/properties/Tags"]),
    "metrics at an odd frequency": (
        primary(
            ContainerMetricsConfig={
                "MetricsEndpoints": [{"MetricsEndpointPath": "/metrics", "MetricPublishFrequencyInSeconds": 7}]
            }
        ),
        ["/properties/PrimaryContainer/ContainerMetricsConfig/MetricsEndpoints/0/MetricPublishFrequencyInSeconds"],
    ),
    "many things at once": (
        {**tags(("aws:a", "")), **primary(Mode="Many"), "ModelName": "-", "EnableNetworkIsolation": SECRET},
        [],
    ),
}


@pytest.mark.parametrize(("model", "pointers"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_with_every_pointer(invoke, operations, model, pointers):
    answer = invoke("CREATE", model)
    assert (answer["status"], answer["errorCode"]) == ("FAILED", "InvalidRequest")
    told = [violation.split(" ", 1)[0] for violation in answer["message"].split("; ") if violation.startswith("/")]
    if pointers:
        assert told == pointers
    assert SECRET not in json.dumps(answer)
    assert operations() == []


def test_tells_all_mistakes_at_once(invoke):
    message = invoke("CREATE", REFUSED["many things at once"][0])["message"]
    for pointer in ("ModelName", "EnableNetworkIsolation", "Tags/0/Key", "PrimaryContainer/Mode"):
        assert f"/properties/{pointer} " in message


# A model, and the message that refuses it: sentences that can be read aloud, without a regular expression.
TOLD = {
    "an image with spaces": (
        primary(Image="my image"),
        "/properties/PrimaryContainer/Image must be an image without spaces, such as "
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1",
    ),
    "a name with an underscore": (
        {**MODEL, "ModelName": "fraud_scorer"},
        "/properties/ModelName must be letters, digits and hyphens, with no hyphen at either end, such as "
        "fraud-scorer",
    ),
    "a role by its name": (
        {**MODEL, "ExecutionRoleArn": "a-role-with-a-long-name"},
        "/properties/ExecutionRoleArn must be the ARN of an IAM role, such as "
        "arn:aws:iam::123456789012:role/sagemaker-execution",
    ),
    "a path for a URL": (
        primary(ModelDataUrl="/opt/ml/model.tar.gz"),
        "/properties/PrimaryContainer/ModelDataUrl must be a URL that begins with s3:// or https://, such as "
        "s3://my-bucket/model.tar.gz",
    ),
    "two lines": (
        primary(
            ModelDataSource=source(HubAccessConfig={"HubContentArn": "arn:aws:sagemaker\n"}),
        ),
        "/properties/PrimaryContainer/ModelDataSource/S3DataSource/HubAccessConfig/HubContentArn must be the ARN of "
        "a hub content on one line, such as arn:aws:sagemaker:",
    ),
    "a variable with a hyphen": (
        primary(Environment={"MY-KEY": SECRET}),
        "/properties/PrimaryContainer/Environment/* cannot be a name in Environment: it must be at most 1024 "
        "letters, digits and underscores, not beginning with a digit, such as LOG_LEVEL",
    ),
    "a property in other letters": (
        {**MODEL, "vpcConfig": {}},
        "/properties/vpcConfig is not a property of this type: did you mean VpcConfig?",
    ),
    "a property with letters exchanged": (
        {**MODEL, "VpcCofnig": {}},
        "/properties/VpcCofnig is not a property of this type: did you mean VpcConfig?",
    ),
    "a property of a container": (
        primary(Enviroment={"A": "1"}),
        "/properties/PrimaryContainer/Enviroment is not a property of PrimaryContainer: did you mean Environment?",
    ),
    "a property deep inside": (
        {**MODEL, "Containers": [], "PrimaryContainer": {**CONTAINER, "ModelDataSource": source(S3URI="s3://b/")}},
        "/properties/PrimaryContainer/ModelDataSource/S3DataSource/S3URI is not a property of S3DataSource: did you "
        "mean S3Uri?",
    ),
    "a property in a list": (
        {**pipeline({"Imag": IMAGE})},
        "/properties/Containers/0/Imag is not a property of Containers: did you mean Image?",
    ),
    "a property of a tag": (
        {**MODEL, "Tags": [{"Key": "a", "Value": "b", "value": "c"}]},
        "/properties/Tags/0/value is not a property of Tags: did you mean Value?",
    ),
    "an empty text and an empty list": (
        {**MODEL, "Tags": [{"Key": "", "Value": "b"}], "VpcConfig": {"Subnets": [], "SecurityGroupIds": ["sg-1"]}},
        "/properties/Tags/0/Key must have at least 1 character; /properties/VpcConfig/Subnets must have at least "
        "1 entry",
    ),
    "a property like no other": (
        {**MODEL, "Zzzz": 1},
        "/properties/Zzzz is not a property of this type: correct its name or leave it out",
    ),
}


@pytest.mark.parametrize(("model", "told"), TOLD.values(), ids=TOLD)
def test_is_told_in_words(invoke, model, told):
    message = invoke("CREATE", model)["message"]
    assert told in message
    # What only a regular expression is made of.
    assert not {"^", "$", "\\", "[", "|", "(?"} & set(message)


def patterned(name, node):
    """The name of every property with a pattern, the pattern, and the schema that has it."""
    if "pattern" in node and node["pattern"] != ANY_TEXT:
        yield name, node["pattern"], node
    yield from ((name, pattern, node) for pattern in node.get("patternProperties", {}))
    for inner, member in node.get("properties", {}).items():
        yield from patterned(inner, member)
    if "items" in node:
        yield from patterned(name, node["items"])


DOCUMENT = json.loads(SCHEMA.read_text())
PATTERNED = [one for node in [DOCUMENT, *DOCUMENT["definitions"].values()] for one in patterned("", node)]


@pytest.mark.parametrize(("name", "pattern", "node"), PATTERNED, ids=[name for name, _, _ in PATTERNED])
def test_every_pattern_is_said_in_words_and_shown_by_an_example(name, pattern, node):
    assert re.fullmatch(r"[a-zA-Z][\w,:/. ]*[\w/]", node["$comment"])
    (example,) = node["examples"]
    example = next(iter(example)) if isinstance(example, dict) else example
    assert re.compile(pattern, re.ASCII).fullmatch(example)
    assert node.get("minLength", 0) <= len(example) <= node.get("maxLength", 1024)


@pytest.mark.parametrize("count", [2, 8, 9, 50])
def test_a_long_message_is_cut_after_whole_violations(invoke, count):
    bad = tags(*((f"aws:{number}%", "100%") for number in range(count)))
    message = invoke("CREATE", bad)["message"]
    # CloudFormation keeps 1,024 characters of it.
    assert len(message) <= 1024
    violations = message.split("; ")
    more = re.fullmatch(r"… and (\d+) more", violations[-1])
    told = violations[:-1] if more else violations
    assert len(told) + int(more[1] if more else 0) == 3 * count
    assert bool(more) == (len(message) > 900) == (count > 2)
    for violation in told:
        assert re.fullmatch(r"/properties/Tags/\d+/(Key|Value) must .*[a-z@]", violation)


def test_a_long_text_of_the_service_is_cut_as_well(invoke, sagemaker, monkeypatch):
    monkeypatch.setitem(FAULTS, "talkative", Fault(When.ERROR, 400, "ValidationException", "No, no. " * 500))
    sagemaker.faults.inject("CreateModel", "talkative")
    message = invoke("CREATE", MODEL)["message"]
    assert len(message) <= 1024
    assert "SageMaker said: No, no." in message
    assert "(CreateModel, ValidationException, request " in message


# What looks like a mistake and is none.
ACCEPTED = {
    "a list of one container": pipeline({}),
    "a list of one container with a hostname": pipeline({"ContainerHostname": "only"}),
    "an empty environment": primary(Environment={}),
    "empty objects without required members": primary(
        MultiModelConfig={}, ContainerMetricsConfig={}, ModelDataSource={}
    ),
    "no tags": {**MODEL, "Tags": []},
    "a data source equal to the URL": primary(
        ModelDataSource=source(S3Uri=ARTIFACTS, S3DataType="S3Object", CompressionType="Gzip")
    ),
    "a specification without a package": primary(InferenceSpecificationName="default"),
    "a licence not accepted": {
        "PrimaryContainer": {"Image": IMAGE, "ModelDataSource": source(ModelAccessConfig={"AcceptEula": False})}
    },
    "no role": {"PrimaryContainer": CONTAINER},
    "a package alone": {
        "PrimaryContainer": {"ModelPackageName": "arn:aws:sagemaker:us-east-1:123456789012:model-package/p/1"}
    },
    "100 environment entries": primary(Environment={f"K{number}": "v" for number in range(100)}),
    "letters of the world in tags": tags(("équipe", "リスク 2")),
    "a private registry": {
        **primary(ImageConfig={"RepositoryAccessMode": "Vpc"}, Image="registry.example.com/inference:1"),
        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    },
}


@pytest.mark.parametrize("model", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_is_accepted(invoke, model):
    assert invoke("CREATE", model)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("stack_tags", "model_tags", "words"),
    [
        ({f"k{number}": "v" for number in range(51)}, 0, "at most 50 together"),
        ({f"k{number}": "v" for number in range(40)}, 40, None),
        ({f"k{number}": "v" for number in range(40)}, 50, None),
        ({f"s{number}": "v" for number in range(40)}, 11, "at most 50 together"),
        ({"100%": "v"}, 0, "letters, digits, spaces"),
        ({"100%": "v", "aws:ours": "v"}, 0, "letters, digits, spaces"),
        ({"aws:ours": "v"}, 50, None),
    ],
)
def test_counts_the_tags_of_the_stack(invoke, stack_tags, model_tags, words):
    answer = invoke("CREATE", tags(*((f"k{number}", "v") for number in range(model_tags))), stack_tags=stack_tags)
    assert words in answer["message"] if words else answer["status"] == "SUCCESS"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "CREATE",
        {},
        {"action": "CREATE"},
        {"action": "DANCE", "region": "us-east-1", "bearerToken": "t", "requestData": {}},
        {"action": "CREATE", "region": None, "bearerToken": "t", "requestData": {}},
        {"action": "READ", "region": "us-east-1", "bearerToken": "t", "requestData": []},
        {"action": "READ", "region": "us-east-1", "bearerToken": "t", "requestData": {"callerCredentials": {"a": 1}}},
        {"action": "CREATE", "region": "us-east-1", "bearerToken": "t", "requestData": {"resourceProperties": {}}},
    ],
    ids=str,
)
def test_an_event_that_is_none_is_answered(sagemaker, event):
    from aws_sagemaker_model.handlers import resource, test_entrypoint

    for entry_point in (resource, test_entrypoint):
        answer = entry_point(event, None)
        assert answer["status"] == "FAILED"
        assert answer["errorCode"] in ("InvalidRequest", "InvalidCredentials")
        assert answer["message"]


def request_of(invoke_event, **changes):
    event = production_event(DEFINITION, "CREATE", desired=MODEL, logical_id="Scorer")
    return invoke_event({**event, **changes})


@pytest.fixture
def invoke_event(sagemaker):
    from aws_sagemaker_model.handlers import resource

    return lambda event: resource(event, None)


@pytest.mark.parametrize(
    "context",
    [
        {"attempt": "often"},
        {"attempt": -1},
        {"attempt": [1]},
        {"attempt": None},
        {"attempt": 1e400},
        {"since": "yesterday"},
        {"since": {}},
        {"since": float("nan")},
        {"attempt": 1, "state": "somewhere"},
        {"attempt": 1, "state": 5},
        "text",
        [1],
        5,
    ],
    ids=str,
)
@pytest.mark.parametrize("action", ["CREATE", "UPDATE", "DELETE"])
def test_a_garbled_callback_context_is_an_invalid_request(invoke_event, operations, action, context):
    answer = request_of(invoke_event, action=action, callbackContext=context)
    assert answer["errorCode"] == "InvalidRequest"
    assert "callbackContext" in answer["message"]
    assert operations() == []


@pytest.mark.parametrize(
    "region",
    ["", "us east 1", "us_east_1", "US-EAST-1", "-", "us-east-1.evil.example/", "a" * 300, None, 5, ["us-east-1"]],
)
@pytest.mark.parametrize("action", ["CREATE", "READ", "LIST"])
def test_a_garbled_region_is_an_invalid_request(invoke_event, operations, action, region):
    answer = request_of(invoke_event, action=action, region=region)
    assert answer["errorCode"] == "InvalidRequest"
    assert "region" in answer["message"]
    assert operations() == []


@pytest.mark.parametrize(
    "changes",
    [{"awsAccountId": "12"}, {"awsAccountId": 5}, {"bearerToken": ""}, {"stackId": ["s"]}, {"action": "DANCE"}],
    ids=str,
)
def test_an_event_with_a_garbled_member_is_an_invalid_request(invoke_event, operations, changes):
    answer = request_of(invoke_event, **changes)
    assert answer["errorCode"] == "InvalidRequest"
    assert next(iter(changes)) in answer["message"] or changes.keys() == {"stackId"}
    assert operations() == []


def test_members_of_an_event_that_are_new_are_ignored(invoke_event):
    event = production_event(DEFINITION, "CREATE", desired=MODEL, log_group="logs")
    for member in ("callerCredentials", "providerCredentials"):
        event["requestData"][member] |= {"expiration": "2030-01-01T00:00:00Z", "accountId": 5}
    event["requestData"]["new"] = event["new"] = {"of": "AWS"}
    assert invoke_event(event)["status"] == "SUCCESS"


def test_credentials_without_a_session_are_credentials(invoke_event, sagemaker):
    event = production_event(DEFINITION, "CREATE", desired=MODEL)
    del event["requestData"]["callerCredentials"]["sessionToken"]
    assert invoke_event(event)["status"] == "SUCCESS"
    assert {call.access_key for call in sagemaker.calls} == {"local-caller"}
