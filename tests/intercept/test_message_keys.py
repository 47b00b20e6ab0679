"""No key of an app's stays in a request that others see."""

from string import ascii_letters, digits
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Request

from vast_intercept.intercept.message_keys import (
    api_key_of,
    keys_in,
    mask_answer_fields,
    mask_keys,
    mask_path,
    mask_unreadable,
)

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"
URL = "https://api.openai.com/v1/chat/completions"

HEADERS = {
    "OpenAI": ("authorization", "Bearer {}"),
    "any case": ("AUTHORIZATION", "bEaReR {}"),
    "two blanks": ("authorization", "Bearer   {} "),
    "a tab": ("authorization", "Bearer\t{}"),
    "without a scheme": ("authorization", "{}"),
    "a key and more": ("authorization", "{} x"),
    "another scheme": ("authorization", "Api-Key {}"),
    "basic": ("authorization", "Basic {}"),
    "Azure": ("api-key", "{}"),
    "Anthropic": ("x-api-key", "{}"),
    "Gemini": ("x-goog-api-key", "{}"),
    "Azure's gateway": ("ocp-apim-subscription-key", "{}"),
    "a proxy's": ("proxy-authorization", "Basic {}"),
    "a cookie": ("cookie", "session={}"),
    "the first of two cookies": ("cookie", "session={}; lang=en"),
    "the last of two cookies": ("cookie", "lang=en; session={}"),
    "misspelt": ("x-openai-acess-token", "{}"),
    "a bearer of another name": ("x-upstream", "Bearer {}"),
    "a subprotocol": ("sec-websocket-protocol", "realtime, openai-insecure-api-key.{}, v1"),
}
QUERIES = {
    "Gemini": "?key={}",
    "an encoded name": "?a=b&%6Bey={}",
    "capitals": "?Api-Key={}",
    "in the middle": "?a=b&key={}&c=d",
    "any case": "?API-KEY={}",
    "Azure": "?api-version=1&api-key={}",
    "underscore": "?api_key={}",
    "subscription": "?subscription-key={}#x",
    "OAuth": "?access_token={}",
    "twice": "?key={0}&api_key={0}",
    "token": "?token={}",
    "in one word": "?apikey={}",
    "after a semicolon": "?a=b;token={}",
}


def request(headers: list[tuple[str, str]] | None = None, query: str = "") -> Request:
    made = Request.make("POST", URL, b"")
    for name, value in headers or []:
        made.headers.add(name, value)
    made.path += query
    return made


def state(one: Request) -> dict[str, Any]:
    """All that mitmweb shows and files keep, as something to compare."""
    found: dict[str, Any] = one.get_state()
    return found


@pytest.mark.parametrize(("name", "value"), HEADERS.values(), ids=HEADERS.keys())
def test_a_key_in_a_header_is_masked(name: str, value: str) -> None:
    masked = request([("x-other", "stays"), (name, value.format(KEY)), ("accept", "*/*")])
    mask_keys(masked)
    assert KEY[:-4] not in repr(state(masked))
    assert "***" in masked.headers[name]
    assert (masked.headers["x-other"], masked.headers["accept"]) == ("stays", "*/*")


@pytest.mark.parametrize("before", ["", "app/1 ", "app/1", "_", "-", "'"])
def test_a_key_in_any_header_is_masked_if_it_looks_like_one(before: str) -> None:
    masked = request([("user-agent", f"{before}{KEY}")])
    mask_keys(masked)
    assert masked.headers["user-agent"] == f"{before}***{KEY[-4:]}"


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_a_key_in_the_query_is_masked(query: str) -> None:
    masked = request(query=query.format(KEY))
    mask_keys(masked)
    assert KEY[:-4] not in repr(state(masked))
    assert KEY[:-4] not in mask_path(f"/x{query.format(KEY)}")
    assert masked.path.startswith("/v1/chat/completions?")


def test_what_is_not_a_key_stays() -> None:
    path = "/v1/models?a=b&keys=1&monkey=2&xkey=3&model=key=4#key=5"
    untouched = request(query="")
    untouched.path = path
    before = state(untouched)
    mask_keys(untouched)
    assert state(untouched) == before
    assert mask_path(path) == path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("idempotency-key", "5f9c1d"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("x-stainless-retry-count", "0"),
        ("transfer-encoding", "gzip, chunked"),
        ("user-agent", "task-runner-0123456789abcdefghij"),
    ],
)
def test_other_headers_stay(name: str, value: str) -> None:
    made = request([(name, value)])
    mask_keys(made)
    assert made.headers[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Authorization ", b"Bearer " + KEY.encode()),
        (b"Authorization Bearer", KEY.encode()),
        (b"x-other", b"a\rAuthorization: Bearer " + KEY.encode()),
        (b"content-length", KEY.encode()),
        (b"transfer-encoding", KEY.encode()),
        (b"x-other", KEY.encode()),
        (KEY.encode(), b"x"),
    ],
)
def test_a_key_is_masked_in_what_is_no_valid_header(name: bytes, value: bytes) -> None:
    made = request()
    made.headers.fields = ((name, value),)
    mask_keys(made)
    assert KEY[:-4] not in repr(state(made))


def test_what_cannot_be_read_shows_next_to_nothing() -> None:
    made = request([("authorization", "x"), ("x-other", "a secret"), ("user-agent", "app/1")])
    mask_unreadable(made)
    assert dict(made.headers.items()) == {
        "authorization": "***",
        "x-other": "***",
        "user-agent": "app/1",
        "content-length": "***",
    }


def test_cookies_of_an_answer_are_masked_and_its_limits_stay() -> None:
    fields = ((b"Set-Cookie", f"s={KEY}".encode()), (b"x-ratelimit-limit-tokens", b"1000"))
    assert mask_answer_fields(fields) == ((b"Set-Cookie", b"***wxyz"), fields[1])


def test_a_masked_key_can_still_be_told_from_another() -> None:
    masked = request([("Authorization", f"Bearer {KEY}")], f"?key={KEY}&a=b")
    mask_keys(masked)
    assert masked.headers["authorization"] == "Bearer ***wxyz"
    assert masked.query["key"] == "***wxyz"
    assert masked.query["a"] == "b"


def test_every_line_of_a_header_is_masked() -> None:
    masked = request([("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer x{KEY}")])
    mask_keys(masked)
    assert masked.headers.get_all("authorization") == ["Bearer ***wxyz", "Bearer ***wxyz"]


def test_the_names_of_the_headers_stay_as_they_were() -> None:
    made = request([(name, value.format(KEY)) for name, value in HEADERS.values()])
    names = sorted(name.lower() for name in made.headers)
    mask_keys(made)
    assert sorted(name.lower() for name in made.headers) == names


def test_a_request_without_a_key_is_not_touched() -> None:
    made = request([("content-type", "application/json")], "?a=b")
    before = state(made)
    mask_keys(made)
    assert state(made) == before


@pytest.mark.parametrize("raw", [b"?key=\xff", b"?key=0123456789abcdefghij\xff\xfe", b"?key=%ff%"])
def test_a_key_of_any_bytes_is_masked(raw: bytes) -> None:
    made = request()
    made.data.path += raw
    mask_keys(made)
    assert b"0123456789" not in made.data.path
    once = made.data.path
    mask_keys(made)
    assert made.data.path == once


KEYS = st.text(ascii_letters + digits + "-_.", min_size=20, max_size=80)
PLACES = st.sampled_from([*HEADERS.values(), *(("?", query) for query in QUERIES.values())])


@given(KEYS, st.lists(PLACES, min_size=1, max_size=4), st.booleans())
def test_no_key_survives_anywhere(key: str, places: list[tuple[str, str]], encoded: bool) -> None:
    masked = request()
    for name, form in places:
        if name == "?":
            masked.path = masked.path.partition("?")[0]
            masked.path += form.format(quote(key, safe="") if encoded else key)
        else:
            masked.headers.add(name, form.format(key))
    mask_keys(masked)
    once = state(masked)
    assert key[:-4] not in repr(once)
    mask_keys(masked)
    assert state(masked) == once


@given(st.binary(), st.lists(st.tuples(st.sampled_from(["authorization", "cookie"]), st.binary())))
def test_any_request_can_be_masked(query: bytes, headers: list[tuple[str, bytes]]) -> None:
    made = request()
    made.data.path = b"/v1/models?key=" + query
    for name, value in headers:
        made.headers.add(name, value)
    mask_keys(made)
    api_key_of(made.headers.fields, made.path)
    once = state(made)
    mask_keys(made)
    assert state(made) == once


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ([("Authorization", f"Bearer {KEY}")], "", KEY),
        ([("authorization", f"bearer   {KEY} ")], "", KEY),
        ([("authorization", KEY)], "", KEY),
        ([("api-key", KEY)], "", KEY),
        ([("x-api-key", KEY), ("cookie", "a=b")], "", KEY),
        ([("x-goog-api-key", KEY)], "", KEY),
        ([("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{KEY}")], "", KEY),
        ([("sec-websocket-protocol", "realtime")], "", None),
        ([], f"?a=b&key={KEY}", KEY),
        ([], "?api-key=a%2Fb%3D", "a/b="),
        ([("authorization", f"Bearer {KEY}")], "?key=another", KEY),
        ([("authorization", "")], f"?key={KEY}", KEY),
        ([("cookie", KEY), ("proxy-authorization", f"Basic {KEY}")], "?a=b", None),
        ([], "", None),
    ],
)
def test_the_app_s_key_is_found(
    headers: list[tuple[str, str]], query: str, key: str | None
) -> None:
    made = request(headers, query)
    assert api_key_of(made.headers.fields, made.path) == key


def test_all_keys_are_known_that_may_be_repeated() -> None:
    made = request(
        [("Authorization", f"Bearer {KEY}"), ("x-api-key", "of-a-proxy-1")], "?key=a%2Fbcdefgh"
    )
    found = {key.reveal() for key in keys_in(made.headers.fields, made.path)}
    assert found == {KEY, "of-a-proxy-1", "a%2Fbcdefgh", "a/bcdefgh"}
    assert keys_in(((b"authorization", b"test"),), "/") == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"application/json;\r\n charset=utf-8", b"application/json;\r\n charset=utf-8"),
        (b"application/json\rAuthorization: Bearer opaque-0123", b"***"),
        (b"a\nX-Api-Key: opaque-0123", b"***"),
        (b"a\r\n Authorization Bearer opaque-0123", b"***"),
        (b"a\r\n Bearer opaque-0123", b"***"),
    ],
    ids=["folded", "with another line", "with a line feed", "without a colon", "without a name"],
)
def test_a_header_with_another_in_it_is_masked(value: bytes, shown: bytes) -> None:
    request = Request.make("POST", URL, headers=[(b"content-type", value)])
    mask_keys(request)
    assert dict(request.headers.fields)[b"content-type"] == shown
