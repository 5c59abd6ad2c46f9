"""How every API of the cloud refuses a request."""

from __future__ import annotations


class Refused(Exception):
    """An error answer of a service.

    `code` is the AWS error code, `message` the service's text, `status` the HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> Refused:
    """What CloudFormation answers to most requests that it does not carry out."""
    return Refused("ValidationError", message)
