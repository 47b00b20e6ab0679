"""`python scripts/screenshots.py`: makes the pictures of docs/img anew, with the stand-in as Vast.

It needs chromium and a font with emoji; on Debian: apt-get install chromium fonts-noto-color-emoji
"""

import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Page

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

from tests import harness  # noqa: E402
from tests.fixtures.browsing import launched, opened  # noqa: E402
from tests.rehearsal.report import made  # noqa: E402

from vast_intercept.rehearsal.report.page import write_page  # noqa: E402

IMAGES = PROJECT / "docs" / "img"
PASSWORD = "of-the-pictures"  # noqa: S105  (of a mitmweb that lives for seconds)
SIZE = {"width": 1280, "height": 760}

QUESTION = "What should I wear in Oslo tomorrow? Answer in two sentences."
ANSWER = (
    "It will be around 3 °C with light snow in the afternoon, so wear a warm coat, gloves and"
    " shoes that keep the water out. In the evening it clears up, and a hat will do.\n\n"
    "Would you like the forecast for the weekend as well?"
)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city, by day.",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
            },
        },
    },
}


class App:
    """An app that calls OpenAI through the interceptor."""

    def __init__(self, interceptor: harness.Interceptor) -> None:
        self._options: dict[str, Any] = {
            "proxies": {"https": interceptor.url},
            "verify": str(interceptor.ca),
            "headers": {"authorization": f"Bearer {harness.APP_KEY}"},
            "timeout": 60,
        }

    def call(self, path: str = "chat/completions", **body: Any) -> None:
        """Makes a call."""
        if path == "chat/completions":
            asked = [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": QUESTION},
            ]
            body = {"model": "gpt-4o", "messages": asked} | body
        session = requests.Session()
        session.trust_env = False
        session.post(f"https://api.openai.com/v1/{path}", json=body, **self._options)

    def make_some_of_each(self) -> None:
        """Makes a mix of calls as real apps would."""
        stream: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
        self.call(tools=[WEATHER], tool_choice="required")
        self.call("embeddings", model="text-embedding-3-small", input="Oslo")
        self.call(model="gpt-4o-mini", temperature=0.2)
        image = {"type": "image_url", "image_url": {"url": "https://example.com/oslo.jpg"}}
        self.call(messages=[{"role": "user", "content": [image]}])
        self.call(**stream, standin={"chunks": 30, "fault": "cut", "after": 12, "delay": 0.01})
        self.call(model="gpt-4o-mini", standin={"chunks": 80})
        said = {"role": "tool", "tool_call_id": "call_1", "content": '{"high": 3, "snow": "light"}'}
        arguments = json.dumps({"city": "Oslo", "unit": "celsius"})
        call = {"id": "call_1", "type": "function"}
        asked = {"role": "assistant", "content": None, "tool_calls": [
            call | {"function": {"name": "get_weather", "arguments": arguments}},
        ]}  # fmt: skip
        messages = [{"role": "user", "content": QUESTION}, asked, said]
        delays = {"first_delay": 0.2, "delay": 0.02, "text": ANSWER}
        self.call(**stream, messages=messages, tools=[WEATHER], temperature=0.3, standin=delays)


def of_mitmweb(page: Page) -> None:
    """Takes a picture of mitmweb: the list of calls, and the chat view of the last one."""
    rows = page.locator(".flow-table tbody tr:has(td)")
    rows.nth(6).locator(".col-path").click()
    page.locator(".flow-detail nav").get_by_text("Response", exact=True).click()
    page.locator(".contentview pre", has_text="finished: stop").wait_for()
    page.screenshot(path=IMAGES / "mitmweb-chat.png")
    page.locator(".flow-detail nav").get_by_text("Request", exact=True).click()
    page.locator(".contentview pre", has_text="get_weather").wait_for()
    page.screenshot(path=IMAGES / "mitmweb-request.png")


def of_dashboard(page: Page, name: str) -> None:
    """Takes a picture of the upper part of the dashboard."""
    page.get_by_text("Live").wait_for()
    page.locator("#running tbody tr").first.wait_for()
    page.locator("#latest tbody tr").first.wait_for()
    page.screenshot(path=IMAGES / name)


def of_report(browser: Browser, folder: Path) -> None:
    """Takes pictures of a rehearsal's report: its upper part, its plots, and a call, opened."""
    path = folder / "calls.flows.html"
    many = made.many(400, size=60, runs=2)
    with made.collected([*made.of_all_kinds(), *many]) as collected:
        write_page(made.rehearsal(collected), collected, path)
    with opened(browser, path.as_uri(), **SIZE) as page:
        page.locator("#measures tbody tr").first.wait_for()
        page.screenshot(path=IMAGES / "report.png")
        page.locator("#speed-section").screenshot(path=IMAGES / "report-speed.png")
    with opened(browser, path.as_uri(), **SIZE, color_scheme="dark") as page:
        page.locator("#by-text").fill("What should I wear in Oslo")
        page.locator("#clear").wait_for()
        page.locator("#calls summary").filter(has_text="wear").click()
        page.locator("#calls .answer").first.wait_for()
        calls = page.get_by_role("region", name="Calls, the worst first")
        calls.screenshot(path=IMAGES / "report-call.png")


def main() -> None:
    """Makes all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        of_report(browser, Path(folder))
    standin = harness.StandIn()
    web, dashboard = harness.unused_port(), harness.unused_port()
    config = {
        "vast": harness.vast_section(standin, timeout={}),
        "routes": [{"model": "gpt-4o-mini", "endpoint": "big-one"}],
        "inspect": {"port": dashboard},
    }
    sets = ("web_open_browser=false", f"web_port={web}", f"web_password={PASSWORD}")
    options = [word for each in sets for word in ("--set", each)]
    with (
        tempfile.TemporaryDirectory() as folder,
        harness.intercept(Path(folder), config, "--web", *options, kind="serve") as interceptor,
        launched() as browser,
    ):
        interceptor.wait_for("Web server listening")
        app = App(interceptor)
        app.make_some_of_each()
        with opened(browser, f"http://127.0.0.1:{web}/?token={PASSWORD}", **SIZE) as page:
            page.expected_noise = "Failed to load resource"  # type: ignore[attr-defined]
            of_mitmweb(page)
        running = [
            threading.Thread(
                target=app.call,
                kwargs={"model": model, "stream": True, "standin": {"chunks": 200, "delay": 0.05}},
            )
            for model in ("gpt-4o", "gpt-4o-mini")
        ]
        for each in running:
            each.start()
        url = f"http://127.0.0.1:{dashboard}/"
        with opened(browser, url, **SIZE) as page:
            of_dashboard(page, "dashboard.png")
        with opened(browser, url, **SIZE, color_scheme="dark") as page:
            of_dashboard(page, "dashboard-dark.png")
        for each in running:
            each.join()
    standin.stop()


if __name__ == "__main__":
    main()
