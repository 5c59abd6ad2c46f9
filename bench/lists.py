"""A list of 10,000 models, page by page: the last pages against the first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import Row, in_turns, median, served
from bench.processes import run
from bench.warm import DEFINITION, client
from cfnbox.handlers.events import production_event
from cfnbox.handlers.runtime import LambdaRuntime

MODELS, PAGE = 10_000, 100
TIME_LIMIT, MEMORY_LIMIT = 1.2, 1.05
_ROUNDS, _WARM_UP = 20, 5


def rows(function: Path, python: str) -> Iterator[Row]:
    """Measure the last pages against the first, and the memory of reading all against that of one."""
    with served("sagemaker", str(MODELS)) as url:
        pages = list(_pages(url))
        with LambdaRuntime(code=[function], env={"AWS_ENDPOINT_URL": url}) as runtime:
            taken = in_turns(
                {
                    "first": lambda _: _expect_page(runtime.invoke(pages[0])),
                    "last": lambda number: _expect_page(runtime.invoke(pages[-1 - number])),
                },
                _ROUNDS,
                _WARM_UP,
            )
        first, last = (median(taken[name]) * 1e3 for name in ("first", "last"))
        yield Row(f"list of {MODELS:,}: one of the last pages", "the first page", first, last, "ms", TIME_LIMIT)
        again, all_ = (run(python, function, url, events) / 1e6 for events in ([pages[0]] * len(pages), pages))
        yield Row(f"list of {MODELS:,}: memory of all pages", "the first, as often", again, all_, "MB", MEMORY_LIMIT)


def _pages(url: str) -> Iterator[dict[str, Any]]:
    """The events that ask for each page."""
    sagemaker, token = client(url), None
    for _ in range(MODELS // PAGE):
        yield production_event(DEFINITION, "LIST", next_token=token)
        token = sagemaker.list_models(MaxResults=PAGE, **({"NextToken": token} if token else {})).get("NextToken")
    if token:
        raise RuntimeError("the server has more models than were made")


def _expect_page(answer: dict[str, Any]) -> None:
    if len(answer.get("resourceModels") or []) != PAGE:
        raise RuntimeError(f"not a page of {PAGE}: {answer.get('message')}")
