"""Types that cfn-lint knows while a template is checked, and not before or after."""

from collections.abc import Collection, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import Any

from cfnlint.helpers import REGION_PRIMARY
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, Schema

from aws_sagemaker_model import properties


@contextmanager
def known_types(type_names: Collection[str], regions: Collection[str]) -> Iterator[None]:
    """Let cfn-lint check types against the schema of this type in some regions, as it checks AWS's own.

    Since 1.43.0 it checks only what its lists of AWS's types have, registered schemas or not. Those lists are the
    process's, so every entry that is made here is taken back in the end. A schema that the user has given for one
    of the types (`--registry-schemas`) comes before ours.
    """
    manager = PROVIDER_SCHEMA_MANAGER
    with ExitStack() as entries:
        for name in type_names:
            known = manager._registry_schemas.get(name) or Schema(_schema_of(name))
            # cfn-lint asks for attributes in the primary region, whichever regions it was told.
            for region in {*regions, REGION_PRIMARY}:
                entries.enter_context(_entry(manager._load_provider_module(region), name, "no file"))
                entries.enter_context(_entry(manager._schemas[region], name, known))
        if type_names:
            _forget_answers()
            entries.callback(_forget_answers)
        yield


@contextmanager
def _entry(mapping: MutableMapping[str, Any], key: str, value: Any) -> Iterator[None]:
    """Put an entry into a mapping; take it out in the end, and put back what was there."""
    before = mapping.get(key)
    mapping[key] = value
    try:
        yield
    finally:
        # Somebody else may have replaced it meanwhile: what is not ours stays.
        if mapping.get(key) is value:
            if before is None:
                del mapping[key]
            else:
                mapping[key] = before


def _forget_answers() -> None:
    """Let the schema manager look again: it remembers its answers by type and region."""
    manager = PROVIDER_SCHEMA_MANAGER
    for method in (
        manager.get_resource_schema, manager.get_resource_types, manager.get_type_getatts, manager.get_type_ref,
    ):  # fmt: skip
        method.cache_clear()


def _schema_of(type_name: str) -> dict[str, Any]:
    return {
        **properties.SCHEMA,
        "typeName": type_name,
        "additionalProperties": False,
        "primaryIdentifier": ["/properties/ModelArn"],
    }
