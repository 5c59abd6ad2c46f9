"""What is measured against, in a process of its own: the local SageMaker, or the local cloud.

    python -m bench.server sagemaker MODELS     a SageMaker that has so many models
    python -m bench.server cloud                the local cloud, as `cfnbox up` starts it in this folder

Prints its URL and serves until stdin ends.
"""

import gc
import json
import sys

from bench.measure import MODEL, ROOT
from cfnbox.cloud import Cloud
from cfnbox.core.place import DEFAULT_REGION, Place
from cfnbox.sagemaker.server import LocalSageMaker


def main() -> None:
    if sys.argv[1] == "cloud":
        with Cloud(types=[ROOT]) as cloud:
            cloud.load()
            gc.freeze()
            print(cloud.url, flush=True)
            sys.stdin.read()
        return
    with LocalSageMaker() as server:
        place = Place(DEFAULT_REGION)
        for number in range(int(sys.argv[2])):
            server.service.answer("CreateModel", json.dumps({"ModelName": f"kept-{number}", **MODEL}).encode(), place)
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
