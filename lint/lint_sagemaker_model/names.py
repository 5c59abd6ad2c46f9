"""Names that CloudFormation cannot replace: what is the same in every version of a stack."""

import re
from typing import Any

from lint_sagemaker_model.template import text_of

# What tells versions of a name apart: v2, 1-0-3, a date or a timestamp, a hash. A name that carries one is another
# name in the next version; the AWS CDK puts Date.now() into names, so that every synthesis makes a new one. Twelve
# digits are an account.
_VERSION = re.compile(
    r"(?:^|-|(?<=[a-z]))[vV]\d+(?=-|$)"
    r"|(?:^|-)\d+(?:-\d+)+(?=-|$)"
    r"|(?<!\d)(?:\d{6,11}|\d{13,})(?!\d)"
    r"|(?:^|-)(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}(?=-|$)"
)


def is_fixed(name: Any) -> bool:
    """Say whether a name stays the same for as long as a stack lives: it depends on pseudo parameters at most."""
    text = text_of(name)
    return text is not None and "${}" not in text and not _VERSION.search(text)


def same_name(one: Any, other: Any) -> bool:
    """Say whether two names of a template are certainly the same: equal functions yield equal names."""
    text = text_of(one)
    return one == other or (text is not None and "${}" not in text and text == text_of(other))
