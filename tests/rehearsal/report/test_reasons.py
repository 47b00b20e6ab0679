"""Why calls are not served, in a list that a person can read."""

from vast_intercept.rehearsal.comparison.totals import Totals
from vast_intercept.rehearsal.report.reasons import Reason, reasons


def test_reasons_are_in_the_order_of_their_answers() -> None:
    totals = Totals(
        not_served={("b", "x"): 2, ("a", ""): 1, ("b", "y"): 3, ("b", ""): 1, ("c", "z"): 1}
    )
    assert reasons(totals) == [
        Reason("b", 6, ("y", "x")), Reason("a", 1, ()), Reason("c", 1, ("z",))
    ]  # fmt: skip


def test_texts_that_quote_calls_do_not_make_the_list_long() -> None:
    totals = Totals(not_served={("code", f"no {number}"): 1 for number in range(10_000)})
    [reason] = reasons(totals)
    assert (reason.answers, len(reason.advice)) == (10_000, 5)


def test_reasons_that_a_server_makes_up_do_not_make_the_list_long() -> None:
    totals = Totals(not_served={(f"code {number}", ""): 1 for number in range(10_000)})
    found = reasons(totals)
    assert len(found) == 101
    assert found[-1] == Reason("others", 9_900, ())
