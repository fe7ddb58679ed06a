"""What kept a test from saying more: its names, and what to do first (SPEC 6.2, 6.4).

The closed list of causes has one word for a PC that could not measure; its words tell which of the
guards it was, and a hub that could not measure is not sent to a room.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from diemcau_contract.causes import Cause, Text
from diemcau_contract.result import Finding
from diemcau_contract.words import Direction, Status

_DIGITS_MAX = 4


@dataclass(frozen=True, slots=True)
class _Shown:
    """How a guard's numbers are told."""

    factor: float
    digits: int
    unit: str


_MILLISECONDS = _Shown(1e3, 1, "ms")
_SECONDS = _Shown(1, 2, "s")
_PERCENT = _Shown(1e2, 1, "%")


@dataclass(frozen=True, slots=True)
class GuardWords:
    """Words of one guard; ``action`` and ``told`` make one sentence."""

    cause: Cause
    name: Text
    told: Text
    shown: _Shown
    action: Text


_FREE_PC = Text(
    "Đóng bớt chương trình trên máy tính của xã (hoặc khởi động lại máy), rồi đo lại",
    "Close other programs on the room's PC (or restart it), then test again",
)
_FREE_SERVER = Text(
    "Đóng bớt chương trình trên máy chủ, rồi đo lại",
    "Close other programs on the hub's server, then test again",
)

GUARDS: Mapping[str, GuardWords] = {
    "test.point.clock_step": GuardWords(
        Cause.CLOCK_STEP,
        Text("đồng hồ máy bị chỉnh", "clock was stepped"),
        Text(
            "đồng hồ máy tính bị chỉnh trong lúc đo", "the PC's clock was stepped during the test"
        ),
        _SECONDS,
        Text(
            "Bật tự động đồng bộ giờ trên máy tính của xã, rồi đo lại",
            "Turn on time synchronisation on the room's PC, then test again",
        ),
    ),
    "test.point.cpu": GuardWords(
        Cause.PC_BUSY,
        Text("bộ xử lý máy tính quá bận", "PC's processor too busy"),
        Text("bộ xử lý quá bận", "its processor is too busy"),
        _PERCENT,
        _FREE_PC,
    ),
    "test.up.schedule_error": GuardWords(
        Cause.PC_BUSY,
        Text("máy tính gửi gói trễ", "PC sends late"),
        Text("máy gửi gói tin trễ", "it sends packets late"),
        _MILLISECONDS,
        _FREE_PC,
    ),
    "test.up.not_sent": GuardWords(
        Cause.PC_BUSY,
        Text("máy tính gửi không hết gói", "PC cannot send"),
        Text("máy không gửi hết gói tin", "it did not send all packets"),
        _PERCENT,
        Text(
            "Kiểm tra dây mạng (hoặc Wi-Fi) của máy tính xã, đóng bớt chương trình, rồi đo lại",
            "Check the network cable (or Wi-Fi) of the room's PC, close other programs, then test "
            "again",
        ),
    ),
    "test.point.local_drops": GuardWords(
        Cause.PC_BUSY,
        Text("máy tính nhận không kịp", "PC drops packets"),
        Text("máy nhận không kịp, tự bỏ gói tin", "it drops packets that have arrived"),
        _PERCENT,
        _FREE_PC,
    ),
    "test.hub.clock_step": GuardWords(
        Cause.UNKNOWN,
        Text("đồng hồ máy chủ bị chỉnh", "server's clock was stepped"),
        Text(
            "đồng hồ máy chủ bị chỉnh trong lúc đo",
            "the server's clock was stepped during the test",
        ),
        _SECONDS,
        Text(
            "Bật tự động đồng bộ giờ trên máy chủ ở hội trường, rồi đo lại",
            "Turn on time synchronisation on the hub's server, then test again",
        ),
    ),
    "test.hub.cpu": GuardWords(
        Cause.UNKNOWN,
        Text("máy chủ quá bận", "server too busy"),
        Text("bộ xử lý máy chủ quá bận", "the server's processor is too busy"),
        _PERCENT,
        _FREE_SERVER,
    ),
    "test.down.schedule_error": GuardWords(
        Cause.UNKNOWN,
        Text("máy chủ gửi gói trễ", "server sends late"),
        Text("máy chủ gửi gói tin trễ", "the server sends packets late"),
        _MILLISECONDS,
        _FREE_SERVER,
    ),
    "test.down.not_sent": GuardWords(
        Cause.UNKNOWN,
        Text("máy chủ gửi không hết gói", "server cannot send"),
        Text("máy chủ không gửi hết gói tin", "the server did not send all packets"),
        _PERCENT,
        _FREE_SERVER,
    ),
    "test.hub.local_drops": GuardWords(
        Cause.UNKNOWN,
        Text("máy chủ nhận không kịp", "server drops packets"),
        Text("máy chủ nhận không kịp, tự bỏ gói tin", "the server drops packets that have arrived"),
        _PERCENT,
        _FREE_SERVER,
    ),
}
"""In the order of reasoning: the room's before the hub's, the clock first, load before its
effects."""


RESERVE_NAME = Text("chưa đo được mức dự phòng", "reserve not measured")
RESERVE_ACTION = Text(
    "Đo lại: đường truyền đạt ở mức kế hoạch, nhưng lần này chưa đo được ở 120 %.",
    "Test again: the line carried the plan, but 120 % of it could not be tried this time.",
)


def only_reserve_is_unknown(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing but the steps above the plan is not known."""
    unknown = [one.rule for one in findings if one.status is Status.UNKNOWN]
    return bool(unknown) and all(rule.endswith(".margin") for rule in unknown)


def hub_load_rule(direction: Direction) -> str:
    """Return the rule under which findings say how much the hub's line was loaded."""
    return f"line.{direction}.hub_load"


def too_small_hub_load(findings: Iterable[Finding]) -> Finding | None:
    """Return the smallest load of the hub's line that is less than the plan of all, if any is."""
    rules = {hub_load_rule(way) for way in Direction}
    less = [one for one in findings if one.rule in rules and one.status is Status.NOT_APPLICABLE]
    return min(less, key=lambda one: one.value or 0.0, default=None)


def hub_load_name(findings: Iterable[Finding]) -> Text | None:
    """Return why the hub's line is not known: not all loaded it; None where they did."""
    least = too_small_hub_load(findings)
    if least is None:
        return None
    percent = math.floor((least.value or 0.0) * 100)
    return Text(
        f"mới được thử với {percent} % tải kế hoạch (chưa đủ điểm cầu cùng đo)",
        f"tried with {percent} % of the plan only (not all points took part)",
    )


def broken_guard(findings: Iterable[Finding]) -> Finding | None:
    """Return the broken guard that is told of ``findings``: the first in the order of GUARDS."""
    broken = {one.rule: one for one in findings if one.status is Status.UNKNOWN}
    return next((broken[rule] for rule in GUARDS if rule in broken), None)


def guard_name(cause: Cause | None, findings: Iterable[Finding]) -> Text | None:
    """Return what a point's cause is called where its measurement is behind it, else None."""
    findings = tuple(findings)
    guard = broken_guard(findings)
    if guard is None and cause is Cause.UNKNOWN and only_reserve_is_unknown(findings):
        return RESERVE_NAME
    if guard is None or GUARDS[guard.rule].cause is not cause:
        return None
    return GUARDS[guard.rule].name


def guard_action(guard: Finding) -> Text:
    """Return what to do first and what was wrong, with value and limit; of a rule of GUARDS.

    Of the hub the sentence is the same for every room, and so is said once: no numbers, for each
    room has its own (``--explain`` shows them).
    """
    words = GUARDS[guard.rule]
    if words.cause is Cause.UNKNOWN:
        return Text(
            f"{words.action.vi}: chưa đo được đường truyền vì {words.told.vi}.",
            f"{words.action.en}: the line could not be measured, for {words.told.en}.",
        )
    value, limit = _numbers(guard, words.shown)
    unit = words.shown.unit
    told_vi = f"{value} {unit}, cho phép {limit} {unit}".replace(".", ",")
    return Text(
        f"{words.action.vi}: {words.told.vi} ({told_vi}).",
        f"{words.action.en}: {words.told.en} ({value} {unit}, allowed {limit} {unit}).",
    )


def _numbers(guard: Finding, shown: _Shown) -> tuple[str, str]:
    """Return value and limit with as many decimals as tell them apart."""
    both = ((guard.value or 0.0) * shown.factor, (guard.limit or 0.0) * shown.factor)
    for digits in range(shown.digits, _DIGITS_MAX + 1):
        value, limit = (f"{one:.{digits}f}" for one in both)
        if value != limit:
            break
    return value, limit
