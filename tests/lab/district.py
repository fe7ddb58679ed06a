"""A district on one machine: a namespace for the hub and one for each point, lines between them."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, NoReturn, Self

from tests.lab import kernel, plan
from tests.lab.kernel import LabError
from tests.lab.shapes import Line
from tests.lab.truth import CounterReader

_COUNT = itertools.count(1)
_PREFIX = "dclab"
_ROOT = Path(__file__).parents[2]
_SETTINGS = (
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
)
_STOP_SECONDS = 3.0


class District:
    """Build on entering, take everything away on leaving, whatever happened.

    Points are numbered from 1. Lines not named are clean and as fast as the machine.
    """

    def __init__(
        self, points: int, lines: Mapping[int, Line] | None = None, hub_line: Line | None = None
    ) -> None:
        """Nothing is built yet.

        Raises:
            LabError: more than 250 points, or a hub line with delay, jitter or burst loss.
        """
        if not 1 <= points <= 250:
            raise LabError(f"a district has 1 to 250 points, not {points}")
        self.names = plan.Names(f"{_PREFIX}{os.getpid()}-{next(_COUNT)}-", points)
        self.counters: tuple[CounterReader, ...] = ()
        self._wanted = dict(lines or {}), hub_line or Line()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._relay: _RelayProcess | None = None
        self._relayed: set[int] = set()
        self._shaped: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        remove_left_over()
        try:
            self._build()
            self.reshape(*self._wanted)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def reshape(
        self, lines: Mapping[int, Line], hub_line: Line | None = None, *, seed: int = 0
    ) -> None:
        """Give every line a new shape, the running programs stay; lines not named become clean.

        Raises:
            LabError: the hub line asks for what only own lines can do.
        """
        hub = hub_line or Line()
        if hub.needs_relay or hub.udp_blocked:
            raise LabError("the hub line knows rate, queue and loss; give delay to the own lines")
        self._set_queues(lines, hub)
        scripts = plan.place_scripts(self.names.numbers, dict(lines), hub)
        for place, script in scripts.items():
            kernel.nft(getattr(self.names, place), script)
        self._set_relays({number: line for number, line in lines.items() if line.needs_relay}, seed)

    def run_in(
        self,
        namespace: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        output: IO[bytes] | int | None = subprocess.DEVNULL,
        errors: IO[bytes] | int | None = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a program in ``namespace``; it is ended with the district if not before."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(env or {})},
            cwd=_ROOT,
        )
        self._processes.append(process)
        return process

    def queue_statistics(self, namespace: str, device: str) -> dict[str, Any]:
        """Return the kernel's figures of one queue (``tc -s``: bytes, packets, drops, backlog)."""
        text = kernel.output(["tc", "-n", namespace, "-s", "-j", "qdisc", "show", "dev", device])
        rows: list[dict[str, Any]] = json.loads(text)
        return rows[0]

    def relay_counts(self) -> dict[str, Any]:
        """Return what the relay did, by device ``t{number}`` and direction."""
        return self._relay.ask({"count": True}) if self._relay else {}

    def close(self) -> None:
        """End all programs and remove all namespaces; may be called again."""
        end_processes(self._processes)
        self._processes.clear()
        if self._relay is not None:
            self._relay.close()
            self._relay = None
        for reader in self.counters:
            reader.close()
        self.counters = ()
        _remove(kernel.namespaces(self.names.prefix))

    def _build(self) -> None:
        names = self.names
        kernel.batch("ip", [f"netns add {name}" for name in names.all])
        for name in names.all:
            routes = name in {names.access, names.core, names.gate}
            kernel.sysctl(name, [*_SETTINGS, f"net.ipv4.ip_forward={int(routes)}"])
        kernel.batch("ip", plan.access_links(names), names.access)
        kernel.batch("ip", plan.core_links(names), names.core)
        kernel.batch("ip", plan.gate_links(names), names.gate)
        kernel.batch("ip", plan.end_links(plan.HUB_ADDRESS, plan.HUB_TO_GATE, (4, 0)), names.hub)
        for number in names.numbers:
            address, modem = plan.point_address(number), f"10.1.{number}.1"
            links = plan.end_links(address, modem, (1, number))
            kernel.batch("ip", links, names.point(number))
        for place in ("access", "core", "gate"):
            kernel.nft(getattr(names, place), plan.filter_script(place, names.numbers))
        places = (names.access, names.core, names.gate)
        self.counters = tuple(CounterReader(place) for place in places)

    def _set_queues(self, lines: Mapping[int, Line], hub: Line) -> None:
        """Change the queues whose shape differs; a changed queue starts empty."""
        names = self.names
        wanted = {(names.core, plan.TO_GATE): plan.queue(plan.TO_GATE, hub.up)}
        wanted[(names.gate, plan.TO_CORE)] = plan.queue(plan.TO_CORE, hub.down)
        for number in names.numbers:
            line = lines.get(number, Line())
            wanted[(names.access, f"a{number}")] = plan.queue(f"a{number}", line.up)
            wanted[(names.core, f"r{number}")] = plan.queue(f"r{number}", line.down)
        orders: dict[str, list[str]] = {}
        for (place, device), order in wanted.items():
            before = self._shaped.get((place, device))
            if before == order:
                continue
            removal = [plan.no_queue(device)] if before is not None else []
            orders.setdefault(place, []).extend([*removal, order])
        for place, rows in orders.items():
            kernel.batch("tc", rows, place)
        self._shaped = wanted

    def _set_relays(self, lines: Mapping[int, Line], seed: int) -> None:
        if lines and self._relay is None:
            self._relay = _RelayProcess(self.names.access)
        for number in self._relayed - set(lines):
            kernel.batch("ip", plan.relay_off(number), self.names.access)
        if self._relay is not None and lines:
            self._relay.shape(lines, seed)
        for number in set(lines) - self._relayed:
            kernel.batch("ip", plan.relay_on(number), self.names.access)
        self._relayed = set(lines)


class _RelayProcess:
    """The relay, started when the first line asks for it."""

    def __init__(self, access: str) -> None:
        self._access = access
        self._open: set[int] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.relay"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
        )

    def shape(self, lines: Mapping[int, Line], seed: int) -> None:
        """Open TUN devices that are not there yet and set all shapes."""
        new = sorted(set(lines) - self._open)
        shapes = {
            f"t{number}": {
                "up": asdict(line.up),
                "down": asdict(line.down),
                "seed": seed * 1000 + number * 2,
                "network": plan.point_network(number),
            }
            for number, line in lines.items()
        }
        devices = [{"device": f"t{number}", "namespace": self._access} for number in new]
        self.ask({"open": devices, "shape": shapes})
        self._open |= set(new)

    def ask(self, order: Mapping[str, object]) -> dict[str, Any]:
        """Send one order and wait for the answer.

        Raises:
            LabError: the relay has ended.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise LabError("the relay has no pipes")
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise LabError("the relay has ended; its message stands above")
        counts: dict[str, Any] = json.loads(line)
        return counts

    def close(self) -> None:
        """End it; its devices vanish with it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        end_processes([self._process])


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit (128 + number), so that districts clean up."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        for one in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {one: signal.signal(one, leave) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def end_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask them to end, wait up to 3 s for all together, then kill those that stay."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def remove_left_over() -> None:
    """Remove namespaces of districts whose process is gone (it was killed outright)."""
    for name in kernel.namespaces(_PREFIX):
        owner = name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            _remove([name])


def _remove(names: Sequence[str]) -> None:
    for name in names:
        for pid in kernel.output(["ip", "netns", "pids", name]).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    if names:
        kernel.batch("ip", [f"netns del {name}" for name in names])
