"""Names and ARNs of models: parse, generate, compare. Pure."""

import re
from typing import NamedTuple

from cloudformation_cli_python_lib.identifier_utils import generate_resource_identifier

from .properties import MODEL, matches

_NAME = MODEL["properties"]["ModelName"]


class Place(NamedTuple):
    """AWS partition, region and account of models; the account is None where a request does not have it."""

    partition: str
    region: str
    account: str | None

    def arn(self, model_name: str) -> str | None:
        """Return the ARN of a model of this name in this place, None without an account."""
        prefix = f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:model/"
        return None if self.account is None else prefix + model_name


def respelled(model_arn: str, model_name: str) -> str:
    """Return an ARN of the service with the name as ModelName spells it.

    SageMaker has been observed to answer ARNs in lower case, while ModelName keeps the user's spelling.
    """
    return f"{model_arn.rpartition('/')[0]}/{model_name}"


def generate(stack_id: str | None, logical_id: str | None, token: str) -> str:
    """Return a model name as CloudFormation generates it: stack, logical ID and a hash of the request token.

    The same request gets the same name. A request without a stack (Cloud Control) gets a valid name, too.
    """
    identifier = generate_resource_identifier(stack_id, logical_id, token, _NAME["maxLength"])
    return re.sub(r"[^a-zA-Z0-9]+", "-", identifier).strip("-")


def identify(model_arn: str | None, model_name: str | None, here: Place) -> str | None:
    """Return the name of the model that an ARN, a name or both identify; None when no model in `here` can have them.

    The ARN decides, because it is the primary identifier. If the name differs from it only in case, the spelling of
    the name is used.
    """
    if model_arn is None:
        return model_name
    _, partition, _, region, account, resource = model_arn.split(":", 5)
    name = resource.removeprefix("model/")
    if Place(partition, region, account) != here._replace(account=here.account or account) or not is_legal(name):
        return None
    return model_name if model_name is not None and model_name.lower() == name.lower() else name


def is_legal(model_name: str) -> bool:
    """Say whether a name is valid for a model."""
    return len(model_name) <= _NAME["maxLength"] and matches(_NAME["pattern"], model_name)
