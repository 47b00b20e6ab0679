"""A real browser: Debian's chromium, without a window."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

# Several tests run at a time on two cores.
expect.set_options(timeout=20_000)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser. Playwright's own is not asked for: it could not be fetched everywhere."""
    chromium = shutil.which("chromium")
    assert chromium, "apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, url: str, *, width: int = 1280, height: int = 900, **context: Any
) -> Iterator[Page]:
    """A page. It must say nothing in the console, and ask nobody else for anything."""
    origin = urlsplit(url).netloc
    noises: list[str] = []
    fresh = browser.new_context(viewport={"width": width, "height": height}, **context)
    page = fresh.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: noises.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: noises.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: (
            urlsplit(request.url).netloc == origin
            or noises.append(f"request to elsewhere: {request.url}")
        ),
    )
    page.goto(url)
    yield page
    expected = getattr(page, "expected_noise", None)
    fresh.close()
    assert not [noise for noise in noises if not expected or expected not in noise]
