"""Answers events of CloudFormation, one JSON line each, every one in a process of its own that may be killed.

Writes the process id of each handler first, then its answer, or `null` when it died without one.
"""

import json
import os
import sys

from aws_sagemaker_model.handlers import resource
from aws_sagemaker_model.session import CALLER


def _write(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve standard input until it ends."""
    # Made once for all handlers: it takes half a second, and opens no connection.
    CALLER.client("sagemaker", region_name="us-east-1")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _write(os.getpid())
            answer = resource(json.loads(line), None)
            _write(answer)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            _write(None)


if __name__ == "__main__":
    main()
