"""What CloudFormation takes as the name of a private resource type."""

import re

# botocore's service model of cloudformation 2010-05-15, shape TypeName (its `::MODULE` is for modules).
_FORM = re.compile(r"[A-Za-z0-9]{2,64}(::[A-Za-z0-9]{2,64}){2}")
# The same, member TypeName of RegisterTypeInput: "reserved and can't be used in your extension names".
RESERVED = ("Alexa", "AMZN", "Amazon", "AWS", "Custom", "Dev")


class UnusableTypeName(ValueError):
    """CloudFormation would refuse a type name; the message says why and what to choose instead."""


def check(type_name: str, own: str) -> str | None:
    """Return a warning about a type name, or None. Raises UnusableTypeName.

    `own` is the name that the source tree carries: it may be built under a reserved namespace, for the local cloud
    and for tests, with a warning that no account can register it.
    """
    if not _FORM.fullmatch(type_name):
        raise UnusableTypeName(
            f'"{type_name}" is not a type name: it takes three parts of 2 to 64 letters and digits, joined by "::", '
            "such as Acme::SageMaker::Model."
        )
    namespace = type_name.split("::")[0]
    if namespace in RESERVED and type_name != own:
        raise UnusableTypeName(
            f'"{type_name}" cannot be registered: the namespace {namespace} is reserved, as are {_others(namespace)}.'
            " Choose your own, such as Acme::SageMaker::Model."
        )
    if namespace in RESERVED:
        return (
            f"{type_name} serves tests and the local cloud. No account can register it: the namespace {namespace} "
            "is reserved. For an account choose your own: make package TYPE_NAME=Acme::SageMaker::Model"
        )
    if namespace.lower() in map(str.lower, RESERVED):
        return f"CloudFormation may refuse {type_name}: {namespace} differs from a reserved namespace in case only."
    return None


def file_name(type_name: str) -> str:
    """Return how the CloudFormation CLI names files after a type, such as acme-sagemaker-model, without a suffix."""
    return type_name.replace("::", "-").lower()


def _others(namespace: str) -> str:
    return ", ".join(name for name in RESERVED if name != namespace)
