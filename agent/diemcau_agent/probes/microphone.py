"""Microphone probe: mute and volume first, then a few seconds of sound. Runs in a child process.

Settings: ``format`` (``system`` or ``lavfi``); for ``system`` ``device``, a name pattern, absent
for the default input; for ``lavfi`` ``url``, an audio graph as stand-in; ``seconds`` (4).
"""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from diemcau_agent.probes.log import note
from diemcau_agent.probes.mixer import AudioInput, MixerUnreachableError, find_input, matches
from diemcau_agent.probes.result import MAX_TEXT, ProbeResult, ProbeValue, judged
from diemcau_agent.signal import sound

LISTENING_SECONDS: Final = 4.0
SETTLING_SECONDS: Final = 0.3
"""Left out: the plop of opening, and filters that settle."""
VOLUME_LEAST_RATIO: Final = 0.01
RATE_HZ: Final = 48_000
_FULL_SCALE: Final = 32768.0


@dataclass(frozen=True, slots=True)
class MicrophoneSettings:
    """What to listen to."""

    format: str
    url: str | None = None
    device: str | None = None
    seconds: float = LISTENING_SECONDS


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Listen to the microphone that the settings name and judge its level and signal."""
    wanted = MicrophoneSettings(**settings)  # type: ignore[arg-type]  # checked by the config
    if wanted.format == "lavfi":
        samples, rate_hz = _listen_to_graph(wanted.url or "anullsrc", wanted.seconds)
        return _judge(samples, rate_hz, {})
    return _probe_system(wanted)


def _probe_system(wanted: MicrophoneSettings) -> ProbeResult:
    try:
        found = find_input(wanted.device)
    except MixerUnreachableError as error:
        note(f"sound system: {error}")
        return ProbeResult("unknown", ("unreachable",))
    if found is None:
        return judged(("missing",), {})
    note(f"input: {found.name}")
    values: dict[str, ProbeValue] = {
        "muted": found.muted,
        "volume_ratio": round(found.volume_ratio, 3),
    }
    if found.recorders:
        held_by = ", ".join(found.recorders)[:MAX_TEXT]
        return ProbeResult("in_use", ("busy",), {**values, "held_by": held_by})
    if found.muted:
        return judged(("muted",), values)
    if found.volume_ratio < VOLUME_LEAST_RATIO:
        return judged(("volume_zero",), values)
    return _judge(_listen_to_input(found, wanted.seconds), RATE_HZ, values)


def _listen_to_input(found: AudioInput, seconds: float) -> sound.Samples:
    """Record from one input.

    Raises:
        LookupError: PortAudio offers no device that leads to it.
    """
    # PortAudio has no Pulse host of its own: ALSA's "pulse" device takes the source from here.
    os.environ["PULSE_SOURCE"] = found.name
    import sounddevice  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    recorded = sounddevice.rec(
        int((seconds + SETTLING_SECONDS) * RATE_HZ),
        samplerate=RATE_HZ,
        channels=1,
        dtype="int16",
        device=_portaudio_device(sounddevice.query_devices(), found.name),
        blocking=True,
    )
    wave: sound.Samples = recorded[:, 0].astype(np.float32) / np.float32(_FULL_SCALE)
    return wave


def _portaudio_device(devices: Iterable[Mapping[str, Any]], name: str) -> int:
    listed = [
        (number, str(device["name"]))
        for number, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]
    wanted = (name,) if sys.platform == "win32" else ("pulse", "pipewire", "default")
    for pattern in wanted:
        for number, listed_name in listed:
            exact = listed_name == pattern
            if exact or (sys.platform == "win32" and matches(pattern[:31], listed_name)):
                return number
    raise LookupError("no capture device leads to the sound server (Debian: libasound2-plugins)")


def _listen_to_graph(graph: str, seconds: float) -> tuple[sound.Samples, int]:
    import av  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    blocks: list[sound.Samples] = []
    count, rate_hz = 0, RATE_HZ
    with av.open(graph, "r", format="lavfi") as container:
        resampler = av.AudioResampler(format="flt", layout="mono")
        for decoded in container.decode(audio=0):
            rate_hz = decoded.sample_rate
            for frame in resampler.resample(decoded):
                block = frame.to_ndarray()[0].astype(np.float32)
                blocks.append(block)
                count += block.size
            if count >= (seconds + SETTLING_SECONDS) * rate_hz:
                break
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32), rate_hz


def _judge(samples: sound.Samples, rate_hz: int, values: Mapping[str, ProbeValue]) -> ProbeResult:
    heard = samples[int(SETTLING_SECONDS * rate_hz) :]
    if heard.size < rate_hz // 2:
        return judged(("no_frames",), values)
    measures = sound.measure(heard, rate_hz)
    numbers: dict[str, ProbeValue] = {
        "seconds": round(heard.size / rate_hz, 2),
        "sample_rate_hz": rate_hz,
    }
    numbers |= {name: round(value, 4) for name, value in asdict(measures).items()}
    return judged(sound.classify(measures), {**values, **numbers})
