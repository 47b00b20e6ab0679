"""What a real vLLM has answered, compared with itself."""

import pytest

from vast_intercept.rehearsal.comparison.comparing import compare
from vast_intercept.rehearsal.comparison.measures import Measure
from vast_intercept.rehearsal.replies.reading import read_reply, read_wish

from ..recorded import NAMES, on_vast, recorded


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_does_not_differ_from_itself(name: str) -> None:
    call, answer = recorded(name)
    wish, reply = read_wish(call), read_reply(call, answer)
    if answer.status == 200 and not reply.error and reply.complete:
        (comparison,) = compare(wish, reply, [(on_vast(answer), reply)])
        assert comparison.severity == 0
        assert comparison.similarity in {1, None}
        assert not comparison.unmeasured
        for measure, check in comparison.checks.items():
            assert check.holds or check.provider_holds is False, (measure, check.why)
            assert measure is not Measure.SERVED or check.holds
