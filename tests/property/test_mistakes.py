"""Invalid models: refused at the place of the violation, without values in the message, and without an effect."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hypothesis_settings import property_test
from tests.conftest import IMAGE, MODEL, Invoke
from tests.property.strategies import matching, models, places, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.sagemaker.server import LocalSageMaker

# What no message and no log line may repeat.
SECRET = "hunter2-and-more"
WRONG_TYPES: dict[str, list[Any]] = {
    "string": [{"Fn::Sub": SECRET}, [SECRET], None],
    "boolean": [SECRET, {"Ref": SECRET}, 1.5, 2, None],
    "integer": [SECRET, [10], 10.5, "", True, None],
    "object": [SECRET, [{SECRET: 1}], True, 0, None],
    "array": [SECRET, {SECRET: SECRET}, False, None],
}


@st.composite
def broken_by_schema(draw: Any) -> Any:
    """A model with one mistake against the schema, and the JSON pointer at which it must be told."""
    model = draw(models())
    place = draw(st.sampled_from(list(places(model))[1:]))
    at, wrong = draw(st.sampled_from(list(_mistakes(place))))
    return replaced(model, place.path, wrong), _pointer((*place.path, *at))


def _mistakes(place: Any) -> Iterator[Any]:
    """Each way to break the schema at a place: the steps from there to where it is told, and the wrong value."""
    schema, value = place.schema, place.value
    for wrong in WRONG_TYPES[schema["type"]]:
        yield (), wrong
    yield from {"string": _wrong_texts, "array": _wrong_lists, "object": _wrong_objects}.get(schema["type"], _none)(
        schema, value
    )


def _none(_schema: Any, _value: Any) -> Any:
    return ()


def _wrong_texts(schema: Any, _value: Any) -> Iterator[Any]:
    if "maxLength" in schema:
        yield (), "x" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield (), ""
    yield (), f"{SECRET}\ud800"
    if "enum" in schema or ("pattern" in schema and not matching(schema).fullmatch(f"\n {SECRET}\n")):
        yield (), f"\n {SECRET}\n"


def _wrong_lists(schema: Any, value: Any) -> Iterator[Any]:
    if schema.get("minItems"):
        yield (), []
    yield (), [value[0] if value else SECRET] * (schema["maxItems"] + 1)
    yield (len(value),), [*value, None]


def _wrong_objects(schema: Any, value: Any) -> Iterator[Any]:
    unknown = f"Un{SECRET[:6]}"
    # A map takes any key that is a word.
    at, unknown = ("*", "not a word") if "patternProperties" in schema else (unknown, unknown)
    yield (at,), {**value, unknown: SECRET}
    for name in schema.get("required", []):
        yield (), {key: member for key, member in value.items() if key != name}
    if "maxProperties" in schema:
        yield (), {f"KEY_{number}": SECRET for number in range(schema["maxProperties"] + 1)}


def _pointer(path: Any) -> Any:
    plain = [str(step) if re.fullmatch(r"[0-9A-Za-z_]{1,64}", str(step)) else "*" for step in path]
    return "/".join(["/properties", *plain])


ELSEWHERE = {"S3Uri": f"s3://{SECRET}", "S3DataType": "S3Prefix", "CompressionType": "None"}
LARGE = {f"K{number:02}": SECRET * 63 for number in range(33)}
# Each breaks a rule that the schema cannot say: what it does to a container, to the model, and where it is told.
RULES = [
    ({"Environment": LARGE}, {}, "/Environment"),
    ({"Environment": LARGE}, {}, ""),
    (
        {"ModelDataSource": {"S3DataSource": ELSEWHERE}, "Mode": "SingleModel"},
        {},
        "/ModelDataSource/S3DataSource/S3Uri",
    ),
    (
        {
            "AdditionalModelDataSources": [
                {"ChannelName": "a", "S3DataSource": {**ELSEWHERE, "CompressionType": "Gzip"}}
            ]
        },
        {},
        "/AdditionalModelDataSources/0/S3DataSource/CompressionType",
    ),
    (
        {"ModelDataSource": {"S3DataSource": {**ELSEWHERE, "S3DataType": "S3Object"}}, "Mode": "MultiModel"},
        {},
        "/ModelDataSource",
    ),
    ({"ImageConfig": {"RepositoryAccessMode": "Vpc"}}, {"VpcConfig": ...}, "/ImageConfig/RepositoryAccessMode"),
    (
        {
            "ImageConfig": {
                "RepositoryAccessMode": "Platform",
                "RepositoryAuthConfig": {"RepositoryCredentialsProviderArn": SECRET},
            }
        },
        {},
        "/ImageConfig/RepositoryAuthConfig",
    ),
    ({"ModelPackageName": "package/1", "Image": IMAGE}, {}, "/Image"),
    ({"ModelPackageName": "package/1", "ModelDataUrl": f"s3://{SECRET}"}, {}, "/ModelDataUrl"),
    ({"ContainerHostname": ...}, {"InferenceExecutionConfig": {"Mode": "Direct"}}, "/ContainerHostname"),
    ({}, {"PrimaryContainer": {"Image": SECRET}, "Containers": [{"Image": SECRET}]}, None),
    ({}, {"PrimaryContainer": ..., "Containers": ...}, None),
    ({}, {"PrimaryContainer": ..., "Containers": []}, None),
    ({}, {"Tags": [{"Key": f"aWs:{SECRET}", "Value": ""}]}, "Tags/0/Key"),
    ({}, {"Tags": [{"Key": "a", "Value": f"{SECRET}%"}]}, "Tags/0/Value"),
    ({}, {"Tags": [{"Key": SECRET, "Value": "1"}, {"Key": SECRET, "Value": "2"}]}, "Tags/1/Key"),
]


@st.composite
def broken_by_rule(draw: Any) -> Any:
    """A model that keeps the schema and breaks a rule beyond it, and the JSON pointer at which it must be told."""
    model = draw(models())
    members, properties, where = draw(st.sampled_from(RULES))
    position = draw(st.integers(0, len(model.get("Containers", [0])) - 1))
    container = _altered(
        model["PrimaryContainer"] if "PrimaryContainer" in model else model["Containers"][position], members
    )
    at = "/properties/PrimaryContainer" if "PrimaryContainer" in model else f"/properties/Containers/{position}"
    if "PrimaryContainer" in model:
        model["PrimaryContainer"] = container
    else:
        model["Containers"][position] = container
    if members.get("Environment") is LARGE:
        assume((where == "") == ("Containers" in model))
        at = at if where else "/properties/Containers"
    if where is None:
        at, where = "/properties", ""
    elif not where.startswith("/") and where:
        at, where = "/properties/", where
    return _altered(model, properties), at + where


def _altered(value: Any, members: Any) -> Any:
    altered = {**value, **members}
    return {name: member for name, member in altered.items() if member is not ...}


@pytest.fixture
def logged() -> Iterator[Any]:
    """The log output of all loggers at all levels during a test."""
    lines = []
    handler = logging.Handler(logging.NOTSET)
    vars(handler)["emit"] = lambda record: lines.append(f"{record.getMessage()} {record.exc_info}")
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(handler)
    root.setLevel(before)


def _assert_refused(answer: Any, pointer: str, logged: Any) -> None:
    assert (answer["status"], answer["errorCode"]) == ("FAILED", "InvalidRequest"), answer
    told = [violation.partition(" ")[0] for violation in answer["message"].split("; ")]
    assert pointer in told, (pointer, answer["message"])
    assert SECRET not in json.dumps(answer)
    assert not [line for line in logged if SECRET in line]


@property_test()
@given(broken=broken_by_schema() | broken_by_rule())
def test_a_violation_is_reported_and_no_model_is_created(
    sagemaker: LocalSageMaker, invoke: Invoke, client: Any, logged: Any, broken: Any
) -> None:
    model, pointer = broken
    sagemaker.reset()
    logged.clear()
    _assert_refused(invoke("CREATE", model), pointer, logged)
    assert [call.operation for call in sagemaker.calls] == []
    assert client.list_models()["Models"] == []


@property_test(5)
@given(broken=broken_by_schema() | broken_by_rule())
def test_a_violation_in_an_update_has_no_effect(
    sagemaker: LocalSageMaker, invoke: Invoke, logged: Any, broken: Any
) -> None:
    sagemaker.reset()
    created = invoke("CREATE", MODEL)["resourceModel"]
    identifier = {"ModelArn": created["ModelArn"]}
    logged.clear()
    answer = invoke("UPDATE", {**broken[0], **identifier}, previous={**MODEL, **identifier})
    assert answer["status"] == "FAILED"
    assert answer["errorCode"] in ("InvalidRequest", "NotUpdatable"), answer
    assert SECRET not in json.dumps(answer)
    assert not [line for line in logged if SECRET in line]
    assert invoke("READ", identifier)["resourceModel"] == created
