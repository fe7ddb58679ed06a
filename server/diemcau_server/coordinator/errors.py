"""Why a test cannot be had, in words for the technician.

CoordinatorError
├── SelectionError     the request names something that does not exist or cannot be tested
├── TestRunningError   the hub already has a test
└── UnavailableError   the broker or the measuring end does not answer
"""

from collections.abc import Sequence
from datetime import datetime

from diemcau_contract.causes import Text
from diemcau_contract.messages import utc_text

ENDS_WITHOUT_RESULT = (
    "broker_unavailable",
    "lines_only",
    "measuring_unavailable",
    "store_failed",
    "test_cancelled",
    "test_failed",
    "test_too_long",
)
"""Codes of a test that has begun and gave no verdict (fixed set: it is a metric label)."""


class CoordinatorError(Exception):
    """A test that cannot be started or brought to its end; ``code`` is fixed, ``text`` is read."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(f"{code}: {text.en}")
        self.code = code
        self.text = text


class SelectionError(CoordinatorError):
    """A request that names something unknown; ``near`` holds the ids that come closest."""

    def __init__(self, code: str, text: Text, near: Sequence[str] = ()) -> None:
        super().__init__(code, text)
        self.near = tuple(near)


class TestRunningError(CoordinatorError):
    """The hub is being tested: by whom and since when."""

    def __init__(self, test: str, asked_by: str, started_at: datetime) -> None:
        since = utc_text(started_at)
        super().__init__(
            "test_running",
            Text(
                f"Đang có lượt đo {test} do {asked_by} yêu cầu từ {since}; chờ đo xong rồi đo lại.",
                f"Test {test}, asked for by {asked_by}, is running since {since}; "
                "wait until it has ended.",
            ),
        )
        self.test = test
        self.asked_by = asked_by
        self.started_at = started_at


class UnavailableError(CoordinatorError):
    """The server cannot test now, through no fault of the request."""


def measuring_unavailable() -> UnavailableError:
    """Return the error of a measuring end that is not there."""
    return UnavailableError(
        "measuring_unavailable",
        Text(
            "Bộ đo của máy chủ không hoạt động; chờ 10 giây rồi đo lại, "
            "nếu vẫn vậy thì xem nhật ký máy chủ.",
            "The server's measuring end does not work; try again in 10 seconds, "
            "then look at the server's log.",
        ),
    )


def broker_unavailable() -> UnavailableError:
    """Return the error of a broker that takes no message."""
    return UnavailableError(
        "broker_unavailable",
        Text(
            "Máy chủ không gửi được lệnh qua MQTT broker; kiểm tra broker có đang chạy không.",
            "The server cannot send commands through the MQTT broker; check that it runs.",
        ),
    )


def cancelled() -> CoordinatorError:
    """Return how a cancelled test ended."""
    return CoordinatorError("test_cancelled", Text("Lượt đo đã bị hủy.", "The test was cancelled."))


def took_too_long(limit_seconds: float) -> CoordinatorError:
    """Return how a test ended that reached its cap."""
    return CoordinatorError(
        "test_too_long",
        Text(
            f"Lượt đo vượt quá {limit_seconds:g} giây nên đã bị dừng.",
            f"The test was stopped because it took more than {limit_seconds:g} seconds.",
        ),
    )


def lines_only() -> CoordinatorError:
    """Return how a scheduled measurement of the lines ended, which has no verdict."""
    return CoordinatorError(
        "lines_only",
        Text(
            "Đã đo xong dung lượng đường truyền theo lịch; kết quả ghi ở từng điểm cầu.",
            "The scheduled measurement of the lines is done; each point has its figure.",
        ),
    )


def not_stored() -> CoordinatorError:
    """Return how a test ended whose result could not be kept."""
    return CoordinatorError(
        "store_failed",
        Text(
            "Đo xong nhưng không lưu được kết quả; kiểm tra ổ đĩa và cơ sở dữ liệu của máy chủ.",
            "The result could not be stored; check the server's disk and database.",
        ),
    )


def stopped_short() -> CoordinatorError:
    """Return how a test ended that met a fault of the server itself."""
    return CoordinatorError(
        "test_failed",
        Text(
            "Lượt đo dừng vì lỗi của máy chủ; xem nhật ký máy chủ rồi đo lại.",
            "The test stopped by a fault of the server; see its log, then test again.",
        ),
    )
