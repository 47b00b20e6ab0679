"""Gates decide the exit code of a rehearsal."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.comparison.measures import Measure
from vast_intercept.rehearsal.comparison.totals import Count, Totals
from vast_intercept.rehearsal.gates import GateError, fallen, read_gates, without_case


def totals(**counts: tuple[int, int]) -> Totals:
    return Totals(
        measures={
            Measure(name): Count(holds=holds, cases=cases)
            for name, (holds, cases) in counts.items()
        }
    )


@pytest.mark.parametrize(
    ("gates", "counts", "falls"),
    [
        ("served=0.99", {"served": (99, 100)}, False),
        ("served=0.99", {"served": (989, 1000)}, True),
        ("served=0.99", {"served": (990, 1000)}, False),
        ("served=.7", {"served": (7, 10)}, False),
        ("json=1", {"json": (10_000, 10_000)}, False),
        ("json=1.0", {"json": (9_999, 10_000)}, True),
        ("json=0", {"json": (0, 10)}, False),
        ("json=1", {"json": (0, 0)}, False),
        ("json=1", {"tools": (0, 3)}, False),
        (" json = 1 , tools=0.5", {"json": (3, 3), "tools": (1, 3)}, True),
    ],
)
def test_a_gate_falls_below_its_share_and_only_then(gates, counts, falls):
    assert bool(fallen(read_gates(gates), totals(**counts))) is falls


@given(st.integers(1, 10_000), st.data())
def test_a_share_of_exactly_so_many_cases_never_falls_and_one_case_less_does(cases, data):
    holds = data.draw(st.integers(1, cases))
    digits = f"{holds / cases:.12f}"
    exact = float(digits) * cases
    if round(exact) != holds or (holds * 10**12) % cases:
        return  # no decimal fraction of 12 digits
    gates = read_gates(f"served={digits}")
    assert not fallen(gates, totals(served=(holds, cases)))
    assert fallen(gates, totals(served=(holds - 1, cases)))


def test_a_fallen_gate_is_told_with_its_numbers():
    told = fallen(read_gates("served=0.99,json=1"), totals(served=(970, 1000), json=(5, 5)))
    assert told == ["served: 970 of 1,000 hold; 0.99 is asked for, which is 990."]


def test_a_gate_whose_measure_had_no_case_does_not_fall_and_is_said():
    gates, counted = read_gates("json=1,schema=1"), totals(json=(2, 2))
    assert not fallen(gates, counted)
    assert without_case(gates, counted) == [
        "schema: no call has anything to say of it, so its gate was not tested."
    ]


@pytest.mark.parametrize(
    "text",
    ["", ",", "served", "served=", "=1", "served=0.99,", "sevred=1", "served=1.1", "served=-1",
     "served=nan", "served=99%", "served=1e0", "served=1,served=1", "served=0_9", "served=\u0660",
     "served==1", "SERVED=1"],
)  # fmt: skip
def test_gates_that_cannot_be_read_are_an_error_that_lists_the_measures(text):
    with pytest.raises(GateError) as raised:
        read_gates(text)
    for measure in Measure:
        assert measure in str(raised.value)


@given(st.text(max_size=30))
def test_any_other_text_is_an_error_or_gates(text):
    with suppress(GateError):
        assert read_gates(text).shares
