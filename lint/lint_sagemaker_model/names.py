"""Names that stay the same in every version of a stack. Pure."""

import re
from typing import Any

from lint_sagemaker_model.template import text_of

# Versions in names: v2, 1-0-3, a date or a timestamp, a hash. A name with a version changes with the next version;
# apps of the AWS CDK have Date.now() in names, so that each synthesis makes a new one. Twelve digits are an account.
_VERSION = re.compile(
    r"(?:^|-|(?<=[a-z]))[vV]\d+(?=-|$)"
    r"|(?:^|-)\d+(?:-\d+)+(?=-|$)"
    r"|(?<!\d)(?:\d{6,11}|\d{13,})(?!\d)"
    r"|(?:^|-)(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}(?=-|$)"
)


def is_fixed(name: Any) -> bool:
    """Say whether a name never changes during the life of a stack: it depends on pseudo parameters at most."""
    text = text_of(name)
    return text is not None and "${}" not in text and not _VERSION.search(text)


def same_name(name: Any, other: Any) -> bool:
    """Say whether two names of a template are the same in every case: equal functions have equal values."""
    text = text_of(name)
    return name == other or (text is not None and "${}" not in text and text == text_of(other))
