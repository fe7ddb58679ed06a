"""Speaker probe: mute and volume first, then two chirps that the room's microphone must hear.

Settings: ``device``, a name pattern, absent for the default output; ``microphone``, the same of
the input that listens; ``echo_canceller`` (true, false, absent: as the sound system tells);
``passed_with``, the names of the output and the input that have passed in this room through a
canceller, absent for none; ``quiet_hours``, a list of ``HH:MM-HH:MM`` in local time; ``silent``,
true where nobody may hear it now; ``limits``.
Runs in a child process.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, time
from typing import Any, Final, cast

import numpy as np

from diemcau_agent.probes.consent import refusal
from diemcau_agent.probes.log import note
from diemcau_agent.probes.mixer import AudioEnd, MixerUnreachableError, find_input, find_output
from diemcau_agent.probes.result import MAX_TEXT, ProbeResult, ProbeValue, judged, shown
from diemcau_agent.probes.soundio import RATE_HZ, play_and_record, record
from diemcau_agent.signal import echo, sound
from diemcau_agent.signal.limits import ECHO_LIMITS, EchoLimits

CAUSES: Final = frozenset(
    {
        "missing", "busy", "no_sound_system", "muted", "volume_zero", "chirp_not_heard",
        "needs_microphone", "quiet_hours",
    }
)  # fmt: skip
"""All that this probe can say of a speaker; ``cpu_busy`` beside it is of the PC, as the frame's."""
LISTENING_SECONDS: Final = 0.7
"""Before anything is played: does somebody speak?"""
SETTLING_SECONDS: Final = 0.1
_SILENCE_BITS: Final = 1.5


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """What to play to, and what listens."""

    device: str | None = None
    microphone: str | None = None
    echo_canceller: bool | None = None
    passed_with: tuple[str, ...] = ()
    limits: EchoLimits = ECHO_LIMITS


def probe(settings: Mapping[str, Any]) -> ProbeResult:
    """Play to the speaker that the settings name and listen by the microphone."""
    quiet_now = is_quiet(settings.get("quiet_hours", ()), datetime.now().astimezone().time())
    if quiet_now or settings.get("silent"):
        return ProbeResult("not_applicable", ("quiet_hours",))
    wanted = SpeakerSettings(
        settings.get("device"), settings.get("microphone"), settings.get("echo_canceller"),
        tuple(settings.get("passed_with") or ()), EchoLimits(**settings.get("limits", {})),
    )  # fmt: skip
    try:
        speaker, microphone = find_output(wanted.device), find_input(wanted.microphone)
    except MixerUnreachableError as error:
        note(f"sound system: {error}")
        return ProbeResult("unknown", ("no_sound_system",))
    if speaker is None:
        return judged(("missing",), {})
    note(f"output: {speaker.name}, input: {microphone.name if microphone else None}")
    values: dict[str, ProbeValue] = {
        "muted": speaker.muted,
        "volume_ratio": round(speaker.volume_ratio, 3),
    }
    return _without_sound(speaker, wanted.limits, values) or _listen(
        speaker, microphone, wanted, values
    )


def is_quiet(hours: Iterable[str], now: time) -> bool:
    """Say whether a time of day is in one of the spans; the end is out of it.

    A span may go over midnight; one that ends as it begins is the whole day.
    """
    for span in hours:
        begin, end = (time.fromisoformat(part) for part in span.split("-"))
        inside = begin <= now < end if begin < end else now >= begin or now < end
        if inside:
            return True
    return False


def _without_sound(
    speaker: AudioEnd, limits: EchoLimits, values: Mapping[str, ProbeValue]
) -> ProbeResult | None:
    if speaker.users:
        return _in_use(speaker, values)
    if speaker.muted:
        return judged(("muted",), values)
    if speaker.volume_ratio < limits.volume_least_ratio:
        return judged(("volume_zero",), values)
    return None


def _in_use(end: AudioEnd, values: Mapping[str, ProbeValue]) -> ProbeResult:
    held_by = ", ".join(end.users)[:MAX_TEXT]
    return ProbeResult("in_use", ("busy",), {**values, "held_by": held_by})


def _listen(
    speaker: AudioEnd,
    microphone: AudioEnd | None,
    wanted: SpeakerSettings,
    values: dict[str, ProbeValue],
) -> ProbeResult:
    if microphone is None:
        return _deaf("missing", values)
    if refusal("microphone") is not None:
        return _deaf("denied", values)
    if microphone.users:
        return _in_use(microphone, values)
    if microphone.muted:
        return _deaf("muted", values)
    if microphone.volume_ratio < wanted.limits.volume_least_ratio:
        return _deaf("volume_zero", values)
    return _play(speaker, microphone, wanted, values)


def _deaf(fault: str, values: Mapping[str, ProbeValue]) -> ProbeResult:
    """Without a microphone nothing is known of the speaker."""
    return ProbeResult("unknown", ("needs_microphone",), {**values, "microphone": fault})


def _play(
    speaker: AudioEnd, microphone: AudioEnd, wanted: SpeakerSettings, values: dict[str, ProbeValue]
) -> ProbeResult:
    before = record(microphone.name, LISTENING_SECONDS + SETTLING_SECONDS)
    before = before[int(SETTLING_SECONDS * RATE_HZ) :]
    if np.ptp(before) * 32768.0 < _SILENCE_BITS:
        return _deaf("digital_silence", values)
    people = echo.voices(before, RATE_HZ, wanted.limits)
    dbfs = wanted.limits.soft_chirp_dbfs if people else wanted.limits.chirp_dbfs
    chirps = echo.two_chirps(RATE_HZ, dbfs)
    recorded, held_up = play_and_record(speaker.name, microphone.name, chirps)
    measures = echo.measure(recorded, RATE_HZ, dbfs)
    canceller = wanted.echo_canceller
    if canceller is None:
        same_unit = speaker.unit != "" and speaker.unit == microphone.unit
        canceller = same_unit or microphone.cancels_echo
    heard = echo.heard(measures, wanted.limits)
    values |= {
        "heard": heard,
        "people_heard": people,
        "echo_canceller": canceller,
        "output": shown(speaker.name),
        "listener": shown(microphone.name),
        "played_dbfs": dbfs,
        "room_dbfs": round(sound.decibels(float(np.sqrt(np.mean(np.square(before))))), 1),
        "held_up_seconds": round(held_up, 3),
        **{name: round(value, 4) for name, value in asdict(measures).items()},
    }
    if held_up > wanted.limits.held_up_seconds:
        # When it is this process that was late, the delay is the PC's.
        del values["delay_seconds"]
    return verdict(values, wanted)


def verdict(values: Mapping[str, ProbeValue], wanted: SpeakerSettings) -> ProbeResult:
    """Say what a chirp that was heard or not means in this room.

    A speakerphone's own echo canceller removes the chirp before the PC hears it, and a soft
    chirp may be lost among voices: neither is more than a warning. Where this room has passed
    before with the same speaker and microphone, not hearing it is news. On a PC so busy that it
    holds the test up it may have come too late to be looked for.
    """
    if values["heard"]:
        return judged((), values)
    if cast("float", values["held_up_seconds"]) > wanted.limits.held_up_seconds:
        return ProbeResult("unknown", ("cpu_busy", "chirp_not_heard"), values)
    passed = (values["output"], values["listener"]) == wanted.passed_with
    excused = values["echo_canceller"] and not passed
    if excused or values["people_heard"]:
        return ProbeResult("warn", ("chirp_not_heard",), values)
    return judged(("chirp_not_heard",), values)
