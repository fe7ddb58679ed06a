"""The microphone probe as a real child process: stand-in graphs."""

import pytest

from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.mixer import matches

LIMIT_SECONDS = 60.0
VOICE = (
    "aevalsrc='0.12*sin(2*PI*(170+30*sin(2*PI*0.7*t))*t)*pow(max(0,sin(2*PI*3*t)),2)"
    "+0.002*(random(0)-0.5)':sample_rate=48000"
)


@pytest.mark.parametrize(
    ("graph", "status", "causes"),
    [
        (VOICE, "ok", ()),
        ("anoisesrc=color=pink:amplitude=0.02:sample_rate=48000", "ok", ()),
        ("anullsrc=sample_rate=48000", "bad", ("digital_silence",)),
        ("sine=frequency=50:sample_rate=48000", "warn", ("hum",)),
        ("anoisesrc=color=white:amplitude=0.4:sample_rate=48000", "warn", ("noisy",)),
        ("anoisesrc=color=pink:amplitude=0.0008:sample_rate=48000", "warn", ("too_quiet",)),
        (
            "aevalsrc='clip(6*sin(2*PI*230*t)*max(0,sin(2*PI*3*t)),-1,1)':sample_rate=48000",
            "warn",
            ("clipping",),
        ),
    ],
)
def test_what_a_stand_in_microphone_hears(graph: str, status: str, causes: tuple[str, ...]) -> None:
    """Each stand-in is named by its own cause."""
    result, log = run_probe("microphone", {"format": "lavfi", "url": graph}, LIMIT_SECONDS)
    assert (result.status, result.causes) == (status, causes), f"{result.values}\n{log}"


def test_a_graph_that_ends_at_once_has_no_frames() -> None:
    """Nothing to listen to is a cause of its own."""
    settings = {"format": "lavfi", "url": "sine=duration=0.2"}
    result, _ = run_probe("microphone", settings, LIMIT_SECONDS)
    assert (result.status, result.causes) == ("bad", ("no_frames",))


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        (None, "anything", True),
        ("jabra", "Jabra SPEAK 510 USB", True),
        ("Jabra*USB", "Jabra SPEAK 510 USB", True),
        ("Jabra*510", "Jabra SPEAK 510 USB", False),
        ("micro trần", "Micro Trần hội trường", True),
    ],
)
def test_how_a_name_pattern_fits(pattern: str | None, name: str, *, fits: bool) -> None:
    """Without wild cards a part of the name is enough, in any case."""
    assert matches(pattern, name) is fits
