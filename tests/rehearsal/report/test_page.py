"""The page in a real browser, opened as a file."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from vast_intercept.rehearsal.report.page import write_page

from ...fixtures.browsing import browser, has_room, opened, violations
from . import made

__all__ = ["browser"]

type Opening = Callable[..., AbstractContextManager[Page]]

#: Whether the page's only script is the one that it was made with: nothing in it was executed.
SCRIPTS = "document.querySelectorAll('script:not([type])').length"

#: What of a page is cut off at its side, or has letters of fewer than ten pixels on the screen.
CUT_OR_TINY = """() => {
    const shown = [...document.querySelectorAll("body *")].filter(
        (each) => each.checkVisibility() && each.getBoundingClientRect().width > 1);
    const isCut = (each) => each.scrollWidth > each.clientWidth + 1
        && ["hidden", "clip"].includes(getComputedStyle(each).overflowX);
    const letters = (each) => parseFloat(getComputedStyle(each).fontSize)
        * (each.getScreenCTM ? each.getScreenCTM().a : 1);
    const isText = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
    const hasText = (each) => [...each.childNodes].some(isText);
    return shown.filter((each) => isCut(each) || (hasText(each) && letters(each) < 10))
        .map((each) => each.outerHTML.slice(0, 200));
}"""


def written(path: Path, *entries: made.Entry, **more: Any) -> str:
    """Writes a page. Returns its URL."""
    with made.collected(entries) as collected:
        write_page(made.rehearsal(collected, **more), collected, path)
    return path.as_uri()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with calls of all kinds."""
    path = tmp_path_factory.mktemp("report") / "calls.flows.html"
    return written(
        path, *made.of_all_kinds(), judgement=made.JUDGEMENT, unusable=made.UNUSABLE,
        fallen=("json: 1 of 2 hold.",),
    )  # fmt: skip


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """That page in a browser, its list of calls shown."""
    with opened(browser, url) as page:
        expect(calls(page)).to_have_count(7)
        yield page


@pytest.fixture(scope="module")
def functions(browser: Browser, url: str) -> Iterator[Page]:
    """A page of which only functions are called."""
    with opened(browser, url) as page:
        yield page


def calls(page: Page) -> Locator:
    """The calls in the list."""
    return page.locator("#calls > li > details")


def open_call(page: Page, title: str) -> Locator:
    """Opens the call with that title."""
    call = calls(page).filter(has_text=title)
    call.locator("summary").first.click()
    expect(call.locator(".answer")).to_have_count(2)
    return call


def titles(page: Page) -> list[str]:
    """What the calls in the list are called."""
    return page.locator("#calls .said").all_inner_texts()


# --- what is counted ---


def test_shows_all_that_is_counted(page: Page) -> None:
    expect(page).to_have_title("Rehearsal of calls.flows \N{EN DASH} vast-intercept")
    expect(page.locator("#about")).to_contain_text("endpoint my-endpoint · 2 runs of each call")
    tiles = page.locator("#tiles > div").all_inner_texts()
    assert tiles[0] == "Calls made on Vast\n7\nof 9 recorded"
    assert tiles[1] == "Served\n79 %\n11 of 14 answers"
    assert tiles[2] == "Calls that differ\n5\nin at least one measure"
    assert tiles[5] == "Cost on Vast\n$0.17\nprovider $0.42"
    expect(page.locator("#fallen li")).to_have_text("Gate fell: json: 1 of 2 hold.")
    not_served = page.locator("#not-served tbody tr")
    expect(not_served.first).to_contain_text("unsupported_endpoint2No endpoint is said to serve")
    rows = page.locator("#measures tbody tr")
    expect(rows).to_have_count(11)
    assert rows.nth(1).locator("th, td").all_inner_texts() == [
        "Valid JSONwhere the request asks for JSON", "2", "50 % 1 of 2", "100 %", "Show 1"
    ]  # fmt: skip
    expect(page.locator("#chance")).to_contain_text("2 answers of 14 differ")
    expect(page.get_by_role("img", name="Time to first token")).to_have_accessible_name(
        "Time to first token, share of the answers that are not above a value."
        " Provider: median 0.48 s, Vast: median 0.21 s."
    )
    expect(page.locator("#waited")).to_contain_text("1 answer waited, 34.2 s at most")
    expect(page.locator("#cost")).to_contain_text("Workers of my-endpoint: 1 at $1.02 an hour")
    expect(page.locator("#judgement")).to_contain_text("Prefers Vast's735 % of 20 pairs")
    expect(page.locator("#judgement")).to_contain_text("Says the same in both orders84 %")
    page.get_by_text("2 parts of the recording cannot be used").click()
    expect(page.locator("#unusable")).to_contain_text("flow 12the file is cut here")


def test_says_what_is_not_known(browser: Browser, tmp_path: Path) -> None:
    costs = made.Costs(
        provider=made.Money(dollars=None, assumptions=("No price of gpt-9.",)),
        vast=made.Money(dollars=None),
    )
    with opened(browser, written(tmp_path / "none.html", costs=costs)) as page:
        expect(page.locator("#calls")).to_have_text("No call was made.")
        expect(page.locator("#cost")).to_contain_text("not knownNo price of gpt-9.")
        for section in ("not-served", "measures", "speed", "judgement", "unusable"):
            expect(page.locator(f"#{section}-section")).to_be_hidden()
        assert violations(page) == []


# --- the list ---


def test_a_row_filters_the_list(page: Page) -> None:
    page.get_by_role("button", name="Show 1 call that fails: Same tools").click()
    expect(calls(page)).to_have_count(1)
    assert titles(page) == ["What is the weather in Oslo like?"]
    expect(page.locator("#calls-title")).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("1 call")
    page.get_by_role("button", name="vast_unreachable: show the calls").click()
    expect(page.locator("#count")).to_have_text("1 of 7 calls")
    assert titles(page) == ["Translate into Norwegian: Good morning, how are you?"]
    page.get_by_role("button", name="Show all").click()
    expect(calls(page)).to_have_count(7)


def test_filters_work_together(page: Page) -> None:
    page.get_by_role("combobox", name="Served").select_option("yes")
    expect(calls(page)).to_have_count(5)
    page.get_by_role("combobox", name="Measure").select_option("none that fails")
    expect(calls(page)).to_have_count(2)
    page.get_by_role("combobox", name="Operation").select_option("embeddings")
    expect(page.locator("#calls")).to_have_text("No call is like that.")
    assert violations(page) == []
    expect(page.get_by_role("status")).to_have_text("No call is like that.")


def test_searches_in_what_calls_say(page: Page) -> None:
    search = page.get_by_label("Text")
    search.fill("HVORDAN GÅR")  # in the second answer of Vast
    expect(page.locator("#count")).to_have_text("1 of 7 calls")
    assert titles(page) == ["Translate into Norwegian: Good morning, how are you?"]
    search.fill("no such words")
    expect(page.locator("#count")).to_have_text("0 of 7 calls")
    search.fill("")
    expect(calls(page)).to_have_count(7)


# --- a call ---


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("What should I wear", "differ from each other as much: this is chance"),
        ("What is the weather in Oslo", "differ less from each other: this is not chance"),
        ("Read this invoice", None),  # broken JSON is wrong in itself
        ("And then?", None),  # the recording has no answer from which it could differ
    ],
)
def test_chance_is_spoken_of_only_where_something_differs(
    page: Page, title: str, said: str | None
) -> None:
    call = open_call(page, title)
    expect(call.locator(".answer")).to_have_count(2)
    if said:
        expect(call).to_contain_text(f"Vast's own runs {said}.")
    else:
        expect(call).not_to_contain_text("Vast's own runs")


def test_what_the_provider_s_answer_fails_alone_is_not_said_to_fail_twice(functions: Page) -> None:
    said = functions.evaluate(
        """() => checksShown({ unmeasured: {}, checks: {
            served: { holds: true, provider_holds: false },
            json: { holds: false, provider_holds: false },
        } })[0].textContent"""
    )
    assert "Served (the provider's own answer fails)" in said
    assert "Valid JSON (the provider's own answer fails, too)" in said


def test_a_call_opens_to_both_answers(page: Page) -> None:
    call = open_call(page, "What should I wear")
    expect(call.locator(".request")).to_contain_text("You are a helpful assistant.")
    provider, vast = call.locator(".answer").all()
    expect(provider).to_contain_text("first token 0.48 s")
    expect(vast).to_contain_text("my-endpoint · Qwen/Qwen3-32B · finish reason stop")
    assert "around" in provider.locator("del").all_inner_texts()
    assert "about" in vast.locator("ins").all_inner_texts()
    call.get_by_label("Mark what differs").uncheck()
    expect(call.locator("ins, del")).to_have_count(0)
    call.get_by_text("Whole request").click()
    expect(call.locator(".whole pre").first).to_contain_text("OpenAI/Python 2.7.1")
    expect(call.locator(".whole pre").last).to_contain_text('{\n  "model": "gpt-4o",')


def test_runs_can_be_chosen_and_the_worst_comes_first(page: Page) -> None:
    call = open_call(page, "What is the weather")
    expect(call.locator(".checks")).to_contain_text("get_weather: city is")
    call.get_by_label("Run").select_option("2: 1 measure fails")
    expect(call.locator(".checks li").first).to_have_text(
        "✗ Same tools: search_web instead of get_weather"
    )
    vast = call.locator(".answer.vast")
    expect(vast.locator("h4")).to_have_text("Vast, run 2 of 2")
    expect(vast.locator("pre")).to_have_text('search_web {\n  "query": "weather Oslo tomorrow"\n}')


def test_says_why_a_call_is_not_served(page: Page) -> None:
    call = open_call(page, "Embed these")
    expect(call.locator(".notice code")).to_have_text("serves: [embeddings]")
    expect(call.locator(".answer.vast")).to_contain_text("status 400 · unsupported_endpoint")
    call = open_call(page, "And then?")
    expect(call.locator(".notice")).to_have_text("the recording ends before the answer")
    expect(call.locator(".answer.provider")).to_contain_text("The recording has no answer.")
    unmeasured = "Valid against the schema: cannot be measured: the schema is not usable"
    expect(call.locator(".checks")).to_contain_text(unmeasured)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""), ("a", ""), ("", "b"), ("a b c", "a c"), ("a c", "a b c"), ("a b", "b a"),
        ("the cat sat", "a cat sat down"), ("x y z a b c", "a b c x y z"),
        ("😀 naïve \ud800", "😀 naïf \ud801"),
    ],
)  # fmt: skip
def test_what_is_not_marked_is_the_same_on_both_sides(
    functions: Page, one: str, other: str
) -> None:
    found = functions.evaluate("([one, other]) => differences(one, other)", [one, other])
    left, right = found["left"], found["right"]
    assert found["exact"]
    assert "".join(text for text, _ in left) == functions.evaluate("text => text", one)
    assert "".join(text for text, _ in right) == functions.evaluate("text => text", other)
    same = ["".join(text for text, differs in side if not differs) for side in (left, right)]
    assert same[0] == same[1]


def test_words_that_differ_one_after_another_are_marked_as_one(functions: Page) -> None:
    found = functions.evaluate(
        "differences('It is cold and wet.', 'It was warm, but dry and wet.')"
    )
    assert [text for text, differs in found["left"] if differs] == ["is cold"]
    assert [text for text, differs in found["right"] if differs] == ["was warm, but dry"]


def test_comparing_is_bounded(functions: Page) -> None:
    one, other = " ".join(map(str, range(9000))), " ".join(map(str, range(9000, 1, -1)))
    took = functions.evaluate(
        "([one, other]) => { const from = performance.now(); const found = differences(one, other);"
        " return [found.exact, performance.now() - from]; }", [one, other],
    )  # fmt: skip
    assert took[0] is False
    assert took[1] < 5_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":[1,2.50],"b":{}}', '{\n  "a": [\n    1,\n    2.50\n  ],\n  "b": {}\n}'),
        ('{"a":"{[\\",:"}', '{\n  "a": "{[\\",:"\n}'),
        ("12345678901234567890", "12345678901234567890"),
        ("{not JSON}", None),
    ],
)
def test_json_is_indented_and_otherwise_as_it_was(
    functions: Page, text: str, expected: str | None
) -> None:
    assert functions.evaluate("text => indented(text)", text) == expected


# --- what others chose ---


@pytest.mark.parametrize("width", [1280, 380])
def test_whatever_is_in_it_is_text(browser: Browser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "hostile.html"
    url = written(
        path, made.hostile(), recording=made.HOSTILE, endpoints=(made.HOSTILE,),
        unusable=(made.Unusable(place=made.HOSTILE, why=made.HOSTILE),),
        costs=made.Costs(provider=made.Money(dollars=None, assumptions=(made.HOSTILE,)),
                         vast=made.Money(dollars=1.0)),
        judgement=made.Judgement(endpoint=made.HOSTILE),
    )  # fmt: skip
    text = path.read_text("utf-8")
    assert text.count("</script>") == text.count("<script")
    assert made.KEY not in text
    with opened(browser, url, width=width) as page:
        expect(calls(page)).to_have_count(1)
        calls(page).locator("summary").first.click()
        expect(page.locator(".answer")).to_have_count(2)
        page.locator(".whole summary").click()
        assert page.evaluate(SCRIPTS) == 1
        assert page.locator("img").count() == 1  # the icon
        assert page.title().startswith("Rehearsal of script>")
        shown = page.locator("body").inner_text()
        assert "<script>document.title='taken'</script>" in shown
        assert "[U+202E]gnp.exe &amp; ${1} $numbers" in shown
        assert "[U+2028][U+2029] [U+0000] [U+001B][31m [U+D800]" in shown
        assert made.KEY not in shown
        assert has_room(page, width)


def test_the_browser_itself_refuses_what_the_page_does_not_do(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    refused = page.evaluate(
        """async () => {
            const refused = [];
            document.addEventListener("securitypolicyviolation", (each) => {
                refused.push(each.effectiveDirective);
            });
            try { document.body.innerHTML = "<p>"; } catch { /* it is told below */ }
            const script = document.createElement("script");
            try {
                script.text = "document.title = 'taken'";
                document.body.append(script);
            } catch { /* so is this */ }
            await fetch("https://example.com/").catch(() => {});
            const image = new Image();
            image.src = "https://example.com/x.png";
            await new Promise((done) => setTimeout(done, 100));
            return refused;
        }"""
    )
    assert {"require-trusted-types-for", "connect-src", "img-src"} <= set(refused)
    assert page.title() != "taken"
    page.close()


# --- for everybody ---


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_can_be_used_by_everybody(browser: Browser, url: str, scheme: Any, width: int) -> None:
    with opened(browser, url, width=width, color_scheme=scheme) as page:
        expect(calls(page)).to_have_count(7)
        page.get_by_text("2 parts of the recording").click()
        for title in ("Embed these", "Read this invoice", "Write a limerick"):
            open_call(page, title)
        page.locator(".reasoning summary").click()
        page.locator(".whole summary").first.click()
        assert violations(page) == []
        assert has_room(page, width)
        assert page.evaluate(CUT_OR_TINY) == []


def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the calls")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#calls-title")).to_be_focused()
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached == ["by-measure", "by-served", "by-operation", "by-text", "SUMMARY"]
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(2)


# --- many calls ---


def test_a_page_of_ten_thousand_calls_opens_fast(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    took = time.process_time()
    with made.collected(made.many(10_000, size=30)) as collected:
        write_page(made.rehearsal(collected), collected, path)
    took = time.process_time() - took
    assert took / 10_000 < 0.005
    with opened(browser, path.as_uri()) as page:
        expect(calls(page)).to_have_count(50)
        assert page.evaluate("performance.now()") < 10_000
        expect(page.locator("#at")).to_have_text("Page 1 of 200")
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#at")).to_have_text("Page 2 of 200")
        calls(page).last.locator("summary").click()
        expect(page.locator(".answer")).to_have_count(2)
        page.get_by_label("Text").fill("needle")
        expect(page.locator("#count")).to_have_text("1 of 10,000 calls")


# --- the file ---


def test_only_its_owner_can_read_it_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("an older one")
    path.chmod(0o644)
    written(path, *made.of_all_kinds())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.mkdir()
    with pytest.raises(OSError, match="report"):
        written(path, *made.of_all_kinds())
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    with ThreadPoolExecutor() as other:
        reading = other.submit(pipe.read_text)
        written(link)
        assert reading.result(20).startswith("<!doctype html>")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [link, pipe]


def test_a_link_keeps_leading_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    link = tmp_path / "report.html"
    link.symlink_to("reports/today.html")
    written(link)
    assert link.is_symlink()
    assert link.read_text("utf-8").startswith("<!doctype html>")
    assert len(list((tmp_path / "reports").iterdir())) == 1


def test_a_link_of_another_user_s_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("keep")
    link = tmp_path / "report.html"
    link.symlink_to(mine)
    monkeypatch.setattr(os, "geteuid", lambda: 1_234)
    monkeypatch.setattr(
        Path, "lstat", lambda _: SimpleNamespace(st_uid=5_678, st_mode=stat.S_IFLNK)
    )
    with pytest.raises(OSError, match="symbolic link of another user's"):
        written(link)
    assert mine.read_text() == "keep"
