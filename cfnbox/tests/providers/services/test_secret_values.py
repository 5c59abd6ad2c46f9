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

SECRET = "AWS::SecretsManager::Secret"


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
def test_what_is_excluded_is_in_no_generated_value(bench: Bench, connect: Any, rule: Json, forbidden: str) -> None:
    secret = bench.create(SECRET, {"GenerateSecretString": {**rule, "PasswordLength": 1000}})
    generated = value(connect, secret.physical_id)
    assert len(generated) == 1000
    assert not set(generated) & set(forbidden)


def test_a_template_of_a_value_gets_the_password(bench: Bench, connect: Any) -> None:
    rule = {"SecretStringTemplate": '{"user": "me"}', "GenerateStringKey": "password", "PasswordLength": 20}
    secret = bench.create(SECRET, {"GenerateSecretString": rule})
    read = json.loads(value(connect, secret.physical_id))
    assert (read["user"], len(read["password"])) == ("me", 20)


def test_a_generated_value_stays_until_its_rule_changes(bench: Bench, connect: Any) -> None:
    before = {"GenerateSecretString": {"PasswordLength": 20}}
    secret = bench.create(SECRET, before)
    generated = value(connect, secret.physical_id)
    described = {**before, "Description": "d"}
    bench.update(SECRET, secret, before, described)
    assert value(connect, secret.physical_id) == generated
    bench.update(SECRET, secret, described, {"GenerateSecretString": {"PasswordLength": 21}})
    assert len(value(connect, secret.physical_id)) == 21


def test_a_secret_can_be_made_again_under_its_name(bench: Bench) -> None:
    properties = {"Name": "mine", "SecretString": "s"}
    bench.delete(SECRET, bench.create(SECRET, properties), properties)
    assert bench.create(SECRET, properties).physical_id
