"""Camera probe: open it, take two seconds of frames, say what they show. Runs in a child process.

Settings: ``format`` (``v4l2``, ``dshow``, ``rtsp``, ``lavfi``), ``url``, and what is asked of it:
``width``, ``height``, ``frames_per_second``. The url of v4l2 is a path, ``usb:VVVV:PPPP`` or a
name pattern; that of dshow is ``video=NAME`` or the name alone.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import av
import av.error
import numpy as np
import psutil
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from diemcau_agent.probes.camera_errors import open_failure
from diemcau_agent.probes.holders import programs_holding
from diemcau_agent.probes.log import note
from diemcau_agent.probes.result import MAX_TEXT, ProbeResult, judged
from diemcau_agent.probes.v4l2 import find_v4l2
from diemcau_agent.signal import picture

if TYPE_CHECKING:
    from diemcau_agent.probes.result import ProbeValue

OPEN_SECONDS: Final = 3.0
WINDOW_SECONDS: Final = 2.0
WINDOW_FRAMES: Final = 60
SETTLING_FRAMES: Final = 5
"""Left out: automatic exposure and white balance are still moving."""
SETTLING_SECONDS: Final = 0.7

GREY_SIZE: Final = (320, 180)
RATE_RATIO: Final = 0.8
RATE_LEAST: Final = 10.0
"""Frames per second under which motion is no longer seen as motion, whatever was asked."""
CPU_STARVED_RATIO: Final = 0.85


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What to open, and what is asked of it (None: as the camera likes)."""

    format: str
    url: str
    width: int | None = None
    height: int | None = None
    frames_per_second: float | None = None


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


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Open the camera that the settings name and judge its picture, rate and size."""
    wanted = CameraSettings(**settings)  # type: ignore[arg-type]  # checked by the agent's config
    if wanted.format == "v4l2":
        path = find_v4l2(wanted.url)
        if path is None:
            return judged(("missing",), {})
        holders = programs_holding(path)
        if holders:
            held_by = ", ".join(holders)[:MAX_TEXT]
            return ProbeResult("in_use", ("busy",), {"held_by": held_by})
        wanted = CameraSettings(**{**asdict(wanted), "url": str(path)})
    started = time.perf_counter()
    try:
        container = _open(wanted)
    except (av.error.FFmpegError, OSError) as error:
        note(f"open: {error}")
        return open_failure(error, wanted.format)
    opened = time.perf_counter()
    with container:
        capture = _capture(container, started)
    if capture is None:
        return judged(("no_frames",), {"open_seconds": round(opened - started, 3)})
    return _judge(capture, wanted, opened - started)


def _open(wanted: CameraSettings) -> InputContainer:
    """Open with what is asked; a camera that cannot do it is opened as it likes."""
    attempts = _options(wanted)
    for options in attempts[:-1]:
        try:
            return _open_with(wanted, options)
        except (av.error.ArgumentError, av.error.OSError) as error:
            if isinstance(error, FileNotFoundError | PermissionError):
                raise
            note(f"open with {options}: {error}")
    return _open_with(wanted, attempts[-1])


def _open_with(wanted: CameraSettings, options: dict[str, str]) -> InputContainer:
    url = wanted.url
    if wanted.format == "dshow" and not url.startswith("video="):
        url = f"video={url}"
    return av.open(
        url, "r", format=wanted.format, options=options, timeout=(OPEN_SECONDS, OPEN_SECONDS)
    )


def _options(wanted: CameraSettings) -> list[dict[str, str]]:
    if wanted.format == "rtsp":
        return [{"rtsp_transport": "tcp", "timeout": str(int(OPEN_SECONDS * 1e6))}]
    if wanted.format not in ("v4l2", "dshow"):
        return [{}]
    asked = {}
    if wanted.width is not None and wanted.height is not None:
        asked["video_size"] = f"{wanted.width}x{wanted.height}"
    if wanted.frames_per_second is not None:
        asked["framerate"] = f"{wanted.frames_per_second:g}"
    # Raw 720p does not fit through USB 2 at full rate: MJPEG first.
    compressed = {"input_format" if wanted.format == "v4l2" else "vcodec": "mjpeg"}
    return [compressed | asked, asked, {}] if asked else [compressed, {}]


def _capture(container: InputContainer, started: float) -> Capture | None:
    """Take the window; None when no frame came. A stream that breaks off ends the window."""
    reformatter, grey = VideoReformatter(), []
    arrivals: list[float] = []
    stamps: list[float] = []
    count, first, last = 0, 0.0, None
    psutil.cpu_percent()
    try:
        for frame in container.decode(video=0):
            now = time.perf_counter()
            count += 1
            if count == 1:
                first = now
            if count <= SETTLING_FRAMES and now - first < SETTLING_SECONDS:
                continue
            grey.append(_grey(reformatter, frame))
            arrivals.append(now)
            stamps.append(frame.time if frame.time is not None else now)
            last = frame
            if len(grey) >= WINDOW_FRAMES or now - arrivals[0] >= WINDOW_SECONDS:
                break
    except (av.error.FFmpegError, OSError) as error:
        note(f"read: {error}")
    if last is None:
        return None
    cpu_ratio = psutil.cpu_percent() / 100.0
    return Capture(
        np.stack(grey), _mean_rgb(last), last.width, last.height, first - started,
        tuple(arrivals), tuple(stamps), cpu_ratio,
    )  # fmt: skip


def _grey(reformatter: VideoReformatter, frame: VideoFrame) -> picture.Frames:
    width, height = GREY_SIZE
    small = reformatter.reformat(
        frame, width=width, height=height, format="gray", interpolation="AREA"
    )
    return small.to_ndarray().astype(np.uint8, copy=True)


def _mean_rgb(frame: VideoFrame) -> picture.Rgb:
    small = frame.reformat(width=16, height=9, format="rgb24", interpolation="AREA").to_ndarray()
    red, green, blue = small.reshape(-1, 3).mean(axis=0)
    return float(red), float(green), float(blue)


def _judge(capture: Capture, wanted: CameraSettings, open_seconds: float) -> ProbeResult:
    measures = picture.measure(capture.grey, capture.mean_rgb)
    rate = delivered_rate(capture)
    causes = list(picture.classify(measures))
    too_slow = rate is not None and rate < RATE_LEAST
    if rate is not None and (too_slow or (wanted.frames_per_second or 0.0) * RATE_RATIO > rate):
        causes.append("low_fps")
    asked_size = (wanted.width or capture.width, wanted.height or capture.height)
    if asked_size != (capture.width, capture.height):
        causes.append("wrong_size")
    values: dict[str, ProbeValue] = {
        "width": capture.width,
        "height": capture.height,
        "frames": len(capture.arrivals),
        "frames_per_second": None if rate is None else round(rate, 2),
        "open_seconds": round(open_seconds, 3),
        "first_frame_seconds": round(capture.first_frame_seconds, 3),
        "cpu_ratio": round(capture.cpu_ratio, 3),
    }
    values |= {
        name: value if isinstance(value, bool) else round(value, 4)
        for name, value in asdict(measures).items()
    }
    result = judged(tuple(causes), values)
    return ProbeResult("bad", result.causes, values) if too_slow else result


def delivered_rate(capture: Capture) -> float | None:
    """Return frames per second as they came; None for fewer than two frames.

    The slower of arrival times and the camera's own stamps counts. When the whole PC is busy,
    arrivals tell of the PC and only the stamps of the camera.
    """
    arrival, stamp = _rate(capture.arrivals), _rate(capture.stamps)
    if stamp is None or arrival is None:
        return arrival
    return stamp if capture.cpu_ratio >= CPU_STARVED_RATIO else min(arrival, stamp)


def _rate(moments: tuple[float, ...]) -> float | None:
    if not moments or moments[-1] <= moments[0]:
        return None
    return (len(moments) - 1) / (moments[-1] - moments[0])
