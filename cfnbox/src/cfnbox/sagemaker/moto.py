"""moto in a child process: what this package does not answer itself of SageMaker, and other services beside it.

The process is started by the first request that needs it, because it takes about a second.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cfnbox.aws.child_application import ChildApplication, ChildEnded
from cfnbox.core.errors import Refused
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION, Place
from cfnbox.core.processes import ChildProcesses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json

_APPLICATION = "cfnbox.sagemaker.moto_application:application"
_RESET_PATH = "/moto-api/reset"
_FAILURE_HEADER = "x-moto-failure"
_ACCOUNT_HEADER = "x-moto-account-id"
# Keys that STS has issued begin so (IAM user guide, "IAM identifiers").
_TEMPORARY_KEY = "ASIA"
_ACCOUNT = re.compile(r"<Account>(\d{12})</Account>")


class Moto:
    """The child process. Without `processes` it makes its own. For any number of threads."""

    def __init__(self, processes: ChildProcesses | None = None) -> None:
        self._processes, self._own_processes = processes, processes is None
        self._child: ChildApplication | None = None
        self._lock = threading.Lock()
        self._accounts: dict[str, str] = {}

    def answer(self, request: HttpRequest, operation: str, *, is_sagemaker: bool) -> Answer:
        """Forward a request. Raise Refused where moto lacks the operation, or fails at it."""
        headers = dict(request.headers)
        if request.signature.names_account:
            headers.setdefault(_ACCOUNT_HEADER, request.signature.access_key)
        try:
            child = self._started()
            status, answered, content = child.answer(replace(request, headers=headers))
        except ChildEnded as ended:
            raise Refused("InternalFailure", str(ended), HTTPStatus.INTERNAL_SERVER_ERROR) from None
        if not any(name.lower() == _FAILURE_HEADER for name in answered):
            return status, answered, content
        lacks = f"cfnbox does not have {operation}{' of SageMaker' if is_sagemaker else ''}"
        if status == HTTPStatus.NOT_IMPLEMENTED:
            raise Refused("UnsupportedOperation", f"{lacks}.")
        # moto fails in many ways where a resource is missing or a member is one that it does not expect.
        raise Refused(
            "UnsupportedOperation",
            f"{lacks} as it is asked for here, or a resource that it names does not exist. "
            f"What moto raised: {child.log}",
        )

    def account_of(self, access_key: str) -> str:
        """Return the account of a temporary access key of moto's STS, or the default account."""
        if self._child is None or not access_key.startswith(_TEMPORARY_KEY):
            return DEFAULT_ACCOUNT
        if access_key not in self._accounts:
            headers = {
                **_signed("sts", access_key, DEFAULT_REGION),
                "Content-Type": "application/x-www-form-urlencoded",
            }
            body = b"Action=GetCallerIdentity&Version=2011-06-15"
            found = _ACCOUNT.search(self._child.send("POST", "/", headers, body)[2].decode())
            self._accounts[access_key] = found[1] if found else DEFAULT_ACCOUNT
        return self._accounts[access_key]

    def put_pipeline(self, place: Place, pipeline: Json) -> None:
        """Make a pipeline known to moto, which runs its executions."""
        known = {"ParallelismConfiguration", "PipelineDefinition", "PipelineDescription", "PipelineDisplayName",
                 "PipelineName", "RoleArn"}  # fmt: skip
        members = {name: value for name, value in pipeline.items() if name in known}
        created = self._sagemaker(
            "CreatePipeline", place,
            {"PipelineDefinition": "{}", "ClientRequestToken": "0" * 32, **members},
        )  # fmt: skip
        if created != HTTPStatus.OK:
            self._sagemaker("UpdatePipeline", place, members)

    def remove_tags(self, place: Place, arn: str, keys: Sequence[str]) -> None:
        """Remove tags: moto adds a second tag where a key is there already."""
        self._sagemaker("DeleteTags", place, {"ResourceArn": arn, "TagKeys": list(keys)})

    def delete_pipeline(self, place: Place, name: str) -> None:
        """Have moto forget a pipeline, if it was started at all."""
        if self._child is not None:
            self._sagemaker("DeletePipeline", place, {"PipelineName": name, "ClientRequestToken": "0" * 32})

    def _sagemaker(self, operation: str, place: Place, members: Mapping[str, Any]) -> int:
        headers = {
            **_signed("sagemaker", place.account, place.region), _ACCOUNT_HEADER: place.account,
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}",
        }  # fmt: skip
        return self._started().send("POST", "/", headers, json.dumps(members).encode())[0]

    def reset(self) -> None:
        """Empty all services."""
        self._accounts.clear()
        if self._child is not None:
            self._child.send("POST", _RESET_PATH, {}, b"")

    def close(self) -> None:
        """End the process if it was started."""
        with self._lock:
            if self._child is not None:
                self._child.close()
            if self._processes is not None and self._own_processes:
                self._processes.close()

    def _started(self) -> ChildApplication:
        with self._lock:
            if self._child is None:
                self._processes = self._processes or ChildProcesses()
                self._child = ChildApplication("moto", _APPLICATION, self._processes, {})
            return self._child


def _signed(service: str, access_key: str, region: str) -> dict[str, str]:
    scope = f"{access_key}/20260101/{region}/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
