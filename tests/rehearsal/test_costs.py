"""What calls cost at their provider and on Vast, with every assumption beside it."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.calls import RecordedCall
from vast_intercept.rehearsal.costs import (
    ProviderCost,
    WorkerPrice,
    estimate,
    vast_cost,
)
from vast_intercept.rehearsal.prices import read_prices
from vast_intercept.rehearsal.replies.reply import Reply, ReplyError, Wish

CALL = RecordedCall(place="flow 1", method="POST", url="https://api.openai.com/v1/chat/completions")
WISH = Wish(operation=None, model="gpt-4o")


def cost(*replies: Reply | None, wish: Wish = WISH, call: RecordedCall = CALL):
    counted = ProviderCost(read_prices())
    for reply in replies:
        counted.add(call, wish, reply)
    return counted.money()


def used(prompt=1_000, completion=100, **fields) -> Reply:
    return Reply(prompt_tokens=prompt, completion_tokens=completion, **fields)


def test_tokens_times_prices_is_what_a_call_costs():
    assert cost(used(1_000_000, 0)).dollars == pytest.approx(2.5)
    assert cost(used(0, 1_000_000)).dollars == pytest.approx(10)
    assert cost(used(1_000_000, 0, cached_tokens=400_000)).dollars == pytest.approx(
        0.6 * 2.5 + 0.4 * 1.25
    )
    # The model that answered has the price, if it has one.
    assert cost(used(1_000_000, 0, model="gpt-4o-2024-05-13")).dollars == pytest.approx(5)
    assert cost(used(1_000_000, 0, model="unheard-of")).dollars == pytest.approx(2.5)


def test_what_is_written_to_a_cache_costs_what_the_provider_says():
    money = cost(
        used(1_000_000, 0, cached_tokens=500_000, cache_write_tokens=300_000),
        wish=Wish(operation=None, model="claude-opus-4-5-20251101"),
        call=RecordedCall(place="1", method="POST", url="https://api.anthropic.com/v1/messages"),
    )
    assert money.dollars == pytest.approx(0.2 * 5 + 0.5 * 0.5 + 0.3 * 6.25)


def test_embeddings_have_no_output_to_pay_for():
    wish = Wish(operation=None, model="text-embedding-3-small")
    assert cost(used(1_000_000, None), wish=wish).dollars == pytest.approx(0.02)
    assert cost(used(1_000_000, 0), wish=wish).dollars == pytest.approx(0.02)
    assert cost(used(1_000_000, 5), wish=wish).dollars is None


def test_every_assumption_is_said():
    said = "\n".join(cost(used(2_000, 300, cached_tokens=500), used()).assumptions)
    assert "2 calls of gpt-4o at openai" in said
    assert "2,500 input tokens at $2.50, " in said
    assert "500 cached input tokens at $1.25, " in said
    assert "400 output tokens at $10.00 a million." in said
    assert "Prices of the table of 2026-08-21 (the providers' pages https://" in said
    assert "nothing is taken as read from it" in said
    assert "list prices" in said
    assert "That is $0.00544 a call." in said
    assert "not in the figure" not in said


def test_other_prices_are_asked_for_only_where_they_would_help():
    asks = "--prices names a file"
    assert asks not in " ".join(cost(None, Reply(text="no usage")).assumptions)
    for model in ("unheard-of", "text-embedding-3-small"):
        money = cost(None, used(), wish=Wish(operation=None, model=model))
        assert asks in " ".join(money.assumptions)


@pytest.mark.parametrize(
    ("reply", "model", "said"),
    [
        (None, "gpt-4o", "1: no recorded answer."),
        (Reply(), "gpt-4o", "1: gpt-4o, where the answer does not say how many tokens it took"),
        (
            used(5, None),
            "gpt-4o",
            "1: gpt-4o, where the answer does not say how many tokens it has.",
        ),
        (used(), "their-own", "1: their-own, whose price at openai is not known."),
        (used(), None, "1: a model that is not named, whose price at openai is not known."),
        (used(272_001), "gpt-5.4", "the price holds for prompts of up to 272,000 tokens only."),
    ],
)
def test_what_is_not_known_is_named_and_not_invented(reply, model, said):
    wish = Wish(operation=None, model=model)
    alone = cost(reply, wish=wish)
    assert alone.dollars is None
    assert any(said in sentence for sentence in alone.assumptions)
    assert alone.assumptions[0] == "1 of 1 calls are not in the figure:"
    counted = ProviderCost(read_prices())
    counted.add(CALL, wish, reply)
    counted.add(CALL, WISH, used(1_000_000, 0))
    assert counted.money().dollars == pytest.approx(2.5)
    assert counted.money().assumptions[0] == "1 of 2 calls are not in the figure:"


def test_a_recorded_error_is_taken_as_free_and_that_is_said():
    failed = Reply(error=ReplyError(status=429, code=None, message="slow down"))
    money = cost(failed, used(1_000_000, 0))
    assert money.dollars == pytest.approx(2.5)
    assert "1 call got an error from the provider: taken as free of charge." in money.assumptions
    assert cost(failed).dollars == 0


def test_very_many_models_are_not_all_listed():
    counted = ProviderCost(read_prices())
    for number in range(1_000):
        counted.add(CALL, Wish(operation=None, model=f"{number:04}" + "x" * 200), used())
    said = counted.money().assumptions
    assert len(said) < 20
    assert "And 988 more like these." in said
    assert max(map(len, said)) < 300


def test_no_call_at_all_has_no_cost_that_is_known():
    assert cost().dollars is None
    assert cost().assumptions == ()


REPLIES = st.builds(
    Reply,
    prompt_tokens=st.none() | st.integers(0, 10**9),
    completion_tokens=st.none() | st.integers(0, 10**9),
    cached_tokens=st.none() | st.integers(0, 10**9),
    cache_write_tokens=st.none() | st.integers(0, 10**9),
    model=st.sampled_from([None, "gpt-4o", "gpt-4o-mini", "gpt-5.6-luna", "o3", "unknown"]),
)


@given(st.lists(st.none() | REPLIES, max_size=12), st.randoms())
def test_the_order_of_calls_does_not_matter(replies: list, order: random.Random):
    shuffled = list(replies)
    order.shuffle(shuffled)
    assert cost(*shuffled) == cost(*replies)


@given(st.lists(REPLIES, max_size=8), st.lists(REPLIES, max_size=8))
def test_costs_add_up(some: list, others: list):
    parts = [cost(*some).dollars or 0.0, cost(*others).dollars or 0.0]
    whole = cost(*some, *others).dollars or 0.0
    assert math.isclose(whole, sum(parts), rel_tol=1e-9, abs_tol=1e-12)
    assert whole >= 0


KNOWN = WorkerPrice(per_hour=3.6, why="2 workers cost $3.60 an hour.")
UNKNOWN = WorkerPrice(per_hour=None, why="Vast does not show what the workers cost.")


def on_vast(**changed):
    given = {"busy": 100.0, "concurrency": 4, "runs": 1, "calls": 50, "served": 50, "made": 50}
    return vast_cost(**(given | {"prices": [KNOWN]} | changed))


def test_vast_costs_the_workers_price_for_the_time_that_calls_ran():
    money = on_vast()
    assert money.dollars == pytest.approx(0.1)
    assert money.assumptions[0] == "2 workers cost $3.60 an hour."
    assert "Calls ran for 1 min 40 s, at most 4 at a time" in money.assumptions[1]
    assert money.assumptions[-1] == "That is $0.002 for each call that is served."


def test_several_runs_are_the_cost_of_one():
    money = on_vast(runs=2, calls=100, served=80, made=100, busy=200.0)
    assert money.dollars == pytest.approx(0.1)
    assert (
        "20 of 100 calls were not served: what they would cost is not in it." in money.assumptions
    )
    assert money.assumptions[-1] == "That is $0.0025 for each call that is served."


def test_calls_that_were_made_and_are_not_in_the_report_have_their_share_of_the_time():
    money = on_vast(made=200)
    assert money.dollars == pytest.approx(0.1 / 4)
    assert any(
        "200 calls were made in that time; the figure is the share of the 50" in said
        for said in money.assumptions
    )


def test_several_endpoints_cost_together_and_one_unknown_price_makes_the_cost_unknown():
    assert on_vast(prices=[KNOWN, KNOWN]).dollars == pytest.approx(0.2)
    money = on_vast(prices=[KNOWN, UNKNOWN])
    assert money.dollars is None
    assert UNKNOWN.why in money.assumptions
    assert "--per-hour" in money.assumptions[-1]


def test_calls_that_went_to_no_endpoint_have_cost_nothing():
    assert on_vast(prices=[], served=0).dollars == 0
    assert on_vast(prices=[], served=0).assumptions == ("No call went to an endpoint.",)


def test_no_calls_cost_nothing_and_served_none_has_no_cost_for_each():
    assert on_vast(calls=0, served=0, busy=0.0).dollars == 0
    assert "for each call" not in "".join(on_vast(served=0).assumptions)


def test_an_estimate_never_guesses_a_price():
    assert estimate(3_600, [KNOWN]).dollars == pytest.approx(3.6)
    assert estimate(3_600, [UNKNOWN]).dollars is None
    assert estimate(3_600, []).dollars is None
    assert estimate(None, [KNOWN]).dollars is None
