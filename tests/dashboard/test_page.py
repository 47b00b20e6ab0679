"""The dashboard's page by itself, with numbers of the test's own: also those that are rare."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ..fixtures.browsing import has_room, opened, violations
from . import played
from .played import (
    Played,
    empty,
    ended,
    endpoint,
    full,
    hostile,
    now_running,
    of_all_kinds,
    running,
    totals,
)
from .test_dashboard import row

HIDE = """away => {
    Object.defineProperty(document, "hidden", {get: () => away, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
NOTHING = "\N{EN DASH}"
WITHOUT_CLIPBOARD = "navigator.clipboard.writeText = () => Promise.reject(new Error('no')); 0"

type Opening = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def server() -> Iterator[Played]:
    """The page's server."""
    server = Played()
    with server.running():
        yield server


@pytest.fixture
def opening(browser: Browser, server: Played) -> Opening:
    """Opens the page."""
    return lambda **options: opened(browser, server.url, **options)


@pytest.fixture
def page(opening: Opening) -> Iterator[Page]:
    """The page, with numbers in it."""
    with opening() as page:
        wait_for_numbers(page)
        yield page


def wait_for_numbers(page: Page) -> None:
    """Waits until the page has its first ones."""
    expect(page.locator("#charts figure")).to_have_count(4)


def show(server: Played, page: Page, state: played.State) -> None:
    """Has the page ask now rather than in a second."""
    server.state = state
    page.evaluate(HIDE, False)


def texts(page: Page, table: str, number: int = 0) -> list[str]:
    """What a row says, cell by cell."""
    return row(page, table, number).locator("th, td").all_inner_texts()


def chart(page: Page, title: str) -> Any:
    """A chart, by what it is called."""
    return page.get_by_role("img", name=f"{title}, last 15 minutes")


def said(page: Page) -> Any:
    """What screen readers say."""
    return page.get_by_role("status")


def connection(page: Page) -> Any:
    """What everybody sees of it."""
    return page.locator("#connection")


# --- empty and full ---


def test_says_what_to_do_when_nothing_has_come_in(page: Page) -> None:
    expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
    expect(page.locator("#start code")).to_have_text(
        [
            "vast-intercept run --attach 8080 -- COMMAND",
            'eval "$(vast-intercept env --port 8080)"',
            "/home/me/.mitmproxy/mitmproxy-ca-cert.pem",
        ]
    )
    expect(page.locator("#how-to")).to_be_hidden()
    for table in ("running", "latest", "refused"):
        expect(page.locator(f"#{table}")).to_be_hidden()
        expect(page.locator(f"#{table}-none")).to_be_visible()
    expect(page.locator("#notices")).to_be_hidden()
    expect(connection(page)).to_have_text("Live")
    assert page.title() == "vast-intercept"


def test_shows_all_that_there_is(server: Played, opening: Opening) -> None:
    server.state = full()
    with opening() as page:
        wait_for_numbers(page)
        assert texts(page, "running") == [
            "gpt-4o\nchat/completions · 127.0.0.1", "my-endpoint", "1,234", "75 s", "streaming"
        ]  # fmt: skip
        assert texts(page, "running", 1)[2:] == [NOTHING, "3 s", "waiting for the answer"]
        waits = "… waiting for a worker"
        assert texts(page, "running", 2)[4] == f"{waits}\nno worker is ready; 2 are loading"
        assert texts(page, "running", 3) == [
            "chat/completions\n127.0.0.1", NOTHING, "0", "12 s", waits
        ]  # fmt: skip
        assert [texts(page, "endpoints", number)[1] for number in range(3)] == [
            "✓ in use",
            "✗ left alone after repeated failures\nlast trouble: vast_timeout",
            "… being tried again\nlast trouble: vast_unreachable",
        ]
        assert texts(page, "refused") == ["unsupported_endpoint", "embeddings", "112", "30 s ago"]
        assert texts(page, "refused", 1)[2:] == ["8", "67 min ago"]
        assert texts(page, "latest") == [
            "now", "gpt-4o\nchat/completions · 127.0.0.1", "my-endpoint\nQwen/Qwen3-8B",
            "✓ answered\nstatus 200", "0.21 s", "3.40 s", "12 + 345", "101",
        ]  # fmt: skip
        expect(page.locator("#latest tbody tr")).to_have_count(50)
        expect(page.locator("#notices li")).to_contain_text(["no Vast API key", "2 times"])
        expect(page.locator("#totals")).to_contain_text("Tokens out7,654,321")
        expect(page.locator("#totals")).to_contain_text("Answers without token counts17")
        expect(page.locator("#how-to")).to_be_visible()
        expect(page.locator("#how-to code").first).to_be_hidden()
        expect(page).to_have_title("(5) vast-intercept")


def test_names_how_each_call_ended(server: Played, opening: Opening) -> None:
    server.state = full()
    with opening() as page:
        wait_for_numbers(page)
        assert [texts(page, "latest", number)[3] for number in range(2, 7)] == [
            "⊘ refused\nstatus 404 · unsupported_endpoint",
            "✗ failed\nstatus 504 · vast_timeout · 3 attempts",
            "✗ broken off\nstatus 200 · vast_connection_lost",
            f"{NOTHING} app left",
            "of_a_later_version\nstatus 200",
        ]
        unknown = ["embeddings", NOTHING]
        assert texts(page, "latest", 2)[1:3] == unknown
        assert texts(page, "latest", 2)[4:] == [NOTHING] * 4
        assert texts(page, "latest", 3)[4:6] == [f"{NOTHING}\nwaited 24.1 s", "5 min"]
        assert texts(page, "latest", 5)[6] == f"12 + {NOTHING}"
        ended_at = row(page, "latest").locator("td span").first
        assert "l0" in ended_at.get_attribute("title")


def test_shows_what_calls_held_that_is_not_tokens(server: Played, page: Page) -> None:
    heading = page.locator("#latest-sizes")
    show(server, page, full())
    expect(page.locator("#latest tbody tr")).to_have_count(50)
    assert heading.inner_text() == "Tokens in + out"
    expect(page.locator("#operations-section")).to_be_hidden()
    show(server, page, of_all_kinds())
    expect(page.locator("#latest tbody tr")).to_have_count(6)
    assert heading.inner_text() == "Amount"
    assert [texts(page, "latest", number)[6] for number in range(6)] == [
        "3 texts\n12 tokens",
        "1 character\n48 kB",
        "12.4 s of audio\n1.4 MB",
        "1 image\n3 + 400 tokens",
        "1 text",
        "12 + 345",
    ]
    assert [texts(page, "operations", number) for number in range(3)] == [
        ["chat/completions", "12,000", "23", NOTHING],
        ["embeddings", "300", "1", "12,345 texts"],
        ["audio/transcriptions", "2", "0", "67 min of audio · 8.0 MB"],
    ]


def test_says_so_if_only_some_calls_are_listed(server: Played, opening: Opening) -> None:
    server.state = full(running={"count": 1050, "waiting": 0, "calls": [running()]})
    with opening() as page:
        expect(page.locator("#running-more")).to_have_text("and 1,049 more")


def test_calls_that_are_passed_on_have_come_in(server: Played, page: Page) -> None:
    show(server, page, empty(totals=empty()["totals"] | {"passed_on": 3}))
    expect(page.locator("#totals")).to_contain_text("Passed on3")
    expect(page.get_by_role("heading", name="No calls yet")).to_be_hidden()


def test_shows_what_is_wrong_with_the_configuration(server: Played, page: Page) -> None:
    show(server, page, empty(problem="vast.retries is -1", notices=["A notice"], endpoints=[]))
    problem = page.locator("#notices .problem")
    expect(problem).to_have_text(
        "The configuration cannot be used, and calls are refused: vast.retries is -1"
    )
    expect(said(page)).to_contain_text("vast.retries is -1")
    expect(page.locator("#endpoints-none")).to_be_visible()
    show(server, page, empty(notices=["A notice"]))
    expect(page.locator("#notices li")).to_have_text(["A notice"])
    expect(problem).to_have_count(0)
    expect(said(page)).to_have_text("The configuration can be used again.")


def test_says_what_to_do_if_apps_do_not_trust_the_ca(server: Played, page: Page) -> None:
    show(server, page, empty(client_tls_failures=1))
    notice = page.locator("#notices li")
    expect(notice).to_contain_text("handshake once")
    expect(notice).to_contain_text(
        "/home/me/.mitmproxy/mitmproxy-ca-cert.pem. The commands on this page"
    )


@pytest.mark.parametrize("prompt", [None, "Tell me <b>all</b>\nof it. " * 40])
def test_shows_the_prompts_that_there_are(
    server: Played, opening: Opening, prompt: str | None
) -> None:
    server.state = full(running=now_running(running(prompt=prompt)), latest=[ended(prompt=prompt)])
    with opening() as page:
        wait_for_numbers(page)
        shown = page.locator(".prompt")
        assert shown.count() == (2 if prompt else 0)
        assert shown.all_text_contents() == ([prompt] * 2 if prompt else [])


# --- charts ---


def test_charts_tell_in_words_what_they_show(server: Played, opening: Opening) -> None:
    server.state = full()
    with opening() as page:
        wait_for_numbers(page)
        names = [chart.get_attribute("aria-label") for chart in page.get_by_role("img").all()]
        assert names == [
            "Calls, last 15 minutes: 802 in all, at most 17 in 10 s",
            "Failed or broken off, last 15 minutes: 6 in all, at most 3 in 10 s",
            "Time to first token, last 15 minutes: p50 0.27 s, p95 0.65 s, at most 0.84 s",
            "Tokens per second, last 15 minutes: 374, at most 706",
        ]


def test_charts_have_gaps_where_nothing_is_known(server: Played, opening: Opening) -> None:
    server.state = full()
    with opening() as page:
        wait_for_numbers(page)
        lines = chart(page, "Time to first token").locator("polyline")
        # Before the quiet time, the lone call in it, and after it; p50 and p95.
        assert [line.get_attribute("class") for line in lines.all()] == [
            "p50", "p50 point", "p50", "p95", "p95 point", "p95"
        ]  # fmt: skip
        assert len(lines.first.get_attribute("points").split()) == 30
        assert lines.nth(3).evaluate("line => getComputedStyle(line).strokeDasharray") != "none"
        assert lines.nth(0).evaluate("line => getComputedStyle(line).strokeDasharray") == "none"


def test_charts_without_data_say_so(page: Page) -> None:
    expect(chart(page, "Time to first token")).to_have_attribute(
        "aria-label", "Time to first token, last 15 minutes: no data"
    )
    expect(page.locator("svg.chart > *")).to_have_count(0)


def test_the_rate_is_not_that_of_an_interval_just_begun(server: Played, opening: Opening) -> None:
    server.state = full()
    server.state["history"]["tokens_per_second"][-2:] = [120.0, 3.0]
    with opening() as page:
        expect(chart(page, "Tokens per second")).to_have_attribute(
            "aria-label", "Tokens per second, last 15 minutes: 120, at most 706"
        )


# --- what apps choose ---


@pytest.mark.parametrize("width", [1280, 380])
@pytest.mark.parametrize("text", [played.HOSTILE, played.LONG], ids=["markup", "long"])
def test_names_are_text_and_have_room(
    server: Played, opening: Opening, text: str, width: int
) -> None:
    server.state = hostile(text)
    with opening(width=width) as page:
        wait_for_numbers(page)
        name = row(page, "running").locator(".name").first
        expect(name).to_have_attribute("title", text)
        assert page.locator("img[src=x], main :is(script, p b, td b, li b)").count() == 0
        assert page.title() == "(1,000,000,000,000) vast-intercept"
        # What would turn round the words that come after it.
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.locator("body").inner_text()
        assert has_room(page, width)


def test_right_to_left_names_leave_the_page_as_it_is(server: Played, opening: Opening) -> None:
    server.state = hostile("\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} (x)")
    with opening() as page:
        wait_for_numbers(page)
        boxes = [cell.bounding_box() for cell in row(page, "latest").locator("th, td").all()]
        assert boxes == sorted(boxes, key=lambda box: box["x"])
        name = row(page, "latest").locator(".name").first
        assert name.evaluate("node => getComputedStyle(node).unicodeBidi") == "isolate"


def test_calls_with_the_same_id_are_different_calls(server: Played, page: Page) -> None:
    show(server, page, full(latest=[ended("same"), ended("same", model="other"), ended("same 0")]))
    rows = page.locator("#latest tbody tr")
    expect(rows).to_have_count(3)
    show(server, page, full(latest=[ended("same")]))
    expect(rows).to_have_count(1)


# --- updates ---


def test_a_call_goes_from_running_to_latest(server: Played, page: Page) -> None:
    show(server, page, empty(running=now_running(running(tokens=0))))
    expect(row(page, "running")).to_contain_text("waiting for the first token")
    expect(page.locator("#start")).to_be_hidden()
    handle = row(page, "running").element_handle()
    show(server, page, empty(running=now_running(running(tokens=7))))
    expect(row(page, "running").locator("td").nth(1)).to_have_text("7")
    assert handle.evaluate("row => row.isConnected"), "the row was made anew"
    show(server, page, empty(latest=[ended()], totals=totals(calls=1)))
    expect(page.locator("#running tbody tr")).to_have_count(0)
    expect(row(page, "latest")).to_contain_text("✓ answered")
    expect(page.locator("#latest-none")).to_be_hidden()


def test_rows_that_stay_are_left_alone(server: Played, page: Page) -> None:
    calls = [running(f"r{number}", model=f"model-{number}") for number in range(4)]
    show(server, page, full(running=now_running(*calls)))
    expect(page.locator("#running tbody tr")).to_have_count(4)
    page.evaluate(
        "getSelection().selectAllChildren("
        "  document.querySelector('#running tbody tr:nth-child(3) .name'));"
        "window.moved = 0; new MutationObserver(all => { for (const each of all)"
        "  window.moved += each.addedNodes.length; }).observe("
        "  document.querySelector('#running tbody'), {childList: true})"
    )
    selected = page.evaluate("getSelection().toString()")
    assert selected == "model-2"
    show(server, page, full(running=now_running(*calls[1:])))  # the oldest has ended
    expect(page.locator("#running tbody tr")).to_have_count(3)
    assert page.evaluate("window.moved") == 0
    assert page.evaluate("getSelection().toString()") == selected


def test_new_calls_come_on_top(server: Played, page: Page) -> None:
    show(server, page, full(latest=[ended("a", model="a")]))
    expect(row(page, "latest")).to_contain_text("a")
    show(server, page, full(latest=[ended("c", model="c"), ended("b", model="b"), ended("a")]))
    expect(page.locator("#latest tbody tr")).to_have_count(3)
    assert [texts(page, "latest", number)[1][0] for number in range(2)] == ["c", "b"]


def test_keeps_focus_and_place_while_it_updates(server: Played, opening: Opening) -> None:
    server.state = full()
    with opening(height=500) as page:
        wait_for_numbers(page)
        region = page.get_by_role("region", name="Calls that have ended")
        region.focus()
        page.evaluate("scrollTo(0, 700)")
        show(server, page, full(latest=[ended("new", model="new"), *full()["latest"][:-1]]))
        expect(row(page, "latest")).to_contain_text("new")
        expect(region).to_be_focused()
        assert page.evaluate("scrollY") >= 700


def test_the_first_call_leaves_the_focus_where_it_is(server: Played, page: Page) -> None:
    copy = page.get_by_role("button", name="Copy: In its shell")
    copy.focus()
    show(server, page, full())
    expect(page.locator("#how-to")).to_be_visible()
    expect(copy).to_be_focused()
    expect(copy).to_be_visible()


def test_a_new_port_is_shown_at_once(server: Played, page: Page) -> None:
    state = empty()
    state["how_to"] |= {
        "listening": ["127.0.0.1:9000"],
        "commands": [{"what": "In front of an app", "command": "run --attach 9000"}],
    }
    show(server, page, state)
    expect(page.locator("#commands code").first).to_have_text("run --attach 9000")
    expect(page.locator("#about")).to_contain_text("listening on 127.0.0.1:9000")


def test_selects_what_cannot_be_copied(page: Page) -> None:
    page.evaluate(WITHOUT_CLIPBOARD)
    page.get_by_role("button", name="Copy: In its shell").click()
    expect(said(page)).to_have_text("The clipboard cannot be used. The text is selected instead.")
    assert page.evaluate("getSelection().toString()") == 'eval "$(vast-intercept env --port 8080)"'


# --- what is said to a screen reader ---


def test_says_when_an_endpoint_goes_and_comes_back(server: Played, page: Page) -> None:
    expect(said(page)).to_be_empty()
    show(server, page, empty(endpoints=[endpoint(state="open", trouble="vast_timeout")]))
    expect(said(page)).to_have_text("Endpoint my-endpoint is left alone after repeated failures.")
    expect(connection(page)).to_have_text("Left alone after failures: my-endpoint")
    show(server, page, empty(endpoints=[endpoint(state="half-open")]))
    expect(row(page, "endpoints")).to_contain_text("being tried again")
    expect(said(page)).to_contain_text("is left alone")
    show(server, page, empty(endpoints=[endpoint()]))
    expect(said(page)).to_have_text("Endpoint my-endpoint is in use again.")
    expect(connection(page)).to_have_text("Live")


def test_says_nothing_while_only_numbers_change(server: Played, page: Page) -> None:
    page.evaluate(
        "window.changes = 0; new MutationObserver(all => { window.changes += all.length; })"
        ".observe(document.querySelector('[role=status]'), {subtree: true, childList: true})"
    )
    assert page.locator("[aria-live], [role=status], [role=alert], [role=log]").count() == 1
    show(server, page, empty(running=now_running(running())))
    expect(row(page, "running")).to_contain_text("34")
    show(server, page, empty(totals=totals(), latest=[ended()]))
    expect(row(page, "latest")).to_be_visible()
    assert page.evaluate("window.changes") == 0


# --- polls ---


def test_asks_once_at_a_time(server: Played, page: Page) -> None:
    server.hold()
    server.wait_for_polls(1)
    # Whatever happens meanwhile.
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    server.release()
    server.wait_for_polls(2)
    assert server.overlapping == 1


def test_asks_again_as_soon_as_it_is_visible(server: Played, page: Page) -> None:
    page.clock.install()
    server.wait_for_polls(1)
    page.evaluate(HIDE, True)
    # An answer that is under way may still come.
    page.clock.run_for(50)
    before = len(server.polls)
    page.clock.run_for(60_000)
    assert len(server.polls) == before
    with page.expect_response("**/state"):
        page.evaluate(HIDE, False)


def gone_and_back(server: Played, page: Page, message: str) -> None:
    """Expects the page to say that the server has gone, and to go on when it is back."""
    expect(connection(page)).to_contain_text(message)
    expect(connection(page)).to_contain_text("The numbers are those of")
    expect(connection(page)).to_be_in_viewport()
    expect(said(page)).to_contain_text(message)
    expect(page.locator("#endpoints")).to_contain_text("my-endpoint")  # the last numbers stay
    server.there, server.instead = True, None
    page.evaluate(HIDE, False)  # asks at once
    expect(said(page)).to_have_text("The interceptor answers again.")
    expect(connection(page)).to_have_text("Live")
    expect(page).to_have_title("vast-intercept")


@pytest.mark.parametrize("instead", [None, (503, b"no"), (200, b"{"), (200, b"null")])
def test_says_that_the_interceptor_is_gone_until_it_is_back(
    server: Played, opening: Opening, instead: tuple[int, bytes] | None
) -> None:
    with opening(height=400) as page:
        wait_for_numbers(page)
        page.expected_noise = "Failed to load resource"  # type: ignore[attr-defined]
        page.evaluate("scrollTo(0, 500)")
        server.there, server.instead = instead is not None, instead
        page.evaluate(HIDE, False)
        gone_and_back(server, page, "No connection to the interceptor. Trying again.")


def test_says_that_it_does_not_know_what_the_interceptor_says(
    server: Played, opening: Opening
) -> None:
    with opening() as page:
        wait_for_numbers(page)
        page.expected_noise = "TypeError"  # type: ignore[attr-defined]
        server.instead = 200, b'{"version": "9"}'
        page.evaluate(HIDE, False)
        gone_and_back(server, page, "Reload the page.")


def test_asks_less_often_while_the_interceptor_is_gone(server: Played, opening: Opening) -> None:
    with opening() as page:
        wait_for_numbers(page)
        page.expected_noise = "Failed to load resource"  # type: ignore[attr-defined]
        # The page's waits, without waiting for them.
        page.evaluate(
            "window.waits = []; const later = setTimeout; window.setTimeout = (what, wait) => {"
            "  window.waits.push(Math.round(wait)); return later(what, 10); }; 0"
        )
        server.there = False
        server.wait_for_polls(8)
        server.there = True
        expect(connection(page)).to_have_text("Live")
        waits = page.evaluate("window.waits")
        first = waits.index(1600)
        assert waits[first : first + 5] == [1600, 2560, 4096, 5000, 5000]
        assert waits[-1] == 1000


# --- for everybody ---


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_can_be_used_by_everybody(
    server: Played, opening: Opening, scheme: Any, width: int
) -> None:
    with opening(width=width, color_scheme=scheme) as page:
        wait_for_numbers(page)
        assert violations(page) == []
        assert has_room(page, width)
        # A dozen of the latest calls has all kinds of them.
        show(server, page, full(problem="vast.retries is -1", latest=full()["latest"][:12]))
        expect(page.locator("#latest tbody tr")).to_have_count(12)
        page.get_by_text("How to point an app to the interceptor").click()
        assert violations(page) == []
        assert has_room(page, width)
        show(server, page, of_all_kinds())
        expect(page.locator("#operations")).to_be_visible()
        assert violations(page) == []
        assert has_room(page, width)
        page.expected_noise = "Failed to load resource"  # type: ignore[attr-defined]
        server.there = False
        page.evaluate(HIDE, False)
        expect(connection(page)).to_contain_text("No connection")
        assert violations(page) == []
        assert has_room(page, width)


@pytest.mark.parametrize("width", [1280, 380])
def test_tables_are_tables_for_a_screen_reader(
    server: Played, opening: Opening, width: int
) -> None:
    server.state = full()
    with opening(width=width) as page:
        wait_for_numbers(page)
        table = page.get_by_role("table", name="Endpoints and their state")
        expect(table.get_by_role("columnheader")).to_have_count(6)
        expect(table.get_by_role("rowheader")).to_contain_text(["my-endpoint", "second", "third"])
        expect(table.get_by_role("cell", name="300")).to_be_visible()
        # The labels of a card's numbers are there for the eyes only.
        expect(table.get_by_role("cell", name="Calls 300")).to_have_count(0)
        regions = page.get_by_role("region").all()
        names = [
            region.evaluate("each => each.getAttribute('aria-labelledby')") for region in regions
        ]
        assert len(names) == len(set(names))


def test_everything_can_be_reached_by_keyboard(server: Played, opening: Opening) -> None:
    server.state = full()
    with opening() as page:
        wait_for_numbers(page)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the numbers")).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        reached = []
        for _ in range(5):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent.trim().slice(0, 24)"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            if reached[-1] == "How to point an app to t":
                page.keyboard.press("Enter")
        assert reached[:4] == [
            "Calls in progress, the o", "Endpoints and their stat",
            "Refused calls, the most ", "How to point an app to t",
        ]  # fmt: skip
        assert reached[4] == "Copy"


def test_forced_colours_leave_the_charts_visible(server: Played, opening: Opening) -> None:
    server.state = full()
    with opening(forced_colors="active", color_scheme="dark") as page:
        wait_for_numbers(page)
        bar = page.locator("svg rect.bar").first
        text = page.evaluate("getComputedStyle(document.body).color")
        assert bar.evaluate("bar => getComputedStyle(bar).fill") == text
