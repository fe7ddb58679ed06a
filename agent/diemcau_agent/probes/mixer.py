"""Mute, volume and users of an audio input, asked of the sound system before anything is opened.

Linux: PulseAudio or PipeWire's Pulse server (pulsectl). Windows: the endpoint volume of Core
Audio (pycaw), written against its documented interface and not yet run on Windows.
"""

import fnmatch
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diemcau_agent.probes.holders import is_probe


class MixerUnreachableError(Exception):
    """The sound system of this user's session does not answer."""


@dataclass(frozen=True, slots=True)
class AudioInput:
    """One microphone as the sound system sees it."""

    name: str
    """What the sound system calls it; it may be written to the log, not sent."""
    muted: bool
    volume_ratio: float
    recorders: tuple[str, ...]
    """Programs that record from it at this moment."""


def matches(pattern: str | None, *names: str) -> bool:
    """Say whether a name fits the pattern; upper and lower case are the same, ``*`` and ``?`` wild.

    A pattern without wild cards may stand anywhere in the name; None fits all.
    """
    if pattern is None:
        return True
    wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return any(fnmatch.fnmatchcase(name.casefold(), wild.casefold()) for name in names)


def find_input(pattern: str | None) -> AudioInput | None:
    """Return the first input whose name or description fits, the default one for None.

    Raises:
        MixerUnreachableError: no sound system in this session.
    """
    if sys.platform == "win32":
        return _core_audio_input(pattern)
    return _pulse_input(pattern)


def _pulse_input(pattern: str | None) -> AudioInput | None:
    import pulsectl  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    try:
        with pulsectl.Pulse("diemcau", connect=False) as pulse:
            pulse.connect(autospawn=False)
            clients = {client.index: client.name for client in pulse.client_list()}
            default = pulse.server_info().default_source_name
            for source in pulse.source_list():
                names = (source.name, source.description or "", usb_id(source.proplist))
                if not (matches(pattern, *names) if pattern else source.name == default):
                    continue
                if source.monitor_of_sink_name and source.name != pattern:
                    # What a loudspeaker plays is no microphone, unless it is named in full.
                    continue
                streams = [one for one in pulse.source_output_list() if one.source == source.index]
                recorders = users_of(streams, clients)
                volume_ratio = float(source.volume.value_flat)
                return AudioInput(source.name, bool(source.mute), volume_ratio, recorders)
    except pulsectl.PulseError as error:
        raise MixerUnreachableError(str(error)) from error
    return None


def users_of(streams: list[Any], clients: dict[int, str]) -> tuple[str, ...]:
    """Name who records or plays; the sound server's own modules and level meters do not count."""
    names = set()
    for stream in streams:
        properties = stream.proplist
        if stream.client not in clients or stream.corked or stream.resample_method == "peaks":
            continue
        process_id = properties.get("application.process.id", "")
        if process_id == str(os.getpid()) or is_probe(process_id):
            continue
        name = properties.get("application.process.binary") or clients[stream.client]
        names.add(name)
    return tuple(sorted(names))


def usb_id(properties: Mapping[str, str]) -> str:
    """Return ``usb:VVVV:PPPP`` of a device of PulseAudio, empty for one without USB."""
    vendor, product = properties.get("device.vendor.id"), properties.get("device.product.id")
    if properties.get("device.bus") != "usb" or not vendor or not product:
        return ""
    return f"usb:{vendor.removeprefix('0x'):0>4}:{product.removeprefix('0x'):0>4}"


def _core_audio_input(pattern: str | None) -> AudioInput | None:  # not run on Windows yet
    from pycaw.pycaw import AudioUtilities  # noqa: PLC0415  # Windows only

    if pattern is None:
        device = AudioUtilities.CreateDevice(AudioUtilities.GetMicrophone())
        found = [] if device is None else [device]
    else:
        found = [
            device
            for device in AudioUtilities.GetAllDevices()
            if device.FriendlyName
            and device.id.startswith("{0.0.1.")
            and matches(pattern, device.FriendlyName)
        ]
    if not found:
        return None
    volume = found[0].EndpointVolume
    return AudioInput(
        found[0].FriendlyName,
        bool(volume.GetMute()),
        float(volume.GetMasterVolumeLevelScalar()),
        (),
    )
