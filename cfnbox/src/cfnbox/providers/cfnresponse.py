"""What CloudFormation puts beside a Python function whose code stands in the template: it answers a custom resource.

The interface is that of "cfn-response module" in the CloudFormation user guide. Only the standard library is used,
since it runs inside the function.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(
    event: dict[str, Any],
    context: Any,
    responseStatus: str,  # noqa: N803
    responseData: dict[str, Any],  # noqa: N803
    physicalResourceId: str | None = None,  # noqa: N803
    noEcho: bool = False,  # noqa: N803
    reason: str | None = None,
) -> None:
    """Answer the request for a custom resource; what cannot be sent is printed, as at AWS."""
    answer = {
        "Status": responseStatus,
        "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }
    body, headers = json.dumps(answer).encode(), {"content-type": ""}
    request = urllib.request.Request(event["ResponseURL"], body, headers, method="PUT")  # noqa: S310
    try:
        with urllib.request.urlopen(request) as sent:  # noqa: S310
            print("Status code:", sent.status)
    except OSError as problem:
        print("The answer could not be sent:", problem)
