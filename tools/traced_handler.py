"""A handler served over pipes by a bare interpreter, which says in the end what it used of its folders.

    python -S -s -B tools/traced_handler.py FOLDER[:FOLDER] < events > answers

Every line in is an event, every line out its answer; after the last, one line says which modules and data files
of the folders were used and which operations of which services were called. Standard library only: it runs in the
Python of the Lambda runtime, where nothing else is installed.
"""

import importlib
import json
import logging
import os
import sys
from collections import defaultdict
from functools import wraps
from pathlib import Path
from typing import Any


class Trace:
    """What the code in some folders uses; paths are relative to their folder."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._opened: set[str] = set()
        self._operations: defaultdict[str, set[str]] = defaultdict(set)
        sys.addaudithook(self._note_opened)

    def note_operations(self) -> None:
        """Note from here on which API operations are called."""
        client = importlib.import_module("botocore.client").BaseClient
        make_api_call = client._make_api_call

        @wraps(make_api_call)
        def noted(self_: Any, operation_name: str, request: Any) -> Any:
            self._operations[self_.meta.service_model.service_name].add(operation_name)
            return make_api_call(self_, operation_name, request)

        client._make_api_call = noted

    def result(self) -> dict[str, Any]:
        """Return modules and data files as paths, and operations by botocore's name of the service."""
        modules = {self._relative(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
        data = {self._relative(path) for path in self._opened}
        return {
            "modules": sorted(modules - {None}),
            "data": sorted(path for path in data - modules - {None} if not path.endswith((".py", ".pyc"))),
            "operations": {service: sorted(names) for service, names in self._operations.items()},
        }

    def _note_opened(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            self._opened.add(arguments[0])

    def _relative(self, path: Any) -> Any:
        if not isinstance(path, str) or not Path(path).is_file():
            return None
        return next((str(Path(path).relative_to(f)) for f in self._folders if Path(path).is_relative_to(f)), None)


def main() -> None:
    folders = [Path(folder).resolve() for folder in sys.argv[1].split(os.pathsep)]
    sys.path[:1] = map(str, folders)
    trace = Trace(folders)
    # As in Lambda, where the runtime's own log handler comes first.
    logging.basicConfig(stream=sys.stderr)
    handlers = importlib.import_module("aws_sagemaker_model.handlers")
    trace.note_operations()
    for line in sys.stdin:
        event = json.loads(line)
        entry_point = handlers.test_entrypoint if "request" in event else handlers.resource
        print(json.dumps(entry_point(event, None)), flush=True)
    print(json.dumps(trace.result()), flush=True)


if __name__ == "__main__":
    main()
