"""What `vast-intercept serve` says once it listens."""

import io
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from mitmproxy.hooks import RunningHook
from mitmproxy.proxy.mode_specs import ProxyMode

from vast_intercept.config import load_config
from vast_intercept.engine.banner import Banner, banner

from .. import harness
from ..intercept.in_process import mitmproxy_with_addon

type Run = Callable[..., Awaitable[None]]


class FullDisk(io.StringIO):
    """Standard output that leads to a file, on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.fixture
async def run_banner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """Calls the banner's hook, in a mitmproxy with these options that listens at 127.0.0.1:8080."""
    config = {"vast": {"endpoint": "mine", "api_key": "vast-0123456789abcdef"}}
    async with mitmproxy_with_addon(tmp_path, **config) as running:
        addons = running.master.addons
        running.master.options.add_option("termlog_verbosity", str, "info", "As in mitmdump.")
        listening = [("127.0.0.1", 8080), ("127.0.0.1", 8080)]
        monkeypatch.setattr(addons.get("proxyserver"), "listen_addrs", lambda: listening)
        banner = Banner(addons.get("vast_intercept"))
        addons.add(banner)

        async def run(**options: str) -> None:
            running.master.options.update(**options)
            await addons.invoke_addon(banner, RunningHook())

        yield run


async def test_says_where_it_listens_and_where_calls_go(
    run_banner: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_banner()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "Listening on   127.0.0.1:8080",
        "Taking over    openai (api.openai.com, *.api.openai.com)",
        "Calls go to    https://openai.vast.ai: endpoint mine",
        "Vast API key   ***cdef",
    ]
    assert any("vast-intercept env" in line for line in lines[4:])


@pytest.mark.parametrize("terminal", [True, False])
async def test_mitmweb_s_token_is_shown_on_a_terminal_alone(
    run_banner: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
) -> None:
    """The log masks it, and without a browser of its own mitmweb could not be opened."""
    page = "http://127.0.0.1:8081/?token=0123456789abcdef"
    monkeypatch.setattr("vast_intercept.engine.banner.page_url", lambda: page)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    await run_banner()
    lines = capsys.readouterr().out.splitlines()
    assert (f"mitmweb        {page}" in lines) is terminal
    assert any("token" in line for line in lines) is terminal


async def test_is_a_line_of_the_log_where_machines_read_it(
    run_banner: Run, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await run_banner(vast_log="json")
    assert "Listening on 127.0.0.1:8080" in caplog.messages
    assert not capsys.readouterr().out


async def test_is_silent_with_quiet(run_banner: Run, capsys: pytest.CaptureFixture[str]) -> None:
    await run_banner(termlog_verbosity="error")
    assert not capsys.readouterr().out


async def test_a_full_disk_is_no_reason_to_end(
    run_banner: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    await run_banner()


def test_machines_are_shown_and_no_key_of_vast_is_missed_for_them(tmp_path: Path) -> None:
    url = "https://203.0.113.7:41234"
    boxes = {"my-box": {"url": url, "api_key": "box-0123456789abcdef"}, "open": {"url": url}}
    config = {"vast": {"endpoint": "my-box"}, "endpoints": boxes}
    path = harness.write_config(tmp_path / "vast.yaml", **config)
    lines = banner(load_config(path, {}), [("127.0.0.1", 8080)], ProxyMode.parse("regular"))
    assert lines[2:5] == [
        "Calls go to    endpoint my-box",
        f"Machine        my-box at {url}, key ***cdef",
        f"Machine        open at {url}, key none",
    ]
    assert not [line for line in lines if "Vast" in line]


def test_what_endpoints_serve_beyond_text_is_shown(tmp_path: Path) -> None:
    endpoints = {"embedder": {"serves": ["score", "embeddings"]}, "vlm": {}}
    config = {"vast": {"endpoint": "mine", "interface": "serverless"}, "endpoints": endpoints}
    path = harness.write_config(tmp_path / "vast.yaml", **config)
    lines = banner(load_config(path, {}), [("127.0.0.1", 8080)], ProxyMode.parse("regular"))
    assert [line for line in lines if line.startswith("Also served")] == [
        "Also served    embeddings, score → embedder"
    ]
