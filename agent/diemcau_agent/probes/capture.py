"""One window of a camera's frames, in memory only: what every picture is judged by.

For every source that PyAV opens: ``capture(container, started)`` takes the window,
``judge(capture, asked)`` says what it shows.
"""

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

import av
import av.error
import numpy as np
import psutil
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from diemcau_agent.probes.log import note
from diemcau_agent.probes.result import ProbeResult, judged
from diemcau_agent.probes.table import CPU_STARVED_RATIO
from diemcau_agent.signal import picture
from diemcau_agent.signal.limits import PICTURE_LIMITS, PictureLimits

if TYPE_CHECKING:
    from diemcau_agent.probes.result import ProbeValue

WINDOW_SECONDS: Final = 2.0
WINDOW_FRAMES: Final = 60
SETTLING_FRAMES: Final = 5
"""Left out: automatic exposure and white balance are still moving."""
SETTLING_SECONDS: Final = 0.7
STOPPED_FRAMES: Final = 8
STOPPED_RATIO: Final = 0.7
STOPPED_SECONDS: Final = 1.5
"""So long a picture that stopped within the window is watched on, until most of it is still."""
LOOK_SECONDS: Final = 5.5
"""Opening with it: so long a still picture is watched that others were told from (``_SINGLE``),
until a second one comes whole. Network cameras send one every 1 to 4 seconds."""

GREY_SIZE: Final = (320, 180)
_SINGLE: Final = frozenset({"rawvideo", "mjpeg", "wrapped_avframe"})
"""Codecs that send every picture whole; others repeat what stands still by themselves, also where
the room lives: x264 left no change between the key frames of an empty room of noise 1.5 to 3."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a camera must give (None: as it likes), and what its picture is judged by."""

    width: int | None = None
    height: int | None = None
    frames_per_second: float | None = None
    limits: PictureLimits = PICTURE_LIMITS


@dataclass(frozen=True, slots=True)
class Capture:
    """Frames of one window, in memory only, with their times in seconds."""

    grey: picture.Frames
    mean_rgb: picture.Rgb
    width: int
    height: int
    first_frame_seconds: float
    arrivals: tuple[float, ...]
    stamps: tuple[float, ...]
    cpu_ratio: float
    single: bool = True
    """Every picture came whole, so that one that is repeated is the camera's doing."""
    whole: picture.Frames | None = None
    """Single pixels of those that came whole, for what stands still; None: ``grey`` has them."""


def capture(container: InputContainer, started: float) -> Capture | None:
    """Take the window; None when no frame came. A stream that breaks off ends the window.

    Args:
        container: opened for reading, with a video stream.
        started: when opening began, by ``time.perf_counter``.
    """
    window = _Window(
        single=container.streams.video[0].codec_context.name in _SINGLE,
        until=started + LOOK_SECONDS,
    )
    count, first = 0, 0.0
    psutil.cpu_percent()
    try:
        for frame in container.decode(video=0):
            now = time.perf_counter()
            count += 1
            if count == 1:
                first = now
            window.watch(frame)
            if count <= SETTLING_FRAMES and now - first < SETTLING_SECONDS:
                continue
            window.add(frame, now)
            if window.complete():
                break
    except (av.error.FFmpegError, OSError) as error:
        note(f"read: {error}")
    return window.taken(first - started, psutil.cpu_percent() / 100.0)


class _Window:
    """Frames as they come. A picture that has just stopped is watched on: does it stay so?

    What an encoder tells from other pictures repeats them where the room's noise is too faint for
    its bit rate: only pictures that came whole prove there that the room stood still. Noise is
    sought in single pixels, for that of a large picture falls out of the mean of many.
    """

    def __init__(self, *, single: bool, until: float) -> None:
        self._single = single
        self._until = until
        self._means, self._pixels = VideoReformatter(), VideoReformatter()
        self._grey: list[picture.Frames] = []
        self._whole: list[picture.Frames] = []
        self._arrivals: list[float] = []
        self._stamps: list[float] = []
        self._last: VideoFrame | None = None
        self._seen: picture.Frames | None = None
        self._still = 0

    def watch(self, frame: VideoFrame) -> None:
        """Take what of a frame tells whether the picture stands still, settled or not."""
        seen = _small(self._pixels, frame, "POINT")
        same = self._seen is not None and np.array_equal(self._seen, seen)
        self._still = self._still + 1 if same else 0
        self._seen = seen
        if self._single or frame.pict_type == PictureType.I:
            self._whole.append(seen)

    def add(self, frame: VideoFrame, now: float) -> None:
        """Take one frame that has settled."""
        self._grey.append(_small(self._means, frame, "AREA"))
        self._arrivals.append(now)
        self._stamps.append(frame.time if frame.time is not None else now)
        self._last = frame

    def complete(self) -> bool:
        """Say whether enough has been seen."""
        now, count = self._arrivals[-1], len(self._grey)
        elapsed = now - self._arrivals[0]
        if count < WINDOW_FRAMES and elapsed < WINDOW_SECONDS:
            return False
        if self._still < STOPPED_FRAMES:
            return True
        if self._single:
            return (
                self._still >= STOPPED_RATIO * count or elapsed >= WINDOW_SECONDS + STOPPED_SECONDS
            )
        return len(self._whole) > 1 or now >= self._until

    def taken(self, first_frame_seconds: float, cpu_ratio: float) -> Capture | None:
        """Return the last of the frames, one window of them; None where there is none."""
        if self._last is None:
            return None
        grey = np.stack(self._grey[-WINDOW_FRAMES:])
        # The settling's pictures are whole as well, and a codec's are seconds apart.
        whole = self._whole[-len(grey) :] if self._single else self._whole
        return Capture(
            grey, _mean_rgb(self._last),
            self._last.width, self._last.height, first_frame_seconds,
            tuple(self._arrivals), tuple(self._stamps), cpu_ratio, self._single,
            np.array(whole, np.uint8).reshape(-1, *grey.shape[1:]),
        )  # fmt: skip


def _small(
    reformatter: VideoReformatter, frame: VideoFrame, interpolation: Literal["AREA", "POINT"]
) -> picture.Frames:
    """Return one grey picture: the mean of what each pixel stands for, or one pixel of it."""
    width, height = GREY_SIZE
    small = reformatter.reformat(
        frame, width=width, height=height, format="gray", interpolation=interpolation
    )
    return small.to_ndarray().astype(np.uint8, copy=True)


def judge(taken: Capture, asked: Asked) -> ProbeResult:
    """Name what is wrong with the picture, its rate and its size, with every number.

    A camera that repeats its pictures gives fewer than it delivers: a warning at most, for it is
    concluded from a few pictures only.
    """
    measures = picture.measure(taken.grey, taken.mean_rgb, asked.limits, taken.whole)
    rate = delivered_rate(taken)
    causes = list(picture.classify(measures, asked.limits))
    least = (asked.frames_per_second or 0.0) * asked.limits.rate_ratio
    too_slow = rate is not None and rate < asked.limits.rate_least
    repeats = taken.single and "frozen" not in causes
    new_rate = None if rate is None else rate * (measures.new_ratio if repeats else 1.0)
    if new_rate is not None and (new_rate < least or new_rate < asked.limits.rate_least):
        causes.append("low_fps")
    asked_size = (asked.width or taken.width, asked.height or taken.height)
    if asked_size != (taken.width, taken.height):
        causes.append("wrong_size")
    values: dict[str, ProbeValue] = {
        "width": taken.width,
        "height": taken.height,
        "frames": len(taken.arrivals),
        "frames_per_second": None if rate is None else round(rate, 2),
        "new_frames_per_second": None if new_rate is None else round(new_rate, 2),
        "first_frame_seconds": round(taken.first_frame_seconds, 3),
        "cpu_ratio": round(taken.cpu_ratio, 3),
    }
    values |= {
        name: value if isinstance(value, bool) else round(value, 4)
        for name, value in asdict(measures).items()
    }
    result = judged(tuple(causes), values)
    return ProbeResult("bad", result.causes, values) if too_slow else result


def delivered_rate(taken: Capture) -> float | None:
    """Return frames per second as they came; None for fewer than two frames.

    The slower of arrival times and the camera's own stamps counts. When the whole PC is busy,
    arrivals tell of the PC and only the stamps of the camera.
    """
    arrival, stamp = _rate(taken.arrivals), _rate(taken.stamps)
    if stamp is None or arrival is None:
        return arrival
    return stamp if taken.cpu_ratio >= CPU_STARVED_RATIO else min(arrival, stamp)


def _rate(moments: tuple[float, ...]) -> float | None:
    if not moments or moments[-1] <= moments[0]:
        return None
    return (len(moments) - 1) / (moments[-1] - moments[0])


def _mean_rgb(frame: VideoFrame) -> picture.Rgb:
    small = frame.reformat(width=16, height=9, format="rgb24", interpolation="AREA").to_ndarray()
    red, green, blue = small.reshape(-1, 3).mean(axis=0)
    return float(red), float(green), float(blue)
