"""Every fault of the list is made, and found with its status and causes; what works is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diemcau_agent.probes import camera, microphone, speaker
from diemcau_contract.causes import Cause
from tests.agent.probes import rooms, sounds
from tests.agent.probes.makers_av import FAULTS_FILE, faults, found, judged_pictures, judged_sound

FAULTS = faults()
FRAME_CAUSES = {"timeout", "cpu_busy", "crashed"}
"""Said by the frame around every probe."""
OF_THE_BASELINE = {"changed"}
NETWORK_CAUSES = {"auth", "refused", "unreachable"}
"""A camera's on the network: its faults stand in the other list."""


@pytest.mark.parametrize("fault", FAULTS, ids=[fault["id"] for fault in FAULTS])
def test_a_fault_is_found_with_its_causes(
    fault: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status and causes are those of the list, for every seed."""
    results = found(fault["probe"], fault["made"], tmp_path, monkeypatch)

    assert results
    for number, result in enumerate(results):
        told = (str(result.status), [str(cause) for cause in result.causes])
        assert told == (fault["status"], fault["causes"]), f"{number}: {result.values}"


@pytest.mark.parametrize(
    ("probe", "causes"),
    [
        ("camera", camera.CAUSES - NETWORK_CAUSES),
        ("microphone", microphone.CAUSES),
        ("speaker", speaker.CAUSES),
    ],
)
def test_every_cause_of_a_probe_has_a_fault(probe: str, causes: frozenset[str]) -> None:
    """A cause that nobody can bring about is one that nobody has seen work."""
    shown = {cause for fault in FAULTS if fault["probe"] == probe for cause in fault["causes"]}

    assert causes <= shown
    assert shown <= causes | FRAME_CAUSES | OF_THE_BASELINE
    assert shown <= set(Cause)


def test_ids_are_used_once() -> None:
    """A fault is named by its id in the benchmark's list."""
    ids = [fault["id"] for fault in FAULTS]

    assert len(ids) == len(set(ids)), FAULTS_FILE


@pytest.mark.parametrize("seed", range(600, 612))
@pytest.mark.parametrize("scene", rooms.CLEAN, ids=lambda scene: scene.__name__)
def test_a_working_camera_raises_no_alarm(scene: Callable[[int], Any], seed: int) -> None:
    """Busy, empty, plain, dusk, people moving: none is a fault."""
    result = judged_pictures(scene(seed))

    assert (result.status, result.causes) == ("ok", ()), result.values


@pytest.mark.parametrize("seed", range(600, 617))
@pytest.mark.parametrize("scene", sounds.CLEAN, ids=lambda scene: scene.__name__)
def test_a_working_microphone_raises_no_alarm(
    scene: Callable[[int], sounds.Samples], seed: int
) -> None:
    """Speech, several voices, a quiet room, fans and rain: none is a fault."""
    result = judged_sound(scene(seed))

    assert (result.status, result.causes) == ("ok", ()), result.values


CLEAN_GRAPHS = [
    "testsrc2=size=640x360:rate=30,noise=alls=4:allf=t",
    "testsrc=size=1280x720:rate=30,noise=alls=3:allf=t",
    "smptebars=size=640x360:rate=30,noise=alls=4:allf=t",
    "smptebars=size=1920x1080:rate=30,noise=alls=1:allf=t",
    "mandelbrot=size=640x360:rate=30,noise=alls=4:allf=t",
    "rgbtestsrc=size=640x360:rate=25,noise=alls=6:allf=t",
    "pal100bars=size=640x360:rate=25,noise=alls=4:allf=t",
    "pal75bars=size=640x360:rate=30,noise=alls=3:allf=t",
    "testsrc2=size=640x360:rate=30,lutyuv=y=16+(val-16)*0.4,noise=alls=8:allf=t",
    "testsrc2=size=640x360:rate=30,vignette,gblur=sigma=1,noise=alls=4:allf=t",
]


@pytest.mark.parametrize("graph", CLEAN_GRAPHS)
def test_a_stand_in_camera_that_works_raises_no_alarm(
    graph: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the whole probe, in its own process."""
    (result,) = found("camera", {"kind": "graph", "graph": graph}, tmp_path, monkeypatch)

    assert (result.status, result.causes) == ("ok", ()), result.values


@pytest.mark.parametrize(
    ("probe", "made"),
    [
        ("microphone", {}),
        ("microphone", {"room": "speech"}),
        ("speaker", {}),
        ("speaker", {"room": "speech"}),
        ("speaker", {"unit": "usb-1"}),
        ("speaker", {"accepted": {"gain_db": -4.0, "delay_seconds": 0.08}}),
    ],
)
def test_a_room_whose_sound_works_raises_no_alarm(
    probe: str, made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a sound server, quiet or while somebody speaks."""
    (result,) = found(probe, {"kind": "sound", **made}, tmp_path, monkeypatch)

    assert (result.status, result.causes) == ("ok", ()), result.values
