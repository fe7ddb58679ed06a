"""The room's own switch and log, as files and as commands."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.openings import LOG_NAME, MAX_LOG_BYTES, SWITCH_NAME, Openings
from tests.agent.processes import write_config


def command(folder: Path, capsys: pytest.CaptureFixture[str], *words: str, more: str = "") -> str:
    """Run the agent's command on a file of its own; return what it prints."""
    name, *rest = words
    with pytest.raises(SystemExit) as left:
        main([name, "--config", str(write_config(folder, 1883, more)), *rest])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_each_opening_is_on_record_with_who_asked_and_how_long(tmp_path: Path) -> None:
    """Two lines each: before, so that nothing opens unseen, and after."""
    openings = Openings(tmp_path, allowed_by_file=True)
    before = datetime.now(UTC)
    with openings.opened("camera", "main", "hub: kỹ thuật") as record:
        (under_way,) = openings.entries()
        record.seconds = 3.25

    (entry,) = openings.entries()

    assert under_way.seconds is None
    assert (entry.kind, entry.role, entry.asked_by) == ("camera", "main", "hub: kỹ thuật")
    assert entry.seconds == 3.25
    assert before <= entry.at <= datetime.now(UTC)
    assert (tmp_path / LOG_NAME).stat().st_mode & 0o077 == 0


def test_an_opening_that_broke_off_stays_on_record(tmp_path: Path) -> None:
    """A probe that fails, a line cut by a power failure: what is whole is told."""
    openings = Openings(tmp_path, allowed_by_file=True)

    def fail() -> None:
        with openings.opened("microphone", "main", "here: root"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with (tmp_path / LOG_NAME).open("a", encoding="utf-8") as log:
        log.write('{"opening": "12", "at": "2026-')

    assert [entry.kind for entry in openings.entries()] == ["microphone"]


def test_an_end_that_cannot_be_written_spoils_nothing(tmp_path: Path) -> None:
    """The device was opened and looked at: that the disk then filled up is no fault of it."""
    openings = Openings(tmp_path, allowed_by_file=True)
    with openings.opened("camera", "main", "here: root") as record:
        record.seconds = 3.0
        (tmp_path / LOG_NAME).rename(tmp_path / "kept")
        (tmp_path / LOG_NAME).mkdir()
    (tmp_path / LOG_NAME).rmdir()
    (tmp_path / "kept").rename(tmp_path / LOG_NAME)

    assert [(entry.kind, entry.seconds) for entry in openings.entries()] == [("camera", None)]


def test_the_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    """A full one is put aside once, and still told."""
    openings = Openings(tmp_path, allowed_by_file=True)
    with openings.opened("camera", "old", "hub: a"):
        pass
    with (tmp_path / LOG_NAME).open("a", encoding="utf-8") as log:
        log.write("x" * MAX_LOG_BYTES + "\n")
    with openings.opened("camera", "new", "hub: a"):
        pass

    assert [entry.role for entry in openings.entries()] == ["old", "new"]
    assert (tmp_path / LOG_NAME).stat().st_size < MAX_LOG_BYTES


@pytest.mark.parametrize(
    ("by_file", "by_switch", "allowed"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_file_and_switch_must_both_allow(
    tmp_path: Path, *, by_file: bool, by_switch: bool, allowed: bool
) -> None:
    """Neither overrides the other; the switch works at once, without a restart."""
    openings = Openings(tmp_path / "state", allowed_by_file=by_file)
    openings.switch(on=by_switch)

    assert openings.allowed is allowed


def test_staff_switches_it_by_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Off, shown, on again; the words say that the hub cannot override it."""
    assert "huyện không thể bật lại" in command(tmp_path, capsys, "opening", "off")
    assert (tmp_path / "state" / SWITCH_NAME).exists()
    assert "cannot override" in command(tmp_path, capsys, "opening", "--lang", "en")
    assert "Được phép" in command(tmp_path, capsys, "opening", "on")
    shown = command(tmp_path, capsys, "opening", "on", more="opening_allowed: false\n")
    assert "huyện không thể bật lại" in shown
    assert "opening_allowed: false" in shown


def test_the_log_is_read_by_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When, what, how long, who; the same for programs."""
    assert command(tmp_path, capsys, "log") == "Chưa mở thiết bị nào.\n"
    openings = Openings(tmp_path / "state", allowed_by_file=True)
    with openings.opened("microphone", "ceiling", "hub: ky-thuat") as record:
        record.seconds = 4.31

    line = command(tmp_path, capsys, "log")
    document = json.loads(command(tmp_path, capsys, "log", "--json"))

    assert line.split()[2:] == ["micro", "(ceiling)", "4,3", "s", "hub:", "ky-thuat"]
    (entry,) = document["openings"]
    assert entry["seconds"] == 4.31
    assert entry["at"].endswith("Z")
