"""Ask the system's own libraries for devices, without opening any. Runs in a child process.

Settings: ``format`` (``system`` for audio, ``dshow`` for cameras) and ``devices``, a list of
``{kind, pattern}`` (pattern None: any). The answer has for number N of the list: ``found.N``,
``model.N`` (what its maker calls it, absent if not known), ``used.N`` (the device that programs use
instead, absent if none) and ``held_by.N`` (who uses it).
``unknown`` with ``no_sound_system`` where no sound system answers.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from diemcau_agent.probes.dshow import camera_names
from diemcau_agent.probes.log import note
from diemcau_agent.probes.mixer import matches, usb_id, users_of
from diemcau_agent.probes.model import model_of
from diemcau_agent.probes.result import ProbeResult, ProbeValue, shown

_WHOLE_NAMES: Final = "Windows WASAPI"
_ENDPOINT: Final = re.compile(r".*?\((?:\d+- ?)?((?:[^()]|\([^()]*\))+)\)")
"""The last brackets, with brackets of the device's own name in them."""
_CLASSES: Final = {"microphone": "input", "speaker": "output", "camera": "camera"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One device; ``default``: programs use it unless they are told otherwise."""

    title: str
    names: tuple[str, ...]
    default: bool = False
    users: tuple[str, ...] = ()
    model: str | None = None


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Say which of the wanted devices are there, used by default, and in use."""
    lists = _cameras() if settings["format"] == "dshow" else _audio()
    if lists is None:
        return ProbeResult("unknown", ("no_sound_system",))
    values: dict[str, ProbeValue] = {}
    for number, wanted in enumerate(cast("list[dict[str, Any]]", settings["devices"])):
        there = lists.get(_CLASSES[wanted["kind"]], [])
        for key, value in compared(there, wanted["pattern"]).items():
            values[f"{key}.{number}"] = value
    return ProbeResult("ok", (), values)


def compared(there: list[Listed], pattern: str | None) -> dict[str, ProbeValue]:
    """Hold one expected device against what is there."""
    fits = [one for one in there if matches(pattern, *one.names)]
    if not fits:
        return {"found": False}
    default = next((one for one in there if one.default), None)
    meant = default if pattern is None and default is not None else fits[0]
    answer: dict[str, ProbeValue] = {"found": True}
    if meant.model:
        answer["model"] = meant.model
    if meant.users:
        answer["held_by"] = shown(", ".join(meant.users))
    if pattern is not None and default is not None and default not in fits:
        answer["used"] = shown(default.title)
    return answer


def _cameras() -> dict[str, list[Listed]]:
    return {"camera": [_camera(name) for name in camera_names()]}


def _camera(name: str) -> Listed:
    # A phone or a program in place of a camera is called as its owner likes.
    return Listed(name, (name,), model=None if "virtual" in name.lower() else model_of(name))


def _audio() -> dict[str, list[Listed]] | None:
    return _portaudio() if sys.platform == "win32" else _pulse()


def _pulse() -> dict[str, list[Listed]] | None:
    import pulsectl  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    try:
        with pulsectl.Pulse("diemcau", connect=False) as pulse:
            pulse.connect(autospawn=False)
            defaults = pulse.server_info()
            clients = {client.index: client.name for client in pulse.client_list()}
            recorders, players = pulse.source_output_list(), pulse.sink_input_list()
            return {
                "input": [
                    _listed(
                        one, defaults.default_source_name,
                        users_of([use for use in recorders if use.source == one.index], clients),
                    )
                    for one in pulse.source_list()
                    # What a loudspeaker plays is no microphone.
                    if not one.monitor_of_sink_name
                ],
                "output": [
                    _listed(
                        one, defaults.default_sink_name,
                        users_of([use for use in players if use.sink == one.index], clients),
                    )
                    for one in pulse.sink_list()
                ],
            }  # fmt: skip
    except pulsectl.PulseError as error:
        note(f"sound system: {error}")
        return None


def _listed(one: Any, default_name: str, users: tuple[str, ...]) -> Listed:  # noqa: ANN401  # a library's value
    title = one.description or one.name
    names = (one.name, title, usb_id(one.proplist))
    return Listed(title, names, one.name == default_name, users, pulse_model(one.proplist))


def pulse_model(properties: Mapping[str, str]) -> str | None:
    """Return what PulseAudio, or PipeWire in its place, knows of the product.

    A description is no product's: it names the machine and user that a tunnel leads to. Nor is the
    name of a Bluetooth device, which its owner chooses.
    """
    by_radio = properties.get("device.api", "").startswith("bluez")
    if by_radio or properties.get("device.bus") == "bluetooth":
        return None
    # udev's ID_SERIAL: maker, product and serial number with underscores between.
    serial = properties.get("device.serial", "").rpartition("_")[2]
    name = properties.get("device.product.name") or properties.get("alsa.card_name", "")
    return model_of(name, serial)


def endpoint_model(name: str) -> str | None:
    """Return the device of Windows' ``Name (2- Device)``; the name is whatever a user has set."""
    found = _ENDPOINT.fullmatch(name)
    return model_of(found[1]) if found else None


def _portaudio() -> dict[str, list[Listed]]:  # not run on Windows yet
    import sounddevice  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    return portaudio_lists(sounddevice.query_devices(), sounddevice.query_hostapis())


def portaudio_lists(
    devices: Sequence[Mapping[str, Any]], systems: Sequence[Mapping[str, Any]]
) -> dict[str, list[Listed]]:
    """List inputs and outputs of one of Windows' sound systems, as PortAudio gives them.

    WASAPI: the first one, MME, cuts names to 31 letters, and what is cut off fits no pattern.
    """
    system = next((one for one in systems if one["name"] == _WHOLE_NAMES), systems[0])
    return {
        kind: [
            Listed(
                name, (name,), number == system[f"default_{kind}_device"], (), endpoint_model(name)
            )
            for number, name in ((number, devices[number]["name"]) for number in system["devices"])
            if devices[number][f"max_{kind}_channels"] > 0
        ]
        for kind in ("input", "output")
    }
