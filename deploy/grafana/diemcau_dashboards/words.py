"""The closed lists as Grafana shows them: a text and a colour for each word or code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from diemcau_contract.causes import DEVICE_NAMES, WORDING
from diemcau_contract.errors import RejectReason
from diemcau_contract.words import Verdict
from diemcau_server.speech.language import speech
from diemcau_server.speech.wording import SEVERITY, STATES, said

_SAY: Final = speech("vi")

GREEN: Final = "green"
YELLOW: Final = "yellow"
ORANGE: Final = "orange"
RED: Final = "red"
BLUE: Final = "blue"
PURPLE: Final = "purple"
GREY: Final = "#8e8e8e"

LINE_COLOURS: Final = {"up": BLUE, "down": ORANGE}

HUB_LINE_SEVERITY: Final = (Verdict.READY, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.NOT_READY)
"""As SEVERITY of points, for the hub's line: a place is a code, the worst has the highest."""

_COLOURS: Final[Mapping[str, str]] = {
    "ready": GREEN,
    "maintenance": BLUE,
    "testing": "light-blue",
    "degraded": YELLOW,
    "unknown": PURPLE,
    "never_seen": GREY,
    "silent": ORANGE,
    "not_ready": RED,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands for a value; without a colour it keeps that of its field."""

    value: str
    text: str
    colour: str | None = None


def coded(order: Iterable[str]) -> tuple[Shown, ...]:
    """Return what the codes of states or verdicts mean, the code being the place in ``order``."""
    return tuple(
        Shown(str(code), said(STATES, state, _SAY), _COLOURS[state])
        for code, state in enumerate(order)
    )


STATE_WORDS: Final = tuple(
    Shown(state.value, said(STATES, state, _SAY), _COLOURS[state]) for state in SEVERITY
)
CAUSE_WORDS: Final = tuple(
    Shown(cause.value, words.name.vi) for cause, words in sorted(WORDING.items())
)
DEVICE_WORDS: Final = tuple(Shown(kind, name.vi) for kind, name in sorted(DEVICE_NAMES.items()))
DIRECTION_WORDS: Final = (
    Shown("up", "chiều lên", LINE_COLOURS["up"]),
    Shown("down", "chiều xuống", LINE_COLOURS["down"]),
)
CHECK_WORDS: Final = (
    Shown("line", "liên lạc UDP với hội trường"),
    Shown("loss", "mất gói"),
    Shown("round_trip", "trễ khứ hồi"),
    *DEVICE_WORDS,
    Shown("power", "điện lưới"),
    Shown("disk", "ổ đĩa"),
    Shown("clock", "đồng hồ"),
)
ROLE_WORDS: Final = (Shown("main", "chính"),)
"""The role of a device that its file does not name; others are names of the room's own."""

TEST_KIND_WORDS: Final = (
    Shown("full", "đầy đủ"),
    Shown("quick", "nhanh"),
    Shown("capacity", "năng lực đường truyền"),
)
TEST_RESULT_WORDS: Final = (
    *(Shown(verdict.value, said(STATES, verdict, _SAY)) for verdict in Verdict),
    Shown("broker_unavailable", "không gửi được lệnh"),
    Shown("lines_only", "đo xong theo lịch"),
    Shown("measuring_unavailable", "tiến trình đo không chạy"),
    Shown("store_failed", "không lưu được kết quả"),
    Shown("test_cancelled", "bị hủy"),
    Shown("test_failed", "lỗi của máy chủ"),
    Shown("test_too_long", "quá lâu nên bị dừng"),
)
TEST_WORDS: Final = tuple(
    Shown(f"{kind.value}: {result.value}", f"{kind.text}: {result.text}")
    for kind in TEST_KIND_WORDS
    for result in TEST_RESULT_WORDS
)
MESSAGE_WORDS: Final = (
    Shown("accepted", "đã ghi"),
    Shown("duplicate", "đã có từ trước"),
    Shown("late", "đến muộn, chỉ ghi vào kho"),
    Shown("invalid", "không hợp lệ"),
    Shown("refused", "chưa ghi kịp"),
    Shown("other", "không phải báo cáo"),
)
REJECT_WORDS: Final = (
    Shown(RejectReason.NOT_JSON, "không phải JSON"),
    Shown(RejectReason.TOO_LARGE, "quá lớn"),
    Shown(RejectReason.WRONG_VERSION, "khác phiên bản"),
    Shown(RejectReason.INVALID, "nội dung không hợp lệ"),
    Shown(RejectReason.WRONG_POINT, "ghi tên điểm cầu khác"),
    Shown(RejectReason.UNKNOWN_POINT, "điểm cầu không có trong cấu hình"),
    Shown(RejectReason.UNKNOWN_TOPIC, "chủ đề MQTT lạ"),
)
AUTH_WORDS: Final = (Shown("token_missing", "thiếu mã"), Shown("token_wrong", "sai mã"))
PACKET_WORDS: Final = (
    Shown("too_short", "quá ngắn"),
    Shown("too_long", "quá dài"),
    Shown("not_ours", "không phải gói của diemcau"),
    Shown("bad_version", "khác phiên bản"),
    Shown("unknown_kind", "loại gói lạ"),
    Shown("bad_field", "nội dung không hợp lệ"),
    Shown("bad_hmac", "sai chữ ký"),
    Shown("malformed", "vé sai cấu trúc"),
    Shown("bad_signature", "vé sai chữ ký"),
    Shown("expired", "vé hết hạn"),
    Shown("replayed", "vé đã dùng ở địa chỉ khác"),
    Shown("closed", "lượt đo đã đóng"),
    Shown("unknown_ssid", "phiên STAMP lạ"),
    Shown("rate_limited", "hỏi STAMP quá nhanh"),
    Shown("unknown_flow", "luồng không có trong lượt đo nào"),
    Shown("wrong_address", "đến từ địa chỉ khác"),
    Shown("over_budget", "quá tổng lưu lượng cho phép"),
    Shown("over_rate", "quá nhanh"),
)
CERTIFICATE_WORDS: Final = (
    Shown("broker", "của broker"), Shown("authority", "của nơi cấp (ca_file)"),
)  # fmt: skip
WORKS: Final = (Shown("0", "hỏng", RED), Shown("1", "tốt", GREEN))
YES_NO: Final = (Shown("0", "không"), Shown("1", "có"))
ALERT_WORDS: Final = (
    Shown("DiemcauServerDown", "máy chủ không trả lời"),
    Shown("DiemcauServerRestarting", "máy chủ khởi động lại liên tục"),
    Shown("DiemcauPartDown", "một phần của máy chủ không đọc được"),
    Shown("DiemcauBrokerDown", "mất kết nối với broker"),
    Shown("DiemcauMeasureDown", "tiến trình đo không chạy"),
    Shown("DiemcauStoreFailing", "không ghi được vào kho dữ liệu"),
    Shown("DiemcauIngestRejecting", "thông điệp bị từ chối"),
    Shown("DiemcauEventLoopLag", "máy chủ phản hồi chậm"),
    Shown("DiemcauStoreDiskLow", "ổ đĩa của kho dữ liệu sắp đầy"),
    Shown("DiemcauCertificateExpiring", "chứng chỉ TLS sắp hết hạn"),
    Shown("DiemcauNotificationsFailing", "không gửi được thông báo"),
    Shown("DiemcauWatchdog", "hệ thống giám sát đang chạy (luôn có)"),
    Shown("DiemcauHubIsolated", "cả hội trường mất liên lạc"),
    Shown("DiemcauHubLoss", "đường truyền hội trường mất gói"),
    Shown("DiemcauPointSilent", "mất liên lạc"),
    Shown("DiemcauNotReadyBeforeSession", "chưa sẵn sàng, phiên họp trong 60 phút"),
    Shown("DiemcauNotReadyForSession", "chưa sẵn sàng, phiên họp trong 30 phút"),
    Shown("DiemcauNotReadyInSession", "có lỗi khi đang họp"),
    Shown("DiemcauLossHigh", "mất gói"),
    Shown("DiemcauLineBlocked", "gói đo UDP không trở về"),
    Shown("DiemcauCapacityBelowPlan", "đường truyền không đủ mức cần"),
    Shown("DiemcauDeviceNotWorking", "thiết bị không hoạt động"),
    Shown("DiemcauClockSkew", "đồng hồ máy tính lệch"),
    Shown("DiemcauOutboxGrowing", "báo cáo bị dồn lại"),
)
"""The alerts of ``deploy/prometheus/rules`` in a few words; each says more in its own text."""

SEVERITY_WORDS: Final = (
    Shown("critical", "khẩn cấp", RED),
    Shown("warning", "cần xem", YELLOW),
    Shown("none", "chỉ để biết", GREY),
)
ALERT_STATE_WORDS: Final = (
    Shown("pending", "đang theo dõi", YELLOW),
    Shown("firing", "đang báo", RED),
)
