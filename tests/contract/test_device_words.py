"""Words of a cause where the general ones do not fit the device."""

import pytest

from diemcau_contract.causes import DEVICE_NAMES, Cause, action, wording
from diemcau_contract.device_words import (
    ACTION_OF_DEVICE,
    CERTIFICATE_KNOWN,
    LIKELY_OF_DEVICE,
    NAME_OF_DEVICE,
    NETWORK,
    special_kinds,
)


def test_every_key_is_a_cause_and_a_kind_of_device() -> None:
    """Words under a key that nobody asks for would never be read."""
    special = [("camera", {NETWORK: True}), ("codec", {CERTIFICATE_KNOWN: False})]
    kinds = {*DEVICE_NAMES, *(special_kinds(kind, values)[0] for kind, values in special)}
    keys = {*NAME_OF_DEVICE, *LIKELY_OF_DEVICE, *ACTION_OF_DEVICE}

    assert {cause for cause, _ in keys} <= set(Cause)
    assert {kind for _, kind in keys} <= kinds


@pytest.mark.parametrize(
    ("cause", "device", "todo"),
    [
        (Cause.NO_FRAMES, "microphone",
         "Rút micro ra, cắm lại vào cổng khác; kiểm tra nguồn và dây micro."),
        (Cause.TIMEOUT, "host",
         "Kiểm tra dây mạng và máy chủ tên miền (DNS) của máy tính, rồi kiểm tra lại."),
        (Cause.TIMEOUT, "codec", "Tắt nguồn thiết bị hội nghị, chờ 10 giây, bật lại."),
        (Cause.DEVICE_FAULT, "codec",
         "Khởi động lại thiết bị hội nghị; nếu vẫn vậy, báo kỹ thuật viên."),
        (Cause.VOLUME_ZERO, "codec", "Tăng âm lượng bằng điều khiển của thiết bị hội nghị."),
        (Cause.NO_SIGNAL, "camera", "Bật camera, kiểm tra dây từ camera đến máy tính."),
        (Cause.DENIED, "camera",
         "Cho phép chương trình dùng camera trong cài đặt quyền riêng tư của máy (Linux: chạy "
         "diemcau-agent doctor)."),
    ],
)  # fmt: skip
def test_what_to_do_fits_the_device(cause: Cause, device: str, todo: str) -> None:
    """A microphone is no camera, a codec no projector, and the PC is not unplugged."""
    assert action(cause, device=device).vi == todo


def test_names_that_fit_the_device() -> None:
    """A microphone gives no sound, and a codec is in a call, not with another program."""
    assert wording(Cause.NO_FRAMES, "microphone").name.vi == "không nhận được tiếng"
    assert wording(Cause.NO_FRAMES, "camera").name.vi == "camera không có hình"
    assert wording(Cause.BUSY, "codec").name.vi == "đang trong cuộc gọi"
    assert wording(Cause.BUSY, "camera").name.vi == "chương trình khác đang dùng"


@pytest.mark.parametrize(
    "cause",
    [
        Cause.MISSING, Cause.NO_FRAMES, Cause.LOW_FPS, Cause.WRONG_SIZE, Cause.TIMEOUT,
        Cause.FROZEN, Cause.NO_SIGNAL,
    ],
)  # fmt: skip
def test_a_network_camera_has_no_usb_cable(cause: Cause) -> None:
    """What to do first with it is at the network, its power and its path."""
    words, at_usb = wording(cause, "camera", {NETWORK: True}), wording(cause, "camera")

    assert words.action != at_usb.action
    for text in (words.name, words.why, words.action):
        assert "USB" not in text.vi + text.en
        assert "máy tính" not in text.vi


def test_a_path_that_a_network_camera_does_not_have() -> None:
    """RTSP's 404: the camera is there, and its cable is good."""
    said = action(Cause.MISSING, device="camera", values={NETWORK: True})
    assert said.vi == "Kiểm tra đường dẫn RTSP trong tệp cấu hình."


def test_a_certificate_that_is_another_is_told_from_a_closed_port() -> None:
    """Both are a refusal; one is mended by ca_file, the other by a restart."""
    other = action(Cause.REFUSED, device="codec", values={CERTIFICATE_KNOWN: False})

    assert "ca_file" in other.vi
    assert "ca_file" in other.en
    assert "ca_file" not in action(Cause.REFUSED, device="codec").vi
