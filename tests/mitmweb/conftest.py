"""mitmweb, and pages of it in a browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from .. import harness
from ..fixtures.browsing import opened
from ..harness import Certificates, Interceptor, StandIn

PASSWORD = "of the page"
#: A row of the list; there are others, which only take space.
ROWS = ".flow-table tbody tr:has(td)"
#: mitmweb's own: it asks for the content of a message that has none yet.
_OWN_NOISE = "Failed to load resource"


@dataclass(frozen=True)
class Web:
    """mitmweb, an app that goes through it, and its page."""

    interceptor: Interceptor
    url: str
    page: Page

    def call(self, path: str = "chat/completions", **body: Any) -> requests.Response:
        """A call as an app makes it, with a key of the app's own."""
        if path == "chat/completions":
            body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]} | body
        return self.interceptor.session().post(
            f"https://api.openai.com/v1/{path}", json=body, timeout=60
        )

    def leave(self) -> None:
        """Closes the page."""
        self.page.context.close()

    def rows(self) -> Locator:
        """Those of the list."""
        return self.page.locator(ROWS)

    def select(self, number: int, tab: str = "Response") -> None:
        """Opens a flow of the list."""
        self.rows().nth(number).locator(".col-path").click()
        self.page.locator(".flow-detail nav").get_by_text(tab, exact=True).click()

    def content(self) -> Locator:
        """What the selected message is shown as."""
        return self.page.locator(".contentview pre")

    def choose_view(self, name: str) -> None:
        """Has the selected message shown by this content view."""
        self.page.locator(".contentview .btn").get_by_text("View:").click()
        # mitmproxy lists names in lower case.
        self.page.locator(".contentview").get_by_text(name.lower(), exact=True).click()

    def flow(self) -> Locator:
        """All that is shown of the selected flow's message."""
        return self.page.locator(".flow-detail")

    def press(self, button: str) -> None:
        """One of those above the list."""
        self.page.locator(".flow-menu").get_by_role("button", name=button).click()

    def edit(self, text: str) -> None:
        """Has the selected message's content be this."""
        self.page.locator(".contentview").get_by_role("button", name="Edit").click()
        editor = self.page.locator(".contentview .cm-content")
        editor.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)
        self.page.locator(".contentview").get_by_role("button", name="Done").click()
        expect(self.page.locator(".contentview").get_by_role("button", name="Edit")).to_be_visible()

    def search(self, expression: str) -> None:
        """Shows those flows only."""
        field = self.page.get_by_placeholder("Search")
        if not field.is_visible():
            self.page.get_by_text("Flow List", exact=True).click()
        field.fill(expression)

    def command(self, name: str, *arguments: str) -> dict[str, Any]:
        """What mitmweb's command line gets back for it."""
        answer = self.page.evaluate(
            """async ([name, args]) => {
                const token = document.cookie.match(/_mitmproxy_xsrf=([^;]*)/)[1];
                const answer = await fetch(`/commands/${name}`, {
                    method: "POST",
                    headers: {"X-XSRFToken": token, "Content-Type": "application/json"},
                    body: JSON.stringify({arguments: args}),
                });
                return answer.json();
            }""",
            [name, arguments],
        )
        assert isinstance(answer, dict)
        return answer


type Watching = Callable[..., Web]


@pytest.fixture
def mitmweb(
    browser: Browser, standin: StandIn, certs: Certificates, tmp_path: Path
) -> Iterator[Watching]:
    """Starts mitmweb, and opens its page. What is named goes into the configuration's `vast`."""
    with ExitStack() as stack:

        def start(
            *options: str,
            kind: str = "mitmweb",
            sections: Any = None,
            environ: dict[str, str] | None = None,
            **more: Any,
        ) -> Web:
            vast = harness.vast_section(standin, certs.ca, **more)
            folder = tmp_path / f"mitmweb-{len(list(tmp_path.iterdir()))}"
            port = harness.unused_port()
            sets = ("web_open_browser=false", f"web_port={port}", f"web_password={PASSWORD}")
            for each in sets:
                options = ("--set", each, *options)
            if kind == "serve":
                options = ("--web", *options)
            interceptor = stack.enter_context(
                harness.intercept(
                    folder, {"vast": vast, **(sections or {})}, *options, kind=kind, environ=environ
                )
            )
            interceptor.wait_for("Web server listening")
            url = f"http://127.0.0.1:{port}"
            page = stack.enter_context(opened(browser, f"{url}/?token={PASSWORD}"))
            page.expected_noise = _OWN_NOISE  # type: ignore[attr-defined]
            expect(page.get_by_text("connected")).to_be_visible()
            return Web(interceptor, url, page)

        yield start
