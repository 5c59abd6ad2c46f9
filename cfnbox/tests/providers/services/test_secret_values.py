"""Values that CloudFormation generates for secrets."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

import pytest

from providers.services.harness import Bench

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

SECRET, ROTATION = "AWS::SecretsManager::Secret", "AWS::SecretsManager::RotationSchedule"


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


def value(connect: Any, secret_id: str) -> str:
    return str(connect("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"])


@pytest.mark.parametrize(
    ("rule", "forbidden"),
    [
        ({"ExcludePunctuation": True}, string.punctuation),
        ({"ExcludeNumbers": True}, string.digits),
        ({"ExcludeUppercase": True}, string.ascii_uppercase),
        ({"ExcludeLowercase": True}, string.ascii_lowercase),
        ({"ExcludeCharacters": "aeiou"}, "aeiou"),
    ],
)
def test_generated_values_do_not_contain_excluded_characters(
    bench: Bench, connect: Any, rule: Json, forbidden: str
) -> None:
    secret = bench.create(SECRET, {"GenerateSecretString": {**rule, "PasswordLength": 1000}})
    generated = value(connect, secret.physical_id)
    assert len(generated) == 1000
    assert not set(generated) & set(forbidden)


def test_the_password_is_inserted_into_the_secret_string_template(bench: Bench, connect: Any) -> None:
    rule = {"SecretStringTemplate": '{"user": "me"}', "GenerateStringKey": "password", "PasswordLength": 20}
    secret = bench.create(SECRET, {"GenerateSecretString": rule})
    read = json.loads(value(connect, secret.physical_id))
    assert (read["user"], len(read["password"])) == ("me", 20)


def test_a_generated_value_changes_only_with_its_rule(bench: Bench, connect: Any) -> None:
    before = {"GenerateSecretString": {"PasswordLength": 20}}
    secret = bench.create(SECRET, before)
    generated = value(connect, secret.physical_id)
    described = {**before, "Description": "d"}
    bench.update(SECRET, secret, before, described)
    assert value(connect, secret.physical_id) == generated
    bench.update(SECRET, secret, described, {"GenerateSecretString": {"PasswordLength": 21}})
    assert len(value(connect, secret.physical_id)) == 21


def test_the_name_of_a_deleted_secret_can_be_used_again(bench: Bench) -> None:
    properties = {"Name": "mine", "SecretString": "s"}
    bench.delete(SECRET, bench.create(SECRET, properties), properties)
    assert bench.create(SECRET, properties).physical_id


def test_a_deleted_rotation_schedule_turns_rotation_off(bench: Bench, connect: Any) -> None:
    secrets = connect("secretsmanager")
    secrets.create_secret(Name="turned", SecretString="s")
    schedule = {"SecretId": "turned", "RotationRules": {"AutomaticallyAfterDays": 7}}
    made = bench.create(ROTATION, schedule)
    assert made.physical_id == secrets.describe_secret(SecretId="turned")["ARN"]
    assert bench.read(ROTATION, made.identifier).model["SecretId"] == "turned"
    bench.delete(ROTATION, made, schedule)
    assert secrets.describe_secret(SecretId="turned")["RotationEnabled"] is False
    (listed,) = secrets.list_secrets()["SecretList"]
    assert listed["RotationEnabled"] is False
    bench.create(ROTATION, schedule)
    assert secrets.describe_secret(SecretId="turned")["RotationEnabled"] is True
    assert value(connect, "turned") == "s"


def test_the_rotation_of_a_missing_secret_cannot_be_cancelled(bench: Bench, connect: Any) -> None:
    secrets = connect("secretsmanager")
    with pytest.raises(secrets.exceptions.ResourceNotFoundException, match="can't find the specified secret"):
        secrets.cancel_rotate_secret(SecretId="nowhere")


def test_replica_regions_of_a_secret_can_be_removed_and_added(bench: Bench, connect: Any) -> None:
    there = connect("secretsmanager", "eu-north-1")
    alone, replicated = (
        {"Name": "spread", "SecretString": "s", **more}
        for more in ({}, {"ReplicaRegions": [{"Region": "eu-north-1"}]})
    )
    secret = bench.create(SECRET, replicated)
    assert there.get_secret_value(SecretId="spread")["SecretString"] == "s"
    bench.update(SECRET, secret, replicated, alone)
    assert "ReplicaRegions" not in bench.read(SECRET, secret.identifier).model
    with pytest.raises(there.exceptions.ResourceNotFoundException):
        there.get_secret_value(SecretId="spread")
    assert there.list_secrets()["SecretList"] == []
    bench.update(SECRET, secret, alone, replicated)
    assert there.get_secret_value(SecretId="spread")["SecretString"] == "s"
