"""The numbers of a probe in words: what each value is called, its unit, how many decimals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from diemcau_contract.messages import Value
from diemcau_contract.texts import Language, Text

ACCEPTED = "accepted_"
"""Before the name of a value: the same when a technician accepted the room."""


class Measured(Protocol):
    """What a probe found, as a message, a result or a board names it."""

    @property
    def values(self) -> Mapping[str, Value]:
        """What the probe saw."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How one value is shown."""

    label: Text
    unit: str = ""
    decimals: int = 2
    scale: float = 1.0
    """What a value is multiplied by to be in ``unit``."""


VALUES: Mapping[str, Shown] = {
    "width": Shown(Text("chiều rộng hình", "picture width"), "px", 0),
    "height": Shown(Text("chiều cao hình", "picture height"), "px", 0),
    "frames": Shown(Text("số hình đã xem", "frames looked at"), "", 0),
    "frames_per_second": Shown(Text("số hình mỗi giây", "frames a second"), "", 1),
    "new_frames_per_second": Shown(Text("số hình mới mỗi giây", "new frames a second"), "", 1),
    "new_ratio": Shown(Text("phần hình mới, không lặp lại", "share of new frames")),
    "open_seconds": Shown(Text("thời gian mở", "time to open"), "s"),
    "first_frame_seconds": Shown(Text("hình đầu tiên sau", "first frame after"), "s"),
    "cpu_ratio": Shown(Text("tải máy tính", "load of the PC")),
    "memory_ratio": Shown(Text("phần bộ nhớ đang dùng", "share of memory in use")),
    "disk_free_bytes": Shown(Text("ổ đĩa còn trống", "free on the disk"), "GB", 1, 1e-9),
    "medium": Shown(Text("đường đến huyện", "way to the hub")),
    "interface_bits_per_second": Shown(
        Text("tốc độ cổng mạng", "speed of the network port"), "Mbit/s", 0, 1e-6
    ),
    "clock_synchronised": Shown(Text("đồng hồ được đồng bộ", "clock is synchronised")),
    "on_mains": Shown(Text("dùng điện lưới", "on mains power")),
    "battery_ratio": Shown(Text("pin còn", "left in the battery"), "%", 0, 100.0),
    "port": Shown(Text("cổng UDP của huyện", "the hub's UDP port"), "", 0),
    "packets_sent": Shown(Text("số gói đã gửi", "packets sent"), "", 0),
    "packets_received": Shown(Text("số gói nhận lại", "packets that came back"), "", 0),
    "loss_ratio_up": Shown(Text("mất gói chiều lên", "loss up"), "%", 1, 100.0),
    "loss_ratio_down": Shown(Text("mất gói chiều xuống", "loss down"), "%", 1, 100.0),
    "rtt_p50_seconds": Shown(Text("trễ khứ hồi, trung vị", "round trip, median"), "ms", 1, 1e3),
    "rtt_p95_seconds": Shown(
        Text("trễ khứ hồi, 95 % dưới mức này", "round trip, 95th percentile"), "ms", 1, 1e3
    ),
    "queue_delay_up_p95_seconds": Shown(
        Text("chờ trên đường lên, 95 % dưới mức này", "queue up, 95th percentile"), "ms", 1, 1e3
    ),
    "queue_delay_down_p95_seconds": Shown(
        Text("chờ trên đường xuống, 95 % dưới mức này", "queue down, 95th percentile"),
        "ms",
        1,
        1e3,
    ),
    "clock_offset_seconds": Shown(
        Text("đồng hồ huyện sớm hơn máy này", "hub's clock ahead of this PC"), "s", 3
    ),
    "clock_offset_bound_seconds": Shown(
        Text("sai số của phép so đồng hồ", "uncertainty of that"), "s", 3
    ),
    "path_mtu_bytes": Shown(Text("gói lớn nhất đi qua được", "path MTU"), "byte", 0),
    "luma": Shown(Text("độ sáng trung bình (0-255)", "mean brightness (0-255)"), "", 1),
    "deviation": Shown(Text("độ lệch sáng tối", "spread of brightness"), "", 1),
    "gradient": Shown(Text("độ sắc nét của đường viền", "strength of edges"), "", 1),
    "edge_ratio": Shown(
        Text("đường viền so với độ lệch sáng tối", "edges beside the spread of brightness")
    ),
    "bright_ratio": Shown(Text("phần hình cháy sáng", "share burnt out")),
    "blur": Shown(Text("độ mờ (0 nét, 1 mờ)", "blur (0 sharp, 1 blurred)")),
    "difference": Shown(Text("khác nhau giữa hai hình", "difference of two frames"), "", 3),
    "still_ratio": Shown(Text("phần thời gian hình đứng", "share of time standing still")),
    "idle_colour": Shown(Text("màu của màn hình chờ", "colour of an idle screen")),
    "privacy_shutter": Shown(Text("màn che riêng tư đóng", "privacy shutter closed")),
    "muted": Shown(Text("đang tắt tiếng", "muted")),
    "volume_ratio": Shown(Text("âm lượng (1 là hết cỡ)", "volume (1 is full)")),
    "seconds": Shown(Text("thời gian nghe", "time listened"), "s", 1),
    "sample_rate_hz": Shown(Text("tần số lấy mẫu", "sample rate"), "Hz", 0),
    "rms_dbfs": Shown(Text("mức tiếng", "level"), "dBFS", 1),
    "peak_dbfs": Shown(Text("đỉnh tiếng", "peak"), "dBFS", 1),
    "block_p10_dbfs": Shown(Text("mức lúc yên (10 % nhỏ nhất)", "quiet tenth"), "dBFS", 1),
    "block_p95_dbfs": Shown(Text("mức lúc to (5 % to nhất)", "loud twentieth"), "dBFS", 1),
    "peak_to_peak_bits": Shown(Text("biên độ theo bậc 16 bit", "steps of 16 bit"), "", 0),
    "clipped_ratio": Shown(Text("phần mẫu bị cắt đỉnh", "share of samples cut off"), "", 4),
    "hum_ratio": Shown(Text("phần năng lượng ở 50 Hz và bội", "share at 50 Hz and multiples")),
    "hum_dbfs": Shown(Text("mức tiếng ù", "level of hum"), "dBFS", 1),
    "heard": Shown(Text("micro nghe được tiếng chíp", "chirp heard")),
    "people_heard": Shown(Text("có tiếng người trước khi thử", "voices before the test")),
    "echo_canceller": Shown(Text("có khử tiếng vọng", "cancels echo")),
    "output": Shown(Text("loa đã phát", "speaker that played")),
    "listener": Shown(Text("micro đã nghe", "microphone that listened")),
    "played_dbfs": Shown(Text("mức tiếng chíp", "level of the chirp"), "dBFS", 1),
    "room_dbfs": Shown(Text("mức trong phòng trước khi thử", "room before the test"), "dBFS", 1),
    "score_db": Shown(Text("độ rõ của tiếng chíp", "clearness of the chirp"), "dB", 1),
    "delay_seconds": Shown(Text("trễ từ loa đến micro", "delay, speaker to microphone"), "s", 3),
    "held_up_seconds": Shown(Text("chậm do máy tính bận", "held up by a busy PC"), "s", 3),
    "gain_db": Shown(Text("mức nghe so với mức phát", "level heard against played"), "dB", 1),
    "microphone": Shown(Text("lỗi của micro", "fault of the microphone")),
    "held_by": Shown(Text("chương trình đang dùng", "used by")),
    "used": Shown(Text("thiết bị đang được dùng thay", "used in its place")),
    "tries": Shown(Text("số lần kiểm tra", "looks"), "", 0),
    "connector": Shown(Text("ngõ ra của máy tính", "the PC's output")),
    "network": Shown(Text("qua mạng", "over the network")),
    "certificate_known": Shown(Text("chứng thư khớp", "certificate is known")),
    "display": Shown(Text("tên màn hình", "name of the display")),
    "connected": Shown(Text("đang nối với", "connected instead")),
    "power": Shown(Text("nguồn máy chiếu", "projector's power")),
    "input": Shown(Text("ngõ vào (mã PJLink)", "input (PJLink code)")),
    "av_mute": Shown(Text("tắt hình/tiếng (mã PJLink)", "A/V mute (PJLink code)")),
    "input_resolution": Shown(Text("độ phân giải tín hiệu vào", "resolution of the input signal")),
    "lamp_hours": Shown(Text("giờ dùng bóng đèn", "lamp hours"), "h", 0),
    "error_fan": Shown(
        Text("quạt (0 tốt, 1 chú ý, 2 lỗi)", "fan (0 good, 1 warning, 2 error)"), "", 0
    ),
    "error_lamp": Shown(Text("bóng đèn (0, 1, 2)", "lamp (0, 1, 2)"), "", 0),
    "error_temp": Shown(Text("nhiệt độ (0, 1, 2)", "temperature (0, 1, 2)"), "", 0),
    "error_cover": Shown(Text("nắp máy (0, 1, 2)", "cover (0, 1, 2)"), "", 0),
    "error_filter": Shown(Text("lưới lọc (0, 1, 2)", "filter (0, 1, 2)"), "", 0),
    "error_other": Shown(Text("lỗi khác (0, 1, 2)", "other fault (0, 1, 2)"), "", 0),
    "sip_code": Shown(Text("mã trả lời SIP", "SIP answer"), "", 0),
    "rtt_seconds": Shown(Text("thời gian trả lời", "round trip"), "s", 4),
    "agent": Shown(Text("tên thiết bị tự khai", "calls itself")),
    "active_calls": Shown(Text("số cuộc gọi đang có", "active calls"), "", 0),
    "standby": Shown(Text("đang ở chế độ chờ", "in standby")),
    "camera_connected": Shown(Text("có nối camera", "camera is connected")),
    "camera_signal": Shown(Text("có hình từ camera", "camera's picture arrives")),
    "microphones_connected": Shown(Text("số micro đang nối", "microphones connected"), "", 0),
    "microphones_muted": Shown(Text("micro đang tắt tiếng", "microphones are muted")),
}


def label(name: str) -> Text:
    """Return what a value is called; its code where there is no word for it."""
    if name.startswith(ACCEPTED):
        of = label(name.removeprefix(ACCEPTED))
        return Text(f"{of.vi}, lúc nghiệm thu", f"{of.en}, as accepted")
    return VALUES[name].label if name in VALUES else Text(name, name)


def number(name: str, value: bool | float | str | None, language: Language) -> str:  # noqa: FBT001  # a value as it is
    """Return a value with its unit as a reader of the language writes it."""
    if isinstance(value, bool):
        said = Text("có", "yes") if value else Text("không", "no")
        return said.in_language(language)
    if value is None or isinstance(value, str):
        return "-" if value is None else value
    shown = VALUES.get(name.removeprefix(ACCEPTED), Shown(Text("", "")))
    text = f"{value * shown.scale:.{shown.decimals}f}"
    if language == "vi":
        text = text.replace(".", ",")
    return f"{text} {shown.unit}".rstrip()


def changes(results: Iterable[Measured]) -> Text | None:
    """Return in words which values have left the accepted ones, both numbers; None for none."""
    said = [
        Text(_change(result, name, "vi"), _change(result, name, "en"))
        for result in results
        for name in result.values
        if name.startswith(ACCEPTED)
    ]
    if not said:
        return None
    return Text("; ".join(one.vi for one in said), "; ".join(one.en for one in said))


def _change(result: Measured, accepted: str, language: Language) -> str:
    name = accepted.removeprefix(ACCEPTED)
    now = number(name, result.values.get(name), language)
    before = number(name, result.values[accepted], language)
    words = Text("trước", "before").in_language(language)
    return f"{label(name).in_language(language)} {now}, {words} {before}"
