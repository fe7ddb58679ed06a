"""The series of points: their names, help and values; how they are written is not its matter.

Three lives: identity, state and times stay always; what a report measured ends with its report;
what a test measured ends with the test's own validity. No series bears a time stamp.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from diemcau_contract.causes import Cause
from diemcau_contract.measurements import Quantiles, StampStatistics
from diemcau_contract.messages import AgentState, DeviceResult, HostState, Report
from diemcau_contract.result import LineResult
from diemcau_contract.words import Direction, PointState, Status
from diemcau_server.capacity import LineCapacity
from diemcau_server.flows import planned_bits_per_second
from diemcau_server.state import Judged, PointView
from diemcau_server.watch import WatchLimits, checks


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name (a counter's without ``_total``), type and help."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str


Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One value. ``name`` as a line bears it; ``labels`` beside hub and point."""

    name: str
    labels: Labels
    value: float


Samples = Iterator[Sample]


def _gauge(name: str, text: str) -> Family:
    return Family(f"diemcau_{name}", "gauge", text)


def _counter(name: str, text: str) -> Family:
    return Family(f"diemcau_{name}", "counter", text)


_ALWAYS = (
    _gauge("point_info", "Identity of a point; for joins only"),
    _gauge("point_enabled", "Whether the point is expected to report"),
    _gauge("point_ready", "Whether the point is ready now; 0 when silent"),
    _gauge("point_state", "State of the point: 1 for the one that holds"),
    _gauge("point_cause", "Why the point is not ready; only the cause that holds"),
    _gauge(
        "point_maintenance_until_timestamp_seconds", "End of the point's maintenance, 0 for none"
    ),
    _gauge("agent_connected", "Whether the agent holds a session with the broker; a hint"),
    _gauge(
        "agent_last_report_timestamp_seconds", "When the last report came, by the server's clock"
    ),
    _gauge("point_last_test_timestamp_seconds", "When the last test of the point ended"),
    _gauge(
        "session_start_timestamp_seconds", "Start of the point's session that runs or comes next"
    ),
    _gauge("session_end_timestamp_seconds", "End of the point's session that runs or comes next"),
    _gauge(
        "link_required_bytes_per_second",
        "Planned traffic at the IP layer, of the next session's profile, else of the usual one",
    ),
    _gauge("link_throughput_last_test_timestamp_seconds", "When the capacity was last measured"),
    _counter(
        "link_throughput_data_bytes", "Load of capacity measurements since the server's start"
    ),
)
REPORTED = (
    _gauge("point_check_ok", "Whether a check of the last report passed"),
    _gauge("agent_info", "Version of the agent and its PC"),
    _gauge("agent_start_timestamp_seconds", "When the agent started, by its own clock"),
    _gauge("agent_last_cycle_timestamp_seconds", "When the report was made, by the agent's clock"),
    _gauge("agent_clock_offset_seconds", "Clock of the PC minus clock of the hub"),
    _gauge("agent_cycle_duration_seconds", "Duration of the agent's last cycle of probes"),
    _gauge("agent_outbox_messages", "Reports that wait for the server's acknowledgement"),
    _gauge("agent_outbox_oldest_age_seconds", "Age of the oldest report that waits"),
    _counter("agent_outbox_dropped", "Reports that the full outbox has dropped"),
    _counter("agent_reconnects", "Sessions with the broker that the agent has lost"),
    _gauge("agent_memory_bytes", "Resident memory of the agent"),
    _counter("agent_cpu_seconds", "Processor time of the agent"),
    _gauge("link_round_trip_seconds", "Round trip of the light flow over the last interval"),
    _gauge("link_queue_delay_seconds", "Delay of the light flow above its own least (RFC 5481)"),
    _gauge("link_packet_loss_ratio", "Share of the light flow that was lost"),
    _counter("link_probes_sent", "Packets of the light flow since the server's start"),
    _counter("link_probes_lost", "Packets of the light flow that were lost on their way"),
    _gauge("link_interface_up", "The interface that the agent reports by: 1 for its medium"),
    _gauge("link_interface_speed_bytes_per_second", "Speed of the PC's interface"),
    _gauge("device_ok", "Whether the device works"),
    _gauge("device_present", "Whether the device is there"),
    _gauge("device_busy", "Whether a program holds the device"),
    _gauge("device_info", "What was found in the device's place: the maker's name for it"),
    _gauge("device_last_change_timestamp_seconds", "When the device's status was seen to change"),
    _gauge("room_pc_cpu_ratio", "Busy share of the PC's processor"),
    _gauge("room_pc_memory_ratio", "Used share of the PC's memory"),
    _gauge("room_pc_disk_free_bytes", "Free space on the PC's disk"),
    _gauge("room_pc_on_mains", "Whether the PC runs on mains power"),
    _gauge("room_pc_battery_ratio", "Charge of the PC's battery, where it has one"),
    _gauge("room_pc_clock_synchronised", "Whether time synchronisation keeps the PC's clock"),
)
"""What ends with the report that measured it."""
_TESTED = (
    _gauge("link_jitter_seconds", "Jitter (RFC 3550) of the planned traffic in the last test"),
    _gauge("link_rehearsal_loss_ratio", "Share of the planned traffic lost in the last test"),
    _gauge("link_throughput_bytes_per_second", "Capacity of the line at the IP layer (RFC 9097)"),
    _gauge(
        "link_throughput_duration_seconds", "Time that the load of the last measurement of it took"
    ),
    _gauge("link_throughput_is_lower_bound", "Whether the line may carry more than was measured"),
    _gauge("device_level_ratio", "Level of the device's sound in the last test, 1 is full scale"),
    _gauge("device_frames_per_second", "Pictures that the camera gave in the last test"),
)
FAMILIES = _ALWAYS + REPORTED + _TESTED


def point_samples(view: PointView, limits: WatchLimits) -> Samples:
    """Yield every sample of a point as it stands."""
    yield from _standing_samples(view)
    yield from _time_samples(view)
    yield from _plan_samples(view)
    if view.report is not None:
        yield from _report_samples(view, view.report, limits)
    if view.judged is not None:
        yield from _test_samples(view.judged)
    if view.capacity is not None and view.capacity_valid:
        yield from _capacity_samples(view.capacity)


def is_ready(view: PointView) -> bool:
    """Tell whether a point counts as ready: never while it is silent, testing or switched off."""
    return view.enabled and view.state is PointState.READY


def _standing_samples(view: PointView) -> Samples:
    until = view.maintenance_until.timestamp() if view.maintenance_until else 0.0
    yield Sample("diemcau_point_info", (("name", view.name),), 1.0)
    yield Sample("diemcau_point_enabled", (), view.enabled)
    yield Sample("diemcau_point_ready", (), is_ready(view))
    for state in PointState:
        yield Sample("diemcau_point_state", (("state", state.value),), state is view.state)
    if view.cause is not None:
        yield Sample("diemcau_point_cause", (("cause", view.cause.value),), 1.0)
    yield Sample("diemcau_point_maintenance_until_timestamp_seconds", (), until)
    yield Sample("diemcau_agent_connected", (), view.agent_connected)


def _time_samples(view: PointView) -> Samples:
    if view.last_report_at is not None:
        yield Sample(
            "diemcau_agent_last_report_timestamp_seconds", (), view.last_report_at.timestamp()
        )
    if view.judged_at is not None:
        at = view.judged_at.timestamp()
        yield Sample("diemcau_point_last_test_timestamp_seconds", (), at)
    if view.capacity is not None:
        at = view.capacity.measured_at.timestamp()
        for direction in Direction:
            labels = (("direction", direction.value),)
            yield Sample("diemcau_link_throughput_last_test_timestamp_seconds", labels, at)
    for direction, load in view.capacity_bytes.items():
        labels = (("direction", direction.value),)
        yield Sample("diemcau_link_throughput_data_bytes_total", labels, load)


def _plan_samples(view: PointView) -> Samples:
    if view.session is not None:
        session = (("session", view.session.id),)
        start, end = view.session.start.timestamp(), view.session.end.timestamp()
        yield Sample("diemcau_session_start_timestamp_seconds", session, start)
        yield Sample("diemcau_session_end_timestamp_seconds", session, end)
    if view.profile is not None:
        for direction, plan in (
            (Direction.UP, view.profile.up),
            (Direction.DOWN, view.profile.down),
        ):
            labels = (("direction", direction.value),)
            required = planned_bits_per_second(plan) / 8
            yield Sample("diemcau_link_required_bytes_per_second", labels, required)


def _report_samples(view: PointView, report: Report, limits: WatchLimits) -> Samples:
    for check, passed in checks(report, limits).items():
        yield Sample("diemcau_point_check_ok", (("check", check),), passed)
    yield Sample("diemcau_agent_last_cycle_timestamp_seconds", (), report.taken_at.timestamp())
    yield from _agent_samples(report.agent)
    if report.line is not None:
        yield from _line_samples(report.line)
        yield from _probe_samples(view)
    seen: set[tuple[str, str]] = set()
    for device in report.devices:
        if (device.kind, device.role) not in seen:
            seen.add((device.kind, device.role))
            yield from _device_samples(device)
    for (kind, role), at in view.device_changes.items():
        if (kind, role) in seen:
            labels = (("kind", kind.value), ("role", role))
            yield Sample("diemcau_device_last_change_timestamp_seconds", labels, at.timestamp())
    yield from _host_samples(report.host)


def _agent_samples(agent: AgentState) -> Samples:
    about = (("version", agent.version), ("os", agent.os), ("python", agent.python))
    yield Sample("diemcau_agent_info", about, 1.0)
    yield Sample("diemcau_agent_start_timestamp_seconds", (), agent.started_at.timestamp())
    yield Sample("diemcau_agent_cycle_duration_seconds", (), agent.cycle_duration_seconds)
    yield Sample("diemcau_agent_outbox_messages", (), agent.outbox_messages)
    yield Sample("diemcau_agent_outbox_oldest_age_seconds", (), agent.outbox_oldest_age_seconds)
    yield Sample("diemcau_agent_outbox_dropped_total", (), agent.outbox_dropped_total)
    yield Sample("diemcau_agent_reconnects_total", (), agent.reconnects_total)
    yield Sample("diemcau_agent_memory_bytes", (), agent.memory_bytes)
    yield Sample("diemcau_agent_cpu_seconds_total", (), agent.cpu_seconds_total)


def _line_samples(line: StampStatistics) -> Samples:
    if line.clock_offset_seconds is not None:
        yield Sample("diemcau_agent_clock_offset_seconds", (), -line.clock_offset_seconds)
    yield from _quantile_samples("diemcau_link_round_trip_seconds", (), line.rtt_seconds)
    for direction, loss, queue in (
        ("up", line.loss_ratio_up, line.queue_delay_up_seconds),
        ("down", line.loss_ratio_down, line.queue_delay_down_seconds),
    ):
        labels = (("direction", direction),)
        if loss is not None:
            yield Sample("diemcau_link_packet_loss_ratio", labels, loss)
        yield from _quantile_samples("diemcau_link_queue_delay_seconds", labels, queue)


def _quantile_samples(name: str, labels: Labels, of: Quantiles | None) -> Samples:
    if of is not None:
        for stat, value in (("min", of.min), ("p50", of.p50), ("p95", of.p95), ("max", of.max)):
            if value is not None:
                yield Sample(name, (*labels, ("stat", stat)), value)


def _probe_samples(view: PointView) -> Samples:
    probes = view.probes
    for direction, sent, lost in (
        ("up", probes.sent_up, probes.lost_up),
        ("down", probes.sent_down, probes.lost_down),
    ):
        labels = (("direction", direction),)
        yield Sample("diemcau_link_probes_sent_total", labels, sent)
        yield Sample("diemcau_link_probes_lost_total", labels, lost)


def _device_samples(device: DeviceResult) -> Samples:
    """Give no number where nothing is known: 0 would be an alarm."""
    labels = (("kind", device.kind.value), ("role", device.role))
    if device.model is not None:
        yield Sample("diemcau_device_info", (*labels, ("model", device.model)), 1.0)
    if device.status in {Status.UNKNOWN, Status.NOT_APPLICABLE}:
        return
    yield Sample("diemcau_device_ok", labels, device.status is not Status.BAD)
    yield Sample("diemcau_device_present", labels, Cause.MISSING not in device.causes)
    busy = device.status is Status.IN_USE or Cause.BUSY in device.causes
    yield Sample("diemcau_device_busy", labels, busy)


def _host_samples(host: HostState) -> Samples:
    medium = (("medium", host.medium),)
    if host.medium != "unknown":
        yield Sample("diemcau_link_interface_up", medium, 1.0)
    if host.interface_bits_per_second is not None:
        speed = host.interface_bits_per_second / 8
        yield Sample("diemcau_link_interface_speed_bytes_per_second", medium, speed)
    for name, value in (
        ("diemcau_room_pc_cpu_ratio", host.cpu_ratio),
        ("diemcau_room_pc_memory_ratio", host.memory_ratio),
        ("diemcau_room_pc_disk_free_bytes", host.disk_free_bytes),
        ("diemcau_room_pc_on_mains", host.on_mains),
        ("diemcau_room_pc_battery_ratio", host.battery_ratio),
        ("diemcau_room_pc_clock_synchronised", host.clock_synchronised),
    ):
        if value is not None:
            yield Sample(name, (), value)


def _test_samples(judged: Judged) -> Samples:
    yield from _rehearsal_samples(judged.line)
    seen: set[tuple[str, str]] = set()
    for device in judged.devices:
        labels = (("kind", device.kind.value), ("role", device.role))
        if (device.kind, device.role) in seen:
            continue
        seen.add((device.kind, device.role))
        rate = _number_of(device.values, "frames_per_second")
        if rate is not None:
            yield Sample("diemcau_device_frames_per_second", labels, rate)
        level = _number_of(device.values, "rms_dbfs")
        if level is not None:
            yield Sample("diemcau_device_level_ratio", labels, 10 ** (level / 20))


def _rehearsal_samples(line: LineResult) -> Samples:
    for direction, load in ((Direction.UP, line.up), (Direction.DOWN, line.down)):
        if load is None:
            continue
        labels = (("direction", direction.value),)
        yield Sample("diemcau_link_rehearsal_loss_ratio", labels, load.loss_ratio)
        if load.jitter_seconds is not None:
            yield Sample("diemcau_link_jitter_seconds", labels, load.jitter_seconds)


def _capacity_samples(capacity: LineCapacity) -> Samples:
    if capacity.duration_seconds is not None:
        yield Sample("diemcau_link_throughput_duration_seconds", (), capacity.duration_seconds)
    for direction in Direction:
        found = capacity.way(direction)
        if found is not None:
            labels = (("direction", direction.value),)
            rate, bound = found.bits_per_second / 8, found.is_lower_bound
            yield Sample("diemcau_link_throughput_bytes_per_second", labels, rate)
            yield Sample("diemcau_link_throughput_is_lower_bound", labels, bound)


def _number_of(values: Mapping[str, object], name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
