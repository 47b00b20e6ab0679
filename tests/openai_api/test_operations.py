"""What a path asks for, whatever way it is spelled."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.operations import (
    DROPPED,
    GENERATING,
    LISTED,
    UNSERVED,
    ApiCall,
    Operation,
    classify,
    clean_path,
    normalize_path,
)

O = Operation  # noqa: E741  (the tables below are easier to read)

CALLS: list[tuple[str, str, ApiCall]] = [
    # What Vast serves.
    ("POST", "chat/completions", ApiCall(O.CHAT_COMPLETIONS)),
    ("POST", "completions", ApiCall(O.COMPLETIONS)),
    # The API of 2021.
    ("POST", "engines/davinci/completions", ApiCall(O.COMPLETIONS, "davinci")),
    ("POST", "engines/gpt-4/chat/completions", ApiCall(O.CHAT_COMPLETIONS, "gpt-4")),
    ("POST", "engines/ada/embeddings", ApiCall(O.EMBEDDINGS, "ada", listed=O.EMBEDDINGS)),
    ("POST", "engines/ada/search", ApiCall(O.OTHER, "ada")),
    ("GET", "engines", ApiCall(O.MODELS)),
    ("GET", "engines/davinci", ApiCall(O.MODELS, "davinci")),
    ("GET", "engines/davinci/completions", ApiCall(O.OTHER, "davinci")),
    # Models.
    ("GET", "models", ApiCall(O.MODELS)),
    ("HEAD", "models", ApiCall(O.MODELS)),
    ("GET", "models/gpt-4o", ApiCall(O.MODELS, "gpt-4o")),
    ("GET", "models/meta-llama/Llama-3-8b", ApiCall(O.MODELS, "meta-llama/Llama-3-8b")),
    ("GET", "models/meta-llama%2FLlama-3-8b", ApiCall(O.MODELS, "meta-llama/Llama-3-8b")),
    ("GET", "models/ft:gpt-4o:acme::1", ApiCall(O.MODELS, "ft:gpt-4o:acme::1")),
    ("DELETE", "models/ft:gpt-4o", ApiCall(O.FINE_TUNING, "ft:gpt-4o")),
    # Methods that mean something else.
    ("GET", "chat/completions", ApiCall(O.STORED_COMPLETIONS)),
    ("GET", "chat/completions/chatcmpl-1", ApiCall(O.STORED_COMPLETIONS)),
    ("POST", "chat/completions/chatcmpl-1", ApiCall(O.STORED_COMPLETIONS)),
    ("DELETE", "chat/completions/chatcmpl-1", ApiCall(O.STORED_COMPLETIONS)),
    ("GET", "chat/completions/chatcmpl-1/messages", ApiCall(O.STORED_COMPLETIONS)),
    ("PUT", "chat/completions", ApiCall(O.OTHER)),
    ("GET", "completions", ApiCall(O.OTHER)),
    ("DELETE", "completions", ApiCall(O.OTHER)),
    ("post", "completions", ApiCall(O.OTHER)),  # RFC 9110: methods are case-sensitive
    # What Vast does not serve.
    ("POST", "images/generations", ApiCall(O.IMAGES, listed=O.IMAGES_GENERATIONS)),
    ("POST", "images/edits", ApiCall(O.IMAGES, listed=O.IMAGES_EDITS)),
    ("POST", "audio/speech", ApiCall(O.AUDIO, listed=O.AUDIO_SPEECH)),
    ("POST", "audio/transcriptions", ApiCall(O.AUDIO, listed=O.AUDIO_TRANSCRIPTIONS)),
    ("POST", "embeddings", ApiCall(O.EMBEDDINGS, listed=O.EMBEDDINGS)),
    ("POST", "moderations", ApiCall(O.MODERATIONS)),
    ("POST", "responses", ApiCall(O.RESPONSES)),
    ("POST", "responses", ApiCall(O.RESPONSES)),
    ("GET", "responses/resp_1", ApiCall(O.RESPONSES, rest=("resp_1",))),
    ("POST", "files", ApiCall(O.FILES)),
    ("GET", "files/file-1/content", ApiCall(O.FILES)),
    ("GET", "realtime", ApiCall(O.REALTIME)),
    ("POST", "realtime/sessions", ApiCall(O.REALTIME)),
    ("POST", "fine_tuning/jobs", ApiCall(O.FINE_TUNING)),
    ("POST", "fine-tunes", ApiCall(O.FINE_TUNING)),
    ("POST", "edits", ApiCall(O.EDITS)),
    ("POST", "batches", ApiCall(O.BATCHES)),
    ("GET", "assistants", ApiCall(O.ASSISTANTS)),
    ("POST", "threads/runs", ApiCall(O.THREADS)),
    ("POST", "vector_stores", ApiCall(O.VECTOR_STORES)),
    ("POST", "uploads", ApiCall(O.UPLOADS)),
    ("POST", "videos", ApiCall(O.VIDEOS)),
    ("GET", "organization/costs", ApiCall(O.ORGANIZATION)),
    ("POST", "audio/translations", ApiCall(O.AUDIO, listed=O.AUDIO_TRANSLATIONS)),
    ("POST", "score", ApiCall(O.OTHER, listed=O.SCORE)),
    ("GET", "embeddings", ApiCall(O.EMBEDDINGS)),
    ("POST", "audio/voices", ApiCall(O.AUDIO)),
    ("POST", "images/variations", ApiCall(O.IMAGES)),
    ("POST", "embeddings/x", ApiCall(O.EMBEDDINGS)),
    ("POST", "audio%2Fspeech", ApiCall(O.OTHER)),  # one segment, not two
    ("POST", "rerank", ApiCall(O.RERANK, listed=O.RERANK)),
    ("POST", "traces/ingest", ApiCall(O.TRACES, rest=("ingest",))),
    ("GET", "traces", ApiCall(O.TRACES)),
    # What nobody knows.
    ("POST", "", ApiCall(O.OTHER)),
    ("POST", "chat", ApiCall(O.OTHER)),
    ("POST", "chat/completion", ApiCall(O.OTHER)),
    ("POST", "Chat/Completions", ApiCall(O.OTHER)),
    ("POST", "completions/x", ApiCall(O.OTHER)),
    ("POST", "chat%2Fcompletions", ApiCall(O.OTHER)),  # one segment, not two
    ("POST", "other", ApiCall(O.OTHER)),
    ("POST", "completions;v=1", ApiCall(O.OTHER)),
]


@pytest.mark.parametrize(
    ("method", "path", "call"), CALLS, ids=[f"{method}-{path}" for method, path, _ in CALLS]
)
def test_a_call_is_recognized(method: str, path: str, call: ApiCall) -> None:
    assert classify(method, normalize_path(path)) == call


SPELLINGS = {
    "plain": "/chat/completions",
    "without the first slash": "chat/completions",
    "trailing slash": "/chat/completions/",
    "double slashes": "//chat///completions//",
    "query": "/chat/completions?api-version=1&x=/../images",
    "fragment": "/chat/completions#/x",
    "empty query": "/chat/completions?",
    "single dots": "/./chat/./completions/.",
    "parent": "/images/../chat/completions",
    "parent above the root": "/../../chat/completions",
    "encoded letter": "/ch%61t/completions",
    "encoded, lower case hex": "/chat/completi%6fns",
    "encoded parent": "/images/%2e%2e/chat/completions",
    "encoded parent, mixed": "/images/.%2E/chat/completions",
    "encoded single dot": "/%2e/chat/completions",
    "parent at the end": "/chat/completions/x/..",
}


@pytest.mark.parametrize("path", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_spelling_does_not_matter(path: str) -> None:
    assert classify("POST", normalize_path(path)) == ApiCall(O.CHAT_COMPLETIONS)


def test_percent_encoding_is_undone_once() -> None:
    assert normalize_path("/chat/%252e%252e/completions") == ("chat", "%2e%2e", "completions")
    assert normalize_path("/a%2Fb/c%3Fd") == ("a/b", "c?d")
    assert normalize_path("/100%/%zz") == ("100%", "%zz")


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    raw = b"/v1/\xff/%fe/\xc3%A9".decode("utf-8", "surrogateescape")
    assert normalize_path(raw) == ("v1", "\ufffd", "\ufffd", "é")


def test_only_what_vast_serves_generates_and_everything_else_is_up_to_the_configuration() -> None:
    assert {*GENERATING, Operation.MODELS, *UNSERVED, *DROPPED, *LISTED} == set(Operation)
    assert set(UNSERVED).isdisjoint(GENERATING | DROPPED | {Operation.MODELS})


@given(st.text(), st.text())
def test_any_method_and_path_gives_a_call(method: str, path: str) -> None:
    assert isinstance(classify(method, normalize_path(path)), ApiCall)


@given(st.binary())
def test_any_bytes_that_mitmproxy_may_have_read_give_a_call(raw: bytes) -> None:
    path = raw.decode("utf-8", "surrogateescape")
    segments = normalize_path(path)
    assert isinstance(classify("POST", segments), ApiCall)
    "".join(segments).encode()  # JSON and flow files can hold them


@given(st.data())
def test_no_spelling_of_a_path_changes_the_decision(data: st.DataObject) -> None:
    method, path, call = data.draw(st.sampled_from(CALLS))
    spelled = "/".join(_spelled(data, segment) for segment in path.split("/"))
    spelled += data.draw(st.sampled_from(["", "/", "//", "/.", "/%2E", "/x/..", "?a=b", "/?a=/.."]))
    assert classify(method, normalize_path("/" + spelled)) == call


def _spelled(data: st.DataObject, segment: str) -> str:
    """The same segment: some characters percent-encoded, and with detours before it."""
    characters: list[str] = []
    rest: Any = segment
    while rest:
        taken = 3 if rest[0] == "%" else 1  # encoded already
        character, rest = rest[:taken], rest[taken:]
        if taken == 1 and data.draw(st.booleans()):
            character = data.draw(st.sampled_from(["%{:02x}", "%{:02X}"])).format(ord(character))
        characters.append(character)
    detours = st.sampled_from(["", "/", "./", "x/../", "//./", "%2e/", "x/%2e%2e/", "a/b/../.%2E/"])
    return data.draw(detours) + "".join(characters)


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions/"),
        ("/v1/%63hat/completions?a=%2e%2e//..", "/v1/%63hat/completions?a=%2e%2e//.."),
        ("/v1/.well-known/..x", "/v1/.well-known/..x"),
        ("*", "*"),
        ("/", "/"),
        ("v1/models", "/v1/models"),
        ("//v1/models", "/v1/models"),
        ("/v1/../admin/.", "/admin"),
        ("/v1/%2E%2e/%2e/a%20b%2fc?d", "/a%20b%2Fc?d"),
        ("/../../..", "/"),
        ("/v1/models#/../x", "/v1/models"),
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_written_in_one(path: str, clean: str) -> None:
    assert clean_path(path) == clean


@given(st.lists(st.sampled_from(["/", ".", "%2e", "..", "%2F", "a", "?", "#", "é", "%"])))
def test_a_clean_path_means_the_same_and_stays_as_it_is(pieces: list[str]) -> None:
    path = "/" + "".join(pieces)
    clean = clean_path(path)
    assert normalize_path(clean) == normalize_path(path)
    assert clean_path(clean) == clean
