"""The console's pages over plain HTTP: content, escaping, and concealed values."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import urllib3

from console.conftest import INJECTED, LABEL, PAINT, SECRET
from programs import running_cloud
from waiting import eventually

if TYPE_CHECKING:
    from programs import RunningCloud

_HTTP = urllib3.PoolManager()


def _get(cloud: RunningCloud, path: str = "", **headers: str) -> urllib3.BaseHTTPResponse:
    return _HTTP.request("GET", f"{cloud.console_url}{path}", headers=headers, retries=False)


def _pages(cloud: RunningCloud) -> dict[str, str]:
    """Every page that links lead to from the first, by path."""
    pages: dict[str, str] = {}
    ahead = [""]
    while ahead:
        path = ahead.pop()
        if path not in pages:
            answer = _get(cloud, path)
            assert answer.status == 200, path
            pages[path] = answer.data.decode()
            ahead += re.findall(r'href="/_cfnbox/([^"#]*)', pages[path])
    return pages


def test_pages_lead_to_stacks_resources_and_invocations(painted: RunningCloud) -> None:
    pages = _pages(painted)
    overview = pages[""]
    assert all(text in overview for text in ("good", "bad", "ROLLBACK_COMPLETE", "forecasting", "DRIFTED"))
    stack = next(page for path, page in pages.items() if path.startswith("stacks/") and "<h1>good" in page)
    for shown in ('id="Pot"', 'id="Model"', "MODIFIED", "&lt;b&gt;grey&lt;/b&gt;", "repaint", "CREATE_COMPLETE"):
        assert shown in stack
    invocations = [page for path, page in pages.items() if path.startswith("invocations/")]
    raised = next(page for page in invocations if "FAILED" in page)
    assert "KeyError: &#39;invisible&#39; (paint.py:" in raised
    assert "Traceback (most recent call last):" in raised
    assert "mixing invisible" in raised
    assert any("stirred" in page and "mixing blue" in page for page in invocations)


def _stack_page(pages: dict[str, str], name: str) -> str:
    return next(page for path, page in pages.items() if path.startswith("stacks/") and f"<h1>{name} " in page)


def test_a_failed_stack_says_why_at_its_top_and_in_the_overview(painted: RunningCloud) -> None:
    pages = _pages(painted)
    top, _, rest = _stack_page(pages, "bad").partition("<h2>Resources</h2>")
    reason = "KeyError: &#39;invisible&#39;"
    assert reason in top
    assert ">Spilt</a> " in top
    # The resource looks failed, although it is deleted.
    heading = rest[rest.index("<h3>Spilt") : rest.index("</h3>")]
    assert re.findall(r">([A-Z_]+)<", heading) == ["CREATE_FAILED", "DELETE_COMPLETE"]
    row = next(row for row in pages[""].split("<tr>") if ">bad</a>" in row)
    assert 'class="why">Spilt: ' in row
    assert reason in row
    assert 'class="failures"' not in _stack_page(pages, "good")


def test_a_stack_shows_its_template_and_the_values_of_its_change_sets(painted: RunningCloud) -> None:
    page = _stack_page(_pages(painted), "good")
    template = page[page.index('id="template"') : page.index("<h2>Events</h2>")]
    assert "Example::Paint::Pot" in template
    # Other tests of the session add change sets.
    changes = page[page.index("<h3>repaint ") :].partition("</section>")[0]
    values = re.findall(r'data-name="(Old|New) value" class="text">([^<]*)<', changes)
    assert values == [("Old", "&#34;blue ****&#34;"), ("New", "&#34;red ****&#34;")]


def test_no_page_shows_a_secret_of_a_stack_that_failed() -> None:
    """The value of a dynamic reference that a handler raises, a NoEcho default, a write-only property."""
    template = {
        "Parameters": {"Password": {"Type": "String", "NoEcho": True, "Default": "default-password"}},
        "Resources": {
            "Spilt": {
                "Type": "Example::Paint::Pot",
                "Properties": {
                    "Name": "spilt",
                    "Colour": "{{resolve:secretsmanager:colour}}",
                    "Recipe": "write-only-recipe",
                },
            },
        },
    }
    with running_cloud("--console", *PAINT) as cloud:
        cloud.client("secretsmanager").create_secret(Name="colour", SecretString="invisible")
        client = cloud.client("cloudformation")
        client.create_stack(
            StackName="spilt",
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": "Password", "ParameterValue": "given-password"}],
        )
        eventually(
            lambda: client.describe_stacks(StackName="spilt")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
        )
        pages = _pages(cloud)
    assert "KeyError" in pages[""]
    assert 'id="template"' in _stack_page(pages, "spilt")
    for path, page in pages.items():
        for secret in ("invisible", "default-password", "given-password", "write-only-recipe"):
            assert secret not in page, (path, secret)


def test_an_output_needs_no_description(painted: RunningCloud) -> None:
    template = {
        "Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Outputs": {"O": {"Value": "v"}},
    }
    client = painted.client("cloudformation")
    client.create_stack(StackName="plain", TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(StackName="plain")
    try:
        assert 'data-name="Output">O<' in _stack_page(_pages(painted), "plain")
    finally:
        client.delete_stack(StackName="plain")


def test_names_are_escaped(painted: RunningCloud) -> None:
    pages = _pages(painted)
    assert all(INJECTED not in page for page in pages.values())
    assert any("&lt;script&gt;document.title" in page for page in pages.values())


def test_no_page_shows_secrets(painted: RunningCloud) -> None:
    pages = _pages(painted)
    assert any("mixing blue **** for ****" in page for page in pages.values())
    for path, page in pages.items():
        assert SECRET not in page, path
        assert LABEL not in page, path
        assert "write-only-recipe" not in page, path


def test_pages_load_only_from_the_console(painted: RunningCloud) -> None:
    policy = _get(painted).headers["Content-Security-Policy"].split("; ")
    console = painted.console_url
    assert policy == [
        "default-src 'none'", f"script-src {console}console.js", f"style-src {console}console.css",
        f"connect-src {console}", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ]  # fmt: skip
    for page in _pages(painted).values():
        assert re.findall(r"(?:src|href)=\"(?!/_cfnbox/|#|data:,)", page) == []


def test_a_foreign_host_name_is_refused(painted: RunningCloud) -> None:
    for path in ("", "invocations"):
        assert _get(painted, path, Host="somewhere.example").status == 403
        assert _get(painted, path, Host="localhost:1").status == 200


def test_the_console_refuses_post_requests(painted: RunningCloud) -> None:
    assert _HTTP.request("POST", painted.console_url, retries=False).status == 405


@pytest.mark.parametrize("path", ["stacks/", "stacks/none", "invocations/0", "invocations/x", "page.py", "../x"])
def test_a_missing_page_is_not_found(painted: RunningCloud, path: str) -> None:
    assert _get(painted, path).status == 404


def test_without_console_option_there_is_no_page() -> None:
    with running_cloud(*PAINT) as cloud:
        about = _HTTP.request("GET", f"{cloud.url}/_local/cloud").json()
        answer = _HTTP.request("GET", f"{about['inspection']}/_cfnbox/", retries=False)
        assert answer.status == 404
        assert "cfnbox up --console" in answer.data.decode()


def test_the_port_of_the_services_has_no_page(painted: RunningCloud) -> None:
    for path in ("/_cfnbox/", "/_cfnbox/invocations?properties=1"):
        answer = _HTTP.request("GET", f"{painted.url}{path}", retries=False)
        assert answer.status == 404
        assert painted.console_url in answer.data.decode()


def test_no_invocation_shows_the_value_of_a_noecho_parameter(painted: RunningCloud) -> None:
    shown = _get(painted, "invocations?properties=1")
    create = next(one for one in shown.json() if (one["action"], one["logical_id"]) == ("CREATE", "Pot"))
    assert create["properties"]["Colour"] == "blue ****"
    assert SECRET not in shown.data.decode()
    assert LABEL not in shown.data.decode()
