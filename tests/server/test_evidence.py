from dataclasses import replace
from typing import Any

import pytest

from diemcau_contract.attribution import Attribution, HubDirectionFigures, Shared, attribute
from diemcau_contract.causes import Cause
from diemcau_contract.judge import judge
from diemcau_contract.measurements import TrafficStatistics
from diemcau_contract.profiles import PlanInFile, Profile
from diemcau_contract.result import HubLine
from diemcau_contract.words import Confidence, Direction, Status, StepKind, Verdict
from diemcau_server.evidence import (
    HubFigures,
    JudgedPoint,
    PointRecord,
    counted,
    hub_line,
    point_evidence,
    point_result,
)
from diemcau_server.steps import IDLE, MARGIN, PREFLIGHT, REHEARSAL, group_steps, margin_steps
from tests.measured import END, lossy, sender, traffic
from tests.server.district import devices_result, step_result

STEPS = (PREFLIGHT, IDLE, REHEARSAL, MARGIN)
PLAN = PlanInFile(audio_bits_per_second=64_000, video_bits_per_second=960_000, frames_per_second=30)
PROFILE = Profile(id="h323-720p", name="H.323 720p", up=PLAN, down=PLAN)


def whole(point: str = "bom-bo", **changes: Any) -> PointRecord:
    """Return the record of a clean point."""
    record = PointRecord(
        point=point,
        name="Xã Bom Bo",
        accepted=True,
        udp_answered=True,
        steps={
            1: step_result(point, StepKind.IDLE),
            2: step_result(point),
            3: step_result(point, StepKind.MARGIN),
        },
        hub=dict.fromkeys((2, 3), HubFigures(up=traffic(), down_sender=sender(), end=END)),
        devices=devices_result(point),
    )
    return replace(record, **changes)


def judged(record: PointRecord) -> JudgedPoint:
    """Judge a record."""
    evidence = point_evidence(
        record, STEPS, joined=["bom-bo", "dak-nhau"], complete=True, hub_port=8620
    )
    return JudgedPoint(evidence, judge(evidence, PROFILE))


def with_up(up: TrafficStatistics, point: str = "bom-bo") -> JudgedPoint:
    """Judge a point whose direction up is given."""
    return judged(whole(point, hub={2: HubFigures(up=up, down_sender=sender(), end=END)}))


def test_a_whole_record_is_ready() -> None:
    """Each direction comes from its receiver, the guards from both ends."""
    one = judged(whole())

    assert one.said.verdict is Verdict.READY
    assert one.evidence.up.traffic == traffic()
    assert one.evidence.hub_end == END


def test_without_an_account_of_the_margin_nobody_is_ready() -> None:
    """What is held up by 120 % of the plan may not look like what passed it."""
    record = whole()
    told = {number: record.steps[number] for number in (1, 2)}

    said = judged(replace(record, steps=told)).said
    unknown = {one.rule for one in said.findings if one.status is Status.UNKNOWN}

    assert (said.verdict, said.cause) == (Verdict.UNKNOWN, Cause.UNKNOWN)
    assert unknown == {"line.up.margin", "line.down.margin"}


def test_what_is_known_without_the_margin_is_said() -> None:
    """A bad line is bad, and a clock that was set is named with as much confidence as ever."""
    record = whole()
    told = {number: record.steps[number] for number in (1, 2)}
    bad = judged(replace(record, steps=told, hub={2: HubFigures(lossy(0.5), sender(), END)})).said
    stepped = replace(END, clock_step_seconds=-2.0)
    steps = {1: step_result("bom-bo", StepKind.IDLE, end=stepped), 2: record.steps[2]}
    clock = judged(replace(record, steps=steps)).said

    assert (bad.verdict, bad.confidence) == (Verdict.NOT_READY, Confidence.HIGH)
    assert (clock.cause, clock.confidence) == (Cause.CLOCK_STEP, Confidence.MEDIUM)


def test_a_step_of_the_clock_counts_whenever_it_happened() -> None:
    """A clock stepped before the rehearsal is named as well."""
    stepped = replace(END, clock_step_seconds=-2.0)
    record = whole()
    steps = {1: step_result("bom-bo", StepKind.IDLE, end=stepped), 2: record.steps[2]}
    said = judged(replace(record, steps=steps)).said

    assert (said.verdict, said.cause) == (Verdict.UNKNOWN, Cause.CLOCK_STEP)


def test_a_point_that_never_answered_is_silent() -> None:
    """Nothing came: the agent is silent."""
    assert judged(PointRecord("bom-bo", "Xã Bom Bo")).said.cause is Cause.AGENT_SILENT


def test_a_point_that_accepted_and_died_is_silent() -> None:
    """No result after acceptance says no more than no acceptance."""
    one = judged(PointRecord("bom-bo", "Xã Bom Bo", accepted=True, udp_answered=True))

    assert one.said.cause is Cause.AGENT_SILENT


def test_a_point_that_died_in_the_rehearsal_is_unknown() -> None:
    """The hub's count of its last packets blames no line when the sender's account is missing."""
    one = judged(
        whole(steps={1: step_result("bom-bo", StepKind.IDLE)}, hub={2: HubFigures(lossy(0.5))})
    )

    assert one.said.verdict is Verdict.UNKNOWN
    assert one.evidence.up.traffic is None


def test_blocked_udp_is_a_firewall() -> None:
    """The agent answers, its packets do not arrive."""
    said = judged(PointRecord("bom-bo", "Xã", accepted=True, udp_answered=False)).said

    assert said.cause is Cause.FIREWALL
    assert "8620" in said.action.vi


def test_a_refusal_is_unknown_and_not_silence() -> None:
    """An agent that says that it is busy has answered."""
    said = judged(PointRecord("bom-bo", "Xã", accepted=True, refused=True)).said

    assert (said.verdict, said.cause) == (Verdict.UNKNOWN, Cause.UNKNOWN)


def test_packets_lost_at_the_end_are_counted() -> None:
    """What the sender sent after the last packet received is loss."""
    corrected = counted(traffic(packets_sent=1800, packets_received=1800), sender(2000))

    assert corrected is not None
    assert corrected.packets_sent == 2000
    assert corrected.loss_ratio == pytest.approx(0.1)
    assert corrected.loss_ratio_worst_15s == pytest.approx(0.1)
    assert corrected.offered_bits_per_second == pytest.approx(1e6 * 2000 / 1800)


def test_a_direction_that_carried_nothing_is_all_lost() -> None:
    """No packet at all: everything that the sender sent is lost, and was offered."""
    nothing = traffic(packets_sent=0, packets_received=0, offered_bits_per_second=0.0)
    corrected = counted(nothing, sender(2000))

    assert corrected is not None
    assert corrected.loss_ratio == corrected.loss_ratio_low == 1.0
    assert corrected.offered_bits_per_second == pytest.approx(2000 * 900 * 8 / 15)


def shared_line(*points: JudgedPoint, complete: bool = True) -> HubLine:
    """Compare the points of one test and put the hub's line into words."""
    return hub_line(attribute([one.evidence for one in points], PROFILE), complete=complete)


def test_the_hub_line_sums_what_all_points_carried() -> None:
    """Offered and carried are sums over the validly measured points."""
    line = shared_line(judged(whole("bom-bo")), with_up(lossy(0.1), "dak-nhau"), judged(whole("x")))

    assert line.verdict is Verdict.READY
    assert line.up is not None
    assert line.up.offered_bits_per_second == pytest.approx(3e6)
    assert line.up.carried_bits_per_second == pytest.approx(2.9e6)


def test_most_points_bad_in_one_direction_leave_the_hub_line_unknown() -> None:
    """Without groups many bad own lines cannot be told from one bad shared line."""
    line = shared_line(with_up(lossy(0.1)), with_up(lossy(0.1), "y"), judged(whole("x")))

    assert (line.verdict, line.cause) == (Verdict.UNKNOWN, Cause.UNKNOWN)


@pytest.mark.parametrize("silent", [3, 2])
def test_too_few_valid_points_leave_the_hub_line_unknown(silent: int) -> None:
    """A line that less than half of the points loaded has not been tested."""
    points = [judged(PointRecord("x", "X")) for _ in range(silent)]
    points += [judged(whole()) for _ in range(3 - silent)]

    assert shared_line(*points).verdict is Verdict.UNKNOWN


def test_one_silent_point_does_not_hide_a_good_hub_line() -> None:
    """120 % of the others made up for it; without that, or in a shortened test, it is not ready."""
    silent, names = judged(PointRecord("x", "X")), [f"p{number}" for number in range(8)]
    tried = [judged(whole(name)) for name in names]
    hub = {2: HubFigures(up=traffic(), down_sender=sender(), end=END)}
    untried = [
        judged(whole(name, hub=hub, steps={number: whole().steps[number] for number in (1, 2)}))
        for name in names
    ]

    assert shared_line(*tried, silent).verdict is Verdict.READY
    assert shared_line(*tried, silent, complete=False).verdict is Verdict.UNKNOWN
    assert shared_line(*untried, silent).verdict is Verdict.UNKNOWN
    assert shared_line(*untried).verdict is Verdict.READY


def test_what_was_found_stands_though_not_all_loaded_the_other_direction() -> None:
    """A warning up is told; that down was good with some of the points is no news."""
    warned = HubDirectionFigures(shared=Shared.CONGESTION, load_ratio=0.9, status=Status.WARN)
    good = HubDirectionFigures(load_ratio=0.9, status=Status.UNKNOWN, only_load_missing=True)
    lost = HubDirectionFigures(load_ratio=0.9, status=Status.UNKNOWN)

    def said(down: HubDirectionFigures) -> tuple[Verdict, Cause | None]:
        line = hub_line(Attribution({Direction.UP: warned, Direction.DOWN: down}), complete=True)
        return line.verdict, line.cause

    assert said(good) == (Verdict.DEGRADED, Cause.HUB_LINE_UP)
    assert said(lost) == (Verdict.UNKNOWN, Cause.UNKNOWN)


def test_groups_and_margin_become_evidence_of_their_steps() -> None:
    """Each loaded step beside the rehearsal says how many shared the hub's line in it."""
    steps = (
        *STEPS[:2],
        *group_steps(["bom-bo", "dak-nhau"]),
        REHEARSAL,
        *margin_steps(["bom-bo"], []),
    )
    record = whole(
        steps={
            number: step_result("bom-bo", step.kind, step=number)
            for number, step in enumerate(steps)
            if step.includes("bom-bo")
        },
        hub={
            number: HubFigures(up=traffic(), down_sender=sender(), end=END)
            for number in range(len(steps))
        },
    )
    made = point_evidence(
        record, steps, joined=["bom-bo", "dak-nhau"], complete=True, hub_port=8620
    )

    found = [(step.kind, step.rate_ratio, step.together) for step in made.steps]
    assert found == [(StepKind.GROUPS, 1.0, 1), (StepKind.MARGIN, 1.2, 1)]
    assert all(step.up.traffic and step.down.traffic for step in made.steps)


def test_a_result_holds_what_was_measured_and_nothing_else() -> None:
    """The result of a point carries the line, the devices without timing, and the findings."""
    result = point_result(judged(whole()))

    assert result.line.idle is not None
    assert result.line.idle.rtt_seconds is not None
    assert result.line.idle.rtt_seconds.min == 0.009
    assert result.line.down is not None
    assert set(result.model_dump()["devices"][0]) == {"kind", "role", "status", "causes", "values"}
    assert result.findings
