"""A key is not seen anywhere but where it is sent."""

import copy
import itertools
import pickle
import traceback
from itertools import count
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.secret import Secret, Secrets, is_sendable, mask, same_hash, sha256_of

KEY = "vast-0123456789abcdefghijklmnopqrstuvwxyz"
KEYS = st.text(ascii_letters + digits + "-_./+", min_size=20, max_size=60)


def test_only_reveal_gives_it_away() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{secret!a}", "%s" % secret]  # noqa: UP031
    shown += [repr([secret]), repr({"key": secret}), ascii(secret)]
    for text in shown:
        assert KEY[:-4] not in text
        assert "***wxyz" in text


def test_a_traceback_does_not_show_it() -> None:
    def send(key: Secret) -> None:
        raise ValueError(key)

    with pytest.raises(ValueError, match="wxyz") as caught:
        send(Secret(KEY))
    lines = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    text = "".join(line for line in lines if "KEY = " not in line)
    assert "key = Secret(" in text
    assert KEY not in text.split("key = Secret(")[1].splitlines()[0]


def test_it_cannot_be_written_to_a_file() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="Secret"):
            pickle.dumps(Secret(KEY), protocol)
    with pytest.raises(TypeError, match="Secret"):
        copy.deepcopy({"key": Secret(KEY)})


def test_it_has_no_attributes_to_print() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_it_is_equal_to_its_like_only() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert len({Secret(KEY), Secret(KEY)}) == 1
    assert Secret(KEY) != Secret(KEY + "x")
    assert Secret(KEY) != KEY


def test_it_is_taken_out_of_a_text() -> None:
    text = Secret(KEY).redact(f"Bearer {KEY}, again {KEY}{KEY}.")
    assert text == "Bearer ***wxyz, again ***wxyz***wxyz."
    assert Secret(KEY).redact("nothing") == "nothing"


@given(KEYS, st.text(), st.text())
def test_no_key_survives_redaction(key: str, before: str, after: str) -> None:
    assert key not in Secret(key).redact(before + key + after + key)


@pytest.mark.parametrize("at", [0, 1024 * 1024 - 20, 1024 * 1024, 2 * 1024 * 1024 + 5])
def test_it_is_found_in_many_bytes_piece_by_piece(at: int) -> None:
    data = bytearray(3 * 1024 * 1024)
    assert searched(data) == (3, data)
    data[at : at + len(KEY)] = KEY.encode()
    steps, found = searched(data)
    assert steps <= 3
    assert found == Secret(KEY).redact_bytes(data) != data


def searched(data: bytearray) -> tuple[int, bytearray]:
    """How many steps it took, and what came out."""
    secrets = Secrets()
    secrets.add(Secret(KEY))
    search = secrets.redact_in_steps(data)
    for step in count(1):
        try:
            next(search)
        except StopIteration as ended:
            return step, ended.value
    raise AssertionError


def test_a_key_that_answers_may_have_by_chance_is_not_looked_for() -> None:
    secrets = Secrets()
    secrets.add(Secret("1234"))
    answer = b'{"embedding": [0.12345]}'
    with pytest.raises(StopIteration) as ended:
        next(secrets.redact_in_steps(answer))
    assert ended.value.value == answer
    mask = secrets.in_stream()
    assert mask.feed(answer[:14]) + mask.feed(answer[14:]) + mask.end() == answer
    assert secrets.redact("the key 1234") == "the key ***"


def streamed(pieces: list[bytes], *keys: str) -> bytes:
    """What comes of the pieces of a stream."""
    secrets = Secrets()
    secrets.add(*map(Secret, keys))
    mask = secrets.in_stream()
    return b"".join(map(mask.feed, pieces)) + mask.end()


@pytest.mark.parametrize("at", range(len(KEY) + 1))
def test_a_key_is_found_in_a_stream_wherever_it_is_cut(at: int) -> None:
    key = KEY.encode()
    pieces = [b"v va vast-", b"data: " + key[:at], key[at:] + b" vast", b"-01"]
    assert streamed(pieces, KEY) == b"v va vast-data: " + b"*" * 37 + b"wxyz vast-01"


@given(KEYS, KEYS, st.data())
def test_no_key_survives_in_a_stream_and_all_else_does(
    one: str, other: str, data: st.DataObject
) -> None:
    """One that begins as the other does, too, and whatever begins as a key without being one."""
    longer = one + other
    parts = st.sampled_from([one, longer, other, one[:-1], other[:7], "x", "\n", "a text"])
    whole = "".join(data.draw(st.lists(parts))).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    edges = [0, *cuts, len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(edges)]
    shown = streamed(pieces, one, longer, other)
    assert len(shown) == len(whole)
    for key in (one, other):
        assert key.encode() not in shown
    assert all(was == now or now == ord("*") for was, now in zip(whole, shown, strict=True))
    if not any(key.encode() in whole for key in (one, other)):
        assert shown == whole


def test_events_do_not_wait_for_what_may_begin_a_key() -> None:
    secrets = Secrets()
    secrets.add(Secret(KEY))
    mask = secrets.in_stream()
    event = b"data: v\n\n"
    assert mask.feed(event) is event
    assert mask.feed(b"data: v") == b"data: "
    assert mask.feed(b"\n\n") == b"v\n\n"


@pytest.mark.parametrize(
    ("key", "masked"),
    [
        ("sk-proj-0123456789abcdef", "***cdef"),
        ("0123456789abcdef", "***cdef"),
        ("0123456789abcde", "***"),
        ("abcd", "***"),
        ("", "***"),
        ("***cdef", "***cdef"),
        ("***", "***"),
        ("***0123456789abcdef", "***cdef"),
    ],
)
def test_a_key_is_masked(key: str, masked: str) -> None:
    assert mask(key) == masked


@given(st.text())
def test_masked_twice_is_masked_once(key: str) -> None:
    assert mask(mask(key)) == mask(key)
    assert len(mask(key)) <= 7


def test_hashes_are_compared_whatever_their_case() -> None:
    # echo -n abc | sha256sum
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of("abc") == known
    assert same_hash(known.upper(), sha256_of("abc"))
    assert not same_hash(known, sha256_of("abd"))


def test_bytes_that_are_not_utf_8_have_a_hash_too() -> None:
    assert sha256_of("\udcff") == "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"


@pytest.mark.parametrize(
    ("key", "sendable"),
    [
        (KEY, True),
        ("a!~", True),
        ("", False),
        ("a b", False),
        ("a\n", False),
        ("\ta", False),
        ("a\r\nx: y", False),
        ("a\x7f", False),
        ("é", False),
        ("\udcff", False),
    ],
)
def test_a_key_can_be_sent_in_a_header(key: str, sendable: bool) -> None:
    assert is_sendable(key) == sendable
