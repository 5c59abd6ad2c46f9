"""Convert the events of SAM's function TestEntrypoint (sam-tests/)."""

from typing import Any

from cloudformation_cli_python_lib import Action

from .errors import invalid_request

_NO_REQUEST = (
    "The event is not one of SAM's TestEntrypoint: it must have action, region and credentials, and request with "
    "clientRequestToken and desiredResourceState. The folder sam-tests/ has an event for each action."
)


def to_production(event: Any) -> dict[str, Any]:
    """Return the production event for an event of SAM. Raise Failure for anything else."""
    request = event.get("request") if isinstance(event, dict) else None
    if not isinstance(request, dict):
        raise invalid_request(_NO_REQUEST)
    needed = (event.get("action"), event.get("region") or request.get("region"), request.get("clientRequestToken"))
    if not all(isinstance(text, str) and text for text in needed) or needed[0] not in Action.__members__:
        raise invalid_request(_NO_REQUEST)
    return {
        "action": event.get("action"),
        "awsAccountId": request.get("awsAccountId"),
        "bearerToken": request.get("clientRequestToken"),
        "region": event.get("region") or request.get("region"),
        "stackId": request.get("stackId"),
        "nextToken": request.get("nextToken"),
        "callbackContext": event.get("callbackContext"),
        "requestData": {
            "callerCredentials": event.get("credentials"),
            "resourceProperties": request.get("desiredResourceState"),
            "previousResourceProperties": request.get("previousResourceState"),
            "logicalResourceId": request.get("logicalResourceIdentifier"),
            "stackTags": request.get("desiredResourceTags"),
            "previousStackTags": request.get("previousResourceTags"),
        },
    }
