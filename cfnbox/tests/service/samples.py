"""Requests that several tests of the local SageMaker send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "us-east-1"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.5-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
# Requests reach the service as the tests write them, and no error is tried twice behind their back.
AS_WRITTEN = Config(parameter_validation=False, retries={"total_max_attempts": 1})
ROLE = "arn:aws:iam::123456789012:role/execution"
MODEL = {
    "ModelName": "model",
    "ExecutionRoleArn": ROLE,
    "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://b/model.tar.gz"},
}
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/model"
Request = dict[str, Any]


def with_container(**members: Any) -> Request:
    return {"ModelName": "m", "PrimaryContainer": {"Image": IMAGE, **members}}


def with_pipeline(*containers: Request, **members: Any) -> Request:
    return {"ModelName": "m", "Containers": [{"Image": IMAGE, **c} for c in containers], **members}


def data_source(**members: Any) -> Request:
    return {"S3Uri": "s3://b/m/", "S3DataType": "S3Prefix", "CompressionType": "None", **members}


def with_source(**members: str) -> Request:
    return with_container(ModelDataSource={"S3DataSource": data_source(**members)})


def outcomes_until_success(call: Callable[[], Any]) -> list[str]:
    """Repeat a call until it succeeds. Return the refusals before that."""
    refusals: list[str] = []

    def succeeds() -> bool:
        try:
            call()
        except ClientError as error:
            refusals.append(error.response["Error"]["Message"])
            return False
        return True

    eventually(succeeds)
    return refusals
