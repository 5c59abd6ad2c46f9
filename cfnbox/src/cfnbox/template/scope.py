"""What the functions of a template refer to. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cfnbox.core.regions import partition_of
from cfnbox.template.limits import TextBudget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.template.dynamic import DynamicReferences
    from cfnbox.template.parameters import Parameter

# What a Ref to AWS::NoValue returns: the member or item that it stands for is left out.
NO_VALUE = object()
PSEUDO_PARAMETERS = frozenset(
    f"AWS::{name}"
    for name in (
        "AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId", "StackName", "URLSuffix"
    )
)  # fmt: skip


# Returns an output by stack name, output name, region and role, or None.
StackOutputs = Callable[[str, str, str | None, str | None], str | None]


class Referable(Protocol):
    """A resource as Ref and Fn::GetAtt see it; `attributes` by dotted name."""

    @property
    def physical_id(self) -> str:
        """What Ref returns."""

    @property
    def attributes(self) -> Json:
        """What Fn::GetAtt returns."""


@dataclass(frozen=True)
class Scope:
    """The names of one stack.

    `pending` are the resources whose Ref and Fn::GetAtt only the operation will give, `changing` those of which it
    will give Fn::GetAtt alone. Without `dynamic`, dynamic references stay as they are written. `text` is what
    functions may still give here and in scopes made of this one.
    """

    place: Place
    stack_name: str = ""
    stack_id: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Referable] = field(default_factory=dict)
    pending: frozenset[str] = frozenset()
    missing_attribute: Callable[[str, str], str] = lambda logical_id, name: (
        f"Resource {logical_id} has no value for its attribute {name} now."
    )
    changing: frozenset[str] = frozenset()
    exports: Callable[[str], str | None] = lambda _name: None
    stack_outputs: StackOutputs = lambda _stack, _output, _region, _role: None
    dynamic: DynamicReferences | None = None
    notification_arns: Sequence[str] = ()
    text: TextBudget = field(default_factory=TextBudget, compare=False)

    def pseudo_parameter(self, name: str) -> Any:
        """The value of one of PSEUDO_PARAMETERS."""
        values = {
            "AWS::AccountId": self.place.account,
            "AWS::NoValue": NO_VALUE,
            "AWS::NotificationARNs": list(self.notification_arns),
            "AWS::Partition": self.place.partition,
            "AWS::Region": self.place.region,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": partition_of(self.place.region).url_suffix,
        }
        return values[name]
