"""Random requests from botocore's shapes, with errors: none has a 5xx answer."""

from __future__ import annotations

import json
import urllib.parse
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import given
from hypothesis import strategies as st

from doors.conftest import FORM, TEMPLATE, Door, signed
from hypothesis_settings import property_test

if TYPE_CHECKING:
    from collections.abc import Iterator

# Signing names by botocore's names.
SERVICES = {"cloudformation": "cloudformation", "cloudcontrol": "cloudcontrolapi", "sagemaker": "sagemaker"}
# Of SageMaker what the local one has itself.
SAGEMAKER = ("CreateModel", "DescribeModel", "ListModels", "DeleteModel", "AddTags", "ListTags", "ListEndpoints",
             "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint")  # fmt: skip
_DEEPEST = 5
_TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "A" * 70_000, "AWS::SQS::Queue", "AWS::SageMaker::Model", "chance", "{}", "[]", "{", "null", "${x}",
         "{{resolve:ssm:x}}", "http://127.0.0.1:1/x", "s3://a/b", "-1", "1e999", "NaN", TEMPLATE, "Resources: !Foo",
         "a: &a [*a]", "arn:aws:cloudformation:us-east-1:123456789012:stack/x/y"]
    ),
)  # fmt: skip
_NUMBERS = st.one_of(st.sampled_from([0, 1, -1, 100, 2**31, 2**63, -(2**63), 10**30]), st.floats())
_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(_TEXTS, inner, max_size=2)),
    max_leaves=4,
)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values of a shape; one in ten is something else."""
    return st.integers(0, 9).flatmap(lambda chance: _ANYTHING if chance == 0 else _of_shape(shape, depth))


def _of_shape(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    if depth > _DEEPEST:
        return st.none()
    if isinstance(shape, StructureShape):
        members = {name: _values(member, depth + 1) for name, member in shape.members.items()}
        required = {name: members[name] for name in shape.required_members}
        return st.fixed_dictionaries(required, optional={k: v for k, v in members.items() if k not in required})
    if isinstance(shape, ListShape):
        return st.lists(_values(shape.member, depth + 1), max_size=2)
    if isinstance(shape, MapShape):
        return st.dictionaries(_TEXTS, _values(shape.value, depth + 1), max_size=2)
    if isinstance(shape, StringShape) and shape.enum:
        return st.sampled_from(shape.enum)
    if shape.type_name in ("integer", "long", "float", "double", "timestamp"):
        return _NUMBERS
    return st.booleans() if shape.type_name == "boolean" else _TEXTS


def _fields(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Return a value as the query protocol spells it."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _fields(f"{prefix}.{name}" if prefix else name, member)
    elif isinstance(value, list):
        for number, member in enumerate(value, 1):
            yield from _fields(f"{prefix}.member.{number}", member)
    else:
        yield prefix, str(value)


@st.composite
def _requests(draw: st.DrawFn, service: str) -> tuple[bytes, dict[str, str]]:
    """Draw body and headers of a request."""
    model = _model(service)
    name = draw(st.sampled_from(SAGEMAKER if service == "sagemaker" else model.operation_names))
    shape = model.operation_model(name).input_shape
    members = draw(_values(shape)) if shape else {}
    headers = {"Authorization": signed(SERVICES[service])}
    if service == "cloudformation":
        fields = [("Action", name), *_fields("", members)]
        return urllib.parse.urlencode(fields, errors="surrogatepass").encode(), {**headers, "Content_Type": FORM}
    prefix = model.metadata["targetPrefix"]
    target = draw(st.sampled_from([f"{prefix}.{name}"] * 9 + [name]))
    return json.dumps(members).encode(), {
        **headers,
        "X_Amz_Target": target,
        "Content_Type": "application/x-amz-json-1.0",
    }


@pytest.mark.parametrize("service", SERVICES)
@property_test(part=3)
@given(data=st.data())
def test_no_request_causes_an_internal_error(door: Door, service: str, data: st.DataObject) -> None:
    body, headers = data.draw(_requests(service))
    reply = door.ask("POST", "/", body, **headers)
    assert reply.status < 500, reply.body
