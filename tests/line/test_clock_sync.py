"""Whether the system keeps its clock, also where it may not be asked."""

import ctypes
from pathlib import Path

import pytest

from diemcau_line import clock


class Refusing:
    """A C library under ProtectClock=: asking is refused."""

    def adjtimex(self, _buffer: object) -> int:
        """Refuse."""
        return -1


@pytest.mark.parametrize(("kept", "expected"), [(True, True), (False, None)])
def test_a_refused_question_is_answered_by_timesyncd(
    kept: bool | None,  # noqa: FBT001  # a parameter of the test
    expected: bool | None,  # noqa: FBT001  # as above
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its file says yes; without it nothing is known, and nothing is claimed."""
    mark = tmp_path / "synchronized"
    if kept:
        mark.touch()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Refusing())
    monkeypatch.setattr(clock, "_TIMESYNCD", mark)
    monkeypatch.setattr("sys.platform", "linux")

    assert clock.sync_state().synchronised is expected
