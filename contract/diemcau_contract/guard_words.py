"""What a broken guard is called and what to do first against it (SPEC 6.2, 6.4).

The closed list of causes has one word for a PC that could not measure; its words tell which of the
guards it was, with both numbers, and a hub that could not measure is not sent to a room.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from diemcau_contract.causes import Cause, Text
from diemcau_contract.result import Finding
from diemcau_contract.words import Status

_MILLISECONDS = (1e3, 1, "ms")
_PERCENT = (1e2, 1, "%")
_CLOSE_VI, _CLOSE_EN = "đóng bớt chương trình trên", "close other programs on"
_NOT_AT_FAULT = Text("Điểm cầu không có lỗi:", "This point is not at fault:")


@dataclass(frozen=True, slots=True)
class GuardWords:
    """Words of one guard; ``told`` and ``action`` make one sentence."""

    cause: Cause
    name: Text
    told: Text
    action: Text
    shown: tuple[float, int, str]
    """Factor, decimals and unit of its numbers."""


_ROOM = Text(
    f"{_CLOSE_VI} máy tính của xã (hoặc khởi động lại máy), rồi đo lại.",
    f"{_CLOSE_EN} the room's PC (or restart it), then test again.",
)
_HALL = Text(f"{_CLOSE_VI} máy chủ, rồi đo lại.", f"{_CLOSE_EN} the hub's server, then test again.")

GUARDS: Mapping[str, GuardWords] = {
    "test.point.clock_step": GuardWords(
        Cause.CLOCK_STEP,
        Text("đồng hồ máy bị chỉnh", "clock was stepped"),
        Text(
            "Đồng hồ máy tính của xã bị chỉnh trong lúc đo",
            "The clock of the room's PC was stepped during the test",
        ),
        Text(
            "bật tự động đồng bộ giờ trên máy, rồi đo lại.",
            "turn on time synchronisation there, then test again.",
        ),
        _MILLISECONDS,
    ),
    "test.point.cpu": GuardWords(
        Cause.PC_BUSY,
        Text("bộ xử lý máy tính quá bận", "PC's processor too busy"),
        Text("Bộ xử lý của máy tính xã quá bận", "The processor of the room's PC is too busy"),
        _ROOM,
        _PERCENT,
    ),
    "test.up.schedule_error": GuardWords(
        Cause.PC_BUSY,
        Text("máy tính gửi gói trễ", "PC sends late"),
        Text("Máy tính của xã gửi gói tin trễ", "The room's PC sends packets late"),
        _ROOM,
        _MILLISECONDS,
    ),
    "test.point.local_drops": GuardWords(
        Cause.PC_BUSY,
        Text("máy tính nhận không kịp", "PC drops packets"),
        Text(
            "Máy tính của xã nhận không kịp, tự bỏ gói tin",
            "The room's PC itself drops packets that have arrived",
        ),
        _ROOM,
        _PERCENT,
    ),
    "test.hub.clock_step": GuardWords(
        Cause.UNKNOWN,
        Text("đồng hồ máy chủ bị chỉnh", "server's clock was stepped"),
        Text(
            "đồng hồ máy chủ ở hội trường bị chỉnh trong lúc đo",
            "the clock of the hub's server was stepped during the test",
        ),
        Text(
            "bật tự động đồng bộ giờ trên máy chủ, rồi đo lại.",
            "turn on time synchronisation there, then test again.",
        ),
        _MILLISECONDS,
    ),
    "test.hub.cpu": GuardWords(
        Cause.UNKNOWN,
        Text("máy chủ quá bận", "server too busy"),
        Text(
            "bộ xử lý máy chủ ở hội trường quá bận", "the processor of the hub's server is too busy"
        ),
        _HALL,
        _PERCENT,
    ),
    "test.down.schedule_error": GuardWords(
        Cause.UNKNOWN,
        Text("máy chủ gửi gói trễ", "server sends late"),
        Text("máy chủ ở hội trường gửi gói tin trễ", "the hub's server sends packets late"),
        _HALL,
        _MILLISECONDS,
    ),
    "test.hub.local_drops": GuardWords(
        Cause.UNKNOWN,
        Text("máy chủ nhận không kịp", "server drops packets"),
        Text(
            "máy chủ ở hội trường nhận không kịp, tự bỏ gói tin",
            "the hub's server itself drops packets that have arrived",
        ),
        _HALL,
        _PERCENT,
    ),
}
"""In the order of reasoning: the room's before the hub's, the clock first, load before its
effects."""


def broken_guard(findings: Iterable[Finding]) -> Finding | None:
    """Return the broken guard that is told of ``findings``: the first in the order of GUARDS."""
    broken = {one.rule: one for one in findings if one.status is Status.UNKNOWN}
    return next((broken[rule] for rule in GUARDS if rule in broken), None)


def guard_name(cause: Cause | None, findings: Iterable[Finding]) -> Text | None:
    """Return what a point's cause is called where a guard is behind it, else None."""
    guard = broken_guard(findings)
    if guard is None or GUARDS[guard.rule].cause is not cause:
        return None
    return GUARDS[guard.rule].name


def guard_action(guard: Finding) -> Text:
    """Return what is wrong, with value and limit, and what to do first; of a rule of GUARDS."""
    words = GUARDS[guard.rule]
    vi = f"{words.told.vi} ({_numbers(guard, words, 'cho phép').replace('.', ',')}):"
    en = f"{words.told.en} ({_numbers(guard, words, 'allowed')}):"
    whole = Text(vi, en) + words.action
    return _NOT_AT_FAULT + whole if words.cause is Cause.UNKNOWN else whole


def _numbers(guard: Finding, words: GuardWords, allowed: str) -> str:
    factor, digits, unit = words.shown
    value, limit = (guard.value or 0.0) * factor, (guard.limit or 0.0) * factor
    return f"{value:.{digits}f} {unit}, {allowed} {limit:.{digits}f} {unit}"
