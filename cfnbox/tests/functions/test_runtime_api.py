"""Lambda's Runtime API, as a runtime sees it."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

from cfnbox.handlers.runtime_api import Event, Reply, RuntimeApi

LONGEST = 6_291_556
PATH = "/2018-06-01/runtime/invocation"


def exchange(answer: bytes, *, chunked: bool) -> tuple[int, object, Reply]:
    """Answer an event; return the status and JSON that the runtime gets, and what the cloud takes for the answer."""
    api = RuntimeApi()

    def serve() -> Reply:
        api.wait_until_polled(time.monotonic() + 600)
        return api.invoke(Event(b"{}", "arn:aws:lambda:us-east-1:000000000000:function:f"), time.monotonic() + 600)

    try:
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(serve)
            runtime = http.client.HTTPConnection(api.address, timeout=600)
            runtime.request("GET", f"{PATH}/next")
            event = runtime.getresponse()
            event.read()
            target = f"{PATH}/{event.headers['Lambda-Runtime-Aws-Request-Id']}/response"
            body = (answer[at : at + 65_536] for at in range(0, len(answer), 65_536)) if chunked else answer
            runtime.request("POST", target, body, encode_chunked=chunked)
            response = runtime.getresponse()
            said = json.load(response)
            runtime.close()
            return response.status, said, reply.result(600)
    finally:
        api.close()


def test_an_answer_of_the_largest_size_is_accepted() -> None:
    answer = json.dumps("a" * (LONGEST - 2)).encode()
    status, said, reply = exchange(answer, chunked=False)
    assert (status, said) == (202, {"status": "OK"})
    assert (reply.body == answer, reply.is_too_large) == (True, False)


def test_a_larger_answer_is_refused_and_not_stored() -> None:
    for chunked in (False, True):
        status, said, reply = exchange(b"a" * (LONGEST + 1), chunked=chunked)
        # The test of /response in aws/aws-lambda-runtime-interface-emulator has this answer.
        assert (status, said) == (
            413,
            {
                "errorMessage": "Exceeded maximum allowed payload size (6291556 bytes).",
                "errorType": "RequestEntityTooLarge",
            },
        )
        assert (reply.body, reply.is_too_large) == (b"", True)
