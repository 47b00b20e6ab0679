"""Calls of other APIs in mitmweb: what the app asked and got, and what Vast was asked."""

import json
import subprocess

from playwright.sync_api import expect

from .. import harness
from ..harness import ENDPOINT, Certificates, StandIn
from .conftest import Watching

VAST_KEY = harness.VAST_KEY
SEARCH = [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": None}]


def test_a_conversation_as_the_app_and_as_vast_has_it(
    mitmweb: Watching, standin: StandIn, certs: Certificates
) -> None:
    web = mitmweb(kind="serve")
    first = web.call("responses", model="gpt-5", input="Tell me of boats.", tools=SEARCH)
    assert first.status_code == 200, first.text
    (called,) = (item for item in first.json()["output"] if item["type"] == "function_call")
    done = {"type": "function_call_output", "call_id": called["call_id"], "output": "a fleet"}
    second = web.call(
        "responses",
        model="gpt-5",
        instructions="Be brief.",
        input=[done, {"role": "user", "content": "And of ships."}],
        previous_response_id=first.json()["id"],
        stream=True,
    )
    assert "response.completed" in second.text
    expect(web.rows()).to_have_count(2)
    expect(web.rows().nth(0).locator(".col-comment")).to_contain_text("left out: tool web_search")

    web.select(0)
    expect(web.content()).to_contain_text("assistant · finished: completed")
    expect(web.content()).to_contain_text(first.json()["id"])
    expect(web.content()).to_contain_text(f"answered by the endpoint {ENDPOINT}")
    web.select(1)
    expect(web.content()).to_contain_text("assistant · finished: completed")
    expect(web.content()).to_contain_text("first token after")
    expect(web.content()).to_contain_text(" tokens\n")
    web.select(1, "Request")
    expect(web.content()).to_contain_text("gpt-5 · stream · previous_response_id=resp_")
    expect(web.content()).to_contain_text("instructions")
    expect(web.content()).to_contain_text("And of ships.")
    expect(web.content()).to_contain_text(f"tool ({called['call_id']})")
    expect(web.content()).not_to_contain_text("boats")

    web.choose_view("Sent to Vast")
    expect(web.content()).to_contain_text(f"for {ENDPOINT}")
    expect(web.content()).to_contain_text("Tell me of boats.")
    expect(web.content()).to_contain_text("And of ships.")

    sent = harness.body_of(standin.calls()[-1])
    command = web.command("vast.curl", "~b ships & ~bq ships")["value"]
    assert VAST_KEY not in command
    standin.forget_calls()
    environ = harness.clean_environ(VAST_API_KEY=VAST_KEY, CURL_CA_BUNDLE=str(certs.ca))
    subprocess.run(
        ["bash"], input=command.encode(), env=environ, capture_output=True, timeout=30, check=True
    )
    (again,) = standin.calls()
    assert json.loads(harness.body_of(again)) == json.loads(sent)
