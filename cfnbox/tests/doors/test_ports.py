"""Every port of a cloud and its processes: none serves a web page, and other engines serve only the cloud."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
from typing import TYPE_CHECKING

import psutil
import pytest

from doors.conftest import EVIL, FORM, Door, create_stack, in_query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import RunningCloud

POT = {"Resources": {"Pot": {"Type": "Example::Paint::Pot", "Properties": {"Name": "pot", "Colour": "red"}}}}
PATHS = ["/", f"/?{in_query('cloudformation')}", "/_ministack/reset", "/moto-api/reset", "/_cfnbox/invocations",
         "/2018-06-01/runtime/init/error", "/2018-06-01/runtime/invocation/next"]  # fmt: skip


def _doors(cloud: RunningCloud) -> Iterator[Door]:
    root = psutil.Process(cloud.process_id)
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    yield Door(f"http://127.0.0.1:{connection.laddr.port}")


def _statuses(door: Door, **headers: str) -> set[int]:
    """Return the statuses of the answers; a port that serves no request at the moment has none."""
    statuses: set[int] = set()
    for method, path in itertools.product(("GET", "POST"), PATHS):
        body = create_stack("by-port") if method == "POST" else ""
        try:
            reply = door.ask(method, path, body, seconds=2, Content_Type=FORM, **headers)
        except (TimeoutError, ConnectionError, http.client.HTTPException):
            break
        assert "access-control-allow-origin" not in reply.headers
        statuses.add(reply.status)
    return statuses


@pytest.fixture(scope="module")
def used(cloud: RunningCloud) -> RunningCloud:
    """The cloud after a request to each of its engines."""
    cloud.client("sqs").list_queues()
    cloud.client("sagemaker").list_training_jobs()
    return cloud


def test_no_port_serves_a_page(used: RunningCloud) -> None:
    doors = list(_doors(used))
    # Services, console, ministack, moto, and the Runtime API of a handler.
    assert len(doors) >= 5
    for page in ({"Origin": EVIL}, {"Host": "rebound.example"}):
        assert set().union(*(_statuses(door, **page) for door in doors)) == {403}

    cloudformation = used.client("cloudformation")
    cloudformation.create_stack(StackName="after-pages", TemplateBody=json.dumps(POT))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="after-pages")
    cloudformation.delete_stack(StackName="after-pages")


def test_ports_of_other_engines_serve_only_the_cloud(used: RunningCloud) -> None:
    own = {Door(used.url).port, Door(used.console_url).port}
    others = [door for door in _doors(used) if door.port not in own]
    engines = [statuses for door in others if (statuses := _statuses(door))]
    assert len(engines) >= 2
    assert all(statuses == {403} for statuses in engines)
