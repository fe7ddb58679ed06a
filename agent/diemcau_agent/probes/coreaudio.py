"""Microphones and loudspeakers of Windows: Core Audio through pycaw.

Written against the documented interfaces (IMMDevice, IAudioEndpointVolume, IAudioSessionManager2,
and the property keys below); not run on Windows yet.
"""

from collections.abc import Iterator
from typing import Any, Final

from diemcau_agent.probes.mixer import AudioEnd, Way, matches

_FLOWS: Final[dict[Way, int]] = {"output": 0, "input": 1}
"""eRender, eCapture."""
_STATE_ACTIVE: Final = 1
"""DEVICE_STATE_ACTIVE: neither disabled nor unplugged."""
_SESSION_ACTIVE: Final = 1
"""AudioSessionStateActive."""
_ENUMERATOR: Final = "{A45C254E-DF1C-4EFD-8020-67D146A850E0} 24"
"""DEVPKEY_Device_EnumeratorName, as pycaw writes keys."""
_ADAPTER: Final = "{026E516E-B814-414B-83CD-856D6FEF4822} 2"
"""PKEY_DeviceInterface_FriendlyName: the adapter that the endpoint belongs to. The container id
would be the better key, but pycaw does not read GUID values."""
_OUTSIDE: Final = ("USB", "BTH")


def find(way: Way, pattern: str | None) -> AudioEnd | None:
    """Return the first endpoint whose name fits, the default one for None."""
    device = _device(way, pattern)
    if device is None:
        return None
    volume = device.EndpointVolume
    return AudioEnd(
        str(device.FriendlyName),
        bool(volume.GetMute()),
        float(volume.GetMasterVolumeLevelScalar()),
        tuple(sorted(set(_users(device)))),
        _unit(device.properties),
    )


def _device(way: Way, pattern: str | None) -> Any | None:  # noqa: ANN401  # untyped library
    from pycaw.pycaw import AudioUtilities  # noqa: PLC0415  # Windows only

    if pattern is None:
        if way == "output":
            return AudioUtilities.GetSpeakers()
        return AudioUtilities.CreateDevice(AudioUtilities.GetMicrophone())
    devices = AudioUtilities.GetAllDevices(_FLOWS[way], _STATE_ACTIVE)
    fitting = (one for one in devices if one and matches(pattern, str(one.FriendlyName or "")))
    return next(fitting, None)


def _users(device: Any) -> Iterator[str]:  # noqa: ANN401  # untyped library
    """Yield the programs with a running stream; the system's own sounds have no process."""
    from pycaw.pycaw import AudioSession, IAudioSessionControl2  # noqa: PLC0415  # as above

    sessions = device.AudioSessionManager.GetSessionEnumerator()
    for number in range(sessions.GetCount()):
        control = sessions.GetSession(number).QueryInterface(IAudioSessionControl2)
        session = AudioSession(control)
        if session.State == _SESSION_ACTIVE and session.Process is not None:
            yield session.Process.name()


def _unit(properties: dict[str, Any]) -> str:
    if not str(properties.get(_ENUMERATOR, "")).upper().startswith(_OUTSIDE):
        return ""
    return str(properties.get(_ADAPTER, ""))
