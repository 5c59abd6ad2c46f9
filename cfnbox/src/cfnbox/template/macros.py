"""Macros: what a Lambda function makes of a template, or of a part of it.

Sources: "Create a CloudFormation macro definition" in the user guide for event and answer; the sentences are recorded
on AWS.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Invalid
from cfnbox.template.functions import resolve

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope

Macro = Callable[["Json"], Any]
FindMacro = Callable[[str], Macro | None]


class TransformFailed(Invalid):
    """A transform is unknown or fails: what CloudFormation finds while it makes a change set, which then FAILED."""


@dataclass(frozen=True)
class MacroCalls:
    """Calls the macros of one template. `scope` resolves the parameters of a call."""

    scope: Scope
    find: FindMacro

    def has(self, name: str) -> bool:
        """Return whether there is a macro of that name."""
        return self.find(name) is not None

    def transformed(self, name: str, parameters: Any, document: Json) -> Json:
        """Return the template that a macro makes. Raise TransformFailed if what it makes is not a template."""
        fragment = {key: value for key, value in document.items() if key != "Transform"}
        made = self.answer(name, parameters, fragment)
        if not isinstance(made, dict) or not isinstance(made.get("Resources"), dict):
            raise TransformFailed("Template format error: unsupported structure.")
        return made

    def answer(self, name: str, parameters: Any, fragment: Any) -> Any:
        """Return what a macro makes of a part of the template. Raise TransformFailed if it fails."""
        macro, place = self.find(name), self.scope.place
        transform_id = name if "::" in name else f"{place.account}::{name}"
        if macro is None:
            raise TransformFailed(f"No transform named {transform_id} found.")
        event = {
            "accountId": place.account,
            "fragment": fragment,
            "transformId": transform_id,
            "requestId": str(uuid.uuid4()),
            "region": place.region,
            "params": resolve(parameters, self.scope),
            "templateParameterValues": {key: one.referred for key, one in self.scope.parameters.items()},
        }
        answer = macro(event)
        if not isinstance(answer, dict) or answer.get("requestId") != event["requestId"] or "status" not in answer:
            raise TransformFailed(f"Received malformed response from transform {transform_id}")
        if str(answer["status"]).lower() != "success":
            message = answer.get("errorMessage")
            if message:
                raise TransformFailed(f"Transform {transform_id} failed with: {message}")
            raise TransformFailed(f"Transform {transform_id} failed without an error message.")
        if "fragment" not in answer:
            raise TransformFailed(f"Received malformed response from transform {transform_id}")
        return answer["fragment"]
