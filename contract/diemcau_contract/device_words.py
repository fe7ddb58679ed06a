"""Words of a cause where the general ones do not fit a device: name, likely why, first thing to do.

In the words of the communes' handbooks. Keys are a code of SPEC 6.4 and a kind of device, or a
special kind of it (``special_kinds``).
"""

from collections.abc import Mapping

from diemcau_contract.texts import Text

NETWORK = "network"
"""Value of a camera that is reached over the network: true."""
CERTIFICATE_KNOWN = "certificate_known"
"""Value of a codec whose certificate (TLS) is none that is trusted: false."""
_NETWORK_CAMERA, _CODEC_CERTIFICATE = "network-camera", "codec-certificate"


def special_kinds(kind: str, values: Mapping[str, object]) -> tuple[str, ...]:
    """Return by which keys a device finds its words, the most special first."""
    if kind == "camera" and values.get(NETWORK) is True:
        return _NETWORK_CAMERA, kind
    if kind == "codec" and values.get(CERTIFICATE_KNOWN) is False:
        return _CODEC_CERTIFICATE, kind
    return (kind,)


NAME_OF_DEVICE: Mapping[tuple[str, str], Text] = {
    ("no_frames", "camera"): Text("camera không có hình", "no frames"),
    ("no_frames", "microphone"): Text("không nhận được tiếng", "no sound received"),
    ("missing", _NETWORK_CAMERA): Text("sai đường dẫn RTSP", "wrong RTSP path"),
    ("busy", "codec"): Text("đang trong cuộc gọi", "in a call"),
    ("refused", _CODEC_CERTIFICATE): Text("chứng thư không khớp", "certificate does not match"),
    ("timeout", "host"): Text("chưa kiểm tra xong máy tính", "the PC was not checked in time"),
}

LIKELY_OF_DEVICE: Mapping[tuple[str, str], Text] = {
    ("no_frames", "microphone"): Text(
        "Micro thiếu nguồn, cổng USB lỗi, hoặc micro bị treo.",
        "The microphone lacks power, its USB port is faulty, or it hangs.",
    ),
    ("no_signal", "camera"): Text(
        "Camera tắt, hoặc dây từ camera đến máy tính bị lỏng.",
        "The camera is off, or its cable to the PC is loose.",
    ),
    ("missing", _NETWORK_CAMERA): Text(
        "Đường dẫn RTSP ghi sai, hoặc cài đặt của camera đã đổi.",
        "The RTSP path is wrong, or the camera's settings were changed.",
    ),
    ("no_frames", _NETWORK_CAMERA): Text(
        "Camera bị treo, hoặc mạng đến camera bị đứt quãng.",
        "The camera hangs, or the network to it breaks off.",
    ),
    ("low_fps", _NETWORK_CAMERA): Text(
        "Mạng đến camera bị nghẽn, hoặc phòng thiếu sáng.",
        "The network to the camera is congested, or there is too little light.",
    ),
    ("wrong_size", _NETWORK_CAMERA): Text(
        "Camera đặt sai độ phân giải, hoặc đường dẫn RTSP là của luồng phụ.",
        "The camera is set otherwise, or the RTSP path is that of its second stream.",
    ),
    ("no_signal", _NETWORK_CAMERA): Text(
        "Camera tắt, hoặc dây của camera bị lỏng.",
        "The camera is off, or its cable is loose.",
    ),
    ("no_signal", "codec"): Text(
        "Camera tắt, hoặc dây từ camera đến thiết bị hội nghị bị lỏng.",
        "The camera is off, or its cable to the codec is loose.",
    ),
    ("busy", "codec"): Text(
        "Cuộc gọi đang diễn ra, hoặc cuộc gọi trước chưa kết thúc.",
        "A call is going on, or the last one was not ended.",
    ),
    ("device_fault", "codec"): Text(
        "Thiết bị hội nghị tự báo lỗi khi được hỏi.",
        "The codec reports a fault of its own when it is asked.",
    ),
    ("refused", _CODEC_CERTIFICATE): Text(
        "Thiết bị có chứng thư khác với tệp ca_file, hoặc địa chỉ là của thiết bị khác.",
        "Its certificate is not the one in ca_file, or the address belongs to another device.",
    ),
    ("timeout", "host"): Text(
        "Máy chủ tên miền (DNS) không trả lời, hoặc máy tính quá bận.",
        "The name server (DNS) does not answer, or the PC is too busy.",
    ),
}

ACTION_OF_DEVICE: Mapping[tuple[str, str], Text] = {
    ("missing", "display"): Text(
        "Kiểm tra dây HDMI ở cả hai đầu và bộ chia, bật nguồn màn hình.",
        "Check the HDMI cable at both ends and the splitter, switch the display on.",
    ),
    ("timeout", "display"): Text(
        "Tắt nguồn màn hình, chờ 10 giây, bật lại; kiểm tra dây mạng của nó.",
        "Switch the display off, wait 10 seconds, switch it on; check its network cable.",
    ),
    ("no_signal", "camera"): Text(
        "Bật camera, kiểm tra dây từ camera đến máy tính.",
        "Switch the camera on, check the cable from the camera to the PC.",
    ),
    ("missing", _NETWORK_CAMERA): Text(
        "Kiểm tra đường dẫn RTSP trong tệp cấu hình.",
        "Check the RTSP path in the agent's file.",
    ),
    ("timeout", _NETWORK_CAMERA): Text(
        "Tắt nguồn camera, chờ 10 giây, bật lại; kiểm tra dây mạng của camera.",
        "Switch the camera off, wait 10 seconds, switch it on; check its network cable.",
    ),
    ("no_frames", _NETWORK_CAMERA): Text(
        "Kiểm tra nguồn và dây mạng của camera.",
        "Check the camera's power and network cable.",
    ),
    ("low_fps", _NETWORK_CAMERA): Text(
        "Kiểm tra nguồn và dây mạng của camera; bật thêm đèn trong phòng.",
        "Check the camera's power and network cable; add light to the room.",
    ),
    ("wrong_size", _NETWORK_CAMERA): Text(
        "Đặt lại độ phân giải trên camera, hoặc sửa đường dẫn RTSP trong tệp cấu hình.",
        "Set the resolution on the camera, or correct the RTSP path in the agent's file.",
    ),
    ("frozen", _NETWORK_CAMERA): Text(
        "Tắt nguồn camera, chờ 10 giây, bật lại.",
        "Switch the camera off, wait 10 seconds, switch it on.",
    ),
    ("no_signal", _NETWORK_CAMERA): Text(
        "Bật camera, kiểm tra nguồn và dây của camera.",
        "Switch the camera on, check its power and cables.",
    ),
    ("no_frames", "microphone"): Text(
        "Rút micro ra, cắm lại vào cổng khác; kiểm tra nguồn và dây micro.",
        "Replug the microphone into another port; check its power and cable.",
    ),
    ("chirp_not_heard", "speaker"): Text(
        "Bật loa và âm ly, tăng âm lượng, kiểm tra dây loa; với loa hội nghị có khử tiếng vọng, "
        "gọi thử và nghe bằng tai.",
        "Switch on speaker and amplifier, raise the volume, check the speaker's cable; with a "
        "speakerphone that cancels echo, make a trial call and listen.",
    ),
    ("missing", "codec"): Text(
        "Kiểm tra dây camera và dây micro nối vào thiết bị hội nghị.",
        "Check the cables of camera and microphone into the codec.",
    ),
    ("no_signal", "codec"): Text(
        "Kiểm tra dây và nguồn của camera nối vào thiết bị hội nghị.",
        "Check cable and power of the camera at the codec.",
    ),
    ("muted", "codec"): Text(
        "Bật micro: nút tắt tiếng trên micro hoặc trên điều khiển của thiết bị hội nghị.",
        "Unmute: the button on the microphone or on the codec's remote control.",
    ),
    ("volume_zero", "codec"): Text(
        "Tăng âm lượng bằng điều khiển của thiết bị hội nghị.",
        "Raise the volume by the codec's remote control.",
    ),
    ("busy", "codec"): Text(
        "Thiết bị hội nghị đang trong cuộc gọi: kết thúc cuộc gọi nếu chưa vào họp.",
        "The codec is in a call: end it unless the meeting has begun.",
    ),
    ("timeout", "codec"): Text(
        "Tắt nguồn thiết bị hội nghị, chờ 10 giây, bật lại.",
        "Switch the codec off, wait 10 seconds, switch it on.",
    ),
    ("device_fault", "codec"): Text(
        "Khởi động lại thiết bị hội nghị; nếu vẫn vậy, báo kỹ thuật viên.",
        "Restart the codec; if it stays, tell the technician.",
    ),
    ("refused", _CODEC_CERTIFICATE): Text(
        "Kiểm tra địa chỉ và ca_file trong tệp cấu hình: ca_file phải là chứng thư hiện nay của "
        "thiết bị hội nghị.",
        "Check address and ca_file in the agent's file: ca_file must be the codec's present "
        "certificate.",
    ),
    ("timeout", "host"): Text(
        "Kiểm tra dây mạng và máy chủ tên miền (DNS) của máy tính, rồi kiểm tra lại.",
        "Check the PC's network cable and name server (DNS), then check again.",
    ),
}
