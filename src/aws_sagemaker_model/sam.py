"""Convert the events of SAM's function TestEntrypoint (sam-tests/)."""

from typing import Any


def to_production(event: Any) -> Any:
    """Return the production event for an event of SAM, None for anything else."""
    request = event.get("request") if isinstance(event, dict) else None
    if not isinstance(request, dict):
        return None
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
