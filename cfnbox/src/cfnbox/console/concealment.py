"""The secrets that are hidden everywhere: values of NoEcho parameters and of secret dynamic references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.template import dynamic

if TYPE_CHECKING:
    from cfnbox.cloudformation.stacks import Stacks
    from cfnbox.handlers.invocations import InvocationLog


class Concealment:
    """The secrets of a cloud's stacks. Thread-safe."""

    def __init__(self, stacks: Stacks, invocations: InvocationLog) -> None:
        self._stacks, self._invocations = stacks, invocations

    def knows(self, stack_id: str) -> bool:
        """Return whether the secrets of a stack are known. An invocation without a stack has no secrets."""
        return not stack_id or any(stack.id == stack_id for stack in self._stacks)

    def secrets(self, stack_id: str) -> frozenset[str]:
        """Return the texts to hide in everything that is shown of a stack."""
        found: set[str] = set()
        for stack in self._stacks:
            if stack.id == stack_id:
                found |= stack.secrets
                for invocation in self._invocations.all(stack_id):
                    resource = stack.resources.get(invocation.logical_id)
                    if resource is not None:
                        found |= dynamic.secrets_of(resource.properties, invocation.properties)
        return frozenset(found)
