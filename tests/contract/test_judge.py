import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diemcau_contract.causes import DEVICE_NAMES, WORDING, Cause, action
from diemcau_contract.evidence import LoadEvidence, PointEvidence, StepEvidence
from diemcau_contract.guard_words import (
    GUARDS,
    RESERVE_ACTION,
    RESERVE_NAME,
    broken_guard,
    guard_action,
    guard_name,
)
from diemcau_contract.judge import judge, worst
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.result import Finding
from diemcau_contract.validity import guard_findings
from diemcau_contract.words import Confidence, DeviceKind, Status, StepKind, Verdict
from tests import measured
from tests.measured import END, PROFILE, STAMP, sender, traffic

SENDER = sender()
CLEAN = traffic()
CAMERA = DeviceResult(kind=DeviceKind.CAMERA, status=Status.OK)
BLACK_CAMERA = CAMERA.model_copy(update={"status": Status.BAD, "causes": (Cause.BLACK,)})


def evidence(**changes: Any) -> PointEvidence:
    """Make a clean point's evidence with ``changes``."""
    whole = PointEvidence(
        point="bom-bo", name="Xã Bom Bo", agent_answered=True, udp_answered=True, idle=STAMP,
        loaded=STAMP, devices_expected=False, up=LoadEvidence(CLEAN, SENDER),
        down=LoadEvidence(CLEAN, SENDER),
        point_end=END, hub_end=END, devices=(CAMERA,), host=HostState(medium="cable"),
    )  # fmt: skip
    return replace(whole, **changes)


def lossy(ratio: float) -> LoadEvidence:
    """Make a direction that loses ``ratio`` of its packets."""
    return LoadEvidence(measured.lossy(ratio), SENDER)


def test_a_clean_whole_test_is_ready_with_high_confidence() -> None:
    """Nothing wrong, nothing to do, no cause."""
    said = judge(evidence(), PROFILE)

    assert (said.verdict, said.confidence, said.cause) == (Verdict.READY, Confidence.HIGH, None)
    assert said.action.vi == "Không cần làm gì."


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.005, Verdict.READY),
        (0.0051, Verdict.DEGRADED),
        (0.01, Verdict.DEGRADED),
        (0.0101, Verdict.NOT_READY),
    ],
)
def test_loss_is_judged_on_and_just_over_each_limit(ratio: float, verdict: Verdict) -> None:
    """A value on the limit still passes it, one just over does not."""
    assert judge(evidence(up=lossy(ratio)), PROFILE).verdict is verdict


@pytest.mark.parametrize(
    ("changes", "verdict", "cause"),
    [
        ({"agent_answered": False}, Verdict.UNKNOWN, Cause.AGENT_SILENT),
        ({"udp_answered": False}, Verdict.UNKNOWN, Cause.FIREWALL),
        ({"udp_answered": None}, Verdict.UNKNOWN, Cause.UNKNOWN),
        ({"up": lossy(0.05)}, Verdict.NOT_READY, Cause.OWN_LINE_UP),
        ({"down": lossy(0.05)}, Verdict.NOT_READY, Cause.OWN_LINE_DOWN),
        ({"up": lossy(0.05), "down": lossy(0.05)}, Verdict.NOT_READY, Cause.OWN_LINE),
        ({"up": lossy(0.05), "host": HostState(medium="wifi")}, Verdict.NOT_READY, Cause.WIFI),
        ({"up": LoadEvidence()}, Verdict.UNKNOWN, Cause.UNKNOWN),
        (
            {"up": lossy(0.05), "point_end": replace(END, cpu_ratio=0.99)},
            Verdict.UNKNOWN,
            Cause.PC_BUSY,
        ),
        (
            {"up": lossy(0.05), "point_end": replace(END, clock_step_seconds=-2.0)},
            Verdict.UNKNOWN,
            Cause.CLOCK_STEP,
        ),
        ({"hub_end": replace(END, local_drops=100)}, Verdict.UNKNOWN, Cause.UNKNOWN),
        ({"hub_end": replace(END, cpu_ratio=0.99)}, Verdict.UNKNOWN, Cause.UNKNOWN),
        ({"hub_end": replace(END, clock_step_seconds=2.0)}, Verdict.UNKNOWN, Cause.UNKNOWN),
        (
            {"devices": (BLACK_CAMERA,)},
            Verdict.NOT_READY,
            Cause.BLACK,
        ),
        ({"devices": (), "devices_expected": True}, Verdict.UNKNOWN, Cause.UNKNOWN),
        ({"devices": ()}, Verdict.READY, None),
        (
            {"devices": (CAMERA.model_copy(update={"status": Status.IN_USE}),)},
            Verdict.READY,
            None,
        ),
    ],
)  # fmt: skip
def test_each_kind_of_fault_has_its_verdict_and_cause(
    changes: dict[str, Any], verdict: Verdict, cause: Cause | None
) -> None:
    """One fault at a time leads to one verdict and one cause."""
    said = judge(evidence(**changes), PROFILE)

    assert (said.verdict, said.cause) == (verdict, cause)


def test_an_invalid_measurement_is_never_called_a_bad_line() -> None:
    """Late sends of a busy PC make the line unknown, whatever was lost."""
    late = replace(SENDER, schedule_error_p99_seconds=0.2)
    said = judge(evidence(up=replace(lossy(0.3), sender=late)), PROFILE)

    assert (said.verdict, said.cause) == (Verdict.UNKNOWN, Cause.PC_BUSY)


def test_a_bad_camera_stays_bad_where_the_line_could_not_be_measured() -> None:
    """A broken guard hides the line's findings only."""
    busy = replace(END, cpu_ratio=1.0)
    said = judge(evidence(point_end=busy, devices=(BLACK_CAMERA,)), PROFILE)

    assert said.verdict is Verdict.NOT_READY


LATE = replace(SENDER, schedule_error_p99_seconds=0.2)
BROKEN_GUARDS: dict[str, dict[str, Any]] = {
    "test.up.schedule_error": {"up": LoadEvidence(CLEAN, LATE)},
    "test.up.not_sent": {"up": LoadEvidence(CLEAN, replace(SENDER, send_errors=100))},
    "test.point.local_drops": {"point_end": replace(END, local_drops=100)},
    "test.point.cpu": {"point_end": replace(END, cpu_ratio=0.99)},
    "test.point.clock_step": {"point_end": replace(END, clock_step_seconds=-2.0)},
    "test.down.schedule_error": {"down": LoadEvidence(CLEAN, LATE)},
    "test.down.not_sent": {"down": LoadEvidence(CLEAN, replace(SENDER, send_errors=100))},
    "test.hub.local_drops": {"hub_end": replace(END, local_drops=100)},
    "test.hub.cpu": {"hub_end": replace(END, cpu_ratio=0.99)},
    "test.hub.clock_step": {"hub_end": replace(END, clock_step_seconds=2.0)},
}


@pytest.mark.parametrize("rule", BROKEN_GUARDS)
def test_each_guard_has_its_own_words(rule: str) -> None:
    """Unknown by its cause and named; a room's with both numbers, the hub's the same for all."""
    said = judge(evidence(**BROKEN_GUARDS[rule]), PROFILE)
    names = {guard_name(GUARDS[one].cause, broken(one)) for one in GUARDS}
    finding = broken_guard(said.findings)

    assert finding is not None
    assert (finding.rule, said.verdict) == (rule, Verdict.UNKNOWN)
    assert said.cause is GUARDS[rule].cause
    assert guard_name(said.cause, said.findings) == GUARDS[rule].name
    assert len(names) == len(GUARDS)
    if ".hub." in rule or ".down." in rule:
        assert "vì" in said.action.vi
        assert "máy chủ" in said.action.vi
        assert not re.search(r"\d", said.action.vi)
    else:
        assert re.search(r" \(\d+,\d+ (ms|%|s), cho phép \d+,\d+ (ms|%|s)\)\.$", said.action.vi)
        assert re.search(r" \(\d+\.\d+ (ms|%|s), allowed \d+\.\d+ (ms|%|s)\)\.$", said.action.en)


def broken(rule: str) -> list[Finding]:
    """Make the finding of one broken guard."""
    return [Finding(rule=rule, status=Status.UNKNOWN, value=1.0, limit=0.5, unit="")]


@pytest.mark.parametrize(
    ("value", "limit", "told"),
    [(0.104, 0.1, "10.4 %, allowed 10.0 %"), (0.00104, 0.001, "0.104 %, allowed 0.100 %")],
)
def test_a_guard_just_broken_is_told_with_two_different_numbers(
    value: float, limit: float, told: str
) -> None:
    """As many decimals as it takes."""
    rule = "test.point.local_drops"
    finding = Finding(rule=rule, status=Status.UNKNOWN, value=value, limit=limit, unit="ratio")

    assert told in guard_action(finding).en


def test_the_specification_names_every_guard_in_the_order_in_which_it_is_told() -> None:
    """Rule, cause and name, as the table of section 6.4 has them."""
    specification = Path(__file__).parents[2] / "contract" / "SPEC.md"
    rows = re.findall(
        r"^\| `(test\.\S+)` \| `(\w+)` \| (.+) \|$", specification.read_text("utf-8"), re.MULTILINE
    )

    assert rows == [(rule, str(one.cause), one.name.en) for rule, one in GUARDS.items()]


def test_every_guard_has_words() -> None:
    """What can make a measurement invalid can be told."""
    assert {one.rule for one in guard_findings(evidence(), PROFILE)} == set(GUARDS)


def test_a_device_that_is_bad_without_a_cause_gets_no_words_of_a_guard() -> None:
    """Its own cause is unknown as well, for another reason."""
    odd = BLACK_CAMERA.model_copy(update={"causes": ()})
    said = judge(evidence(hub_end=replace(END, cpu_ratio=1.0), devices=(odd,)), PROFILE)

    assert said.verdict is Verdict.NOT_READY
    assert "máy chủ quá bận" not in said.action.vi


def test_what_is_wrong_at_the_hub_hides_no_bad_device() -> None:
    """The hub could not measure, and this room's camera is black: that is what the room mends."""
    busy = replace(END, cpu_ratio=1.0)
    said = judge(evidence(hub_end=busy, up=lossy(0.5), devices=(BLACK_CAMERA,)), PROFILE)

    assert (said.verdict, said.cause) == (Verdict.NOT_READY, Cause.BLACK)


def test_a_shortened_test_is_never_ready() -> None:
    """A quick test may say not ready or unknown, never ready."""
    assert judge(evidence(complete=False), PROFILE).verdict is Verdict.UNKNOWN
    assert judge(evidence(complete=False, up=lossy(0.008)), PROFILE).verdict is Verdict.UNKNOWN
    assert judge(evidence(complete=False, up=lossy(0.5)), PROFILE).verdict is Verdict.NOT_READY


@pytest.mark.parametrize(
    ("sent", "ratio", "verdict"),
    [
        ({}, 0.0, Verdict.READY),
        ({}, 0.2, Verdict.DEGRADED),
        ({"schedule_error_p99_seconds": 0.2}, 0.0, Verdict.READY),
        ({"schedule_error_p99_seconds": 0.2}, 0.2, Verdict.UNKNOWN),
        ({"send_errors": 100}, 0.0, Verdict.UNKNOWN),
    ],
)
def test_the_margin_counts_as_far_as_it_was_sent(
    sent: dict[str, Any], ratio: float, verdict: Verdict
) -> None:
    """What a late sender did not lose was carried; what it lost, or never sent, proves nothing."""
    load = LoadEvidence(measured.lossy(ratio), replace(SENDER, **sent))
    margin = StepEvidence(StepKind.MARGIN, 1.2, 16, up=load, down=LoadEvidence(CLEAN, SENDER))

    assert judge(evidence(steps=(margin,)), PROFILE).verdict is verdict


def test_a_reserve_that_could_not_be_tried_is_named() -> None:
    """Nobody is sent into the room for it: it is to be tested again."""
    cut = LoadEvidence(CLEAN, replace(SENDER, send_errors=100))
    margin = StepEvidence(StepKind.MARGIN, 1.2, 16, up=LoadEvidence(CLEAN, SENDER), down=cut)
    untried = judge(evidence(steps=(margin,)), PROFILE)
    owed = judge(evidence(margin_told=False), PROFILE)

    for said in (untried, owed):
        assert (said.verdict, said.cause) == (Verdict.UNKNOWN, Cause.UNKNOWN)
        assert guard_name(said.cause, said.findings) == RESERVE_NAME
        assert said.action == RESERVE_ACTION


def test_the_clocks_offset_is_told_with_its_bound() -> None:
    """In every result, also in ``--json``."""
    told = next(one for one in judge(evidence(), PROFILE).findings if one.rule.endswith("offset"))

    assert (told.rule, told.value) == ("line.clock_offset", STAMP.clock_offset_seconds)
    assert told.limit == STAMP.clock_offset_bound_seconds


def test_an_interval_over_a_limit_lowers_the_confidence() -> None:
    """A loss interval that straddles a limit is said to be uncertain."""
    unsure = replace(CLEAN, loss_ratio_low=0.0, loss_ratio_high=0.006)
    said = judge(evidence(up=LoadEvidence(unsure, SENDER)), PROFILE)

    assert said.confidence is Confidence.MEDIUM


def test_the_worst_of_no_points_is_unknown() -> None:
    """An empty test says nothing good."""
    assert worst([]) is Verdict.UNKNOWN
    assert worst([Verdict.READY, Verdict.UNKNOWN, Verdict.NOT_READY]) is Verdict.NOT_READY


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_whole_sentences_in_both_languages(cause: Cause) -> None:
    """No cause without words, no brace left in a sentence."""
    texts = [action(cause, device=kind, port=8620) for kind in DEVICE_NAMES]

    assert all(WORDING[cause].name.in_language(language) for language in ("vi", "en"))
    for text in (*texts, WORDING[cause].why):
        assert text.vi.endswith(".")
        assert text.en.endswith(".")
        assert text.vi != text.en
        assert not set("{}") & set(text.vi + text.en)


def test_the_action_names_the_numbers() -> None:
    """A technician reads what was measured, with a decimal comma in Vietnamese."""
    said = judge(evidence(up=lossy(0.031)), PROFILE)

    assert "mất 3,1 % gói" in said.action.vi
    assert "3.1 % lost" in said.action.en


def test_a_device_that_left_what_was_accepted_is_told_with_both_numbers() -> None:
    """Degraded, and the action names the numbers."""
    turned = DeviceResult(
        kind=DeviceKind.CAMERA, status=Status.WARN, causes=(Cause.CHANGED,),
        values={"luma": 40.0, "accepted_luma": 120.0},
    )  # fmt: skip
    said = judge(evidence(devices=(turned,)), PROFILE)

    assert (said.verdict, said.cause) == (Verdict.DEGRADED, Cause.CHANGED)
    assert "40.0, before 120.0" in said.action.en
    assert "40,0, trước 120,0" in said.action.vi
