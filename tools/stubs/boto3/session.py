"""What the handlers' library imports of boto3 to make sessions that this type does not use."""

from typing import Any


class Session:
    """A session that cannot be made."""

    def __init__(self, **_: Any) -> None:
        raise ImportError("boto3 is not in this package: make clients with aws_sagemaker_model.session")
