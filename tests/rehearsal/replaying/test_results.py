"""What came of calls, kept in a file: exactly as it was, for its owner, and for one at a time."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.rehearsal.calls import Answer, RecordedCall, RehearsedCall
from vast_intercept.rehearsal.replaying.results import (
    CallKey,
    Results,
    ResultsError,
    UnusableResultsError,
    keyed,
    remove_unusable,
)
from vast_intercept.telemetry.report import CallReport, Ending

KEY = CallKey("d1", 0, 0)


def rehearsed(body: bytes = b"{}", *, status: int = 200) -> RehearsedCall:
    report = CallReport(request_id="r", time=1.5, outcome=Ending.OK, retried=("a", "b"))
    answer = Answer(status=status, content_type="application/json", body=body, duration=0.25)
    return RehearsedCall(answer=answer, report=report)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.flows.rehearsal"


@given(
    st.builds(
        Answer,
        status=st.integers(100, 599),
        content_type=st.text(st.characters(codec="utf-8")),
        body=st.binary(),
        whole=st.booleans(),
        time_to_first_token=st.none() | st.floats(0, 1e6),
        duration=st.none() | st.floats(0, 1e6),
    )
    | st.none()
)
def test_what_was_kept_is_what_is_got(
    tmp_path_factory: pytest.TempPathFactory, answer: Answer | None
) -> None:
    call = RehearsedCall(answer=answer, report=rehearsed().report)
    with Results(tmp_path_factory.mktemp("kept") / "results", "s") as results:
        results.keep(KEY, call)
        assert results.get(KEY) == call


def test_results_outlive_their_process(path: Path) -> None:
    """It ends like one that is killed: nothing is closed."""
    source = (
        "import os, sys; from pathlib import Path\n"
        "from tests.rehearsal.replaying.test_results import KEY, rehearsed\n"
        "from vast_intercept.rehearsal.replaying.results import Results\n"
        "results = Results(Path(sys.argv[1]), 's'); results.begin(4)\n"
        "results.keep(KEY, rehearsed(b'kept')); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", source, str(path)], check=False)
    assert done.returncode == 9
    with Results(path, "s") as results:
        kept = results.get(KEY)
        assert kept == rehearsed(b"kept")
        assert 0 < results.began <= results.ended
        assert results.busy_seconds == results.ended - results.began


def test_each_of_digest_occurrence_run_and_settings_tells_results_apart(path: Path) -> None:
    others = [CallKey("d2", 0, 0), CallKey("d1", 1, 0), CallKey("d1", 0, 1)]
    with Results(path, "s") as results:
        results.keep(KEY, rehearsed())
        assert [results.has(each) for each in (KEY, *others)] == [True, False, False, False]
        assert len(results) == 1
    with Results(path, "other settings") as results:
        assert not results.has(KEY)
        assert results.get(KEY) is None
        assert len(results) == 0
        assert (results.began, results.ended, results.busy_seconds) == (0, 0, 0)


def test_a_result_replaces_the_one_before(path: Path) -> None:
    with Results(path, "s") as results:
        results.keep(KEY, rehearsed(b"first"))
        results.keep(KEY, rehearsed(b"second"))
        assert results.get(KEY) == rehearsed(b"second")
        assert len(results) == 1


def test_pauses_between_two_rehearsals_are_not_busy(path: Path) -> None:
    with Results(path, "s") as results:
        for run in range(2):
            results.begin(4)
            results.keep(KEY._replace(run=run), rehearsed())
        with results._database:
            results._database.execute("update spans set began = 10, ended = 12 where id = 1")
            results._database.execute("update spans set began = 100, ended = 103 where id = 2")
        assert (results.began, results.ended, results.busy_seconds) == (10, 103, 5)


def test_all_are_forgotten(path: Path) -> None:
    for settings in ("s", "t"):
        with Results(path, settings) as results:
            results.begin(4)
            results.keep(KEY, rehearsed(b"a secret of the app"))
    with Results(path, "s") as results:
        results.forget()
    assert b"a secret" not in path.read_bytes()
    with Results(path, "t") as results:
        assert not results.has(KEY)
        assert results.began == 0


def test_only_its_owner_can_read_the_file_and_what_belongs_to_it(path: Path) -> None:
    before = os.umask(0)
    try:
        with Results(path, "s") as results:
            results.keep(KEY, rehearsed())
            modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes[path.name] == 0o600
    assert set(modes.values()) == {0o600}
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # closed, it is all
    path.chmod(0o644)
    Results(path, "s").close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_two_at_once_are_one_too_many(path: Path) -> None:
    with Results(path, "s") as results:
        results.keep(KEY, rehearsed())
        for refused in (lambda: Results(path, "s"), lambda: remove_unusable(path)):
            with pytest.raises(ResultsError, match="another rehearsal of this recording runs"):
                refused()
    with Results(path, "s") as results:
        assert results.has(KEY)


@pytest.mark.parametrize("content", [b"no database" * 500, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_broken_file_is_told_of_and_replaced_where_that_is_asked_for(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(UnusableResultsError, match=r"is broken: .* With --fresh"):
        Results(path, "s")
    remove_unusable(path)
    with Results(path, "s") as results:
        assert len(results) == 0


def test_another_versions_file_is_told_of_and_replaced_where_that_is_asked_for(path: Path) -> None:
    Results(path, "s").close()
    with sqlite3.connect(path) as database:
        database.execute("pragma user_version = 99")
    database.close()
    with pytest.raises(UnusableResultsError, match="another version of vast-intercept"):
        Results(path, "s")
    remove_unusable(path)
    Results(path, "s").close()


def test_another_programs_file_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("create table bookmarks (url)")
    database.close()
    before = path.read_bytes()
    for refused in (lambda: Results(path, "s"), lambda: remove_unusable(path)):
        with pytest.raises(ResultsError, match="another program's file"):
            refused()
    assert path.read_bytes() == before


ENDLESS = """
drop table results;
create view results as with recursive more(x) as (select 1 union all select x + 1 from more)
select 's' as settings, 'd' || x as digest, 0 as occurrence, 0 as run, '' as report from more;
"""
BUSY = """
create trigger busy after insert on results begin delete from results; end;
"""


@pytest.mark.parametrize("others", [ENDLESS, BUSY, "drop table notes;"])
def test_what_somebody_else_has_made_of_the_tables_is_not_used(path: Path, others: str) -> None:
    Results(path, "s").close()
    with sqlite3.connect(path) as database:
        database.executescript(others)
    database.close()
    with pytest.raises(UnusableResultsError, match="it has other tables"):
        Results(path, "s")


@pytest.mark.parametrize(
    "change",
    ["body = 'text'", "status = 'ok'", "content_type = x'00'", "duration = 'long'", "report = 1"],
)
def test_a_value_of_another_type_is_told_of(path: Path, change: str) -> None:
    with Results(path, "s") as results:
        results.keep(KEY, rehearsed())
        results._database.execute(f"update results set {change}")  # noqa: S608
        with pytest.raises(UnusableResultsError, match=r"is broken: "):
            results.get(KEY)


def test_a_note_and_a_moment_of_another_type_are_told_of(path: Path) -> None:
    with Results(path, "s") as results:
        results.begin(4)
        results.remember("n", b"note")
        results._database.execute("update notes set note = 1000000000")
        results._database.execute("update spans set began = 'today'")
        for broken in (lambda: results.recall("n"), lambda: results.began):
            with pytest.raises(UnusableResultsError, match=r"is broken: "):
                broken()


def test_a_value_of_gigabytes_is_not_read(path: Path) -> None:
    Results(path, "s").close()
    with sqlite3.connect(path) as database:
        database.execute("insert into notes values ('s', 'n', zeroblob(70000000))")
    database.close()
    with Results(path, "s") as results, pytest.raises(UnusableResultsError, match="too big"):
        results.recall("n")


def test_what_is_no_file_is_told_of(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ResultsError, match="is not a file"):
        Results(path, "s")


def test_a_place_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"cannot be written: .*copy that into a folder"):
        Results(tmp_path / "nowhere" / "calls.rehearsal", "s")


def test_a_full_disk_is_told_of_and_what_was_kept_stays(path: Path) -> None:
    with Results(path, "s") as results:
        results.keep(KEY, rehearsed(b"kept"))
        pages = results._database.execute("pragma page_count").fetchone()[0]
        results._database.execute(f"pragma max_page_count = {pages}")
        with pytest.raises(ResultsError, match="cannot be written: database or disk is full"):
            results.keep(KEY._replace(run=1), rehearsed(b"x" * 1_000_000))
        assert results.get(KEY) == rehearsed(b"kept")
        assert not results.has(KEY._replace(run=1))


def test_calls_that_ask_for_the_same_are_told_apart_by_their_order() -> None:
    def call(body: bytes) -> RecordedCall:
        return RecordedCall(place="", method="POST", url="https://a.test/", body=body)

    calls = [call(b"a"), call(b"b"), call(b"a")]
    keys = [key for key, _ in keyed(calls, 3)]
    assert [(key.occurrence, key.run) for key in keys] == [(0, 3), (0, 3), (1, 3)]
    assert [key.digest for key in keys] == [each.digest for each in calls]


def test_errors_that_may_have_passed_are_counted(path: Path) -> None:
    broken_off = CallReport(request_id="r", time=1.5, outcome=Ending.BROKEN_OFF)
    answer = Answer(status=200, body=b"data: ")
    with Results(path, "s") as results:
        for run, status in enumerate((200, 400, 403, 404, 408, 429, 500, 503)):
            results.keep(KEY._replace(run=run), rehearsed(status=status))
        assert results.failed_for_now() == 4
        nothing = RehearsedCall(answer=None, report=rehearsed().report)
        results.keep(KEY._replace(run=8), nothing)
        results.keep(KEY._replace(run=9), RehearsedCall(answer=answer, report=broken_off))
        assert results.failed_for_now() == 6
        assert results.beside("judge").failed_for_now() == 0
