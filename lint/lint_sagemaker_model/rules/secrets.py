"""Secrets in the environment of a container."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aws_sagemaker_model.properties import UNKNOWN
from aws_sagemaker_model.schema import Violation
from aws_sagemaker_model.validation import containers
from lint_sagemaker_model.rule import Rule
from lint_sagemaker_model.template import Resource, Template, variables

_SECRET_NAME = re.compile(
    r"(?<!bos)(?<!eos)(?<!pad)(?<!unk)(?<!sep)(?<!cls)(?<!mask)"  # special tokens of a language model
    r"(^|_)(password|passwd|passphrase|secret|token|credentials?|(api|access|private|secret|signing|encryption)_?key)$"
)
_SECRET_VALUE = re.compile(r"(AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{30,}|hf_\w{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
# Values that are not secrets: the place of a secret, a switch, or an empty text.
_NO_SECRET = re.compile(r"(arn:|/|s3://|https?://).*|true|false|none|", re.DOTALL | re.IGNORECASE)
_RESOLVED_SECRET = re.compile(r"\{\{resolve:(secretsmanager|ssm-secure):")


class PlainSecret(Rule):
    """DescribeModel returns the environment of the containers to every caller."""

    id = "W9363"
    shortdesc = "Environment holds no secret"
    description = (
        "Every caller who can describe the model can read its Environment: pass the name of a secret instead"
    )

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the variables that hold a secret, or whose names or values look like one."""
        for path, container in containers(model.properties):
            environment = container.get("Environment")
            for key, value in environment.items() if isinstance(environment, Mapping) else ():
                place = (*path, "Environment", key)
                if value is UNKNOWN:
                    is_exposed = _yields_secret(model.template, model.stated(place))
                else:
                    is_exposed = isinstance(value, str) and _looks_like_secret(key, value)
                if is_exposed:
                    yield Violation(
                        place,
                        "looks like a secret, which every caller who can describe the model can read: keep it in AWS "
                        "Secrets Manager, pass its name, and let the container fetch it",
                    )


def _looks_like_secret(key: str, value: str) -> bool:
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    has_name_of_secret = _SECRET_NAME.search(snake_case) and not _NO_SECRET.fullmatch(value)
    return bool(has_name_of_secret or _SECRET_VALUE.search(value))


def _yields_secret(template: Template, function: Any) -> bool:
    """Say whether a string or function of the template has a secret in its value when the stack is deployed."""
    if isinstance(function, list):
        return any(_yields_secret(template, item) for item in function)
    if isinstance(function, dict):
        return _is_secret(template, function.get("Ref")) or _yields_secret(template, list(function.values()))
    return isinstance(function, str) and (
        _RESOLVED_SECRET.search(function) is not None
        or any(_is_secret(template, variable) for variable in variables(function))
    )


def _is_secret(template: Template, parameter: Any) -> bool:
    return str(template.parameter(parameter).get("NoEcho")).lower() == "true"
