"""What flows say of their calls. A flow file may say anything."""

from typing import Any

import pytest
from mitmproxy.test import tflow

from vast_intercept.mitmweb.notes import original_url

URL = "https://api.openai.com/v1/chat/completions"


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"url": URL}, URL),
        ({"url": "no URL at all"}, None),
        ({"url": "https://api.openai.com:99999/v1"}, None),
        ({"url": "https://[/v1"}, None),
        ({"url": ""}, None),
        ({"url": 3}, None),
        ({}, None),
        ("text", None),
        (["list"], None),
    ],
    ids=["url", "rubbish", "port", "bracket", "empty", "number", "nothing", "text", "list"],
)
def test_original_url(noted: Any, expected: str | None) -> None:
    flow = tflow.tflow()
    flow.metadata["vast"] = noted
    assert original_url(flow) == expected
