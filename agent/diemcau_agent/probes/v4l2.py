"""Find a Linux camera's node by path, name pattern or USB id, from the kernel's lists alone."""

from pathlib import Path
from typing import Final

from diemcau_agent.probes.mixer import matches

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
