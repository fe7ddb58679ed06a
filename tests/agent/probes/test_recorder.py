"""Nothing but the result leaves a probe: each row of the table, watched by the kernel's eyes.

On a GNOME desktop, which is not here, the look at the PC also starts ``gsettings get`` to read the
sleep timer. What the agent itself sends over the line stands in SPEC 5.
"""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from diemcau_agent.probes.host import _DISCARD_PORT, HostSettings
from diemcau_agent.probes.table import PROBES
from diemcau_agent.statusfile import write_status
from tests.agent.probes import makers, recorder
from tests.agent.probes.makers_av import SOUND_SETTINGS, sounding_room
from tests.agent.statuses import room

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="strace"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

ROOT = Path(__file__).parents[3]
BAD = "tests.agent.probes.misbehaving"
PICTURE = {"format": "lavfi", "url": "testsrc2=size=640x360:rate=30,noise=alls=4:allf=t"}
MADE: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "display": (
        {"kind": "outputs", "connectors": {"HDMI-A-1": {}}}, {"kind": "pjlink"},
    ),
    "codec": (
        {"kind": "sip"}, {"kind": "sip", "transport": "tcp"}, {"kind": "h323"}, {"kind": "xapi"},
    ),
    "network-camera": ({"kind": "rtsp"},),
}  # fmt: skip
"""By probe: peers of tests/agent/probes/makers.py that it is watched with."""
RUNS = [
    (name, number)
    for name in PROBES
    for number in range(len(MADE[name]) if name in MADE else 1)
]  # fmt: skip


@pytest.fixture(autouse=True)
def _tests_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@contextmanager
def _scene(
    name: str, number: int, folder: Path, patch: pytest.MonkeyPatch
) -> Iterator[tuple[Mapping[str, object], str | None]]:
    """Yield settings of a probe and whom it may talk to, as a pattern; None: nobody."""
    if name in MADE:
        with makers.settings_of(MADE[name][number], folder) as settings:
            port = urlsplit(str(settings.get("url", ""))).port
            yield settings, None if port is None else rf"127\.0\.0\.1:{port}"
    elif name in SOUND_SETTINGS:
        with sounding_room({}, folder, patch) as server:
            yield SOUND_SETTINGS[name], re.escape(server.address)
    elif name == "host":
        # The way to the hub is asked for by a socket that sends nothing.
        patch.delenv("XDG_CURRENT_DESKTOP", raising=False)
        settings = HostSettings(folder, "127.0.0.1", cpu_ratio=0.1).as_json()
        yield settings, rf"127\.0\.0\.1:{_DISCARD_PORT}"
    elif name == "line":
        write_status(folder, room())
        yield {"state_directory": str(folder)}, None
    else:
        yield PICTURE, None


@pytest.mark.parametrize(("name", "number"), RUNS)
def test_nothing_but_the_result_leaves_a_probe(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is written, no program started, nobody asked but the configured device."""
    with _scene(name, number, tmp_path, monkeypatch) as (settings, peer):
        recording = recorder.record(name, settings, tmp_path)

    # A port of its own choice is how a datagram socket begins.
    allowed = rf"talk {peer}|bind (0\.0\.0\.0|127\.0\.0\.1|::):0" if peer else "$^"
    assert [act for act in recording.acts if not re.fullmatch(allowed, act)] == []
    # This machine may be short of something, which is no matter here.
    assert recording.result.status in {"ok", "warn" if name == "host" else "ok"}, recording.result


@pytest.mark.parametrize(
    ("misdeed", "act"),
    [
        ("keep_picture", "write {folder}/picture.png"),
        ("phone_home", "talk 127.0.0.1:9"),
        ("start_program", "start /bin/true"),
        ("open_door", "listen"),
    ],
)
def test_the_recorder_sees_what_a_probe_must_not_do(misdeed: str, act: str, tmp_path: Path) -> None:
    """A probe that keeps a picture, calls somebody or starts something would be found."""
    recording = recorder.record(f"{BAD}:{misdeed}", {"folder": str(tmp_path)}, tmp_path)

    assert act.format(folder=tmp_path) in recording.acts
