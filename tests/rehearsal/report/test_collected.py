"""Entries are counted, kept in a file, and given back the worst first."""

import json
import tracemalloc
from pathlib import Path

from vast_intercept.rehearsal.comparison.measures import Measure
from vast_intercept.rehearsal.report import shown
from vast_intercept.rehearsal.report.collected import Collected
from vast_intercept.rehearsal.report.page import write_page

from . import made


def test_gives_back_the_worst_first() -> None:
    entries = made.of_all_kinds()
    with made.collected(entries) as collected:
        places = [json.loads(each.line)["place"] for each in collected.worst_first()]
    assert places == [f"flow {number}" for number in (4, 5, 3, 6, 2, 1, 7)]


def test_keeps_all_parts_of_an_entry_as_they_are() -> None:
    entry = made.hostile()
    with made.collected([entry]) as collected:
        [kept] = collected.worst_first()
    assert json.loads(kept.line) == shown.line_of(entry)
    assert json.loads(kept.numbers) == shown.numbers_of(entry)
    assert json.loads(kept.texts) == shown.texts_of(entry)
    assert all(part.isascii() for part in kept)


def test_counts_what_it_is_given() -> None:
    with made.collected(made.of_all_kinds()) as collected:
        assert len(collected) == 7
        assert collected.differing == 5
        served = collected.totals.measures[Measure.SERVED]
        assert (served.holds, served.cases) == (11, 14)
        assert collected.totals.by_chance == 2
        assert (collected.speed.waited, collected.speed.longest_wait) == (1, 34.2)


def test_more_can_be_added_after_it_was_read() -> None:
    first, second, *_ = made.of_all_kinds()
    with made.collected([first]) as collected:
        assert len(list(collected.worst_first())) == 1
        collected.add(second)
        places = [json.loads(each.line)["place"] for each in collected.worst_first()]
        assert places == ["flow 2", "flow 1"]


def test_nothing_is_nothing() -> None:
    with Collected() as collected:
        assert list(collected.worst_first()) == []
        assert collected.differing == 0


def test_memory_does_not_grow_with_texts(tmp_path: Path) -> None:
    text = " ".join(str(number) * 25 for number in range(280))
    entries = (
        made.entry(each, text, made.reply(text), made.run(made.ours(text), made.compared()))
        for each in range(50)
    )
    tracemalloc.start()
    try:
        with made.collected(entries) as collected:
            write_page(made.rehearsal(collected), collected, tmp_path / "report.html")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All of the texts that are shown would be 5 MB.
    assert most < 2_000_000
