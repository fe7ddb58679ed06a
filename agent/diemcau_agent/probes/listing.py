"""List devices through the system's own libraries, without opening any. Runs in a child process.

Settings: ``format`` (``system`` for audio, ``dshow`` for cameras), ``kind``, ``pattern`` (None:
any device). The answer is ``ok``, ``bad`` with ``missing``, or ``unknown``.
"""

import sys
from collections.abc import Mapping

from diemcau_agent.probes.log import note
from diemcau_agent.probes.mixer import matches
from diemcau_agent.probes.result import ProbeResult, judged


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Say whether a device that fits the pattern is there."""
    pattern = settings.get("pattern")
    names = _cameras() if settings["format"] == "dshow" else _audio(settings["kind"])
    if names is None:
        return ProbeResult("unknown", ("unreachable",))
    fits = [name for name in names if matches(str(pattern) if pattern else None, name)]
    return judged(() if fits else ("missing",), {"devices": len(names)})


def _cameras() -> list[str] | None:
    import av  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    return [device.description for device in av.enumerate_input_devices("dshow")]


def _audio(kind: object) -> list[str] | None:
    if sys.platform == "win32":
        return _portaudio(kind)
    return _pulse(kind)


def _pulse(kind: object) -> list[str] | None:
    import pulsectl  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    try:
        with pulsectl.Pulse("diemcau", connect=False) as pulse:
            pulse.connect(autospawn=False)
            if kind == "speaker":
                return [f"{sink.name} {sink.description}" for sink in pulse.sink_list()]
            return [
                f"{source.name} {source.description}"
                for source in pulse.source_list()
                if not source.monitor_of_sink_name
            ]
    except pulsectl.PulseError as error:
        note(f"sound system: {error}")
        return None


def _portaudio(kind: object) -> list[str] | None:  # not run on Windows yet
    import sounddevice  # noqa: PLC0415  # only where it is used: slow, or absent on this system

    channels = "max_output_channels" if kind == "speaker" else "max_input_channels"
    return [device["name"] for device in sounddevice.query_devices() if device[channels] > 0]
