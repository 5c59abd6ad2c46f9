"""The extras of this distribution: check that the packages of an extra are installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from packaging.requirements import Requirement

from cfnbox.core.errors import LocalFailure


class ExtraMissing(LocalFailure):
    """A package of an extra is not installed; the message says what needs it and how to install it."""


def require_extra(extra: str, module: str, what: str) -> None:
    """Raise ExtraMissing when the module of an extra is not installed. `what` begins the sentence."""
    if importlib.util.find_spec(module) is None:
        raise ExtraMissing(f"{what} needs a package that is not installed: {how_to_install(extra)}")


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'cfnbox[{extra}]'"


def requirement_of(package: str) -> Requirement:
    """Return what cfnbox requires of a package: its version stands in cfnbox's metadata alone."""
    required = map(Requirement, importlib.metadata.requires("cfnbox") or ())
    return next((requirement for requirement in required if requirement.name == package), Requirement(package))
