"""Tell a working camera from a covered, dead or badly set one by its grey frames.

Frames are small (320 x 180), 8 bit, full range (0 black, 255 white). The mean over time removes
sensor noise; the noise itself is the proof that the sensor is alive.
"""

import math
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
_BLOCK_FRAMES: Final = 4
"""Neighbours' noise is alike where a camera smooths it over time."""
_EDGES_PERCENTILE: Final = 99.9
_GRADIENT_OF_NOISE: Final = 2.63
"""The same percentile of the gradient of white noise of deviation 1: sqrt(ln 1000)."""
_NOISE_MOST: Final = 8.0
"""No sensor has more; what a single frame has is its fine detail."""
_MOVED_LEVELS: Final = 6.0
_DIRECTION_SHARE: Final = 0.1
_SAME_CORRELATION: Final = 0.8
_BEAT_DRIFT: Final = 2.0
_BEAT_GAPS: Final = 2
"""So many times between new frames make a beat: two new frames a second have no more."""


@dataclass(frozen=True, slots=True)
class PictureMeasures:
    """Numbers of one window of frames; units as in :class:`PictureLimits`."""

    luma: float
    deviation: float
    gradient: float
    """99.9th percentile of the gradient's length: the edges of a plain wall are few."""
    edge_ratio: float
    """``gradient`` as a share of the deviation that no even light explains; 0 where none is."""
    bright_ratio: float
    blur: float
    difference: float
    """Median of the mean absolute difference between neighbouring frames; 0 for one frame."""
    still_ratio: float
    """Longest run of same frames, as a share of those that can tell; 0 for one such frame."""
    new_ratio: float
    """Share of frames that are not the one before again, where these come at a steady beat: the
    camera repeats its pictures. 1 where it does not, or for too few new ones to see a beat."""
    idle_colour: bool
    """The mean colour is a strong blue or green."""


def measure(
    frames: Frames,
    mean_rgb: Rgb | None = None,
    limits: PictureLimits | None = None,
    whole: Frames | None = None,
) -> PictureMeasures:
    """Reduce frames of shape (count, height, width) to numbers.

    Args:
        frames: one window.
        mean_rgb: mean colour of the last.
        limits: those that a measure needs.
        whole: pictures by which it is told whether the camera lives, of any number; None: by
            ``frames``.

    Raises:
        ValueError: not three dimensions, or no frame.
    """
    if frames.ndim != _DIMENSIONS or frames.shape[0] == 0:
        raise ValueError("frames must have the shape (count, height, width) with count >= 1")
    limits = limits or PictureLimits()
    told = whole is None or whole.shape[0] > 1
    differences = _differences(whole if whole is not None and told else frames)
    still = (differences < limits.still_difference) & told
    first, second = _halves(frames)
    # Of two means the noise falls out by itself; of one frame it is estimated.
    noise = 0.0
    if _moved(frames) and not _same_scene(first, second):
        first = second = frames[frames.shape[0] // 2].astype(np.float32)
        noise = min(noise_deviation(first), _NOISE_MOST)
    reference: Image = (first + second) / 2.0
    deviation = _root(_covariance(first, second) - noise**2)
    detail = _root(_covariance(_unlit(first), _unlit(second)) - noise**2)
    gradient = _gradient(first, second, noise)
    return PictureMeasures(
        luma=float(reference.mean()),
        deviation=deviation,
        gradient=gradient,
        edge_ratio=gradient / detail if detail > 0.0 else 0.0,
        bright_ratio=float(np.mean(reference >= limits.bright_level)),
        blur=blur_ratio(first, second),
        difference=float(np.median(differences)) if differences.size else 0.0,
        still_ratio=_longest_run_ratio(still),
        new_ratio=_new_ratio(still),
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
    elif measures.bright_ratio > limits.bright_ratio or measures.luma > limits.bright_luma:
        causes.append("overexposed")
    elif measures.blur > limits.blur or (
        measures.edge_ratio < limits.edge_ratio and measures.gradient < limits.blurred_gradient
    ):
        causes.append("blurred")
    return tuple(causes)


def blur_ratio(first: Image, second: Image) -> float:
    """Return how much of the detail a further blur leaves (0 sharp, 1 blurred).

    The idea is Crete's (F. Crete et al., "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric", SPIE 6492, 2007): a window of 11 pixels takes the steps
    between neighbours from a sharp picture, not from a blurred one; the worse direction counts.
    Instead of the sum of steps this is the energy of steps, as the product of two pictures of one
    scene: their noise is independent, so that it falls out, and noise does not pass for sharpness.

    Args:
        first: mean of some frames; of shape (height, width).
        second: mean of other frames of the same scene, as ``first``.
    """
    energies = [_step_energies(first, second), _step_energies(first.T, second.T)]
    least = _DIRECTION_SHARE * max(sharp for sharp, _ in energies)
    # A picture of bars has detail in one direction only.
    ratios = [blurred / sharp for sharp, blurred in energies if sharp > max(0.0, least)]
    return min(1.0, max(0.0, *ratios)) if ratios else 1.0


def noise_deviation(image: Image) -> float:
    """Return the standard deviation of a single frame's noise.

    J. Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding 64(2),
    1996: the difference of two Laplacians, which edges hardly pass.
    """
    rows = image[:-2] - 2.0 * image[1:-1] + image[2:]
    mask = rows[:, :-2] - 2.0 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.abs(mask).mean()) * math.sqrt(math.pi / 2.0) / 6.0


def _covariance(first: Image, second: Image) -> float:
    return float(np.mean((first - first.mean()) * (second - second.mean())))


def _unlit(image: Image) -> Image:
    """Return the picture less a surface of second degree: the light that falls on a wall."""
    height, width = image.shape
    down = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    right = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    # Legendre's polynomials do not depend on each other: one after the other is taken out.
    for shape in (down, right, down * right, 1.5 * down**2 - 0.5, 1.5 * right**2 - 0.5):
        surface = np.broadcast_to(shape, image.shape)
        share = np.float32((image * surface).mean() / np.square(surface).mean())
        image = (image - share * surface).astype(np.float32)
    return image


def _gradient(first: Image, second: Image, noise: float) -> float:
    """Return the gradient of the strongest edges, less what noise adds to it."""
    seen, of_means = (
        float(np.percentile(np.hypot(*np.gradient(image)), _EDGES_PERCENTILE))
        for image in ((first + second) / 2.0, (first - second) / 2.0)
    )
    return _root(seen**2 - of_means**2 - (_GRADIENT_OF_NOISE * noise) ** 2)


def _root(square: float) -> float:
    return math.sqrt(max(0.0, square))


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
    smooth = measures.gradient < limits.smooth_gradient
    faint = measures.gradient < limits.covered_gradient
    if measures.luma < limits.black_luma:
        return (
            "black" if smooth or (faint and measures.deviation < limits.black_deviation) else None
        )
    faint = faint and measures.luma >= limits.dark_luma
    return (
        "covered" if smooth or (faint and measures.deviation < limits.covered_deviation) else None
    )


def _halves(frames: Frames) -> tuple[Image, Image]:
    """Return the means of every other block of frames: same scene, same motion, other noise."""
    block = _BLOCK_FRAMES if frames.shape[0] > _BLOCK_FRAMES else 1
    turn = np.arange(frames.shape[0]) // block % 2
    first: Image = frames[turn == 0].mean(axis=0, dtype=np.float32)
    if not turn.any():
        return first, first
    second: Image = frames[turn == 1].mean(axis=0, dtype=np.float32)
    return first, second


def _moved(frames: Frames) -> bool:
    """Say whether the end of the window differs much from its begin."""
    if frames.shape[0] == 1:
        return False
    early, late = (half.mean(axis=0, dtype=np.float32) for half in np.array_split(frames, 2))
    return bool(np.abs(early - late).mean() >= _MOVED_LEVELS)


def _same_scene(first: Image, second: Image) -> bool:
    """Say whether two means agree in what a blur leaves of them, where noise hardly counts."""
    one, other = np.diff(_box(first), axis=1), np.diff(_box(second), axis=1)
    energy = math.sqrt(float(np.square(one).sum()) * float(np.square(other).sum()))
    return energy > 0.0 and float((one * other).sum()) >= _SAME_CORRELATION * energy


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


def _new_ratio(still: NDArray[np.bool_]) -> float:
    """Return the share of new frames, where each is repeated as often as the others, or once more.

    A still room that a camera compresses may repeat as well, but at no beat.
    """
    moments = np.flatnonzero(~still)
    gaps = np.diff(moments)
    if gaps.size < _BEAT_GAPS or np.ptp(gaps) > 1:
        return 1.0
    # Also over the whole window: what comes by chance drifts away from any beat.
    beat = gaps.mean()
    if np.ptp(moments - beat * np.arange(moments.size)) >= _BEAT_DRIFT:
        return 1.0
    return float(1.0 / beat)


def _idle_colour(mean_rgb: Rgb | None, limits: PictureLimits) -> bool:
    if mean_rgb is None:
        return False
    red, green, blue = mean_rgb
    return max(green, blue) - red >= limits.colour_difference and (
        abs(green - blue) >= limits.colour_difference
    )


def _step_energies(first: Image, second: Image) -> tuple[float, float]:
    """Return the energy of the steps along the rows, and what of it the window leaves."""
    margin = _BLUR_WINDOW // 2
    inner = slice(margin, -margin)
    sharp = np.diff(first[:, inner], axis=1) * np.diff(second[:, inner], axis=1)
    blurred = np.diff(_box(first), axis=1) * np.diff(_box(second), axis=1)
    return float(sharp.sum()), float(blurred.sum())


def _box(image: Image) -> Image:
    """Blur along the rows by the mean of a window."""
    sums = np.cumsum(np.pad(image, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    blurred: Image = ((sums[:, _BLUR_WINDOW:] - sums[:, :-_BLUR_WINDOW]) / _BLUR_WINDOW).astype(
        np.float32
    )
    return blurred
