"""What was asked and answered, without what is somebody's own, and where two recordings differ."""

from __future__ import annotations

import datetime
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acceptance.account import Account

_UUID = r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
_TIME = r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"
# What CloudFormation and the type append to the names that they generate.
_GENERATED = r"(?<=-)[0-9A-Za-z]{12,13}(?![-\w])"
# Who asked, in a message about permissions.
_CALLER = r"(assumed-role|user)/[^ \"']+"


class Recording:
    """The answers of one account in the order of the questions."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.answers: dict[str, Any] = {}

    def ask(self, question: str, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """Call an operation and keep its answer, which may be a refusal, under the question; return it as it came."""
        answer: dict[str, Any]
        try:
            answer = getattr(self._account.client(service), operation)(**request)
        except ClientError as refused:
            answer = dict(refused.response)
        answer = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        self.keep(question, answer)
        return answer

    def keep(self, question: str, answer: Any) -> None:
        """Keep what was seen; a question is asked once."""
        if question in self.answers:
            raise ValueError(f"{question} has been asked before")
        self.answers[question] = redacted(answer, self._account)


def redacted(value: Any, account: Account) -> Any:
    """A value without account, caller, times and what was generated. A text that is a JSON object becomes that."""
    if isinstance(value, dict):
        return {redacted(key, account): redacted(member, account) for key, member in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [redacted(item, account) for item in value]
    if isinstance(value, datetime.datetime):
        return "TIME"
    if not isinstance(value, str):
        return value
    if value.startswith("{"):
        with suppress(ValueError):
            return redacted(json.loads(value), account)
    for own, stands_for in ((account.number, "ACCOUNT"), (account.run, "RUN")):
        value = value.replace(own, stands_for)
    for pattern, stands_for in ((_UUID, "UUID"), (_TIME, "TIME"), (_GENERATED, "NAME"), (_CALLER, r"\1/CALLER")):
        value = re.sub(pattern, stands_for, value)
    return value


def differences(real: Any, local: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Each place where two recordings differ: the place, what the one has there, and what the other."""
    if isinstance(real, dict) and isinstance(local, dict):
        for key in sorted(real.keys() | local.keys()):
            place = f"{path} > {key}" if path else key
            if key not in real or key not in local:
                yield place, _text(real, key), _text(local, key)
            else:
                yield from differences(real[key], local[key], place)
    elif real != local:
        yield path, json.dumps(real), json.dumps(local)


def _text(members: dict[str, Any], key: str) -> str:
    return json.dumps(members[key]) if key in members else "nothing"
