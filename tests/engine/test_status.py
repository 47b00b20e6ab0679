"""What an interceptor says of itself, through itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vast_intercept.engine.running import NotRunningError, ask_status

from .. import harness
from ..harness import APP_KEY, VAST_KEY, Interceptor, StandIn

URL = "http://vast-intercept.internal/status"
CHAT = "https://api.openai.com/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture
def interceptor(vast_section: dict[str, Any], tmp_path: Path) -> Iterator[Interceptor]:
    """One that has had no calls."""
    config = {"vast": vast_section}
    with harness.intercept(tmp_path / "own", config) as interceptor:
        yield interceptor


def test_says_what_it_is_and_counts_calls(interceptor: Interceptor, standin: StandIn) -> None:
    with interceptor.session() as session:
        assert session.post(CHAT, json=BODY).ok
        assert session.post(CHAT, json={**BODY, "stream": True}).ok
        with_usage = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
        assert session.post(CHAT, json=with_usage).ok
        assert session.post("https://api.openai.com/v1/embeddings").status_code == 404
        assert session.get("https://api.openai.com/v1/models").ok
        assert session.post(CHAT, json={**BODY, "standin": {"status": 400}}).status_code == 400
        said = session.get(URL)
    assert VAST_KEY not in said.text
    assert APP_KEY not in said.text
    status = ask_status(interceptor.port)
    assert status.modes == ["regular"]
    assert status.listening == [("127.0.0.1", interceptor.port)]
    assert status.ca_file == str(interceptor.ca)
    assert status.pid == interceptor.process.pid
    assert (status.provider_hosts[0], status.provider_ports) == ("api.openai.com", [80, 443])
    tally = status.tally
    assert (tally.calls, tally.refused, tally.errors, tally.uncounted) == (6, 1, 1, 1)
    assert tally.tokens == 2 * 8
    assert tally.running == 0
    assert len(standin.calls()) == 4


def test_there_is_nothing_else_there(interceptor: Interceptor) -> None:
    with interceptor.session() as session:
        assert session.post(URL).status_code == 404
        assert session.get(f"{URL}/x").status_code == 404


def test_in_reverse_mode_too(tmp_path: Path) -> None:
    with harness.intercept(tmp_path, {}, "--mode", "reverse:https://api.openai.com") as reverse:
        assert ask_status(reverse.port).modes == ["reverse:https://api.openai.com"]


def test_what_is_no_interceptor(standin: StandIn) -> None:
    with pytest.raises(NotRunningError, match="Nothing listens at 127"):
        ask_status(harness.unused_port())
    with pytest.raises(NotRunningError, match="does not answer as an HTTP proxy"):
        ask_status(int(standin.url.rpartition(":")[2]))  # which speaks TLS
    plain = StandIn()
    with pytest.raises(NotRunningError, match="is not this interceptor"):
        ask_status(int(plain.url.rpartition(":")[2]))
    plain.stop()
