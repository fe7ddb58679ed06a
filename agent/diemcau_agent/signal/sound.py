"""Tell a working microphone from a muted, overdriven or humming one by its samples.

Samples are one channel, float, full scale 1.0. A silent room is no fault: only a signal without
any noise is.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.signal.limits import SoundLimits

Samples = NDArray[np.float32]

SILENCE_DBFS: Final = -120.0
"""Written for anything lower, digital zero included."""

_AUDIBLE_HZ: Final = 20.0
_BLOCK_SECONDS: Final = 0.02
_LEAST_SIGNIFICANT_BIT: Final = 1.0 / 32768.0
_SPECTRUM_SECONDS: Final = 0.5
_TOP_BITS: Final = 3
_TOP_LEAST: Final = 0.05
_TOP_TO_NEXT: Final = 4.0


@dataclass(frozen=True, slots=True)
class SoundMeasures:
    """Numbers of a few seconds of sound; blocks are 20 ms."""

    rms_dbfs: float
    peak_dbfs: float
    block_p10_dbfs: float
    block_p95_dbfs: float
    peak_to_peak_bits: float
    clipped_ratio: float
    """Share of samples at full scale, or on flat tops below it."""
    hum_ratio: float
    """Share of what sounds all the time; 0 when the strongest lines do not look like mains."""
    hum_dbfs: float
    """Level of the hum alone."""


def measure(samples: Samples, rate_hz: int, limits: SoundLimits | None = None) -> SoundMeasures:
    """Reduce samples to numbers.

    Raises:
        ValueError: less than half a second of one channel.
    """
    if samples.ndim != 1 or samples.size < rate_hz // 2:
        raise ValueError("at least half a second of one channel is needed")
    limits = limits or SoundLimits()
    wave = samples.astype(np.float64)
    block = int(rate_hz * _BLOCK_SECONDS)
    blocks = wave[: wave.size // block * block].reshape(-1, block)
    levels = np.sqrt(np.mean(np.square(blocks - blocks.mean(axis=1, keepdims=True)), axis=1))
    centred = wave - wave.mean()
    hum_ratio, hum_square = _hum(centred, rate_hz, limits)
    return SoundMeasures(
        rms_dbfs=decibels(_rms(centred)),
        peak_dbfs=decibels(float(np.abs(wave).max())),
        block_p10_dbfs=decibels(float(np.percentile(levels, 10))),
        block_p95_dbfs=decibels(float(np.percentile(levels, 95))),
        peak_to_peak_bits=float(wave.max() - wave.min()) / _LEAST_SIGNIFICANT_BIT,
        clipped_ratio=_clipped_ratio(wave, centred, limits),
        hum_ratio=hum_ratio,
        hum_dbfs=decibels(math.sqrt(hum_square)),
    )


def classify(measures: SoundMeasures, limits: SoundLimits | None = None) -> tuple[str, ...]:
    """Name what is wrong with the sound, the gravest first; empty when nothing is."""
    limits = limits or SoundLimits()
    if measures.peak_to_peak_bits < limits.silence_bits:
        return ("digital_silence",)
    causes = []
    if measures.clipped_ratio > limits.clipping_ratio:
        causes.append("clipping")
    if measures.hum_ratio > limits.hum_ratio and measures.hum_dbfs > limits.hum_dbfs:
        causes.append("hum")
    elif not causes and _is_noise(measures, limits):
        causes.append("noisy")
    if measures.block_p95_dbfs < limits.quiet_dbfs:
        causes.append("too_quiet")
    return tuple(causes)


def decibels(amplitude: float) -> float:
    """Return dB of full scale, not below :data:`SILENCE_DBFS`."""
    if amplitude <= 0.0:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, 20.0 * math.log10(amplitude))


def _is_noise(measures: SoundMeasures, limits: SoundLimits) -> bool:
    """Noise is loud and steady; several people who speak at once are loud and are not."""
    spread = measures.block_p95_dbfs - measures.block_p10_dbfs
    return measures.block_p10_dbfs > limits.noisy_dbfs and spread < limits.noisy_spread_db


def _rms(wave: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(wave))))


def _clipped_ratio(
    wave: NDArray[np.float64], centred: NDArray[np.float64], limits: SoundLimits
) -> float:
    """Return the share of samples at full scale, or at the signal's own peak if it is cut there.

    A mixing desk that cuts and then turns down leaves flat tops: three samples and more in a row
    close under the peak, and few below; what follows adds a little noise. A sine dwells at its
    peak as well: about as long as in the next three times that width. A constant voltage beneath
    the sound is no top.
    """
    full = float(np.mean(np.abs(wave) >= limits.clipping_level))
    return max(full, _flat_top(centred, limits) + _flat_top(-centred, limits))


def _flat_top(wave: NDArray[np.float64], limits: SoundLimits) -> float:
    """Return the share of samples on flat tops of the upper side."""
    peak = float(wave.max())
    if peak < _TOP_LEAST:
        return 0.0
    width = max(_TOP_BITS * _LEAST_SIGNIFICANT_BIT, limits.flat_top_ratio * peak)
    at_top, near = wave >= peak - width, wave >= peak - 4 * width
    top = np.mean(at_top[2:] & at_top[1:-1] & at_top[:-2])
    beside = np.mean(near) - np.mean(at_top)
    return max(0.0, float(top - _TOP_TO_NEXT * beside))


def _hum(centred: NDArray[np.float64], rate_hz: int, limits: SoundLimits) -> tuple[float, float]:
    """Return hum's share of what sounds all the time, and its mean square.

    The median over short spectra keeps what is there all the time, frequency by frequency: speech
    comes and goes in each of them (after R. Martin, "Noise power spectral density estimation based
    on optimal smoothing and minimum statistics", IEEE Trans. SAP 9(5), 2001).
    """
    count = int(rate_hz * _SPECTRUM_SECONDS)
    window = np.hanning(count)
    parts = np.stack(
        [
            np.square(np.abs(np.fft.rfft(centred[start : start + count] * window)))
            for start in range(0, centred.size - count + 1, count // 4)
        ]
    )
    power = np.median(parts, axis=0) * 2.0 / (count * np.square(window).sum())
    hertz = np.fft.rfftfreq(count, 1.0 / rate_hz)
    total = float(power[hertz >= _AUDIBLE_HZ].sum())
    if total <= 0.0:
        return 0.0, 0.0
    lines = np.array(
        [
            power[np.abs(hertz - limits.hum_hz * number) <= limits.hum_width_hz].sum()
            for number in range(1, limits.hum_lines + 1)
        ]
    )
    shares = lines / total
    mains = int(lines.argmax()) <= 1 or int((shares > limits.hum_line_ratio).sum()) > 1
    return (float(shares.sum()), float(lines.sum())) if mains else (0.0, 0.0)
