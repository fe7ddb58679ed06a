"""Sound in and out through PortAudio, chosen by the names that the sound system uses."""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import numpy as np

from diemcau_agent.probes.mixer import matches
from diemcau_agent.signal.sound import Samples

RATE_HZ: Final = 48_000
_FULL_SCALE: Final = 32768.0
_NAME_LETTERS: Final = 31
"""MME cuts the names of devices to so many letters."""


def record(source: str, seconds: float) -> Samples:
    """Record one channel from the input of this name.

    Raises:
        LookupError: PortAudio offers no device that leads to it.
    """
    return _taken(
        _library(source).rec(
            int(seconds * RATE_HZ), samplerate=RATE_HZ, channels=1, dtype="int16",
            device=_device("input", source), blocking=True,
        )
    )  # fmt: skip


def play_and_record(sink: str, source: str, wave: Samples) -> Samples:
    """Play one channel to an output and record as long from an input.

    Raises:
        LookupError: PortAudio offers no device that leads to one of them.
    """
    # On both channels of a stereo speaker: one of them may be broken or not connected.
    steps = np.rint(np.repeat(wave[:, None], 2, axis=1) * (_FULL_SCALE - 1)).astype(np.int16)
    return _taken(
        _library(source, sink).playrec(
            steps, samplerate=RATE_HZ, channels=1, dtype="int16",
            device=(_device("input", source), _device("output", sink)), blocking=True,
        )
    )  # fmt: skip


def _library(source: str, sink: str = "") -> Any:  # noqa: ANN401  # untyped library
    # PortAudio has no Pulse host of its own: ALSA's "pulse" device takes the names from here.
    os.environ["PULSE_SOURCE"] = source
    if sink:
        os.environ["PULSE_SINK"] = sink
    import sounddevice  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    return sounddevice


def _device(way: Literal["input", "output"], name: str) -> int:
    import sounddevice  # noqa: PLC0415  # as above

    return portaudio_device(sounddevice.query_devices(), way, name)


def portaudio_device(
    devices: Iterable[Mapping[str, Any]], way: Literal["input", "output"], name: str
) -> int:
    """Return the number of the device that leads to what the sound system calls ``name``.

    Raises:
        LookupError: there is none.
    """
    listed = [
        (number, str(device["name"]))
        for number, device in enumerate(devices)
        if device[f"max_{way}_channels"] > 0
    ]
    wanted = (name,) if sys.platform == "win32" else ("pulse", "pipewire", "default")
    for pattern in wanted:
        for number, listed_name in listed:
            cut = sys.platform == "win32" and matches(pattern[:_NAME_LETTERS], listed_name)
            if listed_name == pattern or cut:
                return number
    raise LookupError(
        f"no {way} of PortAudio leads to the sound server (Debian: libasound2-plugins)"
    )


def _taken(recorded: Any) -> Samples:  # noqa: ANN401  # untyped library
    wave: Samples = recorded[:, 0].astype(np.float32) / np.float32(_FULL_SCALE)
    return wave
