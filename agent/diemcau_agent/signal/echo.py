"""Prove a loudspeaker by a microphone in the same room: two chirps, found by correlation.

Samples are one channel, float, full scale 1.0. The chirp is a logarithmic sweep (A. Farina,
"Simultaneous measurement of impulse response and distortion with a swept-sine technique", AES
108, 2000). It is found by the generalised cross-correlation with phase transform (C. Knapp and
G. Carter, "The generalized correlation method for estimation of time delay", IEEE Trans. ASSP
24(4), 1976): every frequency of the band counts the same, so that a hum or a room's resonance
does not drown the rest.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.signal.limits import EchoLimits
from diemcau_agent.signal.sound import Samples, decibels

CHIRP_SECONDS: Final = 0.5
LOW_HZ: Final = 300.0
HIGH_HZ: Final = 6000.0
PERIOD_SECONDS: Final = 0.95
"""From one chirp's begin to the next one's: room for the echo of the first."""
DELAY_MOST_SECONDS: Final = 0.8
"""Bluetooth and a sound system's own buffers take up to half a second."""
LENGTH_SECONDS: Final = PERIOD_SECONDS + CHIRP_SECONDS + 0.6
"""What is recorded: a sound that comes later than 0.6 s lacks its end, and is found still."""

ALONE_DB: Final = 10.0
"""So much clearer one chirp alone must be than two: speech looked like one now and then."""

_FADE_SECONDS: Final = 0.02
_PEAK_BEFORE_SECONDS: Final = 0.05
_PEAK_AFTER_SECONDS: Final = 0.1
_RESPONSE_BEFORE_SECONDS: Final = 0.002
_RESPONSE_AFTER_SECONDS: Final = 0.05
_GAIN_LEAST_DB: Final = -120.0


@dataclass(frozen=True, slots=True)
class EchoMeasures:
    """What came back of two chirps."""

    score_db: float
    """Peak of the correlation above its RMS elsewhere: the mean of both chirps at one place, or
    that of the second less ALONE_DB, where a speaker woke up during the first."""
    delay_seconds: float
    """From playing to hearing, buffers included; of use only to compare."""
    gain_db: float
    """Level of what was heard, less that of what was played; of use only to compare."""


def chirp(rate_hz: int, dbfs: float) -> Samples:
    """Return one chirp with its peaks at ``dbfs``, faded in and out against clicks."""
    count = int(CHIRP_SECONDS * rate_hz)
    time = np.arange(count) / rate_hz
    octaves = math.log(HIGH_HZ / LOW_HZ)
    phase = 2 * np.pi * LOW_HZ * CHIRP_SECONDS / octaves * np.expm1(time / CHIRP_SECONDS * octaves)
    fade = np.clip(np.minimum(time, CHIRP_SECONDS - time) / _FADE_SECONDS, 0.0, 1.0)
    wave: Samples = (
        10 ** (dbfs / 20) * np.sin(phase) * np.square(np.sin(np.pi / 2 * fade))
    ).astype(np.float32)
    return wave


def two_chirps(rate_hz: int, dbfs: float) -> Samples:
    """Return what is played: a chirp at 0 s and at PERIOD_SECONDS, silence between and after."""
    wave = np.zeros(int(LENGTH_SECONDS * rate_hz), np.float32)
    one = chirp(rate_hz, dbfs)
    for start in (0, int(PERIOD_SECONDS * rate_hz)):
        wave[start : start + one.size] = one
    return wave


def measure(recorded: Samples, rate_hz: int, dbfs: float) -> EchoMeasures:
    """Look for the chirps in what was recorded while :func:`two_chirps` was played.

    Raises:
        ValueError: the recording is shorter than what was played.
    """
    if recorded.ndim != 1 or recorded.size < int(LENGTH_SECONDS * rate_hz):
        raise ValueError("the recording is shorter than what was played")
    one = chirp(rate_hz, dbfs).astype(np.float64)
    first = _correlate(recorded, 0, one, rate_hz)
    second = _correlate(recorded, int(PERIOD_SECONDS * rate_hz), one, rate_hz)
    # Both chirps take the same time; what is no chirp does not come twice at the same place.
    both = np.sqrt(np.maximum(first.white * second.white, 0.0))
    score_db = _score(both, math.sqrt(first.floor(rate_hz) * second.floor(rate_hz)))
    alone_db = _score(np.abs(second.white), second.floor(rate_hz))
    peak = int((both if score_db >= alone_db - ALONE_DB else np.abs(second.white)).argmax())
    return EchoMeasures(
        score_db=max(score_db, alone_db - ALONE_DB),
        delay_seconds=peak / rate_hz,
        gain_db=_gain(second.response, peak, second.own_energy, rate_hz),
    )


def heard(measures: EchoMeasures, limits: EchoLimits) -> bool:
    """Say whether the chirp was there."""
    return measures.score_db >= limits.score_db


def voices(samples: Samples, rate_hz: int, limits: EchoLimits) -> bool:
    """Say whether people seem to be in the room: levels that rise and fall as speech does."""
    block = int(rate_hz * 0.02)
    blocks = samples[: samples.size // block * block].astype(np.float64).reshape(-1, block)
    levels = [decibels(float(level)) for level in np.sqrt(np.mean(np.square(blocks), axis=1))]
    if not levels:
        return False
    low, high = (float(value) for value in np.percentile(levels, (20, 90)))
    return high > limits.voice_dbfs and high - low > limits.voice_spread_db


@dataclass(frozen=True, slots=True)
class _Correlation:
    """Correlation of a part of the recording with the chirp, by lags from 0 on."""

    white: NDArray[np.float64]
    """All frequencies of the band equally strong."""
    response: NDArray[np.float64]
    """As strong as they are: the room's response, in the band."""
    own_energy: float
    """Energy of the response that a chirp heard as it was played would give."""

    def floor(self, rate_hz: int) -> float:
        """Return the RMS of the whitened correlation outside of its peak's neighbourhood."""
        return _around(self.white, int(np.abs(self.white).argmax()), rate_hz)


def _correlate(
    recorded: Samples, start: int, one: NDArray[np.float64], rate_hz: int
) -> _Correlation:
    lags = int(DELAY_MOST_SECONDS * rate_hz)
    window = recorded[start : start + one.size + lags].astype(np.float64)
    size = 1 << (window.size + one.size).bit_length()
    played = np.fft.rfft(one, size)
    cross = np.fft.rfft(window, size) * np.conj(played)
    hertz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    outside = (hertz < LOW_HZ) | (hertz > HIGH_HZ)
    cross[outside] = 0.0
    strength = np.abs(cross)
    white = np.divide(cross, strength, out=np.zeros_like(cross), where=strength > 0.0)
    power = np.square(np.abs(played))
    power[outside] = 0.0
    return _Correlation(
        np.fft.irfft(white, size)[:lags],
        np.fft.irfft(cross, size)[:lags],
        float(np.square(np.fft.irfft(power, size)).sum()),
    )


def _score(levels: NDArray[np.float64], floor: float) -> float:
    top = float(levels.max())
    return 20.0 * math.log10(top / floor) if top > 0.0 and floor > 0.0 else 0.0


def _around(correlation: NDArray[np.float64], peak: int, rate_hz: int) -> float:
    """Return the RMS of a correlation outside of a peak's neighbourhood."""
    near = slice(
        max(0, peak - int(_PEAK_BEFORE_SECONDS * rate_hz)),
        peak + int(_PEAK_AFTER_SECONDS * rate_hz),
    )
    part = np.delete(correlation, near)
    return float(np.sqrt(np.mean(np.square(part))))


def _gain(response: NDArray[np.float64], peak: int, own_energy: float, rate_hz: int) -> float:
    """Return the energy of the room's response around the peak, less that of the noise."""
    near = response[
        max(0, peak - int(_RESPONSE_BEFORE_SECONDS * rate_hz)) : peak
        + int(_RESPONSE_AFTER_SECONDS * rate_hz)
    ]
    noise = _around(response, peak, rate_hz) ** 2
    energy = float(np.square(near).sum()) - noise * near.size
    if energy <= 0.0:
        return _GAIN_LEAST_DB
    return max(_GAIN_LEAST_DB, 10.0 * math.log10(energy / own_energy))
