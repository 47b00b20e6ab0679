"""How tests read a call, send it, and have its answer made."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from vast_intercept.listed_operations.listed_call import ListedAnswer, ListedCall, WholeCall
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.outline import Buffer, Outline
from vast_intercept.openai_api.requests import outline_of

from ..openai_api.test_outline import in_steps

BOTH_WAYS = [False, True]
#: Longer than what a step takes, in computing time, even on a busy machine.
LONGEST_STEP = 0.05  # seconds


def read[T](reader: Callable[[Buffer, Outline | None], T], body: Any, *, outlined: bool) -> T:
    """Reads a body, or fields of one; `outlined` as if it was large."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return reader(body, in_steps(outline_of(body))[0] if outlined else None)


def sent(call: ListedCall) -> bytes:
    return b"".join(in_steps(call.for_worker())[0])


def answer(call: WholeCall, body: Any) -> ListedAnswer:
    if not isinstance(body, bytes | bytearray):
        body = json.dumps(body).encode()
    return in_steps(call.answer(body))[0]


def refusal(reader: Callable[[Buffer, Outline | None], Any], body: Any) -> tuple[str, str | None]:
    """Code and `param` of the error, which is the same for a large body."""
    found = set()
    for outlined in BOTH_WAYS:
        with pytest.raises(ApiError) as caught:
            read(reader, body, outlined=outlined)
        found.add((caught.value.status, caught.value.code, caught.value.param))
    ((status, code, param),) = found
    assert status == 400
    return code, param
