"""DirectShow's cameras: the names that Windows lists, and which one a pattern means.

Inventory and probe take the same one. Written against FFmpeg's list of devices, not run on Windows
yet.
"""

from collections.abc import Iterable
from typing import Final

from diemcau_agent.probes.mixer import matches

_PREFIX: Final = "video="


def camera_names() -> tuple[str, ...]:
    """Return the names of all cameras, in the order of the system; none is opened for it."""
    import av  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    return tuple(one.description for one in av.enumerate_input_devices("dshow"))


def name_pattern(url: str) -> str:
    """Return what the name must fit: FFmpeg's ``video=NAME`` without what it begins with."""
    return url.removeprefix(_PREFIX)


def find_dshow(url: str, names: Iterable[str]) -> str | None:
    """Return FFmpeg's url of the first camera whose name fits; None when there is none."""
    name = next((one for one in names if matches(name_pattern(url), one)), None)
    return None if name is None else f"{_PREFIX}{name}"
