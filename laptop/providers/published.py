"""The schemas that AWS publishes of its own resource types, as cfn-lint brings them."""

from __future__ import annotations

import threading
from typing import Any

from laptop.definition import TypeDefinition

# A region that cfn-lint does not know gets the types of this one.
_DEFAULT_REGION = "us-east-1"
# SAM's types are gone once a template is read: CloudFormation has none of them.
_TRANSFORMED = "AWS::Serverless::"


class PublishedTypes:
    """Definitions of AWS's types by name and region, each read once. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._definitions: dict[tuple[str, str], TypeDefinition | None] = {}
        self._source: Any = None

    def find(self, type_name: str, region: str) -> TypeDefinition | None:
        """The type in that region, with the names that Fn::GetAtt has there; None when AWS publishes no such type."""
        with self._lock:
            if (type_name, region) not in self._definitions:
                self._definitions[type_name, region] = self._read(type_name, region)
            return self._definitions[type_name, region]

    def names(self, region: str) -> list[str]:
        """The names of AWS's types in that region, in order."""
        from cfnlint.helpers import REGIONS

        with self._lock:
            names = self._schemas().get_resource_types(region if region in REGIONS else _DEFAULT_REGION)
        return sorted(name for name in set(names) if not name.startswith(_TRANSFORMED))

    def _schemas(self) -> Any:
        # Imported at first use: 0.4 s that a cloud without such types does without.
        from cfnlint.schema.manager import ProviderSchemaManager

        # Of its own: the one that cfn-lint shares may hold what a lint in this process was given.
        self._source = self._source or ProviderSchemaManager()
        return self._source

    def _read(self, type_name: str, region: str) -> TypeDefinition | None:
        from cfnlint.helpers import REGIONS
        from cfnlint.schema.manager import ResourceNotFoundError

        try:
            found = self._schemas().get_resource_schema(region if region in REGIONS else _DEFAULT_REGION, type_name)
        except ResourceNotFoundError:
            return None
        # Custom resources and modules are found under another name.
        if found.type_name != type_name or type_name.startswith(_TRANSFORMED):
            return None
        return TypeDefinition.from_schema(found.schema, [_attribute(one) for one in found.get_atts])


def _attribute(pattern: str) -> str:
    """The name of an attribute; cfn-lint has patterns where any name below another is one, such as Outputs.Url."""
    return pattern.removesuffix("\\..*")
