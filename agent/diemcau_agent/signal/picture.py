"""Tell a working camera from a covered, dead or badly set one by its grey frames.

Frames are small (320 x 180), 8 bit, full range (0 black, 255 white). The mean over time removes
sensor noise; the noise itself is the proof that the sensor is alive.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.signal.limits import PictureLimits

Frames = NDArray[np.uint8]
Image = NDArray[np.float32]
Rgb = tuple[float, float, float]

_BLUR_WINDOW: Final = 11
_DIMENSIONS: Final = 3
_SHORT_WINDOW_FRAMES: Final = 4


@dataclass(frozen=True, slots=True)
class PictureMeasures:
    """Numbers of one window of frames; units as in :class:`PictureLimits`."""

    luma: float
    deviation: float
    gradient: float
    """99.5th percentile of the gradient's length."""
    bright_ratio: float
    blur: float
    difference: float
    """Median of the mean absolute difference between neighbouring frames; 0 for one frame."""
    still_ratio: float
    """Longest run of same frames, as a share of the window; 0 for one frame."""
    idle_colour: bool
    """The mean colour is a strong blue or green."""


def measure(
    frames: Frames, mean_rgb: Rgb | None = None, limits: PictureLimits | None = None
) -> PictureMeasures:
    """Reduce frames of shape (count, height, width) to numbers.

    Raises:
        ValueError: not three dimensions, or no frame.
    """
    if frames.ndim != _DIMENSIONS or frames.shape[0] == 0:
        raise ValueError("frames must have the shape (count, height, width) with count >= 1")
    limits = limits or PictureLimits()
    differences = _differences(frames)
    reference = _reference(frames, limits)
    rows, columns = np.gradient(reference)
    return PictureMeasures(
        luma=float(reference.mean()),
        deviation=float(reference.std()),
        gradient=float(np.percentile(np.hypot(rows, columns), 99.5)),
        bright_ratio=float(np.mean(reference >= limits.bright_level)),
        blur=blur_metric(reference),
        difference=float(np.median(differences)) if differences.size else 0.0,
        still_ratio=_longest_run_ratio(differences < limits.still_difference),
        idle_colour=_idle_colour(mean_rgb, limits),
    )


def classify(measures: PictureMeasures, limits: PictureLimits | None = None) -> tuple[str, ...]:
    """Name what is wrong with the picture, the gravest first; empty when nothing is.

    A picture without content has exactly one cause. A lens cap is ``black``; a hand or a sticker
    that lets light through is ``covered``; one plain colour without any sensor noise, or in an
    idle screen's blue, is ``no_signal``.
    """
    limits = limits or PictureLimits()
    empty = _without_content(measures, limits)
    if empty is not None:
        return (empty,)
    causes = []
    if measures.still_ratio >= limits.frozen_ratio:
        causes.append("frozen")
    if measures.luma < limits.dark_luma:
        causes.append("dark")
    elif measures.bright_ratio > limits.bright_ratio:
        causes.append("overexposed")
    elif measures.blur > limits.blur:
        causes.append("blurred")
    return tuple(causes)


def blur_metric(image: Image) -> float:
    """Crete's metric: how little a further blur changes the picture (0 sharp, 1 blurred).

    F. Crete et al., "The blur effect: perception and estimation with a new no-reference
    perceptual blur metric", SPIE 6492 (2007); window of 11 pixels, the worse direction counts.
    """
    return max(_blur_along_rows(image), _blur_along_rows(np.ascontiguousarray(image.T)))


def _without_content(measures: PictureMeasures, limits: PictureLimits) -> str | None:
    if measures.bright_ratio > limits.bright_ratio:
        return None if measures.deviation >= limits.flat_deviation else "overexposed"
    if measures.deviation < limits.flat_deviation:
        if measures.idle_colour:
            return "no_signal"
        if measures.luma < limits.black_luma:
            return "black"
        dead = measures.difference < limits.still_difference
        return "no_signal" if dead else "covered"
    if measures.gradient < limits.black_gradient and measures.luma < limits.black_luma:
        return "black"
    return "covered" if measures.gradient < limits.covered_gradient else None


def _reference(frames: Frames, limits: PictureLimits) -> Image:
    mean: Image = frames.mean(axis=0, dtype=np.float32)
    half = frames.shape[0] // 2
    if half < _SHORT_WINDOW_FRAMES:
        return mean
    early: Image = frames[:half].mean(axis=0, dtype=np.float32)
    late: Image = frames[half:].mean(axis=0, dtype=np.float32)
    if float(np.abs(early - late).mean()) < limits.moving_difference:
        return mean
    short: Image = frames[half : half + _SHORT_WINDOW_FRAMES].mean(axis=0, dtype=np.float32)
    return short


def _differences(frames: Frames) -> NDArray[np.float64]:
    signed = frames.astype(np.int16)
    return np.array(
        [np.abs(later - earlier).mean() for earlier, later in pairwise(signed)],
        dtype=np.float64,
    )


def _longest_run_ratio(still: NDArray[np.bool_]) -> float:
    if still.size == 0:
        return 0.0
    longest = run = 0
    for same in still:
        run = run + 1 if same else 0
        longest = max(longest, run)
    return longest / still.size


def _idle_colour(mean_rgb: Rgb | None, limits: PictureLimits) -> bool:
    if mean_rgb is None:
        return False
    red, green, blue = mean_rgb
    return max(green, blue) - red >= limits.colour_difference and (
        abs(green - blue) >= limits.colour_difference
    )


def _blur_along_rows(image: Image) -> float:
    sums = np.cumsum(np.pad(image.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    blurred = (sums[:, _BLUR_WINDOW:] - sums[:, :-_BLUR_WINDOW]) / _BLUR_WINDOW
    margin = _BLUR_WINDOW // 2
    sharp_steps = np.abs(np.diff(image[:, margin:-margin].astype(np.float64), axis=1))
    blurred_steps = np.abs(np.diff(blurred, axis=1))
    total = float(sharp_steps.sum())
    if total <= 0.0:
        return 1.0
    return 1.0 - float(np.maximum(0.0, sharp_steps - blurred_steps).sum()) / total
