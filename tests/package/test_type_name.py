"""Type names that CloudFormation accepts, refuses, or may refuse."""

import pytest

from tools import type_name
from tools.type_name import UnusableTypeName

OWN = "AWS::SageMaker::Model"


@pytest.mark.parametrize("name", ["Acme::SageMaker::Model", "a1::b2::c3", f"{'A' * 64}::{'b' * 64}::{'0' * 64}"])
def test_a_name_in_an_own_namespace_is_accepted(name: str) -> None:
    assert type_name.check(name, OWN) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Acme",
        "Acme::Model",
        "Acme::SageMaker::Model::V2",
        "Acme::SageMaker::Model::MODULE",
        "A::SageMaker::Model",
        "Acme::Sage-Maker::Model",
        "Acme:SageMaker:Model",
        "Acme::SageMaker::Model ",
        "Acme::SageMaker::Model\n",
        "Ácme::SageMaker::Model",
        f"Acme::SageMaker::{'M' * 65}",
    ],
)
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(UnusableTypeName, match="three parts of 2 to 64 letters and digits"):
        type_name.check(name, OWN)


@pytest.mark.parametrize("namespace", ["AWS", "Amazon", "AMZN", "Alexa", "Custom", "Dev"])
def test_a_reserved_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(UnusableTypeName, match=f"the namespace {namespace} is reserved") as refused:
        type_name.check(f"{namespace}::SageMaker::Thing", OWN)
    assert "Acme::SageMaker::Model" in str(refused.value)


def test_the_name_of_the_source_tree_has_a_warning() -> None:
    assert "No account can register it" in str(type_name.check(OWN, OWN))


@pytest.mark.parametrize("namespace", ["Aws", "ALEXA", "custom"])
def test_a_reserved_namespace_in_another_case_has_a_warning(namespace: str) -> None:
    assert "in case only" in str(type_name.check(f"{namespace}::SageMaker::Model", OWN))
