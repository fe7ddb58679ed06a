"""A camera that repeats or freezes, and a still room that a codec repeats by itself."""

import math
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from diemcau_agent.probes import capture
from diemcau_agent.probes.camera import look
from diemcau_agent.probes.capture import Asked, Capture, judge
from diemcau_agent.signal import picture
from diemcau_agent.signal.limits import PICTURE_LIMITS
from tests.agent.probes import rooms
from tests.agent.probes.makers_av import judged_pictures

FRAMES, FRAMES_STOPPED = 75, 125
WIDTH, HEIGHT = 640, 360
CODECS = {
    "mjpeg": ("mjpeg", "yuvj420p", {}),
    "mjpeg, coarse": ("mjpeg", "yuvj420p", {"qmin": "20", "qmax": "31"}),
    "h264": ("libx264", "yuv420p", {"preset": "veryfast", "tune": "zerolatency"}),
    "h264, coarse": ("libx264", "yuv420p", {"preset": "veryfast", "crf": "40", "g": "10"}),
    "h264, 300 kbit/s": (
        "libx264", "yuv420p",
        {"preset": "veryfast", "b": "300k", "maxrate": "300k", "bufsize": "300k", "g": "60"},
    ),
    "h264, one quality": ("libx264", "yuv420p", {"preset": "veryfast", "qp": "34", "g": "60"}),
    "h264, seldom whole": ("libx264", "yuv420p", {"preset": "veryfast", "qp": "34", "g": "100"}),
    "h264, whole once": ("libx264", "yuv420p", {"preset": "veryfast", "qp": "34", "g": "500"}),
    "h265": (
        "libx265", "yuv420p",
        {"preset": "ultrafast", "x265-params": "qp=34:keyint=60:log-level=error"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("times", range(2, 16))
@pytest.mark.parametrize("seed", [5, 606])
def test_a_camera_that_shows_each_picture_again_gives_fewer(times: int, seed: int) -> None:
    """Down to two new pictures a second in a stream of thirty."""
    result = judged_pictures(rooms.repeating(seed, times))

    assert result.values["frames_per_second"] == pytest.approx(30.0)
    assert result.values["new_frames_per_second"] == pytest.approx(30.0 / times, rel=0.02)
    # 15 and 10 a second still show motion; nobody asked for more.
    expected = ("low_fps",) if 30.0 / times < 10.0 else ()
    assert result.causes == expected
    assert result.status in ("ok", "warn")


def test_what_was_asked_is_held_against_new_pictures() -> None:
    """Thirty a second were asked for, each of fifteen comes twice."""
    frames = rooms.repeating(5, 2)
    moments = tuple(number / 30 for number in range(len(frames)))
    taken = Capture(frames, (0.0, 0.0, 0.0), 640, 360, 0.1, moments, moments, 0.1)
    result = judge(taken, Asked(frames_per_second=30.0))

    assert (result.status, result.causes) == ("warn", ("low_fps",))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_pictures_that_repeat_without_a_beat_are_no_slow_camera(seed: int, share: float) -> None:
    """A camera that takes the noise away may send a still room again, now and then."""
    random = np.random.default_rng(seed)
    frames = np.concatenate([rooms.conference(seed), rooms.conference(seed + 1)[:20]])
    again = np.maximum.accumulate(
        np.where(random.uniform(size=len(frames)) >= share, np.arange(len(frames)), 0)
    )

    assert picture.measure(frames[again]).new_ratio >= PICTURE_LIMITS.rate_ratio


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_an_empty_room_through_a_real_encoder_is_not_called_slow(
    codec: str, noise: float, tmp_path: Path
) -> None:
    """An encoder repeats what stands still, or shows it anew at every key frame only."""
    file = tmp_path / "room.mkv"
    _encode(file, codec, noise)
    result = look("matroska", str(file), Asked(frames_per_second=30.0))

    assert "low_fps" not in result.causes, result.values
    assert "frozen" not in result.causes or noise == 0.0, result.values


@pytest.mark.parametrize("codec", ["mjpeg", "h264, one quality", "h264, seldom whole", "h265"])
def test_a_camera_that_stands_still_before_its_encoder_is_found(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the pictures that come whole say, however seldom they come."""
    # However busy this machine: what decodes slowly is looked at to its end.
    monkeypatch.setattr(capture, "LOOK_SECONDS", math.inf)
    file = tmp_path / "room.mkv"
    _encode(file, codec, 3.0, stopped=True)

    assert look("matroska", str(file), Asked()).causes == ("frozen",)


def test_a_still_stream_with_one_whole_picture_is_not_judged(tmp_path: Path) -> None:
    """Whether the room or the camera stands still cannot be told from it."""
    file = tmp_path / "room.mkv"
    _encode(file, "h264, whole once", 3.0, stopped=True)

    assert look("matroska", str(file), Asked()).causes == ()


def _encode(file: Path, codec: str, noise: float, *, stopped: bool = False) -> None:
    """Film an empty room: at full size, where a small picture's noise is a fraction of it."""
    random = np.random.default_rng(8)
    room = np.kron(rooms.scene(31, 0), np.ones((2, 2)))
    name, pixels, options = CODECS[codec]
    with av.open(str(file), "w") as container:
        stream = container.add_stream(name, rate=30, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        seen = np.clip(np.rint(room + random.normal(size=room.shape) * noise), 0, 255)
        for _ in range(FRAMES_STOPPED if stopped else FRAMES):
            if not stopped:
                seen = np.clip(np.rint(room + random.normal(size=room.shape) * noise), 0, 255)
            frame = av.VideoFrame.from_ndarray(seen.astype(np.uint8), format="gray")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode())
