"""What Fn::GetAtt serves of AWS's own types, where their schemas do not say it: from the tables of cfn-lint.

The laptop cloud reads the schemas that cfn-lint brings, and does not import cfn-lint, which takes half a second.
"""

import functools
import json
from typing import Any

from cfnlint.helpers import REGION_PRIMARY
from cfnlint.schema.manager import ProviderSchemaManager

PATH = "laptop/providers/published_attributes.json"


@functools.cache
def text() -> str:
    """Return the content of PATH: lists of attributes by type, of types that serve others than read-only properties.

    A `*` is any name. Of a list below a name (Outputs.Url) the name alone stands there.
    """
    manager = ProviderSchemaManager()
    published = (
        manager.get_resource_schema(REGION_PRIMARY, name) for name in manager.get_resource_types(REGION_PRIMARY)
    )
    served = {one.type_name: (sorted(map(_plain, one.get_atts)), one.schema) for one in published}
    differing = {name: names for name, (names, schema) in served.items() if names != _read_only(schema)}
    return json.dumps(differing, indent=1, sort_keys=True) + "\n"


def _plain(pattern: str) -> str:
    return "*" if pattern == ".*" else pattern.removesuffix("\\..*")


def _read_only(schema: dict[str, Any]) -> list[str]:
    return sorted({".".join(pointer.split("/")[2:]) for pointer in schema.get("readOnlyProperties", [])})
