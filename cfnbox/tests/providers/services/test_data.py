"""Types of DynamoDB, Step Functions and ECR: changes that need several calls, and refusals of AWS."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.protocol import ResourceFailed
from providers.services.harness import Bench
from providers.services.samples_data import ROLE, definition

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

TABLE, MACHINE, REPOSITORY = "AWS::DynamoDB::Table", "AWS::StepFunctions::StateMachine", "AWS::ECR::Repository"
PROVISIONED = {
    "TableName": "mine",
    "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
    "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
}
Connect = Any


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


def index(name: str, units: int) -> Json:
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": {"ReadCapacityUnits": units, "WriteCapacityUnits": units},
    }


def with_indexes(**units: int) -> Json:
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("k", *units)]
    indexes = {"GlobalSecondaryIndexes": [index(name, number) for name, number in units.items()]} if units else {}
    return {**PROVISIONED, "AttributeDefinitions": attributes, **indexes}


def test_indexes_and_throughput_of_a_table_change_in_place(bench: Bench, connect: Connect) -> None:
    states = (
        with_indexes(red=1, green=1),
        with_indexes(red=3, blue=2),
        {**with_indexes(), "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}},
    )
    table = bench.create(TABLE, states[0])
    found = []
    for before, after in itertools.pairwise(states):
        bench.update(TABLE, table, before, after)
        described = connect("dynamodb").describe_table(TableName="mine")["Table"]
        indexes = described.get("GlobalSecondaryIndexes", ())
        throughput = described["ProvisionedThroughput"]
        units = {index["IndexName"]: index["ProvisionedThroughput"]["ReadCapacityUnits"] for index in indexes}
        found.append((units, throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]))
    assert found == [({"red": 3, "blue": 2}, 1, 1), ({}, 5, 6)]


def test_a_table_with_deletion_protection_is_not_deleted(bench: Bench, connect: Connect) -> None:
    protected = {**PROVISIONED, "DeletionProtectionEnabled": True}
    table = bench.create(TABLE, protected)
    with pytest.raises(ResourceFailed, match=r"protected against deletion"):
        bench.delete(TABLE, table, protected)
    assert connect("dynamodb").list_tables()["TableNames"] == ["mine"]
    bench.update(TABLE, table, protected, PROVISIONED)
    bench.delete(TABLE, table, PROVISIONED)
    assert connect("dynamodb").list_tables()["TableNames"] == []


@pytest.mark.parametrize("place", ["Definition", "DefinitionString", "DefinitionS3Location"])
def test_placeholders_of_a_definition_are_substituted(place: str, bench: Bench, connect: Connect) -> None:
    text = definition("Pass")
    connect("s3").create_bucket(Bucket="code")
    connect("s3").put_object(Bucket="code", Key="machine.json", Body=text.encode())
    places = {
        "Definition": json.loads(text),
        "DefinitionString": text,
        "DefinitionS3Location": {"Bucket": "code", "Key": "machine.json"},
    }
    first = {
        "StateMachineName": "m",
        "RoleArn": ROLE,
        place: places[place],
        "DefinitionSubstitutions": {"word": "first"},
    }
    second = {**first, "DefinitionSubstitutions": {"word": "second"}}
    machine = bench.create(MACHINE, first)

    def comment() -> str:
        answer = connect("stepfunctions").describe_state_machine(stateMachineArn=machine.physical_id)
        return str(json.loads(answer["definition"])["States"]["A"]["Comment"])

    assert comment() == "first"
    bench.update(MACHINE, machine, first, second)
    assert comment() == "second"


def test_a_state_machine_with_an_existing_name_is_refused(bench: Bench) -> None:
    properties = {"StateMachineName": "m", "RoleArn": ROLE, "DefinitionString": definition("Pass")}
    bench.create(MACHINE, properties)
    with pytest.raises(ResourceFailed, match="already exists") as failure:
        bench.create(MACHINE, properties)
    assert failure.value.code == "AlreadyExists"


def test_empty_on_delete_deletes_a_repository_with_images(bench: Bench, connect: Connect) -> None:
    first = {"RepositoryName": "mine"}
    repository = bench.create(REPOSITORY, first)
    connect("ecr").put_image(repositoryName="mine", imageManifest="{}", imageTag="1")
    with pytest.raises(ResourceFailed, match="The repository with name 'mine' is not empty"):
        bench.delete(REPOSITORY, repository, first)
    assert len(connect("ecr").list_images(repositoryName="mine")["imageIds"]) == 1
    bench.delete(REPOSITORY, repository, {**first, "EmptyOnDelete": True})
    assert connect("ecr").describe_repositories()["repositories"] == []
