"""Playing and listening through a private PulseAudio, by a process that a busy PC lets wait."""

import time
from pathlib import Path
from typing import Any

import pytest

from diemcau_agent.probes import pulse, soundio
from diemcau_agent.signal import echo
from diemcau_agent.signal.limits import ECHO_LIMITS
from tests.agent.probes.makers_av import sounding_room

HELD_UP_SECONDS = 0.6


def heard() -> tuple[echo.EchoMeasures, float]:
    """Return what the room's microphone hears of two chirps, after it has run for a second."""
    soundio.record("ceiling_mic", 1.0)
    wave = echo.two_chirps(soundio.RATE_HZ, ECHO_LIMITS.chirp_dbfs)
    recorded, held_up = soundio.play_and_record("table_speaker", "ceiling_mic", wave)
    return echo.measure(recorded, soundio.RATE_HZ, ECHO_LIMITS.chirp_dbfs), held_up


@pytest.mark.parametrize("step", ["_read_all_there_is", "_write"])
def test_who_is_held_up_hears_the_chirps_in_their_place(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the sound server took in until it plays is no part of the delay."""
    really = getattr(pulse, step)

    def late(*arguments: Any) -> Any:
        time.sleep(HELD_UP_SECONDS)
        return really(*arguments)

    with sounding_room({}, tmp_path, monkeypatch):
        usual, _ = heard()
        monkeypatch.setattr(pulse, step, late)
        measures, held_up = heard()

    assert measures.score_db > ECHO_LIMITS.score_db
    assert measures.gain_db == pytest.approx(usual.gain_db, abs=1.0)
    assert measures.delay_seconds == pytest.approx(usual.delay_seconds, abs=HELD_UP_SECONDS / 3)
    assert step == "_read_all_there_is" or held_up >= HELD_UP_SECONDS


def test_who_is_held_up_in_a_read_before_it_plays_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks as if that read had waited for the sound; what came meanwhile gives it away."""
    really = pulse._read
    calls: list[None] = []

    def late(*arguments: Any) -> Any:
        calls.append(None)
        read = really(*arguments)
        if len(calls) == 2:  # the first one is that of a second before
            time.sleep(HELD_UP_SECONDS)
        return read

    with sounding_room({}, tmp_path, monkeypatch):
        monkeypatch.setattr(pulse, "_read", late)
        _, held_up = heard()

    assert held_up > HELD_UP_SECONDS / 2
