"""Other people's tools on the lab's lines: irtt, iperf3, and dumpcap with tshark behind it."""

import contextlib
import json
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from diemcau_contract.packets.common import IP_UDP_BYTES
from diemcau_contract.plans import TrafficPlan
from diemcau_line.protocol import FlowOpened, HubStepResult, Opened, PointStepResult
from tests.lab import kernel, plan
from tests.lab.district import District
from tests.lab.kernel import LabError
from tests.line.ends import End, start_hall

_RTP = f"udp port {plan.MEASURE_PORT} and udp[8] & 0xc0 == 0x80"
_READY_SECONDS = 10.0
_PERIOD = "20ms"
"""Of irtt's packets: 50 a second, as our idle step."""
_PAYLOAD = 1172
"""Octets of iperf3's datagrams, as in the longest of our packets (SPEC 5.5)."""
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_STREAM = re.compile(
    rf"\s(?P<source>\d+\.\d+\.\d+\.\d+)\s.*\s0x(?P<ssrc>[0-9A-F]{{8}})\s.*?"
    rf"\s(?P<packets>\d+)\s+{_NUMBER}\s\({_NUMBER}%\)\s+"
    rf"{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+(?P<jitter>\d+\.\d+)\s+{_NUMBER}"
)


def missing(*programs: str) -> str:
    """Say what this machine lacks for the lab and ``programs``, or return an empty text."""
    lacking = [name for name in programs if shutil.which(name) is None]
    return kernel.missing() or (f"programs missing: {', '.join(lacking)}" if lacking else "")


@dataclass(frozen=True, slots=True)
class Measured:
    """One step as both our ends saw it."""

    point: PointStepResult
    hub: HubStepResult


class OurEnds:
    """Our two measuring processes, one in the hub and one in point 1."""

    def __init__(self, district: District, traffic: TrafficPlan) -> None:
        self._names = district.names
        self._traffic = traffic
        self._stack = contextlib.ExitStack()
        self._step = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._hub = stack.enter_context(kernel.inside(self._names.hub, lambda: End("hub")))
            place = self._names.point(1)
            self._point = stack.enter_context(kernel.inside(place, lambda: End("point")))
            address = (plan.HUB_ADDRESS, plan.MEASURE_PORT)
            self._hall = start_hall(self._hub, 1, self._traffic, address)
            self._point.ask(self._hall.open_point(1), Opened)
            self._hub.wait(FlowOpened)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def step(self, **how: Any) -> Measured:
        """Do one step (see ``Hall.step``) and return what both ends say of it."""
        self._step += 1
        self._hall.step({1: self._point}, number=self._step, **how)
        return Measured(self._point.wait(PointStepResult), self._hub.wait(HubStepResult))


@contextlib.contextmanager
def irtt(district: District, seconds: float) -> Iterator[list[float]]:
    """Let irtt measure from point 1 for ``seconds``; its round trips are there on leaving."""
    names = district.names
    rtts: list[float] = []
    server = district.run_in(names.hub, ["irtt", "server", "-b", plan.HUB_ADDRESS])
    _until_bound(names.hub, 2112, "udp")
    order = ["irtt", "client", "-i", _PERIOD, "-d", f"{seconds}s", "--wait=500ms", "-Q", "-o", "-"]
    client = district.run_in(
        names.point(1), [*order, plan.HUB_ADDRESS], output=subprocess.PIPE, errors=subprocess.PIPE
    )
    try:
        yield rtts
        text, errors = client.communicate()
        if client.returncode:
            raise LabError(f"irtt: {errors.decode().strip()}")
        trips = json.loads(text)["round_trips"]
        rtts += [trip["delay"]["rtt"] / 1e9 for trip in trips if "rtt" in trip["delay"]]
    finally:
        server.terminate()
        server.wait()


def iperf3(district: District, rate: float, seconds: int, *, down: bool) -> dict[str, float]:
    """Return ``lost_percent``, ``packets`` … of iperf3 over UDP from or to point 1.

    ``rate`` is at the IP layer, as everywhere.

    Raises:
        LabError: it could not measure.
    """
    names = district.names
    server = district.run_in(names.hub, ["iperf3", "-s", "-1", "-B", plan.HUB_ADDRESS])
    _until_bound(names.hub, 5201, "tcp")
    payload_rate = round(rate * _PAYLOAD / (_PAYLOAD + IP_UDP_BYTES))
    order = ["iperf3", "-c", plan.HUB_ADDRESS, "-u", "-J", "-l", str(_PAYLOAD)]
    order += ["-b", str(payload_rate), "-t", str(seconds), *(["-R"] if down else [])]
    client = district.run_in(names.point(1), order, output=subprocess.PIPE)
    text, _ = client.communicate()
    server.wait()
    report = json.loads(text)
    if client.returncode:
        raise LabError(f"iperf3: {report.get('error')}")
    total: dict[str, float] = report["end"]["sum"]
    return total


@dataclass(frozen=True, slots=True)
class Stream:
    """One RTP stream as tshark sees it."""

    source: str
    ssrc: int
    packets: int
    jitter_seconds: float


class Capture:
    """Our RTP packets at one end, captured from entering to leaving."""

    def __init__(self, district: District, namespace: str, file: Path) -> None:
        self._file = file
        order = ["dumpcap", "-q", "-i", "eth0", "-B", "16", "-f", _RTP, "-w", str(file)]
        self._process = district.run_in(namespace, order, errors=subprocess.PIPE)

    def __enter__(self) -> Self:
        said = b""
        while self._process.stderr is not None and b"File:" not in said:
            said = self._process.stderr.readline()
            if not said:
                raise LabError("dumpcap has ended before it began")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def packets_from(self, address: str) -> int:
        """Return how many packets of ``address`` were there."""
        order = ["tshark", "-r", str(self._file), "-T", "fields", "-e", "ip.src"]
        return kernel.output(order).split().count(address)

    def streams(self) -> list[Stream]:
        """Return tshark's analysis of all RTP streams."""
        decode = f"udp.port=={plan.MEASURE_PORT},rtp"
        order = ["tshark", "-r", str(self._file), "-d", decode, "-q", "-z", "rtp,streams"]
        return [
            Stream(
                row["source"], int(row["ssrc"], 16), int(row["packets"]), float(row["jitter"]) / 1e3
            )
            for row in _STREAM.finditer(kernel.output(order))
        ]


def median(values: list[float]) -> float:
    """Return the median of at least one value.

    Raises:
        LabError: there is none.
    """
    if not values:
        raise LabError("nothing came back")
    return statistics.median(values)


def _until_bound(namespace: str, port: int, kind: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    look = ["ip", "netns", "exec", namespace, "ss", "-Hln", f"--{kind}", f"sport = :{port}"]
    while not kernel.output(look).strip():
        if time.monotonic() > deadline:
            raise LabError(f"nothing listens on {kind} port {port}")
        time.sleep(0.05)
