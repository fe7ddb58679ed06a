"""Mute, volume and users of microphones and loudspeakers, asked before anything is opened.

Linux: PulseAudio or PipeWire's Pulse server (pulsectl). Windows: the endpoint volume of Core
Audio (pycaw), written against its documented interface and not yet run on Windows.
"""

import fnmatch
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from diemcau_agent.probes.holders import is_probe

Way = Literal["input", "output"]

_STREAM_END: Final[Mapping[Way, str]] = {"input": "source", "output": "sink"}
_OUTSIDE_BUSES: Final = frozenset({"usb", "bluetooth"})


class MixerUnreachableError(Exception):
    """The sound system of this user's session does not answer."""


@dataclass(frozen=True, slots=True)
class AudioEnd:
    """One microphone or loudspeaker as the sound system sees it."""

    name: str
    """What the sound system calls it; the probe's log has it, and a test sends that to the hub."""
    muted: bool
    volume_ratio: float
    users: tuple[str, ...]
    """Programs that record from it or play to it at this moment."""
    unit: str = ""
    """The USB or Bluetooth unit that it is a part of; empty for others and where unknown."""
    cancels_echo: bool = False
    """The sound system itself takes the loudspeaker's sound out of it."""


def matches(pattern: str | None, *names: str) -> bool:
    """Say whether a name fits the pattern; upper and lower case are the same, ``*`` and ``?`` wild.

    A pattern without wild cards may stand anywhere in the name; None fits all.
    """
    if pattern is None:
        return True
    wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return any(fnmatch.fnmatchcase(name.casefold(), wild.casefold()) for name in names)


def find_input(pattern: str | None) -> AudioEnd | None:
    """Return the first input whose name or description fits, the default one for None.

    Raises:
        MixerUnreachableError: no sound system in this session.
    """
    return _find("input", pattern)


def find_output(pattern: str | None) -> AudioEnd | None:
    """Return the first output whose name or description fits, the default one for None.

    Raises:
        MixerUnreachableError: no sound system in this session.
    """
    return _find("output", pattern)


def _find(way: Way, pattern: str | None) -> AudioEnd | None:
    if sys.platform == "win32":
        from diemcau_agent.probes.coreaudio import find  # noqa: PLC0415  # Windows only

        return find(way, pattern)
    return _find_pulse(way, pattern)


def _find_pulse(way: Way, pattern: str | None) -> AudioEnd | None:
    import pulsectl  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    try:
        with pulsectl.Pulse("diemcau", connect=False) as pulse:
            pulse.connect(autospawn=False)
            return _look_through(pulse, way, pattern)
    except pulsectl.PulseError as error:
        raise MixerUnreachableError(str(error)) from error


def _look_through(pulse: Any, way: Way, pattern: str | None) -> AudioEnd | None:  # noqa: ANN401  # untyped library
    server = pulse.server_info()
    if way == "input":
        default, ends, streams = (
            server.default_source_name, pulse.source_list(), pulse.source_output_list(),
        )  # fmt: skip
    else:
        default, ends, streams = (
            server.default_sink_name, pulse.sink_list(), pulse.sink_input_list(),
        )  # fmt: skip
    clients = {client.index: client.name for client in pulse.client_list()}
    for end in ends:
        names = (end.name, end.description or "", usb_id(end.proplist))
        if not (matches(pattern, *names) if pattern else end.name == default):
            continue
        if getattr(end, "monitor_of_sink_name", None) and end.name != pattern:
            # What a loudspeaker plays is no microphone, unless it is named in full.
            continue
        used = [one for one in streams if end.index == getattr(one, _STREAM_END[way])]
        return AudioEnd(
            end.name, bool(end.mute), float(end.volume.value_flat), users_of(used, clients),
            _unit(end.proplist), _is_filter(end),
        )  # fmt: skip
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


def _unit(properties: Mapping[str, str]) -> str:
    if properties.get("device.bus") not in _OUTSIDE_BUSES:
        return ""
    named = (properties.get(key) for key in ("device.bus_path", "device.serial", "device.string"))
    return next((name for name in named if name), "")


def _is_filter(end: Any) -> bool:  # noqa: ANN401  # untyped library
    names = f"{end.name} {getattr(end, 'driver', '')}".casefold().replace("_", "-")
    return "echo-cancel" in names
