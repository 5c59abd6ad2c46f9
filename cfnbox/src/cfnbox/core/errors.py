"""Errors that every part shares: error answers of an API, and failures that the user can act on."""

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


class Invalid(Refused):
    """A request, a template or a value of it that CloudFormation refuses with a ValidationError."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationError", message)


class LocalFailure(Exception):
    """A failure whose message tells the user what is wrong and what to do."""
