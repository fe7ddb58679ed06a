import logging
import sqlite3
from pathlib import Path

import pytest

from diemcau_agent.outbox import FILE_NAME, Limits, Outbox, Report

BOOT = "0123456789abcdef"


def report(seq: int, boot_id: str = BOOT, size: int = 100, added_at: float = 1000.0) -> Report:
    """Return a report of ``size`` bytes."""
    return Report(boot_id, seq, added_at, b"x" * size)


def new_outbox(folder: Path, **limits: float) -> Outbox:
    """Open an outbox whose clock stands at 1000 s."""
    return Outbox(folder, Limits(**limits), lambda: 1000.0)  # type: ignore[arg-type]  # numbers


def seqs(outbox: Outbox) -> list[int]:
    """Return the numbers held, the newest first."""
    return [one.seq for one in outbox.pick((), 10_000)]


def test_the_newest_report_is_picked_first(tmp_path: Path) -> None:
    """Live before backlog, and without those that are on their way."""
    outbox = new_outbox(tmp_path)
    for seq in (1, 2, 3):
        outbox.add(report(seq))
    assert seqs(outbox) == [3, 2, 1]
    assert [one.seq for one in outbox.pick({(BOOT, 3)}, 1)] == [2]
    outbox.close()


def test_only_acknowledged_ranges_leave(tmp_path: Path) -> None:
    """Ranges are inclusive and of one boot; what is not named stays, also over a restart."""
    outbox = new_outbox(tmp_path)
    for seq in range(1, 8):
        outbox.add(report(seq))
    outbox.add(report(2, boot_id="f" * 16))
    assert outbox.remove(BOOT, [(1, 3), (6, 6)]) == 4
    outbox.close()
    again = new_outbox(tmp_path)
    assert [one.key for one in again.pick((), 10)] == [
        ("f" * 16, 2),
        (BOOT, 7),
        (BOOT, 5),
        (BOOT, 4),
    ]
    again.close()


def test_the_same_key_is_kept_once(tmp_path: Path) -> None:
    """A report that is added twice is held once."""
    outbox = new_outbox(tmp_path)
    outbox.add(report(1))
    outbox.add(report(1))
    assert outbox.state().messages == 1
    outbox.close()


def test_over_its_size_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    """The cap drops the oldest reports, never the new one."""
    outbox = new_outbox(tmp_path, disk_bytes=350)
    for seq in range(1, 6):
        outbox.add(report(seq))
    assert seqs(outbox) == [5, 4, 3]
    assert outbox.state().dropped_total == 2
    outbox.close()


def test_over_its_age_reports_go_and_are_counted(tmp_path: Path) -> None:
    """A report older than the cap is dropped with the next one that comes."""
    outbox = new_outbox(tmp_path, age_seconds=60)
    outbox.add(report(1, added_at=930.0))
    outbox.add(report(2, added_at=950.0))
    assert seqs(outbox) == [2]
    assert outbox.state().oldest_age_seconds == pytest.approx(50)
    assert outbox.state().dropped_total == 1
    outbox.close()


def test_a_full_disk_is_survived_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite's own "disk is full": reports wait in memory, one line is logged, all recover."""
    outbox = new_outbox(tmp_path)
    outbox.add(report(1))
    assert outbox._disk is not None
    pages = outbox._disk.execute("PRAGMA page_count").fetchone()[0]
    outbox._disk.execute(f"PRAGMA max_page_count={pages}")
    for seq in range(2, 6):
        outbox.add(report(seq, size=5000))
    assert outbox.state().in_memory == 4
    assert seqs(outbox) == [5, 4, 3, 2, 1]
    assert outbox.remove(BOOT, [(2, 2)]) == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "does not take reports (database or disk is full)" in errors[0].getMessage()
    outbox._disk.execute("PRAGMA max_page_count=100000")
    outbox.add(report(6))
    assert outbox.state().in_memory == 0
    assert seqs(outbox) == [6, 5, 4, 3, 1]
    assert "takes reports again" in caplog.text
    outbox.close()


def test_memory_is_bounded_while_the_disk_is_full(tmp_path: Path) -> None:
    """Without a disk the oldest reports in memory go, and are counted."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    outbox = new_outbox(tmp_path / "file", memory_bytes=300)
    for seq in range(1, 6):
        outbox.add(report(seq))
    assert seqs(outbox) == [5, 4, 3]
    state = outbox.state()
    assert (state.messages, state.dropped_total) == (3, 2)
    outbox.close()


@pytest.mark.parametrize("content", [b"no database at all, only text" * 100, None])
def test_a_damaged_file_is_moved_aside(
    content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is no outbox, or of another version, is kept beside a new one."""
    path = tmp_path / FILE_NAME
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA user_version=99")
        other.close()
    else:
        path.write_bytes(content)
    outbox = new_outbox(tmp_path)
    outbox.add(report(1))
    assert seqs(outbox) == [1]
    outbox.close()
    assert len(list(tmp_path.glob(f"{FILE_NAME}.damaged-*"))) == 1
    assert "outbox: damaged" in caplog.text


def test_damage_while_running_is_survived(tmp_path: Path) -> None:
    """A file that breaks under the running agent is moved aside; new reports are kept."""
    outbox = new_outbox(tmp_path)
    outbox.add(report(1, size=20_000))
    assert outbox._disk is not None
    outbox._disk.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.write(b"\xff" * 8192)
    outbox._close_disk()
    outbox.add(report(2))
    assert seqs(outbox) == [2]
    outbox.close()
