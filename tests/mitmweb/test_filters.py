"""The filters for a command line in docs/inspecting.md."""

from pathlib import Path

import openai
import pytest

from .. import harness
from ..fixtures.watching import Watching

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("expression", "shown", "hidden"),
    [
        ('~meta "outcome.: .refused"', "/v1/embeddings", "chat/completions"),
        ('~meta "endpoint.: .my-endpoint"', "chat/completions", "/v1/embeddings"),
    ],
    ids=["refused", "endpoint"],
)
def test_by_metadata(
    watching: Watching, tmp_path: Path, expression: str, shown: str, hidden: str
) -> None:
    file = tmp_path / "saved.flows"
    interceptor = watching("-w", str(file)).interceptor
    client = openai.OpenAI(max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)  # type: ignore[call-overload]
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="ada", input="x")
    interceptor.stop()
    found = harness.Process(harness.tool("mitmdump"), "-n", "-r", str(file), expression)
    assert found.process.wait(30) == 0
    found.wait_for(shown)
    assert hidden not in found.output
