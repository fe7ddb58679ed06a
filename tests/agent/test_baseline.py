"""What a technician has accepted, and what is told when a room has left it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diemcau_agent.baseline import (
    FILE_NAME,
    Baseline,
    accept,
    acceptable,
    held_against,
    keep,
    prepared,
    read_baseline,
    remember_heard,
)
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.rows import device_row
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, Value
from diemcau_contract.words import DeviceKind, Status

NOON = datetime(2026, 3, 14, 5, 0, tzinfo=UTC)


def _result(
    kind: str, status: str = "ok", causes: tuple[str, ...] = (), /, **values: Value
) -> DeviceResult:
    return DeviceResult(
        kind=DeviceKind(kind), status=Status(status), causes=tuple(map(Cause, causes)),
        values=values,
    )  # fmt: skip


CAMERA: dict[str, Value] = {
    "luma": 120.0,
    "deviation": 50.0,
    "blur": 0.2,
    "frames_per_second": 30.0,
}


def _accepted(*results: DeviceResult) -> Baseline:
    return accept(Baseline(), results, NOON)


def test_a_room_as_it_was_accepted_is_fine() -> None:
    """Nothing has moved: nothing is added."""
    result = _result("camera", **CAMERA)

    assert held_against(result, _accepted(result)) == result


@pytest.mark.parametrize(
    ("kind", "accepted", "name", "just_within", "just_beyond"),
    [
        ("camera", CAMERA, "luma", 48.1, 47.9),
        ("camera", CAMERA, "luma", 299.0, 301.0),
        ("camera", CAMERA, "blur", 0.349, 0.351),
        ("camera", CAMERA, "frames_per_second", 20.1, 19.9),
        ("microphone", {"volume_ratio": 0.9}, "volume_ratio", 0.66, 0.64),
        ("microphone", {"block_p10_dbfs": -60.0}, "block_p10_dbfs", -40.1, -39.9),
        ("speaker", {"gain_db": -20.0}, "gain_db", -29.9, -30.1),
        ("speaker", {"delay_seconds": 0.12}, "delay_seconds", 0.219, 0.221),
    ],
)
def test_what_has_moved_too_far_is_a_warning_with_both_numbers(
    kind: str, accepted: dict[str, Value], name: str, just_within: float, just_beyond: float
) -> None:
    """On either side of each limit."""
    baseline = _accepted(_result(kind, **accepted))
    within = held_against(_result(kind, **{**accepted, name: just_within}), baseline)
    beyond = held_against(_result(kind, **{**accepted, name: just_beyond}), baseline)

    assert (within.status, within.causes) == (Status.OK, ())
    assert (beyond.status, beyond.causes) == (Status.WARN, (Cause.CHANGED,))
    assert beyond.values[name] == just_beyond
    assert beyond.values[f"accepted_{name}"] == accepted[name]


def test_both_numbers_are_in_the_sentence_that_staff_reads() -> None:
    """In both languages, written as each writes numbers."""
    baseline = _accepted(_result("camera", **CAMERA))
    row = device_row(held_against(_result("camera", **{**CAMERA, "luma": 40.5}), baseline))

    assert row.todo is not None
    assert "40,5, trước 120,0" in row.todo.vi
    assert "40.5, before 120.0" in row.todo.en


def test_a_fault_of_its_own_comes_first() -> None:
    """A picture that is too dark is told as such; a dead one is not compared at all."""
    baseline = _accepted(_result("camera", **CAMERA))
    dark = held_against(_result("camera", "warn", ("dark",), **{**CAMERA, "luma": 20.0}), baseline)
    black = held_against(_result("camera", "bad", ("black",), **{**CAMERA, "luma": 2.0}), baseline)

    assert dark.causes == (Cause.DARK, Cause.CHANGED)
    assert (black.status, black.causes) == (Status.BAD, (Cause.BLACK,))


def test_only_what_works_can_be_accepted() -> None:
    """A fault is not made right by accepting it; a kind without numbers has nothing to accept."""
    assert acceptable(_result("camera", **CAMERA))
    assert acceptable(_result("camera", "warn", ("dark",), **CAMERA))
    assert not acceptable(_result("camera", "bad", ("black",), **CAMERA))
    assert not acceptable(_result("camera", "in_use", ("busy",)))
    assert not acceptable(_result("display", width=1920))


def test_it_is_kept_and_read_again_as_numbers_only(tmp_path: Path) -> None:
    """The file holds no more than the compared numbers, whatever else was measured."""
    baseline = _accepted(_result("camera", **CAMERA, held_by="zoom", idle_colour=False))
    keep(tmp_path, baseline)

    assert read_baseline(tmp_path) == baseline
    assert baseline.devices["camera.main"].values == CAMERA
    assert "zoom" not in (tmp_path / FILE_NAME).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "{", '{"schema": "other/1"}', "\xff"])
def test_a_damaged_file_is_an_empty_baseline(tmp_path: Path, content: str) -> None:
    """A room is checked all the same."""
    (tmp_path / FILE_NAME).write_bytes(content.encode("latin-1"))

    assert read_baseline(tmp_path) == Baseline()


SPEAKER = ExpectedDevice("speaker", "main", {"format": "system"})
JABRA: dict[str, Value] = {"echo_canceller": True, "output": "Jabra", "listener": "Jabra mic"}


def test_a_speakerphone_that_was_heard_once_is_remembered(tmp_path: Path) -> None:
    """From then on its probe knows which has passed here; other devices are told nothing."""
    silent = _result("speaker", "bad", ("chirp_not_heard",), heard=False, **JABRA)
    remember_heard(tmp_path, [silent])
    before = prepared(SPEAKER, read_baseline(tmp_path))
    remember_heard(tmp_path, [_result("speaker", heard=True, **JABRA)])
    after = prepared(SPEAKER, read_baseline(tmp_path))
    camera = ExpectedDevice("camera", "main", {"format": "v4l2"})

    assert before.source["passed_with"] is None
    assert after.source["passed_with"] == ["Jabra", "Jabra mic"]
    assert prepared(camera, read_baseline(tmp_path)) is camera


def test_a_loose_speaker_that_was_heard_says_nothing_of_a_speakerphone(tmp_path: Path) -> None:
    """The one that replaces it may cancel the chirp: no pass of this room holds for it."""
    loose: dict[str, Value] = {**JABRA, "echo_canceller": False}
    remember_heard(tmp_path, [_result("speaker", heard=True, **loose)])

    assert prepared(SPEAKER, read_baseline(tmp_path)).source["passed_with"] is None


def test_the_speakerphone_that_passed_last_is_the_one_that_counts(tmp_path: Path) -> None:
    """And when it did first."""
    remember_heard(tmp_path, [_result("speaker", heard=True, **JABRA)])
    first = read_baseline(tmp_path).heard["speaker.main"]
    remember_heard(tmp_path, [_result("speaker", heard=True, **JABRA)])
    again = read_baseline(tmp_path).heard["speaker.main"]
    poly: dict[str, Value] = {**JABRA, "output": "Poly"}
    remember_heard(tmp_path, [_result("speaker", heard=True, **poly)])

    assert first == again
    assert read_baseline(tmp_path).heard["speaker.main"].output == "Poly"


def test_accepting_a_speaker_that_is_not_heard_forgets_that_it_was(tmp_path: Path) -> None:
    """The technician says that the room is right as it is now."""
    remember_heard(tmp_path, [_result("speaker", heard=True, **JABRA)])
    silent = _result("speaker", "warn", ("chirp_not_heard",), gain_db=-60, heard=False, **JABRA)
    heard = _result("speaker", gain_db=-20, heard=True, **JABRA)
    before = read_baseline(tmp_path)

    assert accept(before, [silent], NOON).heard == {}
    assert accept(before, [heard], NOON).heard["speaker.main"].output == "Jabra"


CHIRP: dict[str, Value] = {"gain_db": -20.0, "delay_seconds": 0.12}
NOISE: dict[str, Value] = {"gain_db": -63.0, "delay_seconds": 0.71}


@pytest.mark.parametrize(
    ("accepted", "later"),
    [((False, NOISE), (False, CHIRP)), ((False, NOISE), (True, CHIRP)),
     ((True, CHIRP), (False, NOISE))],
)  # fmt: skip
def test_delay_and_level_of_a_chirp_that_nobody_heard_are_not_compared(
    accepted: tuple[bool, dict[str, Value]], later: tuple[bool, dict[str, Value]]
) -> None:
    """A correlation without its chirp points anywhere: neither accepted nor held against."""

    def looked(heard: bool, numbers: dict[str, Value]) -> DeviceResult:  # noqa: FBT001  # a value
        told = () if heard else ("chirp_not_heard",)
        return _result("speaker", "ok" if heard else "warn", told, heard=heard, **numbers, **JABRA)

    before, now = looked(*accepted), looked(*later)

    assert acceptable(before)
    assert held_against(now, _accepted(before)) == now


def test_what_an_older_version_kept_of_speakers_loses_nothing_else(tmp_path: Path) -> None:
    """It kept when a speaker was heard, not which: the accepted numbers stay."""
    baseline = _accepted(_result("camera", **CAMERA))
    written = baseline.model_dump(mode="json", by_alias=True)
    written["heard"] = {"speaker.main": "2026-03-14T05:00:00Z"}
    (tmp_path / FILE_NAME).write_text(json.dumps(written), encoding="utf-8")

    assert read_baseline(tmp_path) == baseline


def test_accepting_one_device_leaves_the_others(tmp_path: Path) -> None:
    """And what was heard stays heard."""
    remember_heard(tmp_path, [_result("speaker", heard=True, **JABRA)])
    first = accept(read_baseline(tmp_path), [_result("camera", **CAMERA)], NOON)
    second = accept(first, [_result("microphone", volume_ratio=0.5)], NOON)

    assert set(second.devices) == {"camera.main", "microphone.main"}
    assert set(second.heard) == {"speaker.main"}
