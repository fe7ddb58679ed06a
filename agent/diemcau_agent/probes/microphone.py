"""Microphone probe: mute and volume first, then a few seconds of sound. Runs in a child process.

Settings: ``format`` (``system`` or ``lavfi``); for ``system`` ``device``, a name pattern, absent
for the default input; for ``lavfi`` ``url``, an audio graph as stand-in; ``seconds`` (4) and
``limits`` of the sound.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from diemcau_agent.probes.consent import refusal, users_now
from diemcau_agent.probes.log import note
from diemcau_agent.probes.mixer import MixerUnreachableError, find_input
from diemcau_agent.probes.result import MAX_TEXT, ProbeResult, ProbeValue, judged
from diemcau_agent.probes.soundio import RATE_HZ, record
from diemcau_agent.signal import sound
from diemcau_agent.signal.limits import SOUND_LIMITS, SoundLimits

CAUSES: Final = frozenset(
    {
        "missing", "denied", "busy", "no_sound_system", "muted", "volume_zero", "no_frames",
        "digital_silence", "too_quiet", "clipping", "hum", "noisy",
    }
)  # fmt: skip
"""All that this probe can say; the frame around it adds its own."""
LISTENING_SECONDS: Final = 4.0
SETTLING_SECONDS: Final = 0.3
"""Left out: the plop of opening, and filters that settle."""


@dataclass(frozen=True, slots=True)
class MicrophoneSettings:
    """What to listen to."""

    format: str
    url: str | None = None
    device: str | None = None
    seconds: float = LISTENING_SECONDS
    limits: SoundLimits = SOUND_LIMITS


def probe(settings: Mapping[str, Any]) -> ProbeResult:
    """Listen to the microphone that the settings name and judge its level and signal."""
    wanted = MicrophoneSettings(
        settings["format"], settings.get("url"), settings.get("device"),
        settings.get("seconds", LISTENING_SECONDS), SoundLimits(**settings.get("limits", {})),
    )  # fmt: skip
    if wanted.format == "lavfi":
        samples, rate_hz = _listen_to_graph(wanted.url or "anullsrc", wanted.seconds)
        return judge(samples, rate_hz, {}, wanted.limits)
    return refusal("microphone") or _probe_system(wanted)


def _probe_system(wanted: MicrophoneSettings) -> ProbeResult:
    try:
        found = find_input(wanted.device)
    except MixerUnreachableError as error:
        note(f"sound system: {error}")
        return ProbeResult("unknown", ("no_sound_system",))
    if found is None:
        return judged(("missing",), {})
    note(f"input: {found.name}")
    values: dict[str, ProbeValue] = {
        "muted": found.muted,
        "volume_ratio": round(found.volume_ratio, 3),
    }
    if users := found.users or users_now("microphone"):
        held_by = ", ".join(users)[:MAX_TEXT]
        return ProbeResult("in_use", ("busy",), {**values, "held_by": held_by})
    if found.muted:
        return judged(("muted",), values)
    if found.volume_ratio < wanted.limits.volume_least_ratio:
        return judged(("volume_zero",), values)
    heard = record(found.name, wanted.seconds + SETTLING_SECONDS)
    return judge(heard, RATE_HZ, values, wanted.limits)


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


def judge(
    samples: sound.Samples, rate_hz: int, values: Mapping[str, ProbeValue], limits: SoundLimits
) -> ProbeResult:
    """Name what is wrong with the samples, the first SETTLING_SECONDS left out."""
    heard = samples[int(SETTLING_SECONDS * rate_hz) :]
    if heard.size < rate_hz // 2:
        return judged(("no_frames",), values)
    measures = sound.measure(heard, rate_hz, limits)
    numbers: dict[str, ProbeValue] = {
        "seconds": round(heard.size / rate_hz, 2),
        "sample_rate_hz": rate_hz,
    }
    numbers |= {name: round(value, 4) for name, value in asdict(measures).items()}
    return judged(sound.classify(measures, limits), {**values, **numbers})
