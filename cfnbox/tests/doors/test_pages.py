"""A page of another port or host name in a real Chromium: it can neither act nor read."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from console.chromium import CHROMIUM, OPTIONS, REASON
from doors.conftest import FORM, Door, create_stack, in_query, stack_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import RunningCloud

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=REASON)
_PAGE = b"<!doctype html><title>foreign</title><iframe name=target></iframe>"
_READ = """
async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    return [answer.type, answer.status, await answer.text()];
  } catch (error) {
    return ["error", 0, String(error)];
  }
}
"""
_SUBMIT = """
([action, body]) => {
  const form = document.createElement("form");
  Object.assign(form, {action, method: "post", target: "target"});
  for (const [name, value] of new URLSearchParams(body)) {
    const field = document.createElement("input");
    Object.assign(field, {name, value, type: "hidden"});
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}
"""


class _ForeignPage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, _format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    """The port of a server that has a page of its own at every address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _ForeignPage) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium in which every name below evil.example leads to this machine."""
    with sync_playwright() as playwright:
        rules = "--host-resolver-rules=MAP *.evil.example 127.0.0.1"
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS, rules])
        yield opened
        opened.close()


@pytest.fixture(params=["evil host name", "other port"])
def page(request: pytest.FixtureRequest, browser: Any, foreign_port: int) -> Iterator[Any]:
    """A page of a foreign origin."""
    host = {"evil host name": "www.evil.example", "other port": "localhost"}[request.param]
    with contextlib.closing(browser.new_context()) as context:
        opened = context.new_page()
        opened.goto(f"http://{host}:{foreign_port}/")
        yield opened


def _answers(page: Any) -> list[int]:
    """Return the list that takes the status of each answer that the browser gets from now on."""
    answers: list[int] = []
    page.on("response", lambda response: answers.append(response.status))
    return answers


def test_a_form_of_a_page_creates_no_stack(page: Any, cloud: RunningCloud) -> None:
    address = f"{cloud.url}/?{in_query('cloudformation')}"
    with page.expect_response(lambda response: response.url == address) as answered:
        page.evaluate(_SUBMIT, [address, create_stack("by-form")])

    assert answered.value.status == 403
    assert answered.value.request.headers["content-type"] == FORM
    assert "by-form" not in stack_names(cloud)


@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_a_text_request_of_a_page_creates_no_stack_and_reads_no_answer(
    page: Any, cloud: RunningCloud, mode: str
) -> None:
    address = f"{cloud.url}/?{in_query('cloudformation')}"
    options = {
        "method": "POST",
        "mode": mode,
        "body": create_stack("by-text"),
        "headers": {"Content-Type": "text/plain"},
    }
    statuses = _answers(page)

    kind, status, text = page.evaluate(_READ, [address, options])

    assert (kind, status) in (("error", 0), ("opaque", 0))
    assert "AccessDenied" not in text
    assert statuses in ([403], [])
    assert "by-text" not in stack_names(cloud)


def test_a_page_can_neither_create_nor_invoke_functions(page: Any, cloud: RunningCloud) -> None:
    for path in ("/2015-03-31/functions", "/2015-03-31/functions/TypeFunction/invocations", "/_local/reset"):
        options = {"method": "POST", "body": json.dumps({"FunctionName": "by-page"}), "mode": "cors"}
        kind, _, text = page.evaluate(_READ, [f"{cloud.url}{path}", options])
        assert (kind, text) == ("error", "TypeError: Failed to fetch")
    assert cloud.client("lambda").list_functions()["Functions"] == []


@pytest.mark.parametrize("path", ["", "invocations?properties=1"])
def test_a_page_cannot_read_the_console(page: Any, cloud: RunningCloud, path: str) -> None:
    for options in ({}, {"mode": "no-cors"}):
        kind, _, text = page.evaluate(_READ, [f"{cloud.console_url}{path}", options])
        assert (kind, "cloud" in text) in (("error", False), ("opaque", False))


def test_a_rebound_host_name_reads_nothing(browser: Any, cloud: RunningCloud) -> None:
    for door, path in ((Door(cloud.url), "/"), (Door(cloud.console_url), "/_cfnbox/")):
        with contextlib.closing(browser.new_context()) as context:
            opened = context.new_page()
            answer = opened.goto(f"http://rebound.evil.example:{door.port}{path}")
            assert answer.status == 403
            assert opened.evaluate(_READ, [path, {"method": "GET"}])[1] == 403


def test_a_page_in_s3_cannot_read_the_console_or_create_a_stack(browser: Any, cloud: RunningCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="stored")
    script = """<!doctype html><title>no</title><script>document.title = "ran " + self.origin</script>"""
    s3.put_object(Bucket="stored", Key="x.html", Body=script.encode(), ContentType="text/html")
    try:
        with contextlib.closing(browser.new_context()) as context:
            opened = context.new_page()
            assert opened.goto(f"{cloud.url}/stored/x.html").status == 200
            assert opened.title() == "ran null"
            for address in (cloud.console_url, f"{cloud.console_url}invocations?properties=1"):
                assert opened.evaluate(_READ, [address, {}]) == ["error", 0, "TypeError: Failed to fetch"]
            options = {"method": "POST", "body": create_stack("by-object"), "headers": {"Content-Type": FORM}}
            address = f"/?{in_query('cloudformation')}"
            assert opened.evaluate(_READ, [address, options]) == ["error", 0, "TypeError: Failed to fetch"]
    finally:
        s3.delete_object(Bucket="stored", Key="x.html")
        s3.delete_bucket(Bucket="stored")
    assert "by-object" not in stack_names(cloud)
