"""Types that put one policy document into each of several resources: the policies of topics and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, document
from cfnbox.providers.services.service_type import GeneratedName, ServiceType

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.services.calls import Calls


def policy_attachment(
    service: str,
    property_name: str,
    put: Callable[[Calls, str, str | None], None],
    get: Callable[[Calls, str], str | None],
) -> ServiceType:
    """Return the row of a type with PolicyDocument and a list of resources.

    `put` sets the policy of one resource, or removes it (None); `get` reads it. No service has such a resource of its
    own.
    """

    def apply(calls: Calls, _key: Json, previous: Json, desired: Json) -> None:
        before, after = previous.get(property_name) or [], desired.get(property_name) or []
        same = previous.get("PolicyDocument") == desired.get("PolicyDocument")
        for target in after:
            if not (same and target in before):
                put(calls, target, document(desired["PolicyDocument"]))
        for target in before:
            # A target that is gone has no policy any more.
            if target not in after and get(calls, target) is not None:
                put(calls, target, None)

    def describe(calls: Calls, _key: Json, known: Json) -> Json | None:
        found: dict[str, Any] = {target: parsed(get(calls, target)) for target in known.get(property_name) or ()}
        found = {target: policy for target, policy in found.items() if policy}
        if not found:
            return None
        # A document that differs in one of the targets has drifted.
        drifted = [policy for policy in found.values() if policy != parsed(known["PolicyDocument"])]
        return {property_name: list(found), "PolicyDocument": (drifted or list(found.values()))[0]}

    return ServiceType(
        service,
        key=lambda identifier: {"Id": identifier},
        name=GeneratedName("Id", 128, abbreviated=True),
        describe=describe,
        describe_after_create=False,
        parts=(Hook(apply, removed_before_delete=True),),
    )
