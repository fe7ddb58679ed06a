"""Lines of Prometheus' text format for one point: names, help and values, nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.utils import floatToGoString

from diemcau_contract.causes import Cause
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.messages import AgentState, DeviceResult, HostState, Report
from diemcau_contract.words import PointState, Status
from diemcau_server.state import PointKey, PointView

PointLines = tuple[tuple[int, str], ...]
"""Lines of one point, each text with the index of its family."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name, type and help."""

    name: str
    kind: str
    help: str

    @property
    def header(self) -> str:
        """Return the two lines that stand before its samples."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"


def _gauge(name: str, text: str) -> Family:
    return Family(f"diemcau_{name}", "gauge", text)


def _counter(name: str, text: str) -> Family:
    return Family(f"diemcau_{name}", "counter", text)


_ALWAYS = (
    _gauge("point_info", "Identity of a point; for joins only"),
    _gauge("point_enabled", "Whether the point is expected to report"),
    _gauge("point_ready", "Whether the point is ready now; 0 when silent"),
    _gauge("point_state", "State of the point: 1 for the one that holds"),
    _gauge(
        "point_maintenance_until_timestamp_seconds", "End of the point's maintenance, 0 for none"
    ),
    _gauge("agent_connected", "Whether the agent holds a session with the broker; a hint"),
    _gauge(
        "agent_last_report_timestamp_seconds", "When the last report came, by the server's clock"
    ),
    _gauge("point_last_test_timestamp_seconds", "When the last valid test of the point ended"),
)
_MEASURED = (
    _gauge("agent_info", "Version of the agent and its PC"),
    _gauge("agent_start_timestamp_seconds", "When the agent started, by its own clock"),
    _gauge("agent_clock_offset_seconds", "Clock of the PC minus clock of the hub"),
    _gauge("agent_cycle_duration_seconds", "Duration of the agent's last cycle of probes"),
    _gauge("agent_outbox_messages", "Reports that wait for the server's acknowledgement"),
    _gauge("agent_outbox_oldest_age_seconds", "Age of the oldest report that waits"),
    _counter("agent_outbox_dropped_total", "Reports that the full outbox has dropped"),
    _counter("agent_reconnects_total", "Sessions with the broker that the agent has lost"),
    _gauge("agent_memory_bytes", "Resident memory of the agent"),
    _counter("agent_cpu_seconds_total", "Processor time of the agent"),
    _gauge("link_round_trip_seconds", "Round trip of the light flow over the last interval"),
    _gauge("link_queue_delay_seconds", "95th percentile of the queueing delay"),
    _gauge("link_packet_loss_ratio", "Share of the light flow that was lost"),
    _gauge("link_interface_speed_bytes_per_second", "Speed of the PC's interface"),
    _gauge("device_ok", "Whether the device works"),
    _gauge("device_present", "Whether the device is there"),
    _gauge("device_busy", "Whether a program holds the device"),
    _gauge("room_pc_cpu_ratio", "Busy share of the PC's processor"),
    _gauge("room_pc_memory_ratio", "Used share of the PC's memory"),
    _gauge("room_pc_disk_free_bytes", "Free space on the PC's disk"),
    _gauge("room_pc_on_mains", "Whether the PC runs on mains power"),
    _gauge("room_pc_clock_synchronised", "Whether the PC's clock is synchronised"),
)
FAMILIES = _ALWAYS + _MEASURED
_INDEX = {family.name.removeprefix("diemcau_"): index for index, family in enumerate(FAMILIES)}


def escaped(value: str) -> str:
    r"""Escape a label value: backslash, quote and line feed (text format 0.0.4)."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """Write a value as Go and prometheus-client read it."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # the library has no types there


def always_lines(view: PointView) -> tuple[str, ...]:
    """Return the samples of the first families, in their order; empty text for none."""
    labels = _labels(view.key)
    ready = view.enabled and view.state is PointState.READY
    until = view.maintenance_until.timestamp() if view.maintenance_until else 0.0
    texts = (
        f'diemcau_point_info{{{labels},name="{escaped(view.name)}"}} 1.0\n',
        f"diemcau_point_enabled{{{labels}}} {number(view.enabled)}\n",
        f"diemcau_point_ready{{{labels}}} {number(ready)}\n",
        "".join(
            f'diemcau_point_state{{{labels},state="{state}"}} {number(state is view.state)}\n'
            for state in PointState
        ),
        f"diemcau_point_maintenance_until_timestamp_seconds{{{labels}}} {number(until)}\n",
        f"diemcau_agent_connected{{{labels}}} {number(view.agent_connected)}\n",
    )
    seen = view.last_report_at
    judged = view.judged
    return (
        *texts,
        f"diemcau_agent_last_report_timestamp_seconds{{{labels}}} {number(seen.timestamp())}\n"
        if seen
        else "",
        f"diemcau_point_last_test_timestamp_seconds{{{labels}}} "
        f"{number(judged.judged_at.timestamp())}\n"
        if judged
        else "",
    )


def report_lines(key: PointKey, report: Report) -> PointLines:
    """Return the samples of a fresh report."""
    labels = _labels(key)
    grouped: dict[int, str] = {}
    for name, more, value in _samples(report):
        extra = "".join(f',{label}="{escaped(text)}"' for label, text in more)
        line = f"diemcau_{name}{{{labels}{extra}}} {number(value)}\n"
        grouped[_INDEX[name]] = grouped.get(_INDEX[name], "") + line
    return tuple(grouped.items())


_Sample = tuple[str, tuple[tuple[str, str], ...], float]


def _samples(report: Report) -> Iterator[_Sample]:
    yield from _agent_samples(report.agent)
    if report.line is not None:
        yield from _line_samples(report.line)
    seen: set[tuple[str, str]] = set()
    for device in report.devices:
        if (device.kind, device.role) not in seen:
            seen.add((device.kind, device.role))
            yield from _device_samples(device)
    yield from _host_samples(report.host)


def _agent_samples(agent: AgentState) -> Iterator[_Sample]:
    about = (("version", agent.version), ("os", agent.os), ("python", agent.python))
    yield "agent_info", about, 1.0
    yield "agent_start_timestamp_seconds", (), agent.started_at.timestamp()
    yield "agent_cycle_duration_seconds", (), agent.cycle_duration_seconds
    yield "agent_outbox_messages", (), agent.outbox_messages
    yield "agent_outbox_oldest_age_seconds", (), agent.outbox_oldest_age_seconds
    yield "agent_outbox_dropped_total", (), agent.outbox_dropped_total
    yield "agent_reconnects_total", (), agent.reconnects_total
    yield "agent_memory_bytes", (), agent.memory_bytes
    yield "agent_cpu_seconds_total", (), agent.cpu_seconds_total


def _line_samples(line: StampStatistics) -> Iterator[_Sample]:
    if line.clock_offset_seconds is not None:
        yield "agent_clock_offset_seconds", (), -line.clock_offset_seconds
    rtt = line.rtt_seconds
    if rtt is not None:
        for stat, value in (("min", rtt.min), ("p50", rtt.p50), ("p95", rtt.p95), ("max", rtt.max)):
            if value is not None:
                yield "link_round_trip_seconds", (("stat", stat),), value
    for direction, loss, queue in (
        ("up", line.loss_ratio_up, line.queue_delay_up_seconds),
        ("down", line.loss_ratio_down, line.queue_delay_down_seconds),
    ):
        if loss is not None:
            yield "link_packet_loss_ratio", (("direction", direction),), loss
        if queue is not None:
            yield "link_queue_delay_seconds", (("direction", direction),), queue.p95


def _device_samples(device: DeviceResult) -> Iterator[_Sample]:
    """Give no number where nothing is known: 0 would be an alarm."""
    if device.status in {Status.UNKNOWN, Status.NOT_APPLICABLE}:
        return
    labels = (("kind", str(device.kind)), ("role", device.role))
    yield "device_ok", labels, float(device.status in {Status.OK, Status.WARN, Status.IN_USE})
    yield "device_present", labels, float(Cause.MISSING not in device.causes)
    busy = device.status is Status.IN_USE or Cause.BUSY in device.causes
    yield "device_busy", labels, float(busy)


def _host_samples(host: HostState) -> Iterator[_Sample]:
    if host.interface_bits_per_second is not None:
        speed = host.interface_bits_per_second / 8
        yield "link_interface_speed_bytes_per_second", (("medium", host.medium),), speed
    for name, value in (
        ("room_pc_cpu_ratio", host.cpu_ratio),
        ("room_pc_memory_ratio", host.memory_ratio),
        ("room_pc_disk_free_bytes", host.disk_free_bytes),
        ("room_pc_on_mains", host.on_mains),
        ("room_pc_clock_synchronised", host.clock_synchronised),
    ):
        if value is not None:
            yield name, (), float(value)


def _labels(key: PointKey) -> str:
    return f'hub="{key.hub}",point="{key.point}"'
