"""A Linux camera's node, by path, name pattern or USB id; and whether its shutter is closed."""

import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from diemcau_agent.probes.mixer import matches
from diemcau_agent.probes.model import model_of

Ioctl = Callable[[int, int, bytes], bytes]

_GET_CONTROL: Final = 0xC008561B
"""VIDIOC_G_CTRL: reads and writes struct v4l2_control, two numbers of 32 bits."""
_PRIVACY: Final = 0x009A0910
"""V4L2_CID_PRIVACY: 1 while the sensor is covered (linux/v4l2-controls.h)."""
_CLASS: Final = "sys/class/video4linux"


def find_v4l2(url: str, root: Path = Path("/")) -> Path | None:
    """Return the device node that the url means; None when it is not there.

    Args:
        url: a path (``/dev/video0``, ``/dev/v4l/by-id/…``), ``usb:VVVV:PPPP`` (hexadecimal), or
            a pattern of the camera's name.
        root: the file system to look at.
    """
    if url.startswith("/"):
        path = root / url.lstrip("/")
        return path if path.exists() else None
    for entry in sorted((root / _CLASS).glob("video*"), key=_number):
        # One camera has several nodes; the first, of index 0, is the one with pictures.
        if _read(entry / "index") not in ("", "0"):
            continue
        if _fits(entry, url):
            return root / "dev" / entry.name
    return None


def camera_model(node: Path, root: Path = Path("/")) -> str | None:
    """Return what the camera behind a node is called, as its driver gives it; None: not known."""
    node = node.resolve()
    if node.parent != (root / "dev").resolve():
        return None
    entry = root / _CLASS / node.name
    if "virtual" in entry.resolve().parts:
        return None  # A loop device is called as a user likes.
    serial = _read((entry / "device").resolve().parent / "serial")
    return model_of(_read(entry / "name"), serial)


def shutter_closed(node: Path, ioctl: Ioctl | None = None) -> bool:
    """Ask the camera for its privacy control (UVC); False where it has none.

    The node is opened for the question alone: no picture is taken, no lamp goes on.
    """
    if ioctl is None and sys.platform == "linux":
        import fcntl  # noqa: PLC0415  # not on Windows

        ioctl = fcntl.ioctl
    if ioctl is None:
        return False
    try:
        opened = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        answer = ioctl(opened, _GET_CONTROL, struct.pack("=Ii", _PRIVACY, 0))
    except OSError:
        return False
    finally:
        os.close(opened)
    return bool(struct.unpack("=Ii", answer)[1])


def _fits(entry: Path, url: str) -> bool:
    if not url.startswith("usb:"):
        return matches(url, _read(entry / "name"))
    usb_device = (entry / "device").resolve().parent
    ids = f"usb:{_read(usb_device / 'idVendor')}:{_read(usb_device / 'idProduct')}"
    return ids.casefold() == url.casefold()


def _number(entry: Path) -> int:
    digits = entry.name.removeprefix("video")
    return int(digits) if digits.isdecimal() else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
