"""What is shown of a call: bounded, without keys, and said where it is cut."""

import json
import time
from dataclasses import replace

from vast_intercept.rehearsal.report import shown

from . import made


def test_a_line_says_what_the_list_is_filtered_by() -> None:
    lines = [shown.line_of(each) for each in made.of_all_kinds()]
    assert lines[2] == {
        "place": "flow 3",
        "title": "Read this invoice: Desk 1,100.00, Lamp 149.50. Number 2026-1041.",
        "operation": "chat/completions",
        "model": "gpt-4o",
        "failed": ["json", "schema"],
        "reasons": [],
        "chance": False,
    }
    assert lines[3]["reasons"] == ["unsupported_endpoint"]
    assert lines[0]["chance"]


def test_numbers_are_those_of_each_run() -> None:
    numbers = shown.numbers_of(made.of_all_kinds()[4])
    assert numbers["failed"] == ["served", "exact"]
    assert numbers["provider"]["seconds"] == 0.9
    first, second = numbers["runs"]
    # An error is fast or slow for other reasons than an answer.
    assert first["seconds"] is None
    assert (second["seconds"], second["waited"], second["attempts"]) == (1.1, 34.2, 2)
    assert first["checks"]["served"] == {
        "holds": False,
        "why": "vast_unreachable: all workers are unreachable",
        "provider_holds": None,
    }
    assert first["reason"] == "vast_unreachable"


def test_a_long_text_is_cut_and_says_so() -> None:
    entry = made.entry(
        1, "hello", made.reply("a b " * 10_000), made.run(made.ours(), made.compared())
    )
    text = shown.texts_of(entry)["provider"]["text"]
    assert text.endswith("… [20,000 more characters]")
    assert len(text) < shown.LONGEST_TEXT + 50


def test_a_long_conversation_keeps_its_end() -> None:
    entry = made.of_all_kinds()[0]
    messages = tuple(("user", f"{number} " + "word " * 1000) for number in range(50))
    entry = replace(entry, wish=replace(entry.wish, messages=messages))
    kept = shown.texts_of(entry)["messages"]
    assert kept[-1][1].startswith("49 ")
    assert kept[0] == ["", f"[{50 - len(kept) + 1} earlier messages left out]"]
    assert sum(len(text) for _, text in kept) < shown.LONGEST_TEXT + 200


def test_a_body_that_is_no_text_is_counted_and_a_cut_one_stays_text() -> None:
    entry = made.of_all_kinds()[0]

    def body(data: bytes) -> str:
        call = replace(entry.call, body=data)
        return str(shown.texts_of(replace(entry, call=call))["body"])

    assert body(b"\xff\x00\x01") == "[3 bytes that are not text]"
    assert body(b"") == ""
    # Bytes of UTF-8 that the limit cuts in two, and others that are wrong in the middle.
    euros = "€ ".encode() * 1_000_000
    assert body(euros).startswith("€ € ")
    assert body(euros).endswith("more bytes]")
    assert body(b"a" + euros).startswith("a€ ")
    assert body(b"aa" + euros).startswith("aa€ ")
    assert body(euros[:-1]).startswith("€ ")
    assert body(b"a" * 100_000 + b"\xff" + b"a" * 1_000_000).endswith("bytes that are not text]")


def test_base64_is_left_out() -> None:
    entry = made.entry(
        1, "What is this?", made.reply("A cat."), made.run(made.ours("A cat."), made.compared()),
        image="data:image/png;base64," + "iVBORw0KGgo" * 4_000, after="the image",
    )  # fmt: skip
    body = shown.texts_of(entry)["body"]
    assert "more characters of base64]" in body
    assert '"after": "the image"' in body
    assert len(body) < 600


def test_a_text_that_is_nearly_base64_costs_no_more_than_another() -> None:
    text = ("a" * 999 + " ") * 5_000
    entry = made.entry(1, "hello", made.reply(text), made.run(made.ours(), made.compared()))
    before = time.process_time()
    shown.texts_of(entry)
    assert time.process_time() - before < 0.2


def test_what_cannot_be_read_is_shown_as_it_came() -> None:
    entry = made.of_all_kinds()[0]
    bare = replace(entry.runs[0], reply=made.Reply())
    texts = shown.texts_of(replace(entry, runs=[bare]))
    assert texts["runs"][0]["body"] == "{}"
    assert texts["provider"]["body"] == ""


def test_no_key_is_shown() -> None:
    entry = made.hostile()
    all_of_it = [make(entry) for make in (shown.line_of, shown.numbers_of, shown.texts_of)]
    text = json.dumps(all_of_it)
    assert made.KEY not in text
    assert "***KLMN" in text
