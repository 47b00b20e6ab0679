"""The configuration that recorded calls are made by, and those to a judge."""

from urllib.parse import quote

import pytest

from vast_intercept.config import Config, built_in_providers
from vast_intercept.intercept.settings import for_rehearsal
from vast_intercept.intercept.verdict import Asked, Origin, Policy, judge
from vast_intercept.openai_api.operations import Operation
from vast_intercept.relay.work import Refuse, ToVast


def judged(config: Config, endpoint: str = "judge") -> object:
    provider = built_in_providers()["vast"]
    asked = Asked(
        origin=Origin.REPLAYED,
        method="POST",
        place=("https", "openai.vast.ai", 443, f"/{endpoint}/v1/chat/completions"),
        provider=provider if provider in config.providers else None,
    )
    return judge(asked, Policy(config=config, rehearsing=True))


def test_calls_to_the_judge_are_taken_over_and_no_others() -> None:
    config = Config(endpoint="mine", providers=(built_in_providers()["openai"],))
    assert isinstance(judged(for_rehearsal(config)), Refuse)
    with_judge = for_rehearsal(config, "judge")
    assert judged(with_judge) == ToVast(Operation.CHAT_COMPLETIONS, None, "judge")
    assert isinstance(judged(with_judge, "another"), Refuse)
    assert with_judge.endpoint == "mine"
    assert for_rehearsal(with_judge, "judge").providers == with_judge.providers


@pytest.mark.parametrize("endpoint", ["my judge", "jüdge"])
def test_a_judge_of_any_name_is_found_by_its_path(endpoint: str) -> None:
    found = judged(for_rehearsal(Config(), endpoint), quote(endpoint))
    assert found == ToVast(Operation.CHAT_COMPLETIONS, None, endpoint)
