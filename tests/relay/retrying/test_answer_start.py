"""How an answer begins, however it is cut into pieces."""

import pytest

from tests.fixtures.prepared import attempted
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.relay.failures import AttemptFailed
from vast_intercept.relay.retrying.answer_start import wait_for_first_bytes

from ..played import PlayedAnswer

ANSWER = b'{"id":"chatcmpl-1","choices":[{"index":0,"message":{"content":"hello"}}],"error":null}'


def coming(body: bytes, piece: int) -> PlayedAnswer:
    """An answer that comes in pieces of so many bytes."""
    return PlayedAnswer(
        pieces=[body[start : start + piece] for start in range(0, len(body), piece)]
    )


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
        await wait_for_first_bytes(coming(body, piece), attempted(), stream=False)


@pytest.mark.parametrize("piece", [1, 7, 64, 1_000_000])
@pytest.mark.parametrize("body", [ANSWER, b'{"error":null,"choices":[]}', b"{}", b""])
async def test_any_other_answer_has_begun(body: bytes, piece: int) -> None:
    started = await wait_for_first_bytes(coming(body, piece), attempted(), stream=False)
    assert body.startswith(started.first)
    assert len(started.first) >= min(64, len(body))
