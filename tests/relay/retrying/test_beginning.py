"""How an answer begins, however it is cut into pieces."""

from types import SimpleNamespace
from typing import Any

import pytest

from vast_intercept.openai_api.errors import ApiError, error_of_event, from_upstream
from vast_intercept.relay.retrying.beginning import _whole
from vast_intercept.relay.retrying.retry import AttemptFailed

ANSWER = b'{"id":"chatcmpl-1","choices":[{"index":0,"message":{"content":"hello"}}],"error":null}'


def coming(body: bytes, piece: int) -> Any:
    """An answer that comes in pieces of so many bytes."""
    pieces = (body[start : start + piece] for start in range(0, len(body), piece))

    async def readany() -> bytes:
        return next(pieces, b"")

    return SimpleNamespace(content=SimpleNamespace(readany=readany))


def explain(body: bytes) -> ApiError:
    return from_upstream(*error_of_event(body), endpoint="e")


@pytest.mark.parametrize("piece", [1, 7, 64, 1_000_000])
@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b'{"error":{"message":"died","code":503}}', AttemptFailed),
        (b' \n{ "error" : {"message":"died","code":"500"}}', AttemptFailed),
        (b'{"error":"died"}', AttemptFailed),
        (b'{"error":{"message":"%b","code":400}}' % (b"x" * 10_000), ApiError),
    ],
)
async def test_a_success_that_is_only_an_error_fails(
    body: bytes, failure: type[Exception], piece: int
) -> None:
    with pytest.raises(failure):
        await _whole(coming(body, piece), explain)


@pytest.mark.parametrize("piece", [1, 7, 64, 1_000_000])
@pytest.mark.parametrize("body", [ANSWER, b'{"error":null,"choices":[]}', b"{}", b""])
async def test_any_other_answer_has_begun(body: bytes, piece: int) -> None:
    begun = await _whole(coming(body, piece), explain)
    assert body.startswith(begun.first)
    assert len(begun.first) >= min(64, len(body))
