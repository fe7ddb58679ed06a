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


@dataclass(frozen=True, slots=True)
class SoundMeasures:
    """Numbers of a few seconds of sound; blocks are 20 ms."""

    rms_dbfs: float
    peak_dbfs: float
    block_p10_dbfs: float
    block_p95_dbfs: float
    peak_to_peak_bits: float
    clipped_ratio: float
    hum_ratio: float
    """0 when the strongest lines do not look like mains."""


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
    return SoundMeasures(
        rms_dbfs=decibels(float(np.sqrt(np.mean(np.square(centred))))),
        peak_dbfs=decibels(float(np.abs(wave).max())),
        block_p10_dbfs=decibels(float(np.percentile(levels, 10))),
        block_p95_dbfs=decibels(float(np.percentile(levels, 95))),
        peak_to_peak_bits=float(wave.max() - wave.min()) / _LEAST_SIGNIFICANT_BIT,
        clipped_ratio=float(np.mean(np.abs(wave) >= limits.clipping_level)),
        hum_ratio=_hum_ratio(centred, rate_hz, limits),
    )


def classify(measures: SoundMeasures, limits: SoundLimits | None = None) -> tuple[str, ...]:
    """Name what is wrong with the sound, the gravest first; empty when nothing is."""
    limits = limits or SoundLimits()
    if measures.peak_to_peak_bits < limits.silence_bits:
        return ("digital_silence",)
    causes = []
    if measures.clipped_ratio > limits.clipping_ratio:
        causes.append("clipping")
    if measures.hum_ratio > limits.hum_ratio and measures.rms_dbfs > limits.hum_dbfs:
        causes.append("hum")
    elif not causes and measures.block_p10_dbfs > limits.noisy_dbfs:
        causes.append("noisy")
    if measures.block_p95_dbfs < limits.quiet_dbfs:
        causes.append("too_quiet")
    return tuple(causes)


def decibels(amplitude: float) -> float:
    """Return dB of full scale, not below :data:`SILENCE_DBFS`."""
    if amplitude <= 0.0:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, 20.0 * math.log10(amplitude))


def _hum_ratio(centred: NDArray[np.float64], rate_hz: int, limits: SoundLimits) -> float:
    power = np.square(np.abs(np.fft.rfft(centred * np.hanning(centred.size))))
    hertz = np.fft.rfftfreq(centred.size, 1.0 / rate_hz)
    total = float(power[hertz >= _AUDIBLE_HZ].sum())
    if total <= 0.0:
        return 0.0
    lines = np.array(
        [
            power[np.abs(hertz - limits.hum_hz * number) <= limits.hum_width_hz].sum() / total
            for number in range(1, limits.hum_lines + 1)
        ]
    )
    mains = int(lines.argmax()) <= 1 or int((lines > limits.hum_line_ratio).sum()) > 1
    return float(lines.sum()) if mains else 0.0
