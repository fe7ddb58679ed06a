"""The camera probe as a real child process, with stand-in cameras."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import av.error
import numpy as np
import pytest

from diemcau_agent.probes import camera, listing
from diemcau_agent.probes.camera import probe
from diemcau_agent.probes.camera_errors import open_failure
from diemcau_agent.probes.capture import Asked, Capture, delivered_rate
from diemcau_agent.probes.dshow import name_pattern
from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.holders import programs_holding
from diemcau_agent.probes.result import ProbeResult
from diemcau_contract.causes import Cause
from diemcau_contract.words import Status
from tests.agent.probes import trees
from tests.agent.probes.peers.rtsp import NetworkCamera, network_camera

LIMIT_SECONDS = 60.0
ROOM = "testsrc2=size=640x360:rate=30,noise=alls=4:allf=t"


@pytest.mark.parametrize(
    ("graph", "status", "causes"),
    [
        (f"{ROOM},realtime", "ok", ()),
        ("color=c=0x101010:size=640x360:rate=30,noise=alls=3:allf=t", "bad", ("black",)),
        ("color=c=black:size=640x360:rate=30", "bad", ("black",)),
        ("color=c=0x606060:size=640x360:rate=30,noise=alls=6:allf=t", "bad", ("covered",)),
        ("color=c=blue:size=640x360:rate=30", "bad", ("no_signal",)),
        ("color=c=white:size=640x360:rate=30", "warn", ("overexposed",)),
        ("smptehdbars=size=640x360:rate=30", "bad", ("frozen",)),
        (f"{ROOM},loop=loop=-1:size=1:start=5", "bad", ("frozen",)),
        (f"{ROOM},lutyuv=y=(val-16)*0.1+18,noise=alls=3:allf=t", "warn", ("dark",)),
        (f"{ROOM},lutyuv=y=val*2.2", "warn", ("overexposed",)),
        (f"{ROOM},gblur=sigma=14,noise=alls=4:allf=t", "warn", ("blurred",)),
        ("testsrc2=size=640x360:rate=4,noise=alls=4:allf=t", "bad", ("low_fps",)),
    ],
)
def test_what_a_stand_in_camera_shows(graph: str, status: str, causes: tuple[str, ...]) -> None:
    """Each stand-in is named by its own cause."""
    result, log = run_probe("camera", {"format": "lavfi", "url": graph}, LIMIT_SECONDS)
    assert (result.status, result.causes) == (status, causes), f"{result.values}\n{log}"


@pytest.mark.parametrize("password", ["right", "Ad@min:1/2?3#4 '5%", "phòng họp"])
def test_a_network_cameras_login_may_hold_any_sign(password: str) -> None:
    """It stands beside the address, not in it; a wrong one is called one; no log has it."""
    with network_camera(NetworkCamera(login=f"admin:{password}")) as port:
        settings = {"format": "rtsp", "url": f"rtsp://127.0.0.1:{port}/main", "username": "admin"}
        let_in, log = run_probe("camera", {**settings, "password": password}, LIMIT_SECONDS)
        refused, refused_log = run_probe("camera", {**settings, "password": "wrong"}, LIMIT_SECONDS)

    assert (let_in.status, let_in.causes) == (Status.OK, ()), log
    assert refused.causes == (Cause.AUTH,)
    assert not re.search(r"admin:|wrong", log + refused_log)


def test_size_and_rate_are_held_against_what_is_asked() -> None:
    """A camera that is smaller and slower than agreed is a warning with both causes."""
    settings = {
        "format": "lavfi",
        "url": "testsrc2=size=320x240:rate=15,noise=alls=4:allf=t",
        "width": 1280,
        "height": 720,
        "frames_per_second": 30,
    }
    result, _ = run_probe("camera", settings, LIMIT_SECONDS)
    assert (result.status, result.causes) == ("warn", ("low_fps", "wrong_size"))
    assert result.values["width"] == 320
    assert result.values["frames_per_second"] == pytest.approx(15, rel=0.1)


@pytest.mark.parametrize(
    ("source", "status", "cause"),
    [
        ({"format": "v4l2", "url": "/dev/video-none"}, "bad", "missing"),
        ({"format": "v4l2", "url": "No such camera"}, "bad", "missing"),
        ({"format": "rtsp", "url": "rtsp://admin:secret@127.0.0.1:1/main"}, "bad", "refused"),
        ({"format": "lavfi", "url": "no_such_filter=1"}, "unknown", "crashed"),
        ({"format": "lavfi", "url": "testsrc2,trim=end_frame=0"}, "bad", "no_frames"),
    ],
)
def test_why_a_camera_does_not_open(source: dict[str, object], status: str, cause: str) -> None:
    """Missing, refused, our own mistake and no frames are told apart; logins stay secret."""
    result, log = run_probe("camera", source, LIMIT_SECONDS)
    assert (result.status, result.causes) == (status, (cause,)), log
    assert "secret" not in log


@pytest.mark.parametrize(
    ("number", "status", "cause"),
    [
        (errno.EBUSY, "in_use", "busy"),
        (errno.EACCES, "bad", "denied"),
        (errno.ENODEV, "bad", "missing"),
        (errno.EHOSTUNREACH, "bad", "unreachable"),
        (errno.EIO, "bad", "no_frames"),
    ],
)
def test_the_systems_error_tells_busy_denied_and_missing_apart(
    number: int, status: str, cause: str
) -> None:
    """In use is no fault of the camera; what the system says decides."""
    result = open_failure(OSError(number, os.strerror(number)), "v4l2")

    assert (result.status, result.causes) == (status, (cause,))


def test_a_camera_that_gives_no_more_frames_is_over_time() -> None:
    """One frame in a hundred seconds: the hard limit ends it."""
    settings = {"format": "lavfi", "url": "testsrc2=rate=1/100,realtime=limit=1000"}
    result, _ = run_probe("camera", settings, 5.0)
    assert result.causes[0] == "timeout"
    assert result.status in (Status.BAD, Status.UNKNOWN)


def _capture(arrivals_per_second: float, stamps_per_second: float, cpu_ratio: float) -> Capture:
    steps = range(30)
    return Capture(
        np.zeros((30, 180, 320), np.uint8), (0.0, 0.0, 0.0), 640, 360, 0.1,
        tuple(step / arrivals_per_second for step in steps),
        tuple(step / stamps_per_second for step in steps),
        cpu_ratio,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arrival", "stamp", "cpu_ratio", "rate"),
    [(9, 30, 0.3, 9), (9, 30, 0.97, 30), (30, 9, 0.97, 9), (2000, 30, 0.3, 30)],
)
def test_a_busy_pc_is_not_taken_for_a_slow_camera(
    arrival: float, stamp: float, cpu_ratio: float, rate: float
) -> None:
    """The slower clock counts, except where arrivals were delayed by the PC."""
    assert delivered_rate(_capture(arrival, stamp, cpu_ratio)) == pytest.approx(rate)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_device_held_by_another_program_is_named(tmp_path: Path) -> None:
    """The holder's name is found from the kernel's list of open files; the prober's own is not."""
    device = tmp_path / "video0"
    device.touch()
    other = tmp_path / "proc" / "77"
    (other / "fd").mkdir(parents=True)
    (other / "comm").write_text("chrome\n", encoding="utf-8")
    (other / "fd" / "9").symlink_to(device)
    own = tmp_path / "proc" / str(os.getpid())
    (own / "fd").mkdir(parents=True)
    (own / "fd" / "3").symlink_to(device)
    assert programs_holding(device, tmp_path / "proc") == ("chrome",)
    assert programs_holding(tmp_path / "video1", tmp_path / "proc") == ()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("uid_map", "owner", "seen", "held"),
    [
        ("1000 1000 1", "ours", False, None),
        ("1000 1000 1", "ours", True, ("zoom",)),
        ("1000 1000 1", "another's", False, ()),
        ("0 0 4294967295", "ours", False, ()),
    ],
)
def test_nobody_seen_is_not_nobody_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    uid_map: str,
    owner: str,
    seen: bool,
    held: object,
) -> None:
    """In a user namespace this user's own programs hide their files; others' are always hidden."""
    trees.write(tmp_path, "proc/self/uid_map", uid_map)
    trees.process(tmp_path, 77, "guarded", "dev/video9")
    if seen:
        trees.process(tmp_path, 78, "zoom", "dev/video0")
    hidden, really = tmp_path / "proc/77/fd", Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder == hidden:
            raise PermissionError(13, "Permission denied")
        return really(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    uid = os.getuid() if owner == "ours" else os.getuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: uid)

    assert programs_holding(tmp_path / "dev/video0", tmp_path / "proc") == held


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("uid_map", "shown", "held"),
    [
        ("1000 1000 1", "rw,hidepid=invisible", None),
        ("1000 1000 1", "rw", ()),
        ("0 0 4294967295", "rw,hidepid=invisible", ()),
    ],
)
def test_programs_that_are_not_even_listed_are_not_nobody(
    tmp_path: Path, *, uid_map: str, shown: str, held: object
) -> None:
    """With ProtectProc=invisible whoever is not to be looked into is left out of ``/proc``."""
    trees.write(tmp_path, "proc/self/uid_map", uid_map)
    mounts = ("22 1 0:21 / /proc rw - proc proc rw", f"99 22 0:6 / /proc rw - proc p {shown}")
    trees.write(tmp_path, "proc/self/mountinfo", "\n".join(mounts))

    assert programs_holding(tmp_path / "dev/video0", tmp_path / "proc") == held


def listed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let Windows list these cameras."""

    def enumerated(form: str) -> list[SimpleNamespace]:
        assert form == "dshow"
        return [SimpleNamespace(description=name) for name in names]

    monkeypatch.setattr(av, "enumerate_input_devices", enumerated)


@pytest.mark.parametrize("url", ["Logitech", "logitech b*", "Logitech BRIO", "video=Logitech BRIO"])
def test_directshow_is_asked_for_the_name_and_for_what_it_must_give(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """By the whole name, as the inventory finds it; not run on Windows yet.

    Size and rate first, then as the camera likes: FFmpeg's dshow has no option for the codec, and
    what it does not know would be dropped in silence.
    """
    asked: list[tuple[str, str, dict[str, str]]] = []

    def refuse(name: str, _mode: str, **how: Any) -> None:
        asked.append((name, how["format"], how["options"]))
        raise av.error.ArgumentError(errno.EINVAL, "no such format")

    listed(monkeypatch, "OBS Virtual Camera", "Logitech BRIO", "Logitech C920")
    monkeypatch.setattr(av, "open", refuse)
    settings = {
        "format": "dshow",
        "url": url,
        "width": 1280,
        "height": 720,
        "frames_per_second": 30,
    }
    result = probe(settings)
    wanted = {"kind": "camera", "pattern": name_pattern(url)}
    inventory = listing.probe({"format": "dshow", "devices": [wanted]})

    size = {"video_size": "1280x720", "framerate": "30"}
    assert [options for _, _, options in asked] == [size, {}]
    assert {(name, form) for name, form, _ in asked} == {("video=Logitech BRIO", "dshow")}
    assert (result.status, result.causes) == ("bad", ("no_frames",))
    assert (inventory.values["found.0"], inventory.values["model.0"]) == (True, "Logitech BRIO")


def test_a_directshow_camera_is_denied_missing_in_use_or_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In this order, as the inventory tells them; opened only where nothing stands against it."""
    denied = ProbeResult("bad", ("denied",))
    used = ProbeResult("in_use", ("busy",), {"held_by": "zoom.exe"})
    opened: list[str] = []

    def look(_form: str, url: str, _asked: Asked) -> ProbeResult:
        opened.append(url)
        return ProbeResult("ok")

    monkeypatch.setattr(camera, "look", look)
    monkeypatch.setattr(camera, "refusal", lambda _capability: denied)
    monkeypatch.setattr(camera, "occupied", lambda _capability: used)
    listed(monkeypatch)
    settings = {"format": "dshow", "url": "Rally"}
    told = [probe(settings)]
    monkeypatch.setattr(camera, "refusal", lambda _capability: None)
    told.append(probe(settings))
    listed(monkeypatch, "Logitech Rally Camera")
    told.append(probe(settings))
    monkeypatch.setattr(camera, "occupied", lambda _capability: None)
    told.append(probe(settings))

    assert [one.causes for one in told] == [("denied",), ("missing",), ("busy",), ()]
    assert opened == ["video=Logitech Rally Camera"]
