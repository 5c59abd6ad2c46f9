"""Pre-deployment ("early") validation: finds what is wrong with a deployment before anything is made, all at once.

Source: "Validate stack deployments" in the user guide.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from cfnbox.cloudformation.validation_problems import Problem
from cfnbox.core.paths import has, value_at
from cfnbox.providers import properties
from cfnbox.providers.identifiers import exists
from cfnbox.providers.protocol import Request, ResourceFailed
from cfnbox.template import secrets
from cfnbox.template.functions import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cfnbox.cloudformation.changes import Change
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.core.place import Place
    from cfnbox.providers.protocol import Served

_BUCKET = "AWS::S3::Bucket"


def problems(
    deployments: Deployments,
    place: Place,
    changes: Iterable[Change],
    *,
    hidden: Collection[str],
    with_warnings: bool = False,
) -> tuple[Problem, ...]:
    """Return everything that is wrong with these changes, without secrets. Change sets alone have warnings."""
    found = list[Problem]()
    # A type of a folder looks for changes in its files each time that it is asked for.
    find = cache(lambda type_name: deployments.find(type_name, place))
    for change in changes:
        if change.action in ("Add", "Modify"):
            found += _invalid_properties(find(change.type_name), change)
        if change.action == "Add":
            found += _name_conflicts(deployments, find(change.type_name), place, change)
        if with_warnings:
            found += _bucket_contents(deployments, place, change)
    return tuple(
        replace(problem, reason=secrets.hidden(problem.reason, hidden), line=secrets.hidden(problem.line, hidden))
        for problem in found
    )


def _invalid_properties(served: Served, change: Change) -> Iterator[Problem]:
    for violation in properties.known_violations(served.definition, change.after or {}, _is_unknown):
        path = "/".join(["", "Resources", change.logical_id, "Properties", *violation.path])
        yield Problem("PROPERTY_VALIDATION", "FAIL", change, path, violation.reason, violation.line)


def _is_unknown(value: object) -> bool:
    """Whether a part of a value is known only when the resource is made."""
    text = json.dumps(value, default=str)
    return UNKNOWN in text or "{{resolve:" in text


def _name_conflicts(deployments: Deployments, served: Served, place: Place, change: Change) -> Iterator[Problem]:
    """Return the problem that a resource with the identifier exists already, as far as reading it costs little."""
    desired = change.after or {}
    names = served.definition.primary_identifier
    values = [value_at(desired, name) if has(desired, name) else None for name in names]
    if not all(isinstance(value, str) for value in values) or _is_unknown(values):
        return
    if not deployments.reads_quickly(change.type_name, place):
        return
    identifier = "|".join(str(one) for one in values)
    if (change.type_name, identifier) in deployments.placeholders:
        return
    try:
        is_taken = exists(served, Request(place), identifier, ("NotFound", "UnsupportedAction"))
    except ResourceFailed:
        # What cannot be read now is tried when it is made.
        return
    if is_taken:
        reason = f"Resource of type '{change.type_name}' with identifier '{identifier}' already exists."
        path = f"/Resources/{change.logical_id}/Properties/{names[0].replace('.', '/')}"
        yield Problem("NAME_CONFLICT_VALIDATION", "FAIL", change, path, reason, reason)


def _bucket_contents(deployments: Deployments, place: Place, change: Change) -> Iterator[Problem]:
    is_deleted = change.policy_action in ("Delete", "ReplaceAndDelete")
    if change.type_name == _BUCKET and is_deleted and deployments.has_objects(change.physical_id, place):
        reason = (
            f"The bucket '{change.physical_id}' is not empty. You must either delete all objects and versions or use "
            "the deletion policy to retain it, otherwise the delete operation will fail."
        )
        yield Problem("BUCKET_EMPTINESS_VALIDATION", "WARN", change, f"/Resources/{change.logical_id}", reason)
