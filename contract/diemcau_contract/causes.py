"""The closed list of causes and their words: what it is, and what to do first (SPEC 6).

Words and order follow the communes' own handbooks: link, picture, sound. A sentence may name
numbers in braces; ``action`` fills them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from diemcau_contract.cause_details import LIKELY
from diemcau_contract.device_words import (
    ACTION_OF_DEVICE,
    LIKELY_OF_DEVICE,
    NAME_OF_DEVICE,
    special_kinds,
)
from diemcau_contract.texts import Language as Language  # noqa: PLC0414  # known from here
from diemcau_contract.texts import Text as Text  # noqa: PLC0414  # as above


class Cause(StrEnum):
    """Why something is not right. Line causes first, then devices, then the PC."""

    OWN_LINE_UP = "own_line_up"
    OWN_LINE_DOWN = "own_line_down"
    OWN_LINE = "own_line"
    HUB_LINE_UP = "hub_line_up"
    HUB_LINE_DOWN = "hub_line_down"
    HUB_LINE = "hub_line"
    FIREWALL = "firewall"
    PC_BUSY = "pc_busy"
    CLOCK_STEP = "clock_step"
    WIFI = "wifi"
    AGENT_SILENT = "agent_silent"
    UNKNOWN = "unknown"

    MISSING = "missing"
    DENIED = "denied"
    BUSY = "busy"
    TIMEOUT = "timeout"
    NO_FRAMES = "no_frames"
    LOW_FPS = "low_fps"
    WRONG_SIZE = "wrong_size"
    BLACK = "black"
    COVERED = "covered"
    FROZEN = "frozen"
    DARK = "dark"
    OVEREXPOSED = "overexposed"
    BLURRED = "blurred"
    NO_SIGNAL = "no_signal"
    MUTED = "muted"
    VOLUME_ZERO = "volume_zero"
    DIGITAL_SILENCE = "digital_silence"
    TOO_QUIET = "too_quiet"
    CLIPPING = "clipping"
    HUM = "hum"
    NOISY = "noisy"
    CHIRP_NOT_HEARD = "chirp_not_heard"
    NEEDS_MICROPHONE = "needs_microphone"
    QUIET_HOURS = "quiet_hours"
    CHANGED = "changed"
    WRONG_DEVICE = "wrong_device"
    NO_EDID = "no_edid"
    OFF = "off"
    WARMING = "warming"
    WRONG_INPUT = "wrong_input"
    AV_MUTE = "av_mute"
    LAMP = "lamp"
    FAN = "fan"
    TEMP = "temp"
    DEVICE_FAULT = "device_fault"
    AUTH = "auth"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NO_SOUND_SYSTEM = "no_sound_system"
    CRASHED = "crashed"
    SWITCHED_OFF = "switched_off"
    STALE = "stale"

    SLEEP_TIMER = "sleep_timer"
    USB_SUSPEND = "usb_suspend"
    DISK_LOW = "disk_low"
    CLOCK_OFF = "clock_off"
    CPU_BUSY = "cpu_busy"
    MEMORY_LOW = "memory_low"
    WIFI_ONLY = "wifi_only"
    ON_BATTERY = "on_battery"


LINE_CAUSES = frozenset(list(Cause)[: list(Cause).index(Cause.MISSING)])
"""Causes that a point's line verdict may bear (DESIGN: line causes)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A cause in words: a short name for a table cell, why it is likely, the first thing to do."""

    name: Text
    why: Text
    action: Text


_WORDS: Mapping[Cause, tuple[str, str, str, str]] = {
    Cause.OWN_LINE_UP: (
        "đường truyền riêng, chiều lên",
        "own line, up",
        "Báo nhà mạng kiểm tra đường truyền của điểm cầu, chiều từ xã lên huyện ({evidence}); "
        "trong lúc chờ, rút và cắm lại dây mạng của bộ chuyển đổi.",
        "Ask the carrier to check this point's line, direction up ({evidence}); "
        "meanwhile unplug and replug the converter's cable.",
    ),
    Cause.OWN_LINE_DOWN: (
        "đường truyền riêng, chiều xuống",
        "own line, down",
        "Báo nhà mạng kiểm tra đường truyền của điểm cầu, chiều từ huyện về xã ({evidence}); "
        "trong lúc chờ, rút và cắm lại dây mạng của bộ chuyển đổi.",
        "Ask the carrier to check this point's line, direction down ({evidence}); "
        "meanwhile unplug and replug the converter's cable.",
    ),
    Cause.OWN_LINE: (
        "đường truyền riêng",
        "own line",
        "Báo nhà mạng kiểm tra đường truyền của điểm cầu, cả hai chiều ({evidence}); "
        "trong lúc chờ, rút và cắm lại dây mạng của bộ chuyển đổi.",
        "Ask the carrier to check this point's line in both directions ({evidence}); "
        "meanwhile unplug and replug the converter's cable.",
    ),
    Cause.HUB_LINE_UP: (
        "đường truyền hội trường, chiều lên",
        "hub line, from points",
        "Điểm cầu không có lỗi: đường truyền hội trường nghẽn chiều từ các xã về ({evidence}). "
        "{advice}",
        "This point is not at fault: the hall's line is congested towards the hall ({evidence}). "
        "{advice}",
    ),
    Cause.HUB_LINE_DOWN: (
        "đường truyền hội trường, chiều xuống",
        "hub line, to points",
        "Điểm cầu không có lỗi: đường truyền hội trường nghẽn chiều đi các xã ({evidence}). "
        "{advice}",
        "This point is not at fault: the hall's line is congested towards the points "
        "({evidence}). {advice}",
    ),
    Cause.HUB_LINE: (
        "đường truyền hội trường",
        "hub line",
        "Điểm cầu không có lỗi: đường truyền hội trường nghẽn cả hai chiều ({evidence}). {advice}",
        "This point is not at fault: the hall's line is congested in both directions "
        "({evidence}). {advice}",
    ),
    Cause.FIREWALL: (
        "tường lửa chặn UDP",
        "firewall blocks UDP",
        "Mở cổng UDP {port} từ máy của xã đến máy chủ huyện trên tường lửa và thiết bị mạng.",
        "Open UDP port {port} from the room's PC to the hub's server in the firewalls between.",
    ),
    Cause.PC_BUSY: (
        "máy tính quá bận",
        "PC too busy",
        "Đóng bớt chương trình trên máy tính của xã (hoặc khởi động lại máy), rồi đo lại.",
        "Close other programs on the room's PC (or restart it), then test again.",
    ),
    Cause.CLOCK_STEP: (
        "đồng hồ máy bị chỉnh",
        "clock was stepped",
        "Đồng hồ máy tính bị chỉnh trong lúc đo: bật tự động đồng bộ giờ, rồi đo lại.",
        "The PC's clock was stepped during the test: turn on time synchronisation, test again.",
    ),
    Cause.WIFI: (
        "đang dùng Wi-Fi",
        "on Wi-Fi",
        "Cắm dây mạng cho máy tính của xã thay cho Wi-Fi, rồi đo lại.",
        "Connect the room's PC by cable instead of Wi-Fi, then test again.",
    ),
    Cause.AGENT_SILENT: (
        "không liên lạc được",
        "no contact",
        "Gọi điện cho điểm cầu: bật máy tính, kiểm tra dây mạng và bộ chuyển đổi.",
        "Phone the point: switch the PC on, check the network cable and the converter.",
    ),
    Cause.UNKNOWN: (
        "chưa rõ nguyên nhân",
        "cause unknown",
        "Đo lại; nếu vẫn vậy, xem chi tiết: diemcau-agent check --explain tại phòng, hoặc "
        "test-line --explain từ huyện.",
        "Test again; if it stays, look at the details: diemcau-agent check --explain in the room, "
        "or test-line --explain from the hub.",
    ),
    Cause.MISSING: (
        "không thấy thiết bị",
        "device not found",
        "Kiểm tra {device}: cắm lại dây USB, bật nguồn thiết bị.",
        "Check the {device}: replug its USB cable, switch it on.",
    ),
    Cause.DENIED: (
        "không có quyền dùng",
        "access denied",
        "Cho phép chương trình dùng {device} trong cài đặt quyền riêng tư của máy (Linux: chạy "
        "diemcau-agent doctor).",
        "Allow programs to use the {device} in the PC's privacy settings (Linux: run "
        "diemcau-agent doctor).",
    ),
    Cause.BUSY: (
        "chương trình khác đang dùng",
        "used by another program",
        "{Device} đang được chương trình khác dùng: đóng chương trình đó nếu chưa vào họp.",
        "Another program uses the {device}: close it unless the meeting has begun.",
    ),
    Cause.TIMEOUT: (
        "thiết bị không trả lời",
        "device does not answer",
        "Rút {device} ra, chờ 10 giây, cắm lại; nếu vẫn vậy, khởi động lại máy tính.",
        "Unplug the {device}, wait 10 seconds, replug; if it stays, restart the PC.",
    ),
    Cause.NO_FRAMES: (
        "không nhận được hình, tiếng",
        "nothing received",
        "Rút camera ra, cắm lại vào cổng USB khác; kiểm tra nguồn của camera.",
        "Replug the camera into another USB port; check the camera's power.",
    ),
    Cause.LOW_FPS: (
        "hình giật",
        "low frame rate",
        "Cắm camera thẳng vào máy (không qua bộ chia USB) và bật thêm đèn trong phòng.",
        "Plug the camera straight into the PC (no USB hub) and add light to the room.",
    ),
    Cause.WRONG_SIZE: (
        "sai độ phân giải",
        "wrong picture size",
        "Đặt lại độ phân giải camera như cấu hình, hoặc cắm vào cổng USB 3.0.",
        "Set the camera's resolution as configured, or use a USB 3.0 port.",
    ),
    Cause.BLACK: (
        "hình đen",
        "black picture",
        "Mở nắp hoặc màn che của camera; nếu đã mở, bật đèn và cắm lại camera.",
        "Open the camera's lens cap or shutter; if it is open, switch on the light and replug.",
    ),
    Cause.COVERED: (
        "camera bị che",
        "camera covered",
        "Bỏ vật che trước ống kính camera, lau ống kính.",
        "Remove what covers the camera's lens and wipe it.",
    ),
    Cause.FROZEN: (
        "hình đứng",
        "frozen picture",
        "Rút camera ra, chờ 10 giây, cắm lại.",
        "Unplug the camera, wait 10 seconds, replug.",
    ),
    Cause.DARK: ("hình quá tối", "too dark", "Bật đèn phòng họp.", "Switch on the room's lights."),
    Cause.OVEREXPOSED: (
        "hình quá sáng",
        "over-exposed",
        "Kéo rèm hoặc xoay camera tránh cửa sổ và đèn.",
        "Close the curtain or turn the camera away from window and lamps.",
    ),
    Cause.BLURRED: (
        "hình mờ",
        "out of focus",
        "Lau ống kính và chỉnh nét camera.",
        "Wipe the lens and adjust the camera's focus.",
    ),
    Cause.NO_SIGNAL: (
        "không có tín hiệu",
        "no signal",
        "Kiểm tra dây HDMI và nguồn phát; chọn đúng ngõ vào.",
        "Check the HDMI cable and its source; choose the right input.",
    ),
    Cause.MUTED: (
        "đang tắt tiếng",
        "muted",
        "Bật tiếng {device}: nút trên thiết bị và trong cài đặt âm thanh của máy.",
        "Unmute the {device}: its own button and the PC's sound settings.",
    ),
    Cause.VOLUME_ZERO: (
        "âm lượng bằng 0",
        "volume is zero",
        "Tăng âm lượng {device} trong cài đặt âm thanh của máy.",
        "Raise the {device}'s volume in the PC's sound settings.",
    ),
    Cause.DIGITAL_SILENCE: (
        "micro không có tín hiệu",
        "microphone gives no signal",
        "Bật micro (nút tắt tiếng trên thân micro), kiểm tra dây và nguồn của micro.",
        "Switch the microphone on (mute button on its body), check its cable and power.",
    ),
    Cause.TOO_QUIET: (
        "micro quá nhỏ",
        "too quiet",
        "Tăng độ nhạy micro trong cài đặt âm thanh; đặt micro gần người nói.",
        "Raise the microphone's gain in the sound settings; move it closer.",
    ),
    Cause.CLIPPING: (
        "tiếng bị vỡ",
        "clipping",
        "Giảm độ nhạy micro trong cài đặt âm thanh hoặc trên bàn trộn.",
        "Lower the microphone's gain in the sound settings or on the mixer.",
    ),
    Cause.HUM: (
        "tiếng ù điện 50 Hz",
        "50 Hz hum",
        "Kiểm tra dây âm thanh và tiếp đất; cắm máy tính và âm ly vào cùng một ổ điện.",
        "Check audio cable and grounding; feed PC and amplifier from one socket.",
    ),
    Cause.NOISY: (
        "nhiều tiếng ồn",
        "noisy",
        "Tắt quạt hoặc máy lạnh gần micro, chuyển micro ra xa nguồn ồn.",
        "Switch off fans near the microphone, move it away from the noise.",
    ),
    Cause.CHIRP_NOT_HEARD: (
        "loa không phát ra tiếng",
        "speaker not heard",
        "Bật loa và âm ly, tăng âm lượng, kiểm tra dây loa.",
        "Switch on speaker and amplifier, raise the volume, check the speaker's cable.",
    ),
    Cause.NEEDS_MICROPHONE: (
        "chưa thử được loa vì micro",
        "speaker not tested: microphone",
        "Xử lý micro trước (xem dòng micro), rồi kiểm tra lại loa.",
        "Mend the microphone first (see its row), then check the speaker again.",
    ),
    Cause.QUIET_HOURS: (
        "đang cần yên lặng",
        "silence is wanted",
        "Kiểm tra loa ngoài giờ yên lặng (quiet_hours trong tệp cấu hình), không kèm --silent.",
        "Check the speaker outside the quiet hours (quiet_hours in the agent's file), without "
        "--silent.",
    ),
    Cause.CHANGED: (
        "khác lúc nghiệm thu",
        "not as accepted",
        "Xem lại {device}: có bị xoay, dời chỗ hoặc chỉnh lại không ({evidence}). Nếu thay đổi là "
        "chủ ý, chạy diemcau-agent accept.",
        "Look at the {device}: was it turned, moved or set anew ({evidence})? If that was meant, "
        "run diemcau-agent accept.",
    ),
    Cause.WRONG_DEVICE: (
        "máy đang dùng thiết bị khác",
        "another device is used",
        "Chọn lại đúng {device} trong cài đặt của máy và trong phần mềm họp.",
        "Choose the right {device} in the PC's settings and in the meeting software.",
    ),
    Cause.NO_EDID: (
        "không đọc được thông tin màn hình",
        "display tells nothing of itself",
        "Rút dây HDMI ở cả hai đầu, cắm lại; thử bỏ bộ chia.",
        "Replug the HDMI cable at both ends; try without the splitter.",
    ),
    Cause.OFF: ("đang tắt", "off", "Bật nguồn {device}.", "Switch the {device} on."),
    Cause.WARMING: (
        "đang khởi động",
        "warming up",
        "Chờ {device} khởi động xong (khoảng 1 phút), rồi kiểm tra lại.",
        "Wait until the {device} has started (about a minute), then check again.",
    ),
    Cause.WRONG_INPUT: (
        "sai ngõ vào",
        "wrong input",
        "Chọn đúng ngõ vào của {device} bằng điều khiển.",
        "Choose the {device}'s right input by its remote control.",
    ),
    Cause.AV_MUTE: (
        "đang tắt hình/tiếng",
        "A/V mute",
        "Bấm nút A/V Mute trên điều khiển máy chiếu.",
        "Press A/V mute on the projector's remote control.",
    ),
    Cause.LAMP: (
        "lỗi bóng đèn",
        "lamp error",
        "Báo kỹ thuật thay bóng đèn máy chiếu; dùng TV thay thế.",
        "Have the projector's lamp replaced; use a TV meanwhile.",
    ),
    Cause.FAN: (
        "lỗi quạt",
        "fan error",
        "Tắt máy chiếu, vệ sinh quạt và lưới lọc.",
        "Switch the projector off, clean fan and filter.",
    ),
    Cause.TEMP: (
        "quá nóng",
        "too hot",
        "Tắt {device} cho nguội, kiểm tra chỗ thoát gió.",
        "Let the {device} cool down, check its air vents.",
    ),
    Cause.DEVICE_FAULT: (
        "thiết bị báo lỗi",
        "device reports a fault",
        "Xem đèn báo trên {device}: đóng nắp, vệ sinh lưới lọc; nếu vẫn vậy, tắt rồi bật lại.",
        "Look at the lamps of the {device}: close its cover, clean its filter; else switch it off "
        "and on.",
    ),
    Cause.AUTH: (
        "sai mật khẩu thiết bị",
        "device login refused",
        "Kiểm tra mật khẩu của {device} trong tệp cấu hình của máy.",
        "Check the {device}'s password in the agent's file.",
    ),
    Cause.REFUSED: (
        "thiết bị từ chối kết nối",
        "connection refused",
        "Khởi động lại {device}; kiểm tra địa chỉ trong tệp cấu hình.",
        "Restart the {device}; check its address in the agent's file.",
    ),
    Cause.UNREACHABLE: (
        "không kết nối được thiết bị",
        "device unreachable",
        "Kiểm tra nguồn và dây mạng của {device}.",
        "Check the {device}'s power and network cable.",
    ),
    Cause.NO_SOUND_SYSTEM: (
        "máy tính không có dịch vụ âm thanh",
        "the PC has no sound service",
        "Đăng nhập vào máy tính của phòng họp: âm thanh chạy theo phiên đăng nhập; nếu vẫn vậy, "
        "khởi động lại máy.",
        "Log in on the room's PC: sound runs with the user's session; if it stays, restart the PC.",
    ),
    Cause.CRASHED: (
        "không kiểm tra được",
        "check failed",
        "Kiểm tra lại; nếu vẫn vậy, báo kỹ thuật viên xem chi tiết: diemcau-agent check --explain "
        "tại phòng, hoặc test-line --explain từ huyện.",
        "Check again; if it stays, have the technician look at the details: diemcau-agent check "
        "--explain in the room, or test-line --explain from the hub.",
    ),
    Cause.SWITCHED_OFF: (
        "đã tắt tại chỗ",
        "switched off here",
        "Bật lại khi được phép: diemcau-agent opening on (hoặc opening_allowed trong tệp cấu "
        "hình).",
        "Switch it on again where that is wanted: diemcau-agent opening on (or opening_allowed in "
        "the agent's file).",
    ),
    Cause.STALE: (
        "kết quả đã cũ",
        "result is old",
        "Kiểm tra lại: diemcau-agent check tại phòng, hoặc test-line từ huyện.",
        "Check again: diemcau-agent check in the room, or test-line from the hub.",
    ),
    Cause.SLEEP_TIMER: (
        "máy sẽ tự ngủ",
        "PC will sleep",
        "Tắt chế độ ngủ của máy tính trong giờ họp.",
        "Turn off the PC's sleep timer for the meeting.",
    ),
    Cause.USB_SUSPEND: (
        "cổng USB tự ngắt",
        "USB ports fall asleep",
        "Tắt chế độ tiết kiệm điện của cổng USB trên máy tính.",
        "Turn off power saving of the PC's USB ports.",
    ),
    Cause.DISK_LOW: (
        "ổ đĩa gần đầy",
        "disk almost full",
        "Xóa bớt tệp trên máy tính: ổ đĩa gần đầy.",
        "Delete files on the PC: its disk is almost full.",
    ),
    Cause.CLOCK_OFF: (
        "đồng hồ máy sai",
        "clock is off",
        "Bật tự động đồng bộ giờ trên máy tính.",
        "Turn on time synchronisation on the PC.",
    ),
    Cause.CPU_BUSY: (
        "máy tính đang bận",
        "PC is busy",
        "Đóng bớt chương trình trên máy tính.",
        "Close programs on the PC.",
    ),
    Cause.MEMORY_LOW: (
        "thiếu bộ nhớ",
        "memory low",
        "Đóng bớt chương trình trên máy tính hoặc khởi động lại máy.",
        "Close programs on the PC or restart it.",
    ),
    Cause.WIFI_ONLY: (
        "chỉ có Wi-Fi",
        "Wi-Fi only",
        "Cắm dây mạng cho máy tính thay cho Wi-Fi.",
        "Connect the PC by cable instead of Wi-Fi.",
    ),
    Cause.ON_BATTERY: (
        "đang chạy pin",
        "on battery",
        "Cắm sạc cho máy tính.",
        "Plug the PC's charger in.",
    ),
}

WORDING: Mapping[Cause, Wording] = {
    cause: Wording(Text(name_vi, name_en), Text(*LIKELY[cause]), Text(action_vi, action_en))
    for cause, (name_vi, name_en, action_vi, action_en) in _WORDS.items()
}

HUB_ADVICE = Text(
    "Giảm tốc độ của mọi điểm cầu hoặc xin tăng băng thông hội trường.",
    "Lower the bit rate of all points or raise the hall's bandwidth.",
)
"""What helps against a hub line that is too narrow, where no numbers say how far."""

READY_ACTION = Text("Không cần làm gì.", "Nothing to do.")

DEVICE_NAMES: Mapping[str, Text] = {
    "camera": Text("camera", "camera"),
    "microphone": Text("micro", "microphone"),
    "speaker": Text("loa", "speaker"),
    "display": Text("màn hình", "display"),
    "codec": Text("thiết bị hội nghị", "codec"),
    "host": Text("máy tính", "PC"),
}


def wording(cause: Cause, device: str = "", values: Mapping[str, object] | None = None) -> Wording:
    """Return the words of ``cause`` as they fit a kind of device, and what its values say of it."""
    general = WORDING[cause]
    keys = [(cause.value, kind) for kind in special_kinds(device, values or {})]

    def fitting(special: Mapping[tuple[str, str], Text], usual: Text) -> Text:
        return next((special[key] for key in keys if key in special), usual)

    return Wording(
        fitting(NAME_OF_DEVICE, general.name),
        fitting(LIKELY_OF_DEVICE, general.why),
        fitting(ACTION_OF_DEVICE, general.action),
    )


def action(
    cause: Cause,
    *,
    device: str = "",
    values: Mapping[str, object] | None = None,
    evidence: Text | None = None,
    advice: Text = HUB_ADVICE,
    port: int = 0,
) -> Text:
    """Return what to do first against ``cause``, with its numbers filled in.

    ``device`` is a kind of device, ``values`` what its probe saw, ``evidence`` the measured numbers
    in words, ``advice`` what helps against a narrow hub line, ``port`` the hub's UDP port; a
    sentence uses those that it names.
    """
    template = wording(cause, device, values).action
    name = DEVICE_NAMES.get(device, Text("thiết bị", "device"))

    def filled(language: Language) -> str:
        text, named = template.in_language(language), name.in_language(language)
        shown = evidence.in_language(language) if evidence else ""
        return (text if shown else text.replace(" ({evidence})", "")).format(
            device=named, Device=named[:1].upper() + named[1:], evidence=shown, port=port or "?",
            advice=advice.in_language(language),
        )  # fmt: skip

    return Text(filled("vi"), filled("en"))
