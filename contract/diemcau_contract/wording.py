"""Measured numbers of a line in words, both languages: what backs a cause, what would work."""

from collections.abc import Mapping, Sequence

from diemcau_contract.attribution import Attribution, HubDirectionFigures, Shared
from diemcau_contract.causes import HUB_ADVICE, Text
from diemcau_contract.evidence import PointEvidence
from diemcau_contract.line_rules import worst_status
from diemcau_contract.measurements import TrafficStatistics
from diemcau_contract.profiles import Profile
from diemcau_contract.words import Direction, Status, StepKind

_WAYS = {Direction.UP: Text("lên", "up"), Direction.DOWN: Text("xuống", "down")}
_HUB_WAYS = {
    Direction.UP: Text("chiều về hội trường", "towards the hall"),
    Direction.DOWN: Text("chiều từ hội trường đi", "from the hall"),
}
_SAFE_SHARE = 0.9
"""Of what a full line carried, so much is planned anew: frames vary in size."""
_WORTH_NAMING = 0.1
"""Other traffic below this share of the test's explains nothing."""
_MEGA = 1_000_000


def line_evidence(loads: Mapping[Direction, TrafficStatistics | None]) -> Text | None:
    """Return loss and queue of each direction that was measured."""
    parts = [
        Text(
            f"{_WAYS[way].vi}: mất {_comma(traffic.loss_ratio_worst_15s * 100)} % gói"
            f"{_queue_words(traffic, ', hàng đợi')}",
            f"{_WAYS[way].en}: {traffic.loss_ratio_worst_15s * 100:.1f} % lost"
            f"{_queue_words(traffic, ', queue')}",
        )
        for way, traffic in loads.items()
        if traffic is not None
    ]
    return _joined(parts)


def works_at(evidence: PointEvidence, ways: Sequence[Direction], profile: Profile) -> Text:
    """Return at which share of the plan this line was good, empty where none was tried."""
    tried = [step for step in evidence.of_kind(StepKind.MARGIN) if step.rate_ratio < 1]
    good = [
        step.rate_ratio
        for step in tried
        if all(
            worst_status(step.load(way).traffic, profile.limits) in {Status.OK, Status.WARN}
            for way in ways
        )
    ]
    if not tried:
        return Text("", "")
    if not good:
        least = min(step.rate_ratio for step in tried)
        return Text(
            f"Đo ở {least * 100:.0f} % tốc độ vẫn xấu.",
            f"It was bad at {least * 100:.0f} % of the plan as well.",
        )
    ratio = max(good)
    rate = max(_planned(profile, way) for way in ways) * ratio / _MEGA
    return Text(
        f"Trong lúc chờ có thể họp ở {ratio * 100:.0f} % tốc độ ({_comma(rate, 2)} Mbit/s).",
        f"Until then it works at {ratio * 100:.0f} % of the plan ({rate:.2f} Mbit/s).",
    )


def hub_advice(
    ways: Sequence[Direction], attribution: Attribution, profile: Profile
) -> tuple[Text | None, Text]:
    """Return what the hub's line carried of what was offered, and what would fit."""
    found = {way: attribution.figures(way) for way in ways}
    full = {way: one for way, one in found.items() if one.offered_bits_per_second}
    if not full:
        return None, HUB_ADVICE
    numbers = _joined([_carried(way, one) for way, one in full.items()])
    shared = {one.shared for one in full.values()}
    if Shared.LOSS in shared:
        return numbers, Text(
            "Mất gói như nhau ở mọi tải: báo nhà mạng kiểm tra đường truyền hội trường.",
            "The loss is the same at any load: have the carrier check the hall's line.",
        )
    if shared == {Shared.MARGIN} and not all(one.bore_the_plan for one in full.values()):
        return numbers, Text(
            "Mới có một phần điểm cầu cùng đo mà ở 120 % tốc độ đường truyền hội trường đã nghẽn: "
            "đo lại khi đủ điểm cầu, hoặc xin tăng băng thông.",
            "With only some of the points it was full at 120 % already: test again with all, or "
            "raise the hall's bandwidth.",
        )
    if shared == {Shared.MARGIN}:
        return numbers, Text(
            "Đủ cho phiên họp nhưng không còn dự phòng 20 %: không dùng đường truyền cho việc khác "
            "trong giờ họp, hoặc xin tăng băng thông.",
            "It carries the plan without 20 % of reserve: keep other use off the line during the "
            "meeting, or raise the hall's bandwidth.",
        )
    return numbers, _what_fits(full, attribution, profile)


def _what_fits(
    full: Mapping[Direction, HubDirectionFigures], attribution: Attribution, profile: Profile
) -> Text:
    way, worst = min(
        full.items(),
        key=lambda item: item[1].carried_bits_per_second / item[1].offered_bits_per_second,
    )
    share = worst.carried_bits_per_second / worst.offered_bits_per_second * _SAFE_SHARE
    if worst.works_ratio is not None and worst.works_ratio < 1:
        share = max(share, worst.works_ratio)
    rate = _planned(profile, way) * share / _MEGA
    # Those who are away today will need their share as well.
    all_of_them = max(1.0, attribution.planned / max(1, attribution.compared))
    needed = worst.offered_bits_per_second * all_of_them / _SAFE_SHARE / _MEGA
    points = max(1, int(attribution.compared * share))
    return Text(
        f"Giảm mọi điểm cầu xuống {_comma(rate, 2)} Mbit/s, hoặc mỗi lúc chỉ {points} điểm cầu, "
        f"hoặc xin nâng đường truyền hội trường lên {_comma(needed)} Mbit/s.",
        f"Lower all points to {rate:.2f} Mbit/s, or let only {points} points in at a time, or "
        f"raise the hall's line to {needed:.1f} Mbit/s.",
    )


def _carried(way: Direction, one: HubDirectionFigures) -> Text:
    carried, offered = one.carried_bits_per_second / _MEGA, one.offered_bits_per_second / _MEGA
    other = one.other_bits_per_second
    beside_vi = beside_en = ""
    if other is not None and other > _WORTH_NAMING * one.offered_bits_per_second:
        beside_vi = f", ngoài ra có {_comma(other / _MEGA)} Mbit/s lưu lượng khác"
        beside_en = f", beside {other / _MEGA:.1f} Mbit/s of other traffic"
    return Text(
        f"{_HUB_WAYS[way].vi} tải được {_comma(carried)} trên {_comma(offered)} Mbit/s{beside_vi}",
        f"{_HUB_WAYS[way].en} it carried {carried:.1f} of {offered:.1f} Mbit/s{beside_en}",
    )


def _planned(profile: Profile, way: Direction) -> int:
    plan = profile.up if way is Direction.UP else profile.down
    return plan.audio_bits_per_second + plan.video_bits_per_second


def _queue_words(traffic: TrafficStatistics, words: str) -> str:
    queue = traffic.queue_delay_seconds
    return "" if queue is None else f"{words} {queue.p95 * 1000:.0f} ms"


def _joined(parts: Sequence[Text]) -> Text | None:
    if not parts:
        return None
    return Text("; ".join(one.vi for one in parts), "; ".join(one.en for one in parts))


def _comma(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}".replace(".", ",")
