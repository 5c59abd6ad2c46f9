"""Every type that this package serves: its row, by the name of the type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.services import (
    application_autoscaling,
    cloudwatch,
    dynamodb,
    ec2,
    ecr,
    events,
    iam,
    kms,
    lambda_functions,
    logs,
    s3,
    sagemaker,
    secretsmanager,
    security_groups,
    sns,
    sqs,
    ssm,
    stepfunctions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.providers.services.service_type import ServiceType
    from cfnbox.providers.services.uniform import UniformType

# A module for each service. To add one: import it and name it here, in alphabetical order.
_MODULES = (
    cloudwatch,
    dynamodb,
    ec2,
    ecr,
    events,
    iam,
    kms,
    lambda_functions,
    logs,
    s3,
    secretsmanager,
    security_groups,
    sns,
    sqs,
    ssm,
    stepfunctions,
)

UNIFORM_TYPES: Mapping[str, UniformType] = {**application_autoscaling.TYPES, **sagemaker.TYPES}
SERVICE_TYPES: Mapping[str, ServiceType] = {name: row for module in _MODULES for name, row in module.TYPES.items()}
