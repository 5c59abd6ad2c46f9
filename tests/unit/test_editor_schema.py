"""The JSON Schema for editors, with the templates of the lint rules."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode
from cfnlint.helpers import FUNCTIONS
from jsonschema import Draft7Validator

from tools import editor_schema, generate

DATA = Path(__file__).parent.parent / "data" / "lint"
REGISTRY_SCHEMA = json.loads((generate.ROOT / generate.SCHEMA).read_bytes())
SCHEMA = editor_schema.editor_schema(REGISTRY_SCHEMA, "AWS::SageMaker::Model")
VALIDATOR = Draft7Validator(SCHEMA)


def template(name: str) -> Any:
    """Return a template with its functions written out, as an editor sees them in JSON."""
    return json.loads(json.dumps(decode(str(DATA / name))[0]))


def faulty(document: Any) -> set[str]:
    """Return where a document breaks the schema: the deepest place of each error."""
    return {place for error in VALIDATOR.iter_errors(document) for place in deepest(error)}


def deepest(error: Any) -> Iterator[str]:
    for alternative in error.context or [error]:
        if alternative is error:
            yield "/".join(map(str, error.absolute_path))
        elif alternative.schema_path[0] == 0:  # what the property must be; the other alternatives are functions
            yield from deepest(alternative)


def test_the_editor_schema_is_a_json_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*-good.yaml")))
def test_good_templates_are_valid(name: str) -> None:
    assert faulty(template(name)) == set()


def test_bad_properties_are_reported_at_their_place() -> None:
    container, vpc = "Resources/Model/Properties/PrimaryContainer", "Resources/Model/Properties/VpcConfig"
    assert faulty(template("schema-bad.yaml")) == {
        "Resources/Model/Properties/ExecutionRoleArn",
        container,  # the misspelt property
        f"{container}/ImageConfig",
        f"{container}/ContainerMetricsConfig/MetricsEndpoints",
        f"{container}/ContainerMetricsConfig/MetricsEndpoints/0/MetricPublishFrequencyInSeconds",
        f"{container}/ModelDataSource/S3DataSource/S3Uri",
        vpc,
        "Resources/Model/Properties/EnableNetworkIsolation",
        "Resources/Model/Properties/Tags/0/Key",
    }


def test_read_only_and_missing_properties_are_reported() -> None:
    assert faulty(template("E9360-bad.yaml")) >= {
        "Resources/ReadOnly/Properties",
        "Resources/Nothing",
        "Resources/Neither/Properties",
    }


@pytest.mark.parametrize(
    ("containers", "is_valid"),
    [
        ([{"Image": "x"}], False),
        ([{"Fn::If": ["A", {"Image": "x"}, {"Ref": "AWS::NoValue"}]}, {"Image": "y"}], False),
        ([{"Fn::If": ["A", {"Image": "x"}, {"Ref": "AWS::NoValue"}]}], True),
        ({"Fn::If": ["A", [{"Image": "x"}], {"Ref": "AWS::NoValue"}]}, True),
        ([], True),
    ],
)
def test_both_kinds_of_containers_are_reported_unless_a_condition_can_remove_one(
    containers: Any, is_valid: bool
) -> None:
    properties = {"PrimaryContainer": {"Image": "x"}, "Containers": containers}
    resource = {"Type": "Acme::SageMaker::Model", "Properties": properties}
    assert VALIDATOR.is_valid({"Resources": {"Model": resource}}) == is_valid


@pytest.mark.parametrize("where", ["Properties", "the resource", "VpcConfig"])
def test_properties_that_a_macro_adds_are_not_required(where: str) -> None:
    macro = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://bucket/key"}}}
    resource: dict[str, Any] = {"Type": "Acme::SageMaker::Model"}
    if where == "the resource":
        resource |= macro
    elif where == "Properties":
        resource["Properties"] = {**macro, "EnableNetworkIsolation": True}
    else:
        resource["Properties"] = {"PrimaryContainer": {}, "VpcConfig": {**macro, "Subnets": ["subnet-0123abcd"]}}
    assert faulty({"Resources": {"Model": resource}}) == set()
    assert faulty({"Resources": {"Model": {**resource, "Properties": {"Nonsense": 1, **macro}}}}) != set()


def test_the_aws_type_is_checked_only_under_its_own_name() -> None:
    resource = {"Type": "AWS::SageMaker::Model", "Properties": {"Nonsense": 1}}
    own = editor_schema.editor_schema(REGISTRY_SCHEMA, "Acme::SageMaker::Model")
    assert Draft7Validator(own).is_valid({"Resources": {"Model": resource}})
    assert not VALIDATOR.is_valid({"Resources": {"Model": resource}})


def test_resources_of_other_types_are_not_checked() -> None:
    assert faulty({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"Nonsense": [1]}}}}) == set()


@pytest.mark.parametrize(
    "function",
    [{"Ref": "A"}, {"Fn::If": ["A", {"b": 1}, []]}, {"Fn::Transform": {"Name": "AWS::Include"}}, {"Fn::Sub": "x"}],
    ids=lambda function: next(iter(function)),
)
def test_a_function_is_accepted_in_the_place_of_every_value(function: dict[str, Any]) -> None:
    resources = {**template("E9360-good.yaml")["Resources"], **template("schema-good.yaml")["Resources"]}
    for resource in resources.values():
        for place in places(resource.get("Properties", {})):
            changed = copy.deepcopy(resource)
            target = changed["Properties"]
            for step in place[:-1]:
                target = target[step]
            target[place[-1]] = function
            assert VALIDATOR.is_valid({"Resources": {"Changed": changed}}), (resource, place)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value within a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in pairs:
        yield (*place, step)
        yield from places(member, (*place, step))


def test_every_settable_property_has_its_description() -> None:
    read_only = {pointer.rsplit("/", 1)[1] for pointer in REGISTRY_SCHEMA["readOnlyProperties"]}
    offered = SCHEMA["definitions"]["Resource"]["then"]["properties"]["Properties"]["properties"]
    settable = {name: stated for name, stated in REGISTRY_SCHEMA["properties"].items() if name not in read_only}
    assert {name: stated["description"] for name, stated in offered.items()} == {
        name: stated["description"] for name, stated in settable.items()
    }
    for name, definition in REGISTRY_SCHEMA["definitions"].items():
        assert list(SCHEMA["definitions"][name]["properties"]) == list(definition["properties"])


def test_the_command_writes_the_schema_for_another_type_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "model.json"
    arguments = ["--type-name", "Acme::Hosting::Net", "--output", str(output)]

    assert editor_schema.main(arguments) == 0

    assert str(output) in capsys.readouterr().out
    document = {"Resources": {"Model": {"Type": "Acme::Hosting::Net", "Properties": {}}}}
    assert not Draft7Validator(json.loads(output.read_text())).is_valid(document)
    assert VALIDATOR.is_valid(document)


def test_the_documented_settings_list_every_short_form_of_a_function() -> None:
    readme = (generate.ROOT / "lint" / "README.md").read_text()
    [settings] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", readme, re.DOTALL)]
    tags = settings["yaml.customTags"]
    assert [tag for tag in tags if not re.fullmatch(r"!\w+ (scalar|sequence|mapping):object", tag)] == []
    without_short_form = {"Fn::Contains", "Fn::GetStackOutput", "Fn::Length", "Fn::ToJsonString"}
    functions = {name for name in FUNCTIONS - without_short_form if "ForEach" not in name}
    assert {"!" + name.removeprefix("Fn::") for name in functions} <= {tag.split()[0] for tag in tags}
    assert next(iter(settings["yaml.schemas"])).endswith(str(editor_schema.OUTPUT))
