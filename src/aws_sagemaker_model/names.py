"""The name of a model: given, generated, or cut from an ARN."""

import re
from typing import NamedTuple

from cloudformation_cli_python_lib.identifier_utils import generate_resource_identifier

# Shape ModelName of botocore's SageMaker model.
MAX_LENGTH = 63
_ARN = re.compile(r"arn:aws[a-z\-]*:sagemaker:(?P<region>[a-z0-9\-]*):(?P<account>[0-9]{12}):model/(?P<name>.+)")


class Place(NamedTuple):
    """Where a request acts; a member that is not known is None."""

    region: str | None
    account: str | None


def generate(stack_id: str | None, logical_id: str | None, token: str | None) -> str:
    """Name a model as CloudFormation does: stack, logical ID and a hash of the request token.

    The same request yields the same name, and a request without a stack (Cloud Control) a legal one.
    """
    identifier = generate_resource_identifier(stack_id, logical_id, token, MAX_LENGTH)
    return re.sub(r"[^a-zA-Z0-9]+", "-", identifier).strip("-")


def identify(model_arn: str | None, model_name: str | None, place: Place) -> str | None:
    """Return the name of the model that an ARN, a name, or both identify; None when there is no such model.

    The name is preferred to one cut from the ARN where both agree, because SageMaker has been seen to return
    ARNs in lower case; where they differ, the ARN decides: it is the primary identifier.
    """
    match = _ARN.fullmatch(model_arn or "")
    if match is None:
        return None if model_arn else model_name
    if elsewhere(match["region"], place.region) or elsewhere(match["account"], place.account):
        return None
    agrees = model_name is not None and model_name.lower() == match["name"].lower()
    return model_name if agrees else match["name"]


def is_legal(model_name: str) -> bool:
    """Say whether a model can have a name."""
    return re.fullmatch(r"[a-zA-Z0-9]([\-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?", model_name) is not None


def elsewhere(there: str, here: str | None) -> bool:
    """Say whether two regions or accounts are known to differ."""
    return here is not None and there != here
