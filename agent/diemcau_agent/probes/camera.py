"""Camera probe: open it, take some seconds of frames, say what they show. Runs in a child process.

Settings: ``format`` (``v4l2``, ``dshow``, ``rtsp``, ``lavfi``), ``url``, what is asked of it
(``width``, ``height``, ``frames_per_second``) and ``limits`` of its picture. The url of v4l2 is a
path, ``usb:VVVV:PPPP`` or a name pattern; that of dshow is a name pattern, with or without
``video=`` before it; that of rtsp has its login beside it (``username``, ``password``).
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import av
import av.error
from av.container import InputContainer

from diemcau_agent.probes.address import with_login
from diemcau_agent.probes.camera_errors import open_failure
from diemcau_agent.probes.capture import Asked, capture, judge
from diemcau_agent.probes.consent import occupied, refusal
from diemcau_agent.probes.dshow import camera_names, find_dshow
from diemcau_agent.probes.holders import programs_holding
from diemcau_agent.probes.log import note
from diemcau_agent.probes.result import MAX_TEXT, ProbeResult, judged
from diemcau_agent.probes.v4l2 import find_v4l2, shutter_closed
from diemcau_agent.signal.limits import PictureLimits

CAUSES: Final = frozenset(
    {
        "missing", "denied", "busy", "no_frames", "low_fps", "wrong_size", "black", "covered",
        "frozen", "dark", "overexposed", "blurred", "no_signal", "auth", "refused", "unreachable",
    }
)  # fmt: skip
"""All that this probe can say; the frame around it adds its own."""
OPEN_SECONDS: Final = 3.0


def probe(settings: Mapping[str, Any]) -> ProbeResult:
    """Open the camera that the settings name and judge its picture, rate and size."""
    source_format, url = settings["format"], settings["url"]
    asked = asked_of(settings)
    if source_format == "rtsp":
        url = with_login(url, settings.get("username", ""), settings.get("password", ""))
    match source_format:
        case "v4l2":
            return _probe_v4l2(url, asked)
        case "dshow":
            return _probe_dshow(url, asked)
        case _:
            return look(source_format, url, asked)


def _probe_dshow(url: str, asked: Asked) -> ProbeResult:
    denied = refusal("webcam")
    if denied is not None:
        return denied
    named = find_dshow(url, camera_names())
    if named is None:
        return judged(("missing",), {})
    note(f"camera: {named}")
    return occupied("webcam") or look("dshow", named, asked)


def _probe_v4l2(url: str, asked: Asked) -> ProbeResult:
    path = find_v4l2(url)
    if path is None:
        return judged(("missing",), {})
    holders = programs_holding(path)
    # Where that cannot be known the driver says it: it refuses a second stream (EBUSY).
    if holders:
        return ProbeResult("in_use", ("busy",), {"held_by": ", ".join(holders)[:MAX_TEXT]})
    if shutter_closed(path):
        return judged(("covered",), {"privacy_shutter": True})
    return look("v4l2", str(path), asked)


def asked_of(settings: Mapping[str, Any]) -> Asked:
    """Return what the settings ask of a picture."""
    return Asked(
        settings.get("width"), settings.get("height"), settings.get("frames_per_second"),
        PictureLimits(**settings.get("limits", {})),
    )  # fmt: skip


def look(source_format: str, url: str, asked: Asked) -> ProbeResult:
    """Open a source of PyAV and judge its picture, rate and size.

    Args:
        source_format: ``v4l2``, ``dshow``, ``rtsp`` or ``lavfi``.
        url: as FFmpeg's format of that name takes it.
        asked: what the picture is held against.
    """
    started = time.perf_counter()
    try:
        container = _open(source_format, url, asked)
    except (av.error.FFmpegError, OSError) as error:
        note(f"open: {error}")
        return open_failure(error, source_format)
    open_seconds = round(time.perf_counter() - started, 3)
    with container:
        taken = capture(container, started)
    if taken is None:
        return judged(("no_frames",), {"open_seconds": open_seconds})
    result = judge(taken, asked)
    return ProbeResult(
        result.status, result.causes, {"open_seconds": open_seconds, **result.values}
    )


def _open(source_format: str, url: str, asked: Asked) -> InputContainer:
    """Open with what is asked; a camera that cannot do it is opened as it likes."""
    attempts = _options(source_format, asked)
    for options in attempts[:-1]:
        try:
            return _open_with(source_format, url, options)
        except (av.error.ArgumentError, av.error.OSError) as error:
            if isinstance(error, FileNotFoundError | PermissionError):
                raise
            note(f"open with {options}: {error}")
    return _open_with(source_format, url, attempts[-1])


def _open_with(source_format: str, url: str, options: dict[str, str]) -> InputContainer:
    return av.open(
        url, "r", format=source_format, options=options, timeout=(OPEN_SECONDS, OPEN_SECONDS)
    )


def _options(source_format: str, asked: Asked) -> list[dict[str, str]]:
    if source_format == "rtsp":
        return [{"rtsp_transport": "tcp", "timeout": str(int(OPEN_SECONDS * 1e6))}]
    if source_format not in ("v4l2", "dshow"):
        return [{}]
    wanted = {}
    if asked.width is not None and asked.height is not None:
        wanted["video_size"] = f"{asked.width}x{asked.height}"
    if asked.frames_per_second is not None:
        wanted["framerate"] = f"{asked.frames_per_second:g}"
    attempts = [wanted, {}] if wanted else [{}]
    if source_format == "v4l2":
        # Raw 720p does not fit through USB 2 at full rate: MJPEG first. DirectShow has no such
        # option: its filter gives the first form of the size and rate that are asked for.
        attempts.insert(0, {"input_format": "mjpeg"} | wanted)
    return attempts
