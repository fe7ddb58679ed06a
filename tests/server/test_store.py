"""The store: each report once, tests kept, what is aside bounded, errors in one sentence."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from diemcau_contract.words import Verdict
from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.errors import StoreError
from diemcau_server.state import JudgedHubLine, PointKey
from diemcau_server.store import Quarantined, ReceivedReport, Store, engine
from diemcau_server.store.disk import REPORT_BYTES, store_bytes
from diemcau_server.store.engine import resolved_url
from diemcau_server.store.rows import MAX_QUARANTINED
from diemcau_server.store.tables import quarantine, reports
from tests.server.reports import NOW, ended_test, full_test, payload, report


def received(seq: int) -> ReceivedReport:
    """Return a report as it came in a second after it was taken."""
    one = report(seq)
    return ReceivedReport(one, payload(one).decode(), NOW + timedelta(seconds=seq + 1))


async def test_a_report_is_stored_once(store: Store) -> None:
    """The same key again changes nothing and is counted as a duplicate."""
    first = await store.commit_reports([received(1), received(2)])
    second = await store.commit_reports([received(2), received(3)])
    assert (first.accepted, first.duplicates) == (2, 0)
    assert (second.accepted, second.duplicates) == (1, 1)
    assert await store.count(reports) == 3


async def test_the_oldest_reports_can_be_deleted_some_at_once(store: Store) -> None:
    """Those received before the moment and no other, up to the bound; again finds the rest."""
    await store.commit_reports([received(seq) for seq in (4, 1, 3, 2, 5)])
    before = NOW + timedelta(seconds=5)  # report 4 was received then
    dropped = [await store.drop_reports(before, 2) for _ in range(3)]
    assert dropped == [2, 1, 0]
    again = await store.commit_reports([received(4), received(5)])
    assert (again.accepted, again.duplicates) == (0, 2)
    assert await store.count(reports) == 2


async def test_a_restart_after_all_reports_were_deleted_finds_each_points_last(
    store: Store,
) -> None:
    """The board starts from what stays: the newest report, and the tests."""
    await store.commit_reports([received(1)], [received(1)])
    await store.save_test(ended_test(Verdict.READY), {})
    before = await store.restored()
    assert await store.drop_reports(NOW + timedelta(days=1), 500) == 1
    assert await store.restored() == before
    assert before[0].report == report(1)
    assert before[0].judged is not None


async def test_the_board_can_be_restored(store: Store) -> None:
    """Newest report, its time by the server's clock, and the last verdict come back."""
    await store.commit_reports([received(1)], [received(1)])
    await store.commit_reports([received(2)], [received(2)])
    await store.save_test(ended_test(Verdict.READY, point="dak-nhau"), {"points": []})
    found = {item.key: item for item in await store.restored()}
    seen = found[PointKey("bu-dang", "bom-bo")]
    assert seen.report == report(2)
    assert seen.last_report_at == NOW + timedelta(seconds=3)
    judged = found[PointKey("bu-dang", "dak-nhau")].judged
    assert judged is not None
    assert (judged.verdict, judged.judged_at) == (Verdict.READY, NOW + timedelta(seconds=20))


async def test_the_last_verdict_on_the_hubs_line_comes_back(store: Store) -> None:
    """With the end of its test, by which its age is told; an older test does not count."""
    older = ended_test(Verdict.READY)
    newer = full_test().model_copy(update={"test": "newer", "started_at": NOW + timedelta(hours=1)})
    for result in (newer, older):
        await store.save_test(result, {})
    ended_at = NOW + timedelta(hours=1, seconds=20)
    assert await store.hub_lines() == {"bu-dang": JudgedHubLine(ended_at, newer.hub_line, 1)}


async def test_a_test_comes_back_as_it_was(store: Store) -> None:
    """Result and evidence are read as they were written; unknown tests give None."""
    result = ended_test(Verdict.NOT_READY)
    await store.save_test(result, {"asked_by": "kỹ thuật"})
    assert await store.test(result.test) == result
    assert await store.test_detail_json(result.test) == '{"asked_by": "kỹ thuật"}'
    assert [one.test for one in await store.tests(5, "bu-dang")] == [result.test]
    assert await store.tests(5, "other") == ()
    assert await store.test("no") is None


async def test_what_is_aside_is_bounded(store: Store) -> None:
    """Only the newest messages are kept aside."""
    for start in range(0, MAX_QUARANTINED + 300, 100):
        items = [
            Quarantined(NOW, "t", "not_json", str(number), 1, b"x")
            for number in range(start, start + 100)
        ]
        await store.commit_reports([], [], items)
    assert await store.count(quarantine) == MAX_QUARANTINED


async def test_a_report_of_a_full_room_takes_what_is_reckoned_with(tmp_path: Path) -> None:
    """The doctor asks for a disk by this figure."""
    file = tmp_path / "full.sqlite"
    sizes = []
    for count in (0, 4000):
        store = await Store.open(resolved_url("sqlite:///full.sqlite", tmp_path, None))
        some = [replace(received(seq), body="x" * 2000) for seq in range(1, count + 1)]
        await store.commit_reports(some)
        sizes.append(store_bytes(file))
        await store.close()
        assert store_bytes(file) == file.stat().st_size
    of_one = (file.stat().st_size - sizes[0]) / 4000
    assert 0.9 * REPORT_BYTES < of_one <= REPORT_BYTES
    assert sizes[1] > file.stat().st_size  # with the log, before it is folded into the file


async def test_data_is_there_after_a_restart(tmp_path: Path) -> None:
    """A second start finds the tables of the first and its rows, in WAL mode."""
    url = resolved_url("sqlite:///again.sqlite", tmp_path, None)
    for seq in (1, 2):
        store = await Store.open(url)
        await store.commit_reports([received(seq)])
        assert await store.count(reports) == seq
        await store.close()
    with closing(sqlite3.connect(tmp_path / "again.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """Tables that this version does not know are refused, not changed."""
    url = resolved_url("sqlite:///new.sqlite", tmp_path, None)
    await (await Store.open(url)).close()
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(StoreError, match=r"cannot be opened: its tables are of another, newer"):
        await Store.open(url)


async def test_a_file_that_is_no_database_is_told_in_a_sentence(tmp_path: Path) -> None:
    """A wrong file gives one sentence that names it."""
    file = tmp_path / "notes.sqlite"
    file.write_text("điểm cầu " * 200, encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        await Store.open(resolved_url("sqlite:///notes.sqlite", tmp_path, None))
    assert str(caught.value) == f"store {file} cannot be opened: it is not a SQLite database"


async def test_a_sqlite_too_old_is_told_before_anything_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would refuse each report; no file is made. The least one is taken."""
    url = resolved_url("sqlite:///early.sqlite", tmp_path, None)
    # Not SQLite's own number: who imports it meanwhile keeps it for the tests that follow.
    has = sqlite3.sqlite_version_info
    monkeypatch.setattr(engine, "_SQLITE_LEAST", (*has[:2], has[2] + 1))
    with pytest.raises(StoreError, match=f"has SQLite {sqlite3.sqlite_version}, .* is needed"):
        await Store.open(url)
    assert not (tmp_path / "early.sqlite").exists()
    monkeypatch.setattr(engine, "_SQLITE_LEAST", has)
    await (await Store.open(url)).close()


async def test_a_store_of_the_version_before_gets_its_new_table(tmp_path: Path) -> None:
    """What was there stays; a line's capacity can be kept then, and is known again."""
    url = resolved_url("sqlite:///old.sqlite", tmp_path, None)
    store = await Store.open(url)
    await store.commit_reports([received(1)])
    await store.close()
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old, old:
        old.execute("DROP TABLE capacities")
        old.execute("UPDATE alembic_version SET version_num = '0001'")
    store = await Store.open(url)
    found = LineCapacity(NOW, DirectionCapacity(8e6, "line"), DirectionCapacity(2e8, "cap"), 7.0)
    await store.save_capacity_tried("bu-dang", ["bom-bo"], NOW)
    await store.save_capacity("bu-dang", "bom-bo", found)
    (kept,) = [one for one in await store.restored() if one.capacity is not None]
    reports_kept = await store.count(reports)
    await store.close()

    assert (kept.key.point, kept.capacity, kept.capacity_tried_at) == ("bom-bo", found, NOW)
    assert reports_kept == 1


async def test_of_a_capacity_of_the_version_before_the_duration_is_not_known(
    tmp_path: Path,
) -> None:
    """The figure stays; the next measurement brings its duration."""
    url = resolved_url("sqlite:///old.sqlite", tmp_path, None)
    found = LineCapacity(NOW, DirectionCapacity(8e6, "line"))
    store = await Store.open(url)
    await store.save_capacity("bu-dang", "bom-bo", replace(found, duration_seconds=7.0))
    await store.close()
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old, old:
        old.execute("ALTER TABLE capacities DROP COLUMN duration_seconds")
        old.execute("UPDATE alembic_version SET version_num = '0002'")
    store = await Store.open(url)
    (kept,) = await store.restored()
    await store.save_capacity("bu-dang", "bom-bo", replace(found, duration_seconds=6.5))
    (again,) = await store.restored()
    await store.close()

    assert kept.capacity == found
    assert again.capacity == replace(found, duration_seconds=6.5)
