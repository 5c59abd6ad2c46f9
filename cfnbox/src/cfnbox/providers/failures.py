"""Failures of resource operations in the form in which CloudFormation reports them in stack events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.handlers.events import new_token
from cfnbox.providers.protocol import ResourceFailed, failure_code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cfnbox.providers.protocol import Request


def handler_failure(request: Request, message: str, code: str = "GeneralServiceException") -> ResourceFailed:
    """Return a failure in the form of a resource handler's. `code` is a HandlerErrorCode."""
    return ResourceFailed(
        f'Resource handler returned message: "{message}" (RequestToken: {request.token}, HandlerErrorCode: {code})',
        failure_code(code),
    )


def service_failure(
    request: Request, service: str, status: int, message: str, code: str, request_id: str = ""
) -> ResourceFailed:
    """Return a failure with a service's error in the form of AWS's SDK for Java, as CloudFormation quotes it."""
    quoted = f"{message} (Service: {service}, Status Code: {status}, Request ID: {request_id or new_token()})"
    return handler_failure(request, quoted, code)


def already_exists(request: Request, type_name: str, identifier: str) -> ResourceFailed:
    """Return the failure of a create whose name is in use (user guide, "Troubleshooting CloudFormation")."""
    message = f"Resource of type '{type_name}' with identifier '{identifier}' already exists."
    return handler_failure(request, message, "AlreadyExists")


def not_found(request: Request, type_name: str, identifier: str) -> ResourceFailed:
    """Return the failure of an operation on a resource that does not exist."""
    message = f"Resource of type '{type_name}' with identifier '{identifier}' was not found."
    return handler_failure(request, message, "NotFound")


def not_applied(request: Request, type_name: str, names: Iterable[str]) -> ResourceFailed:
    """Return the failure under --strict for properties that cfnbox does not apply."""
    message = (
        f"cfnbox does not apply {', '.join(names)} of {type_name}, and was started with --strict. "
        "Remove the property, or start cfnbox without --strict."
    )
    return handler_failure(request, message, "InvalidRequest")
