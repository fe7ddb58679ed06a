"""The chirp: made, found in synthetic rooms, and not found where there is none."""

from datetime import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from diemcau_agent.probes.speaker import SpeakerSettings, is_quiet, verdict
from diemcau_agent.signal import echo
from diemcau_agent.signal.limits import ECHO_LIMITS
from tests.agent.probes import sounds

if TYPE_CHECKING:
    from diemcau_agent.probes.result import ProbeValue

RATE_HZ = sounds.RATE_HZ
DBFS = -12.0
COUNT = echo.two_chirps(RATE_HZ, DBFS).size


def _room(seed: int, snr_db: float | None, *, chirps: tuple[int, ...] = (0, 1)) -> sounds.Samples:
    """A room with pink noise of -45 dBFS, and the chirps so much louder after 50 to 500 ms."""
    random = np.random.default_rng((seed, 900))
    noise = sounds.levelled(sounds.coloured(random, 1.0)[:COUNT], -45)
    if snr_db is None:
        return sounds.converted(noise)
    played = np.zeros(COUNT)
    one = echo.chirp(RATE_HZ, DBFS)
    for number in chirps:
        start = int((_delay(seed) + number * echo.PERIOD_SECONDS) * RATE_HZ)
        played[start : start + one.size] += one
    response = sounds.room_response(random, random.uniform(0.3, 0.9))
    heard = sounds.convolved(played, response)
    return sounds.converted(noise + sounds.levelled(heard, -45 + snr_db - 3.0))


def _delay(seed: int) -> float:
    return float(np.random.default_rng((seed, 901)).uniform(0.05, 0.5))


@pytest.mark.parametrize("seed", range(40))
def test_a_chirp_is_found_under_noise_with_its_delay(seed: int) -> None:
    """At -8 dB of signal to noise the place is right within 2 ms."""
    measures = echo.measure(_room(seed, -8.0), RATE_HZ, DBFS)

    assert echo.heard(measures, ECHO_LIMITS), measures
    assert measures.delay_seconds == pytest.approx(_delay(seed), abs=0.002)


@pytest.mark.parametrize("seed", range(40))
def test_without_a_chirp_none_is_heard(seed: int) -> None:
    """Noise is none, nor is somebody who speaks alone or among others."""
    spoken = sounds.speech(seed)[:COUNT]
    meeting = sounds.meeting(seed)[:COUNT]

    for recorded in (_room(seed, None), spoken, meeting):
        assert not echo.heard(echo.measure(recorded, RATE_HZ, DBFS), ECHO_LIMITS)


def test_a_speaker_that_wakes_up_during_the_first_chirp_is_heard() -> None:
    """The second one alone is enough where it is clear."""
    measures = echo.measure(_room(3, 15.0, chirps=(1,)), RATE_HZ, DBFS)

    assert echo.heard(measures, ECHO_LIMITS)
    assert measures.delay_seconds == pytest.approx(_delay(3), abs=0.002)


def test_one_chirp_that_hardly_stands_out_is_not_enough() -> None:
    """Once may be chance: it must be much clearer than twice at one place."""
    alone = echo.measure(_room(3, -8.0, chirps=(1,)), RATE_HZ, DBFS)

    assert not echo.heard(alone, ECHO_LIMITS)


@pytest.mark.parametrize("gain_db", [0.0, -6.0, -20.0])
def test_the_level_is_that_of_what_was_heard_against_what_was_played(gain_db: float) -> None:
    """A wire between both ends gives its own gain, whatever the chirp's level."""
    played = np.roll(echo.two_chirps(RATE_HZ, -26.0), RATE_HZ // 10)
    recorded = (played * 10 ** (gain_db / 20)).astype(np.float32)

    assert echo.measure(recorded, RATE_HZ, -26.0).gain_db == pytest.approx(gain_db, abs=0.2)


def test_the_chirp_stays_in_its_band_and_level() -> None:
    """Nobody is startled by more than what the file allows."""
    wave = echo.chirp(RATE_HZ, DBFS).astype(np.float64)
    power = np.square(np.abs(np.fft.rfft(wave)))
    hertz = np.fft.rfftfreq(wave.size, 1 / RATE_HZ)
    inside = (hertz > 250) & (hertz < 6500)

    assert float(np.abs(wave).max()) == pytest.approx(10 ** (DBFS / 20), rel=0.01)
    assert power[inside].sum() / power.sum() > 0.99


def test_a_recording_that_is_too_short_is_refused() -> None:
    """An error of the caller, not a silent speaker."""
    with pytest.raises(ValueError, match="shorter"):
        echo.measure(np.zeros(100, np.float32), RATE_HZ, DBFS)


@pytest.mark.parametrize("seed", range(20))
def test_voices_are_told_from_fans_and_rain(seed: int) -> None:
    """A loud fan is as loud all the time."""
    part = slice(0, int(0.7 * RATE_HZ))
    steady = (sounds.quiet_room, sounds.ceiling_fan, sounds.rain_on_the_roof)

    assert not any(echo.voices(scene(seed)[part], RATE_HZ, ECHO_LIMITS) for scene in steady)


def test_voices_are_mostly_heard() -> None:
    """In seven tenths of a second somebody may just pause; mostly nobody does."""
    part = slice(0, int(0.7 * RATE_HZ))
    heard = [echo.voices(sounds.speech(seed)[part], RATE_HZ, ECHO_LIMITS) for seed in range(40)]

    assert sum(heard) >= 32


@pytest.mark.parametrize(
    ("canceller", "passed", "people", "status"),
    [
        (False, False, False, "bad"),
        (False, True, False, "bad"),
        (True, False, False, "warn"),
        (True, True, False, "bad"),
        (False, False, True, "warn"),
        (True, True, True, "warn"),
    ],
)
def test_how_red_a_chirp_that_is_not_heard_may_be(
    *, canceller: bool, passed: bool, people: bool, status: str
) -> None:
    """A speakerphone that never passed, and a soft chirp among voices, are warnings at most."""
    values: dict[str, ProbeValue] = {
        "heard": False, "echo_canceller": canceller, "people_heard": people,
        "output": "Jabra", "listener": "Jabra mic", "held_up_seconds": 0.01,
    }  # fmt: skip
    result = verdict(values, SpeakerSettings(passed_with=("Jabra", "Jabra mic") if passed else ()))

    assert (result.status, result.causes) == (status, ("chirp_not_heard",))


def test_on_a_pc_that_is_too_busy_a_chirp_that_is_not_heard_proves_nothing() -> None:
    """It may have been played later than it is looked for."""
    values: dict[str, ProbeValue] = {
        "heard": False, "echo_canceller": False, "people_heard": False,
        "output": "Jabra", "listener": "Jabra mic", "held_up_seconds": 0.7,
    }  # fmt: skip
    result = verdict(values, SpeakerSettings())

    assert (result.status, result.causes) == ("unknown", ("cpu_busy", "chirp_not_heard"))


@pytest.mark.parametrize("passed", [("Poly", "Jabra mic"), ("Jabra", "Poly mic")])
def test_what_passed_with_another_speakerphone_says_nothing_of_this_one(
    passed: tuple[str, str],
) -> None:
    """Its canceller may well be better."""
    values: dict[str, ProbeValue] = {
        "heard": False, "echo_canceller": True, "people_heard": False,
        "output": "Jabra", "listener": "Jabra mic", "held_up_seconds": 0.01,
    }  # fmt: skip

    assert verdict(values, SpeakerSettings(passed_with=passed)).status == "warn"


@pytest.mark.parametrize(
    ("hours", "now", "quiet"),
    [
        ((), "12:00", False),
        (("11:30-13:00",), "11:29", False),
        (("11:30-13:00",), "11:30", True),
        (("11:30-13:00",), "12:59", True),
        (("11:30-13:00",), "13:00", False),
        (("22:00-05:30",), "23:59", True),
        (("22:00-05:30",), "05:29", True),
        (("22:00-05:30",), "05:30", False),
        (("22:00-05:30",), "21:59", False),
        (("06:00-07:00", "22:00-05:30"), "03:00", True),
        (("00:00-00:00",), "15:00", True),
    ],
)
def test_quiet_hours(hours: tuple[str, ...], now: str, *, quiet: bool) -> None:
    """Begin is in, end is out; a span may go over midnight."""
    assert is_quiet(hours, time.fromisoformat(now)) is quiet
