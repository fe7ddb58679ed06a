"""Record and play by the names that the sound system uses: Pulse on Linux, PortAudio on Windows."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.probes.mixer import Way, matches
from diemcau_agent.signal.sound import Samples

RATE_HZ: Final = 48_000
_FULL_SCALE: Final = 32768.0
_HELD_UP_SECONDS: Final = 60.0
"""More than any limit on it."""
_NAME_LETTERS: Final = 31
"""MME, one of Windows' sound systems, cuts the names of devices to so many letters."""


def record(source: str, seconds: float) -> Samples:
    """Record one channel from the input of this name.

    Raises:
        OSError: the sound system refuses or breaks off.
        LookupError: PortAudio (Windows) lists no such input.
    """
    if sys.platform == "win32":
        return _samples(_portaudio_record(source, int(seconds * RATE_HZ)))
    from diemcau_agent.probes import pulse  # noqa: PLC0415  # absent on Windows

    return _samples(pulse.record(source, seconds))


def play_and_record(sink: str, source: str, wave: Samples) -> tuple[Samples, float]:
    """Play one channel to an output and record as long from an input.

    Also returns by how many seconds a busy PC held this process up meanwhile.

    Raises:
        OSError: the sound system refuses or breaks off.
        LookupError: PortAudio (Windows) lists no such output or input.
    """
    # On both channels of a stereo speaker: one of them may be broken or not connected.
    steps = np.rint(np.repeat(wave[:, None], 2, axis=1) * (_FULL_SCALE - 1)).astype(np.int16)
    if sys.platform == "win32":
        recorded, held_up = _portaudio_duplex(sink, source, steps)
        return _samples(recorded), held_up
    from diemcau_agent.probes import pulse  # noqa: PLC0415  # absent on Windows

    recorded, held_up = pulse.play_and_record(sink, source, steps)
    return _samples(recorded), held_up


def portaudio_device(devices: Iterable[Mapping[str, Any]], way: Way, name: str) -> int:
    """Return the number of PortAudio's device of this name.

    Raises:
        LookupError: there is none.
    """
    for number, device in enumerate(devices):
        if device[f"max_{way}_channels"] > 0 and matches(name[:_NAME_LETTERS], str(device["name"])):
            return number
    raise LookupError(f"PortAudio lists no {way} {name!r}")


def _portaudio_record(source: str, count: int) -> NDArray[np.int16]:  # not run on Windows yet
    import sounddevice  # noqa: PLC0415  # slow; absent elsewhere

    number = portaudio_device(sounddevice.query_devices(), "input", source)
    recorded: NDArray[np.int16] = sounddevice.rec(
        count, samplerate=RATE_HZ, channels=1, dtype="int16", device=number, blocking=True
    )
    return recorded[:, 0]


def _portaudio_duplex(
    sink: str, source: str, steps: NDArray[np.int16]
) -> tuple[NDArray[np.int16], float]:  # not run on Windows yet
    import sounddevice  # noqa: PLC0415  # as above

    devices = sounddevice.query_devices()
    numbers = portaudio_device(devices, "input", source), portaudio_device(devices, "output", sink)
    recorded: NDArray[np.int16] = sounddevice.playrec(
        steps, samplerate=RATE_HZ, channels=1, dtype="int16", device=numbers, blocking=True
    )
    status = sounddevice.get_status()
    # PortAudio does not say for how long what it lacked was late.
    held_up = _HELD_UP_SECONDS if status.output_underflow or status.input_overflow else 0.0
    return recorded[:, 0], held_up


def _samples(steps: NDArray[np.int16]) -> Samples:
    return steps.astype(np.float32) / np.float32(_FULL_SCALE)
