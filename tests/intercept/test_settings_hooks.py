"""Options: what the hooks of `settings` make of them, and which they do not let stand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy import ctx, exceptions

from .in_process import InProcess, mitmproxy_with_addon


@pytest.fixture
async def mitmproxy(tmp_path: Path) -> AsyncIterator[InProcess]:
    async with mitmproxy_with_addon(tmp_path, providers=["groq"]) as running:
        yield running


async def test_only_connections_to_providers_are_taken_over(mitmproxy: InProcess) -> None:
    assert any("groq" in each for each in ctx.options.allow_hosts)
    assert not any("openai" in each for each in ctx.options.allow_hosts)


async def test_another_configuration_takes_the_place_of_the_first_one(
    mitmproxy: InProcess, tmp_path: Path
) -> None:
    ctx.options.update(allow_hosts=[*ctx.options.allow_hosts, "of-a-person"])
    other = tmp_path / "other.yaml"
    other.write_text("providers: [mistral]")
    mitmproxy.settings._background = None  # as at the start, it may be waited for
    ctx.options.update(vast_config=str(other))
    assert [each.name for each in mitmproxy.settings.config.providers] == ["mistral"]
    hosts = ctx.options.allow_hosts
    assert any("mistral" in each for each in hosts)
    assert not any("groq" in each for each in hosts)
    assert "of-a-person" in hosts


@pytest.mark.parametrize(
    ("name", "value", "stays"),
    [("connection_strategy", "eager", "lazy"), ("upstream_cert", True, False)],
)
async def test_mitmproxy_never_connects_to_a_provider_before_there_is_a_call(
    name: str, value: object, stays: object, mitmproxy: InProcess
) -> None:
    assert mitmproxy.settings.config
    ctx.options.update(**{name: value})
    assert getattr(ctx.options, name) == stays


@pytest.mark.parametrize(("option", "limit"), [(None, 64 << 20), ("1m", 1 << 20)])
async def test_the_limit_of_bodies_is_mitmproxy_s(
    option: str | None, limit: int, mitmproxy: InProcess
) -> None:
    ctx.options.update(stream_large_bodies=option)
    assert mitmproxy.settings.max_body == limit
    assert mitmproxy.settings.max_held <= limit
    assert mitmproxy.settings.kept == 0  # nobody looks at bodies


async def test_bodies_are_kept_for_those_who_look_at_them(
    mitmproxy: InProcess, tmp_path: Path
) -> None:
    ctx.options.update(save_stream_file=str(tmp_path / "flows"))
    assert mitmproxy.settings.kept == mitmproxy.settings.max_held > 0
    ctx.options.update(save_stream_file=None)
    assert mitmproxy.settings.kept == 0


async def test_a_ca_that_cannot_be_written_is_told_at_once(
    mitmproxy: InProcess, tmp_path: Path
) -> None:
    assert mitmproxy.settings.config
    (tmp_path / "a-file").write_text("")
    with pytest.raises(exceptions.OptionsError, match="a-file"):
        ctx.options.update(confdir=str(tmp_path / "a-file" / "below"))


async def test_what_is_wrong_with_the_configuration_is_logged_once(
    mitmproxy: InProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mitmproxy.settings._background = None  # as at the start, it may be waited for
    ctx.options.update(vast_config=str(tmp_path / "missing.yaml"))
    mitmproxy.settings.configure(set(ctx.options.keys()))  # as `serve` tells of all of them
    told = [each for each in caplog.messages if "missing.yaml: cannot be read" in each]
    assert len(told) == 1
    assert "missing.yaml" in mitmproxy.settings.problem
