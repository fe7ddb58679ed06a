"""Windows: which cameras and sound devices are plugged in, at next to no cost.

The configuration manager's list of present device interfaces (CM_Get_Device_Interface_ListW of
cfgmgr32.dll) changes when one comes or goes; it names none in words, so it only says when it is
time to ask. Written against the documented functions and the GUIDs of ks.h, not run on Windows yet.
"""

import ctypes
from typing import Any, Final
from uuid import UUID

VIDEO_CAMERAS: Final = UUID("e5323777-f976-4f5b-9b55-b94699c46e44")
"""KSCATEGORY_VIDEO_CAMERA."""
AUDIO: Final = UUID("6994ad04-93ef-11d0-a3cc-00a0c9223196")
"""KSCATEGORY_AUDIO."""
_PRESENT: Final = 0
"""CM_GET_DEVICE_INTERFACE_LIST_PRESENT; CR_SUCCESS is the same number."""


def plugged_in(library: Any = None) -> tuple[str, ...]:  # noqa: ANN401  # a library of functions
    """Return the paths of all interfaces that are present; what cannot be asked adds none."""
    manager = library or ctypes.WinDLL("cfgmgr32")  # type: ignore[attr-defined,unused-ignore]  # Windows only
    return tuple(path for kind in (VIDEO_CAMERAS, AUDIO) for path in _present(manager, kind))


def _present(manager: Any, kind: UUID) -> list[str]:  # noqa: ANN401  # as above
    size = ctypes.c_uint32()
    guid = kind.bytes_le
    if manager.CM_Get_Device_Interface_List_SizeW(ctypes.byref(size), guid, None, _PRESENT):
        return []
    # Two octets a sign, whatever wchar_t is here; paths end by a zero each, the list by one more.
    buffer = (ctypes.c_uint16 * max(1, size.value))()
    if manager.CM_Get_Device_Interface_ListW(guid, None, buffer, size, _PRESENT):
        return []
    paths = bytes(buffer).decode("utf-16-le", "replace").split("\0")
    return [path for path in paths if path]
