"""What Fn::GetAtt serves of AWS's own types, where their schemas do not say it: from the tables of cfn-lint.

cfnbox reads the schemas that cfn-lint brings, and does not import cfn-lint, which takes half a second.
"""

import functools
import json
from collections.abc import Iterator
from typing import Any

from cfnlint.helpers import REGION_PRIMARY, REGIONS
from cfnlint.schema.manager import ProviderSchemaManager

PATH = "cfnbox/src/cfnbox/providers/published_attributes.json"


@functools.cache
def text() -> str:
    """Return the content of PATH: lists of attributes by type, of types that serve others than read-only properties.

    A `*` is any name. Of a list below a name (Outputs.Url) the name alone stands there.
    """
    served = {one.type_name: (sorted(map(_plain, one.get_atts)), one.schema) for one in _published()}
    differing = {name: names for name, (names, schema) in served.items() if names != _read_only(schema)}
    return json.dumps(differing, indent=1, sort_keys=True) + "\n"


def _published() -> Iterator[Any]:
    """Every type once, as cfn-lint has it: of the primary region, or of another one where that lacks it."""
    manager, told = ProviderSchemaManager(), set[str]()
    for region in (REGION_PRIMARY, *REGIONS):
        for name in set(manager.get_resource_types(region)) - told:
            yield manager.get_resource_schema(region, name)
            told.add(name)


def _plain(pattern: str) -> str:
    return "*" if pattern == ".*" else pattern.removesuffix("\\..*")


def _read_only(schema: dict[str, Any]) -> list[str]:
    return sorted({".".join(pointer.split("/")[2:]) for pointer in schema.get("readOnlyProperties", [])})
