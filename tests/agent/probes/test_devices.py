"""The inventory against kernel trees made for the test."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from diemcau_agent import devices
from diemcau_agent.devices import ExpectedDevice, inventory
from diemcau_agent.devicewatch import merged
from diemcau_agent.probes.v4l2 import find_v4l2
from diemcau_agent.rows import device_row
from diemcau_contract.words import Status
from tests.agent.probes import trees

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /sys and /proc")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A PC with one USB camera (two nodes) and one sound card with a microphone."""
    trees.camera(tmp_path, "Logitech Rally Camera", usb_id="046d:0825")
    trees.sound_card(tmp_path, 0, "HDA Intel HDMI", streams="p")
    trees.sound_card(tmp_path, 1, "Jabra SPEAK 510 USB", usb_id="0b0e:0420")
    return tmp_path


def _status(root: Path, kind: str, **source: object) -> tuple[str, tuple[str, ...]]:
    (result,) = inventory([ExpectedDevice(kind, "main", source)], root)
    return str(result.status), tuple(map(str, result.causes))


@pytest.mark.parametrize("url", ["/dev/video0", "Logitech*", "rally", "usb:046D:0825"])
def test_a_camera_is_found_by_path_name_or_usb_id(tree: Path, url: str) -> None:
    """Every way of naming leads to the node with pictures."""
    assert find_v4l2(url, tree) == tree / "dev/video0"
    assert _status(tree, "camera", format="v4l2", url=url) == ("ok", ())


@pytest.mark.parametrize("url", ["/dev/video7", "Poly*", "usb:046d:0826"])
def test_a_camera_that_is_not_there_is_missing(tree: Path, url: str) -> None:
    """Unplugged is seen without opening anything."""
    assert _status(tree, "camera", format="v4l2", url=url) == ("bad", ("missing",))


def test_a_camera_that_somebody_unseen_may_hold_is_not_called_free(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, and the room's staff is told why and what shows it."""
    monkeypatch.setattr(devices, "programs_holding", lambda *_arguments: None)
    (result,) = inventory(
        [ExpectedDevice("camera", "main", {"format": "v4l2", "url": "rally"})], tree
    )
    row = device_row(result)

    assert (result.status, result.causes) == ("unknown", ())
    assert (row.status, "doctor" in row.detail.vi) == ("unknown", True)


@pytest.mark.parametrize(
    ("kind", "source", "said"),
    [
        ("camera", {"format": "v4l2", "url": "rally"}, "có cắm, chưa thử"),
        ("camera", {"format": "lavfi", "url": "testsrc2"}, "có cắm, chưa thử"),
        ("microphone", {"format": "system", "device": "Jabra"}, "có cắm, chưa thử"),
        ("camera", {"format": "rtsp", "url": "rtsp://127.0.0.1/"}, "chưa thử"),
        ("display", {"format": "pjlink", "url": "pjlink://127.0.0.1"}, "chưa thử"),
        ("codec", {"format": "sip", "url": "sip://127.0.0.1"}, "chưa thử"),
    ],
)
@pytest.mark.parametrize("hours", [None, 13])
def test_what_no_probe_has_looked_at_makes_no_room_ready(
    kind: str, source: dict[str, str], said: str, hours: int | None, tree: Path
) -> None:
    """Nor what a probe found good half a day ago: only a fresh look proves a device."""
    (present,) = inventory([ExpectedDevice(kind, "main", source)], tree)
    now = datetime.now(UTC)
    looked = present.model_copy(update={"status": Status.OK, "values": {"frames": 60}})
    key = (looked.kind, looked.role)
    aged = looked.model_copy(update={"measured_at": now})
    later = now + timedelta(hours=hours or 0)
    row = device_row(merged(present, {} if hours is None else {key: aged}, later))

    assert row.status == "unknown"
    assert row.detail.vi.startswith(said) or row.causes == ("stale",)
    assert device_row(merged(present, {key: looked}, now)).status == "ok"


def test_a_display_at_the_pc_is_proved_by_the_look_itself(tree: Path) -> None:
    """Its probe reads the same lists: connected and given a picture is all that can be said."""
    trees.connector(tree, "HDMI-A-1")
    (result,) = inventory([ExpectedDevice("display", "main", {"format": "system"})], tree)

    assert device_row(result).status == "ok"


def test_an_unplugged_camera_returns_as_soon_as_it_is_back(tree: Path) -> None:
    """State, not events: each look tells what is there now."""
    node = tree / "dev/video0"
    node.unlink()
    assert _status(tree, "camera", format="v4l2", url="/dev/video0") == ("bad", ("missing",))
    node.touch()
    assert _status(tree, "camera", format="v4l2", url="/dev/video0") == ("ok", ())


def test_sound_cards_are_read_from_the_kernel(tree: Path) -> None:
    """A card with a capture stream is a microphone."""
    assert _status(tree, "microphone", format="system", device="Jabra") == ("ok", ())
    assert _status(tree, "microphone", format="system") == ("ok", ())


def test_without_a_sound_system_an_unlisted_microphone_is_unknown(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a virtual one that only the sound system knows."""
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tree}/nobody")
    answer = _status(tree, "microphone", format="system", device="Poly Trio")
    assert answer == ("unknown", ("no_sound_system",))


def test_what_cannot_be_listed_is_not_applicable(tree: Path) -> None:
    """Stand-ins are always there; network cameras and other kinds are for their own probes."""
    assert _status(tree, "camera", format="lavfi", url="testsrc2") == ("ok", ())
    assert _status(tree, "camera", format="rtsp", url="rtsp://127.0.0.1/") == (
        "not_applicable",
        (),
    )
    assert _status(tree, "display", format="pjlink") == ("not_applicable", ())
    assert _status(tree, "codec", format="sip") == ("not_applicable", ())
