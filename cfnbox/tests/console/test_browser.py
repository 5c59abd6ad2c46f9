"""The console in a headless Chromium: live events, no name run as code, and layouts for phones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from console.chromium import CHROMIUM, OPTIONS, REASON
from console.conftest import BAD, INJECTED, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import RunningCloud

_MILLISECONDS = 60_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=REASON)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, painted: RunningCloud) -> Iterator[Any]:
    """The first page; a test that makes the browser complain or ask elsewhere fails."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(_MILLISECONDS)
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "request", lambda request: complaints.extend([request.url][: not request.url.startswith(painted.console_url)])
    )
    opened.goto(painted.console_url)
    yield opened
    context.close()
    assert complaints == []


def test_new_events_appear_without_a_reload(page: Any, painted: RunningCloud) -> None:
    assert page.get_by_text("appears-later").count() == 0
    stack = json.dumps(BAD).replace("Spilt", "Later").replace("spilt", "later")
    assert command("deploy", "-", "--stack-name", "appears-later", url=painted.url, stdin=stack).returncode == 1
    expect(page.get_by_role("link", name="appears-later")).to_be_visible(timeout=_MILLISECONDS)


def test_links_lead_from_stack_to_resource_to_invocation_and_back(page: Any) -> None:
    page.get_by_role("link", name="good", exact=True).click()
    expect(page.locator("#Pot")).to_contain_text(INJECTED)
    page.locator("#handlers-Pot summary").click()
    page.locator("#handlers-Pot").get_by_role("link").first.click()
    expect(page.locator("h1")).to_contain_text("SUCCESS")
    page.get_by_role("link", name="Pot", exact=True).first.click()
    expect(page.locator("#Pot")).to_be_visible()
    assert page.url.endswith("#Pot")
    assert page.title() == "good"


def test_opened_details_stay_open(page: Any, painted: RunningCloud) -> None:
    page.get_by_role("link", name="good", exact=True).click()
    page.locator("#properties-Pot summary").click()
    painted.client("cloudformation").create_change_set(
        StackName="good", ChangeSetName="one-more", UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Password", "ParameterValue": "another"}],
    )  # fmt: skip
    expect(page.get_by_text("one-more")).to_be_visible(timeout=_MILLISECONDS)
    expect(page.locator("#properties-Pot pre")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_every_page_fits_the_screen_in_both_colour_schemes(
    browser: Any, painted: RunningCloud, scheme: str, width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    grounds = set()
    for path in ("", "invocations/1"):
        page.goto(f"{painted.console_url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    page.goto(painted.console_url)
    page.get_by_role("link", name="good", exact=True).click()
    page.locator("#properties-Pot summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert grounds == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 26)"}
