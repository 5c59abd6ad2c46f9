"""Secrets in the environment of a container."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aws_sagemaker_model.schema import Violation
from aws_sagemaker_model.validation import UNKNOWN, containers
from lint_sagemaker_model.model_rule import ModelRule
from lint_sagemaker_model.template import Resource, variables

_SECRET_NAME = re.compile(
    r"(?<!bos)(?<!eos)(?<!pad)(?<!unk)(?<!sep)(?<!cls)(?<!mask)"  # special tokens of a language model
    r"(^|_)(password|passwd|passphrase|secret|token|credentials?|(api|access|private|secret|signing|encryption)_?key)$"
)
_SECRET_VALUE = re.compile(r"(AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{30,}|hf_\w{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
# A secret has none of these values: a place where a secret lies, a switch, or nothing.
_NO_SECRET = re.compile(r"(arn:|/|s3://|https?://).*|true|false|none|", re.DOTALL | re.IGNORECASE)
_RESOLVED_SECRET = re.compile(r"\{\{resolve:(secretsmanager|ssm-secure):")


class PlainSecret(ModelRule):
    """DescribeModel returns the environment of the containers to anybody who may call it."""

    id = "W9363"
    shortdesc = "Environment holds no secret"
    description = "Anybody who may describe the model can read its Environment: pass the name of a secret instead"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the variables that hold a secret, or look as if they did."""
        for path, container in containers(model.properties):
            environment = container.get("Environment")
            for key, value in environment.items() if isinstance(environment, Mapping) else ():
                place = (*path, "Environment", key)
                if value is UNKNOWN:
                    exposed = _yields_secret(model.cfn, model.stated(place))
                else:
                    exposed = isinstance(value, str) and _looks_like_secret(key, value)
                if exposed:
                    yield Violation(
                        place,
                        "looks like a secret, which anybody who may describe the model can read: keep it in AWS "
                        "Secrets Manager, pass its name, and let the container fetch it",
                    )


def _looks_like_secret(key: str, value: str) -> bool:
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    named_so = _SECRET_NAME.search(snake_case) and not _NO_SECRET.fullmatch(value)
    return bool(named_so or _SECRET_VALUE.search(value))


def _yields_secret(cfn: Any, function: Any) -> bool:
    """Say whether a string or function of the template becomes a secret's value when the stack is deployed."""
    if isinstance(function, list):
        return any(_yields_secret(cfn, item) for item in function)
    if isinstance(function, dict):
        return _is_secret(cfn, function.get("Ref")) or _yields_secret(cfn, list(function.values()))
    return isinstance(function, str) and (
        _RESOLVED_SECRET.search(function) is not None
        or any(_is_secret(cfn, variable) for variable in variables(function))
    )


def _is_secret(cfn: Any, parameter: Any) -> bool:
    definition = cfn.get_parameters_valid().get(parameter, {}) if isinstance(parameter, str) else {}
    return str(definition.get("NoEcho")).lower() == "true"
