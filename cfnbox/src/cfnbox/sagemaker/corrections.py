"""moto's SageMaker in this process, with what `service` has in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import uuid
from typing import TYPE_CHECKING, Any

from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import get_account_id_from
from moto.sagemaker.models import Model, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from cfnbox.aws.signature import signature_of
from cfnbox.core.errors import Refused
from cfnbox.sagemaker import service
from cfnbox.sagemaker.api import Place, merged
from cfnbox.sagemaker.rules import service_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cfnbox.aws.http import Answer
    from cfnbox.core.paths import Json

TARGET = "SageMaker."
URL_REGION = re.compile(r"://api\.sagemaker\.([a-z0-9-]+)\.")


def json_answer(status: int, payload: object) -> Answer:
    """An answer in the protocol that SageMaker speaks."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    return status, headers, json.dumps(payload).encode()


def refusal(refused: Refused) -> Answer:
    """The answer for a request that the service refuses."""
    return json_answer(refused.status, {"__type": refused.code, "message": refused.message})


def place_of(headers: Mapping[str, str], url: str) -> Place:
    """The account and region a request is for, found as moto does, but the region first by the signature."""
    signature = signature_of(headers.get("Authorization", ""))
    match = None if signature.service else URL_REGION.search(url)
    region = match[1] if match else signature.region
    account = os.environ.get("MOTO_ACCOUNT_ID") or headers.get("x-moto-account-id")
    key = signature.access_key
    return Place(account or (get_account_id_from(key) if key else DEFAULT_ACCOUNT_ID), region)


def operation_of(headers: Mapping[str, str]) -> str | None:
    """The operation of SageMaker that a request asks for, or None when it is for another service."""
    target = headers.get("X-Amz-Target", "")
    return target.removeprefix(TARGET) if target.startswith(TARGET) else None


def answer(headers: Mapping[str, str], url: str, body: bytes) -> Answer | None:
    """The answer to a SageMaker request, or None when it is moto's to answer or for another service."""
    operation = operation_of(headers)
    if operation is None:
        return None
    try:
        payload = service.answer(operation, body, place_of(headers, url))
    except Refused as refused:
        return refusal(refused)
    if payload is None:
        return None
    status, answer_headers, content = json_answer(200, payload)
    # An operation without an output shape, as DeleteModel, answers no body.
    return status, answer_headers, content if service_model().operation_model(operation).output_shape else b""


_installing = threading.Lock()


def install() -> None:
    """Corrects moto's SageMaker in this process; once is enough, more do no harm."""
    response: Any = SageMakerResponse
    backend: Any = SageMakerModelBackend
    with _installing:
        if hasattr(response, "dispatch_without_models"):
            return
        response.dispatch_without_models = response._dispatch
        response._dispatch = _dispatch
        backend.add_tags = _add_tags
        backend.create_model = _create_model


def _dispatch(response: Any, request: Any, full_url: str | None = None, headers: Any = None) -> Any:
    corrected = answer(request.headers, full_url or request.url, request.get_data())
    return corrected or response.dispatch_without_models(request, full_url, headers)


def _add_tags(backend: Any, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
    """Stands for moto's, which appends keys that are there; serves every resource that can be tagged."""
    resource = backend._get_resource_from_arn(arn)
    resource.tags = merged(resource.tags, tags)
    tagged: list[dict[str, str]] = resource.tags
    return tagged


_MEMBERS = {
    "model_name": "ModelName",
    "execution_role_arn": "ExecutionRoleArn",
    "primary_container": "PrimaryContainer",
    "vpc_config": "VpcConfig",
    "containers": "Containers",
    "tags": "Tags",
}


def _create_model(backend: Any, **members: Any) -> Any:
    """Stands for moto's, which its own CloudFormation calls, and which keeps what is answered as its resource."""
    request: Json = {_MEMBERS[name]: value for name, value in members.items() if value}
    place = Place(backend.account_id, backend.region_name)
    service.answer("CreateModel", json.dumps(request).encode(), place)
    return Model(place.account, place.region, **members)


@contextlib.contextmanager
def mock() -> Iterator[None]:
    """moto's mock_aws with SageMaker corrected: botocore's clients in this process talk to it."""
    install()
    with mock_aws():
        yield
