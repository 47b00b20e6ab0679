"""The dashboard with a real interceptor behind it, in a real browser."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from ..end_to_end.resilience.apps import App, ask
from ..fixtures.browsing import opened, violations
from ..fixtures.watching import Watched, Watching
from ..harness import ENDPOINT, StandIn

MESSAGES = [{"role": "user", "content": "a secret of the user's"}]
NOTHING_YET = "No calls yet"


def row(page: Page, table: str, number: int = 0) -> Any:
    """A row of a table."""
    return page.locator(f"#{table} tbody tr").nth(number)


def make_calls(standin: StandIn) -> None:
    """Some of each kind."""
    client = openai.OpenAI(max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)  # type: ignore[call-overload]
    stream = client.chat.completions.create(  # type: ignore[call-overload]
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert list(stream)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="ada", input="x")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES, temperature=-1)  # type: ignore[call-overload]
    standin.wait_for_calls("done", 2)


@pytest.fixture
def watched(watching: Watching) -> Watched:
    """An interceptor that nothing has come in to."""
    return watching()


@pytest.fixture
def page(browser: Browser, watched: Watched) -> Iterator[Page]:
    """Its dashboard."""
    with opened(browser, f"{watched.dashboard.url}/") as page:
        expect(page.get_by_text("Live")).to_be_visible()
        yield page


def test_says_how_to_point_an_app_here_until_one_is(
    page: Page, watched: Watched, vast: StandIn
) -> None:
    expect(page.get_by_role("heading", name=NOTHING_YET)).to_be_visible()
    commands = page.locator("#commands")
    expect(commands).to_contain_text(f"run --attach {watched.interceptor.port} -- COMMAND")
    expect(commands).to_contain_text(f"env --port {watched.interceptor.port}")
    expect(commands).to_contain_text(str(watched.interceptor.ca))
    expect(page.locator("#hosts")).to_contain_text("api.openai.com")
    make_calls(vast)
    expect(page.get_by_role("heading", name=NOTHING_YET)).to_be_hidden()
    page.get_by_text("How to point an app to the interceptor").click()
    expect(commands).to_be_visible()


def test_shows_what_has_happened(page: Page, vast: StandIn) -> None:
    make_calls(vast)
    expect(page.locator("#latest tbody tr")).to_have_count(4)
    expect(row(page, "latest", 3)).to_contain_text("✓ answered")
    expect(row(page, "latest", 3)).to_contain_text(ENDPOINT)
    expect(row(page, "latest", 2)).to_contain_text("gpt-4o")
    expect(row(page, "latest", 1)).to_contain_text("⊘ refused")
    expect(row(page, "latest", 1)).to_contain_text("unsupported_endpoint")
    expect(row(page, "latest", 0)).to_contain_text("✗ failed")
    expect(row(page, "refused")).to_contain_text("embeddings")
    expect(page.locator("#refused tbody tr")).to_have_count(1)
    expect(row(page, "endpoints")).to_contain_text(ENDPOINT)
    expect(row(page, "endpoints")).to_contain_text("✓ in use")
    calls = page.get_by_role("img", name="Calls, last 15 minutes: 4 in all")
    expect(calls).to_be_visible()
    assert page.locator("svg rect.bar").count() > 0


def test_updates_by_itself_while_tokens_come(page: Page, vast: StandIn) -> None:
    app = App(ask, model="gpt-4o", stream=True, standin={"gate": "dash", "chunks": 4})
    running = row(page, "running")
    expect(running).to_contain_text("gpt-4o")
    expect(running).to_contain_text(ENDPOINT)
    tokens = running.locator("th, td").nth(2)
    expect(tokens).to_have_text("1")  # the event with the role
    handle = running.element_handle()
    vast.open_gate("dash")
    expect(tokens).to_have_text("2")
    vast.open_gate("dash")
    expect(tokens).to_have_text("3")
    assert handle.evaluate("row => row.isConnected"), "the row was made anew"
    expect(page).to_have_title("(1) vast-intercept")
    for _ in range(8):
        vast.open_gate("dash")
    assert app.result().text
    expect(page.locator("#running tbody tr")).to_have_count(0)
    expect(page.get_by_text("No call is in progress.")).to_be_visible()
    expect(page.locator("#latest tbody tr")).to_have_count(1)


def test_says_why_a_call_waits(browser: Browser, watching: Watching, vast: StandIn) -> None:
    workers = [worker["number"] for worker in vast.workers()]
    for number in workers:
        vast.set_worker(number, "cold")
    watched = watching(interface="serverless", timeout={})
    app = App(ask, model="m")
    with opened(browser, f"{watched.dashboard.url}/") as page:
        expect(row(page, "running")).to_contain_text("waiting for a worker")
        expect(page.locator("#totals")).to_contain_text("Waiting for a worker1")
        for number in workers:
            vast.set_worker(number, "ready")
        assert app.result().text
        expect(row(page, "latest")).to_contain_text("waited")


@pytest.mark.parametrize("shown", [False, True], ids=["hidden", "shown"])
def test_prompts_are_shown_only_if_wanted(
    browser: Browser, watching: Watching, vast: StandIn, *, shown: bool
) -> None:
    watched = watching(inspect={"show_prompts": shown})
    make_calls(vast)
    with opened(browser, f"{watched.dashboard.url}/") as page:
        expect(page.locator("#latest tbody tr")).to_have_count(4)
        assert ("a secret of the user" in page.content()) is shown


def test_names_that_apps_choose_are_text(page: Page, watched: Watched) -> None:
    session = requests.Session()
    session.trust_env = False
    name = '<img src=x onerror="document.title=1"><b>\N{RIGHT-TO-LEFT OVERRIDE}' + "x" * 400
    answer = session.post(
        "https://api.openai.com/v1/chat/completions",
        json={"model": name, "messages": MESSAGES},
        proxies={"https": watched.interceptor.url},
        verify=str(watched.interceptor.ca),
        timeout=30,
    )
    assert answer.status_code == 200
    cell = row(page, "latest").locator(".name").first
    expect(cell).to_have_attribute("title", name[:200])  # enough to know it by
    assert page.locator("img[src=x], td b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_can_be_used_by_everybody(
    browser: Browser, watched: Watched, vast: StandIn, scheme: Any, width: int
) -> None:
    with opened(browser, f"{watched.dashboard.url}/", width=width, color_scheme=scheme) as page:
        expect(page.get_by_role("heading", name=NOTHING_YET)).to_be_visible()
        assert violations(page) == []
        make_calls(vast)
        expect(page.locator("#latest tbody tr")).to_have_count(4)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, background[4:-1].split(","))) / 3
        assert (brightness < 100) is (scheme == "dark")


def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    reached = []
    while "Metrics" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText").strip())
        assert len(reached) < 20, reached
    assert reached[0] == "Skip to the numbers"
    assert reached.count("Copy") == 3


def test_keeps_the_focus_while_it_updates(page: Page, vast: StandIn) -> None:
    copy = page.get_by_role("button", name="Copy: In front of an app")
    copy.focus()
    with page.expect_response("**/state"):
        pass
    with page.expect_response("**/state"):
        pass
    expect(copy).to_be_focused()
    make_calls(vast)


def test_copies_a_command(browser: Browser, watched: Watched) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with opened(browser, f"{watched.dashboard.url}/", permissions=allowed) as page:
        page.get_by_role("button", name="Copy: In front of an app").click()
        expect(page.get_by_text("Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.endswith(f"run --attach {watched.interceptor.port} -- COMMAND")


def test_asks_for_nothing_while_it_is_hidden(page: Page) -> None:
    asked = []
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.away});"
        "window.away = true; document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2_500)  # twice what it would wait
    assert not asked
    with page.expect_response("**/state"):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_tells_that_the_interceptor_has_gone(browser: Browser, watching: Watching) -> None:
    watched = watching()
    with opened(browser, f"{watched.dashboard.url}/") as page:
        expect(page.get_by_text("Live")).to_be_visible()
        page.expected_noise = "Failed to load resource"  # type: ignore[attr-defined]
        watched.interceptor.stop()
        expect(page.get_by_role("status")).to_contain_text("No connection to the interceptor")
        expect(page.locator("#endpoints")).to_be_visible()  # the last numbers stay
