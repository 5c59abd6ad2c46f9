"""Requests during the start of a cloud: they wait, and have the same answer as later ones."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cfnbox.aws.http import Listener
from cfnbox.cloud import Cloud
from doors.conftest import FORM, Door, Reply, signed

PROJECT = Path(__file__).resolve().parents[3]
_SECONDS = 60


def _first_answer(port: int, service: str, body: str) -> Reply:
    """Return the answer to the first request that the port takes."""
    door, deadline = Door(f"http://127.0.0.1:{port}"), time.monotonic() + _SECONDS
    while True:
        try:
            return door.ask("POST" if body else "GET", "/", body, Authorization=signed(service), Content_Type=FORM)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise


def test_requests_during_the_start_are_answered() -> None:
    with contextlib.closing(Listener()) as listener:
        port = listener.port
    with ThreadPoolExecutor() as pool:
        types = pool.submit(_first_answer, port, "cloudformation", "Action=ListTypes&Visibility=PRIVATE")
        buckets = pool.submit(_first_answer, port, "s3", "")
        with Cloud(types=[PROJECT], port=port):
            assert (types.result().status, "AWS::SageMaker::Model" in types.result().body) == (200, True)
            assert buckets.result().status == 200
