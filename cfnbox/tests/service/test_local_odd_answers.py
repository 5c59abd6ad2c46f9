"""Unusual answers, and reads that lag behind a create, as botocore's client sees them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions

from service.samples import ARN, MODEL, outcomes_until_success

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker


def test_the_empty_members_fault_returns_empty_members(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    client = connect()
    private = {"Image": "registry.example.com/i:1", "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    client.create_model(ModelName="model", PrimaryContainer=private, VpcConfig=vpc)
    server.faults.inject("DescribeModel", "empty-members", times=1)

    odd = client.describe_model(ModelName="model")["PrimaryContainer"]

    assert (odd["Environment"], odd["ImageConfig"]["RepositoryAuthConfig"]) == ({}, {})
    plain = client.describe_model(ModelName="model")["PrimaryContainer"]
    assert plain == private | {"Mode": "SingleModel"}


def test_the_lower_case_arns_fault_returns_arns_in_lower_case(
    connect: Callable[..., Any], server: LocalSageMaker
) -> None:
    client = connect()
    arn = client.create_model(**MODEL | {"ModelName": "MyModel"})["ModelArn"]
    server.faults.inject("ListModels", "lower-case-arns", times=1)

    assert [(m["ModelName"], m["ModelArn"]) for m in client.list_models()["Models"]] == [("MyModel", arn.lower())]
    assert [m["ModelArn"] for m in client.list_models()["Models"]] == [arn]


def test_reads_lag_behind_a_create(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    client = connect()
    client.create_model(**MODEL | {"ModelName": "older"})
    server.faults.inject(None, "read-after-create-delay", times=2)
    client.create_model(**MODEL, Tags=[{"Key": "a", "Value": "b"}])

    for operation, request in (("describe_model", {"ModelName": "model"}), ("list_tags", {"ResourceArn": ARN})):
        with pytest.raises(exceptions.ClientError) as missing:
            getattr(client, operation)(**request)
        assert missing.value.response["Error"]["Message"] == f'Could not find model "{ARN}".'
    assert client.describe_model(ModelName="model")["ModelArn"] == ARN


def test_reads_lag_for_seconds_and_only_those_of_the_new_model(
    connect: Callable[..., Any], server: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect()
    monkeypatch.setattr(server.faults, "clock", lambda: 100)
    client.create_model(**MODEL | {"ModelName": "older"})
    monkeypatch.setattr(server.faults, "clock", lambda: 102)
    server.faults.inject("DescribeModel", "read-after-create-delay", seconds=2)
    client.create_model(**MODEL)

    assert client.describe_model(ModelName="older")["ModelName"] == "older"
    assert client.list_tags(ResourceArn=ARN)["Tags"] == []
    times = itertools.chain([102, 103.9], itertools.repeat(104))
    monkeypatch.setattr(server.faults, "clock", lambda: next(times))
    refusals = outcomes_until_success(lambda: client.describe_model(ModelName="model"))

    assert refusals == [f'Could not find model "{ARN}".'] * 2


def test_tags_lag_behind_a_create(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    client, tags = connect(), [{"Key": "a", "Value": "b"}]
    server.faults.inject(None, "tags-after-create-delay", times=1)
    client.create_model(**MODEL, Tags=tags)

    assert client.describe_model(ModelName="model")["ModelArn"] == ARN
    assert client.list_tags(ResourceArn=ARN)["Tags"] == []
    assert client.list_tags(ResourceArn=ARN)["Tags"] == tags
