"""What is measured against, in a process of its own: the local SageMaker, or the laptop cloud.

    python -m bench.server sagemaker MODELS     a SageMaker that has so many models
    python -m bench.server cloud FOLDER         the laptop cloud, with the handlers in a folder

Prints its URL and serves until stdin ends; then prints, for the cloud, what the handlers took in milliseconds.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.measure import MODEL
from laptop.cloud import Cloud
from laptop.events import DEFAULT_ACCOUNT
from laptop.sagemaker.api import Place
from laptop.sagemaker.server import LocalSageMaker
from laptop.sagemaker.service import answer

REGION = "us-east-1"


def main() -> None:
    if sys.argv[1] == "cloud":
        with Cloud(code=[Path(folder) for folder in sys.argv[2:]]) as cloud:
            print(cloud.url, flush=True)
            sys.stdin.read()
            print(json.dumps(list(_handler_times(cloud.runtime.logs()))))
        return
    with LocalSageMaker() as server:
        place = Place(DEFAULT_ACCOUNT, REGION)
        for number in range(int(sys.argv[2])):
            answer("CreateModel", json.dumps({"ModelName": f"kept-{number}", **MODEL}).encode(), place)
        print(server.url, flush=True)
        sys.stdin.read()


def _handler_times(logs: str) -> Iterator[float]:
    """The milliseconds of every invocation, from the handlers' log lines."""
    yield from (float(found) for found in re.findall(r'"milliseconds": ([0-9.]+)', logs))


if __name__ == "__main__":
    main()
