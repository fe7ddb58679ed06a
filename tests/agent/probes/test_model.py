"""What a device is called: the maker's name alone leaves the room, whoever gives it."""

from pathlib import Path
from typing import Any

import pytest

from diemcau_agent.devices import ExpectedDevice, Inventory
from diemcau_agent.probes.edid import parse_edid
from diemcau_agent.probes.listing import Listed, compared, endpoint_model, pulse_model
from diemcau_agent.probes.model import model_of, model_of_agent
from diemcau_agent.probes.outputs import Output, judge_outputs
from diemcau_agent.probes.result import ProbeResult, from_json, to_json
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import MAX_MODEL
from tests.agent.probes import trees

SERIAL = "A1B2C3D4"


class Sound:
    """The sound system's answer."""

    def __init__(self, **values: Any) -> None:
        self.result = ProbeResult("ok", (), {"found.0": True, **values})

    def __call__(self, _form: str, _devices: list[ExpectedDevice]) -> ProbeResult:
        """Answer."""
        return self.result


NO_SOUND = Sound()
NO_SOUND.result = ProbeResult("unknown", ("no_sound_system",))


def look(root: Path, kind: str, ask: Sound = NO_SOUND, **source: object) -> DeviceResult:
    """Look for one device of a room."""
    (found,) = Inventory([ExpectedDevice(kind, "main", source)], root, ask).look()
    return found


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("  Logitech   Rally Camera ", "Logitech Rally Camera"),
        ("HD Webcam: HD Webcam", "HD Webcam: HD Webcam"),
        ("Loa phòng họp", "Loa phòng họp"),
        ("Rally\x1b[31m\nCamera\u202e", "Rally [31m Camera"),
        (f"Rally {SERIAL}", "Rally"),
        ("Cam 00:1A:2b:3c:4d:5e", "Cam"),
        ("Cam_64167f0b0c2e", "Cam_"),
        ("Cam 10.20.1.40", "Cam"),
        ("Cam fe80::1", "Cam"),
        ("Loa admin@10.0.0.1", "Loa"),
        ("Cam rtsp://admin:mat-khau@cam/main", "Cam"),
        ("/dev/video0", None),
        ("\t\n", None),
        ("", None),
        ("x" * 200, "x" * MAX_MODEL),
        ("x" * 63 + " y", "x" * 63),
    ],
)
def test_a_name_loses_all_that_is_not_its_makers(name: str, model: str | None) -> None:
    """Control signs, serial number, addresses, paths, logins; cut to what the contract takes."""
    found = model_of(name, SERIAL)

    assert found == model
    assert DeviceResult.model_validate({"kind": "camera", "status": "ok", "model": found})


def test_a_serial_number_that_is_none_takes_nothing_from_a_name() -> None:
    """Many cheap cameras have the same one."""
    assert model_of("HD Pro Webcam C910", "1") == "HD Pro Webcam C910"


@pytest.mark.parametrize(
    ("header", "model"),
    [
        ("Room Codec 9", "Room Codec 9"),
        ("TANDBERG/529 (ce9.15.3)", "TANDBERG"),
        ("PolycomVVX-VVX_411-UA/5.5.1.12442_64167f0b0c2e", "PolycomVVX-VVX_411-UA"),
        ("", None),
    ],
)
def test_a_codec_names_its_product_without_version(header: str, model: str | None) -> None:
    """Some makers write the address of the device into the version."""
    assert model_of_agent(header) == model


@pytest.mark.parametrize("url", ["/dev/video0", "rally", "usb:046d:0825", "/dev/v4l/by-id/cam"])
def test_a_camera_is_called_as_its_driver_calls_it(tmp_path: Path, url: str) -> None:
    """By whatever it is found; without the serial number that it may bear in its name."""
    trees.camera(tmp_path, f"Logitech Rally Camera {SERIAL}", usb_id="046d:0825")
    trees.write(tmp_path, "sys/devices/usb1/1-1/serial", f"{SERIAL}\n")
    (tmp_path / "dev/v4l/by-id").mkdir(parents=True)
    (tmp_path / "dev/v4l/by-id/cam").symlink_to("../../video0")

    assert look(tmp_path, "camera", format="v4l2", url=url).model == "Logitech Rally Camera"
    assert look(tmp_path, "camera", format="v4l2", url=f"{url}7").model is None


def test_a_file_that_is_no_node_has_no_name(tmp_path: Path) -> None:
    """A stand-in may have the number of a real camera."""
    trees.camera(tmp_path, "Logitech Rally Camera", usb_id="046d:0825")
    trees.write(tmp_path, "home/video0", "")

    assert look(tmp_path, "camera", format="v4l2", url="/home/video0").model is None
    assert look(tmp_path, "camera", format="lavfi", url="testsrc2").model is None


def test_a_microphone_is_called_as_the_sound_system_or_its_card_calls_it(tmp_path: Path) -> None:
    """The kernel's card only where it is the one that is meant."""
    trees.sound_card(tmp_path, 0, "Jabra SPEAK 510 USB", usb_id="0b0e:0420")
    named, unnamed, gone = Sound(**{"model.0": "SPEAK 510"}), Sound(), Sound(**{"found.0": False})

    def found(ask: Sound, device: str | None = "jabra") -> str | None:
        return look(tmp_path, "microphone", ask, format="system", device=device).model

    assert (found(named), found(named, None)) == ("SPEAK 510", "SPEAK 510")
    assert (found(unnamed), found(unnamed, None)) == ("Jabra SPEAK 510 USB", None)
    assert (found(gone), found(NO_SOUND)) == (None, "Jabra SPEAK 510 USB")
    trees.sound_card(tmp_path, 1, "Jabra SPEAK 750", usb_id="0b0e:0421")
    assert (found(unnamed), found(NO_SOUND)) == (None, None)


def test_a_card_that_a_program_holds_keeps_its_name(tmp_path: Path) -> None:
    """In use by somebody is found all the same."""
    trees.sound_card(tmp_path, 1, "Jabra SPEAK 510 USB", owner=700)
    trees.write(tmp_path, "proc/700/comm", "zoom\n")
    held = look(tmp_path, "microphone", format="system", device="jabra")
    said = look(
        tmp_path, "microphone", Sound(**{"held_by.0": "obs", "model.0": "SPEAK 510"}),
        format="system", device="other",
    )  # fmt: skip

    assert (held.status, held.model) == ("in_use", "Jabra SPEAK 510 USB")
    assert (said.status, said.model) == ("in_use", "SPEAK 510")


def test_a_display_is_called_by_its_name_never_by_its_serial_number(tmp_path: Path) -> None:
    """EDID has both: a number in its head, and one in words beside the name."""
    block = bytearray(trees.edid_block("BNQ", 0x7856, "BenQ MH550"))
    block[12:16] = bytes.fromhex("d4c3b2a1")
    block[90:108] = b"\x00\x00\x00\xff\x00" + f"{SERIAL}\n".encode().ljust(13)
    block[127] = 0
    block[127] = -sum(block) % 256
    edid = parse_edid(bytes(block))
    assert edid is not None
    found = judge_outputs([Output("HDMI-A-1", connected=True, enabled=True, edid=edid)], None)
    trees.connector(tmp_path, "HDMI-A-1")
    trees.write(tmp_path, "sys/class/drm/card0-HDMI-A-1/edid", bytes(block))
    result = look(tmp_path, "display", format="system")

    assert (found.model, result.model) == ("BenQ MH550", "BenQ MH550")
    assert SERIAL not in result.model_dump_json()
    unnamed = Output("HDMI-A-1", connected=True, enabled=True, edid=None)
    assert judge_outputs([unnamed], None).model is None


@pytest.mark.parametrize(
    ("properties", "model"),
    [
        ({"device.product.name": "SPEAK 510", "alsa.card_name": "Jabra"}, "SPEAK 510"),
        (
            {"alsa.card_name": f"SPEAK {SERIAL} USB", "device.serial": f"Jabra_SPEAK_{SERIAL}"},
            "SPEAK USB",
        ),
        ({"device.description": "Loa on an@10.0.0.1"}, None),
        ({"device.bus": "bluetooth", "device.product.name": "Tai nghe của An"}, None),
        ({"device.api": "bluez5", "device.product.name": "Tai nghe của An"}, None),
    ],
)
def test_the_sound_system_knows_the_product(properties: dict[str, str], model: str | None) -> None:
    """What a user may have chosen is no product's name."""
    assert pulse_model(properties) == model


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Mic của An (2- Jabra SPEAK 510 USB)", "Jabra SPEAK 510 USB"),
        ("Loa (Realtek(R) Audio)", "Realtek(R) Audio"),
        ("Mic (phòng An) (2- Jabra SPEAK 510 USB)", "Jabra SPEAK 510 USB"),
        ("Micro (2- Jabra SPEAK 510 USB a", None),
        ("Mic của An", None),
    ],
)
def test_windows_names_the_device_in_brackets(name: str, model: str | None) -> None:
    """What stands before them anybody may set."""
    assert endpoint_model(name) == model


def test_the_device_that_is_meant_is_named(tmp_path: Path) -> None:
    """Of those that are there; a Windows camera by the name under which it was found."""
    there = [Listed("TV", ("TV",), default=True, model="TV"), Listed("J", ("J",), model="Jabra")]
    assert compared(there, "J") == {"found": True, "used": "TV", "model": "Jabra"}
    assert compared(there, None) == {"found": True, "model": "TV"}

    class Allowed:
        def value(self, *_where: str) -> object:
            return None

        def subkeys(self, *_where: str) -> tuple[str, ...]:
            return ()

    webcam = ExpectedDevice("camera", "main", {"format": "dshow", "url": "video=Rally"})
    ask = Sound(**{"model.0": "Logitech Rally Camera"})
    (found,) = Inventory([webcam], tmp_path, ask, Allowed()).look()
    assert found.model == "Logitech Rally Camera"


def test_a_model_comes_from_the_child_as_it_was() -> None:
    """As a word, or not at all."""
    result = ProbeResult("ok", (), {"frames": 3}, "BenQ MH550")
    assert from_json(to_json(result)) == result
    with pytest.raises(ValueError, match="model"):
        from_json(b'{"status": "ok", "causes": [], "values": {}, "model": 3}')
