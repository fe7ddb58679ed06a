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


def heard() -> echo.EchoMeasures:
    """Return what the room's microphone hears of two chirps, after it has run for a second."""
    soundio.record("ceiling_mic", 1.0)
    wave = echo.two_chirps(soundio.RATE_HZ, ECHO_LIMITS.chirp_dbfs)
    recorded, _ = soundio.play_and_record("table_speaker", "ceiling_mic", wave)
    return echo.measure(recorded, soundio.RATE_HZ, ECHO_LIMITS.chirp_dbfs)


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
        usual = heard()
        monkeypatch.setattr(pulse, step, late)
        held_up = heard()

    assert held_up.score_db > ECHO_LIMITS.score_db
    assert held_up.gain_db == pytest.approx(usual.gain_db, abs=1.0)
    assert held_up.delay_seconds == pytest.approx(usual.delay_seconds, abs=HELD_UP_SECONDS / 3)
