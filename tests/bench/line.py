"""The measuring engine: cost of hub and point under load, quality of stamps, cost at rest."""

import subprocess
import sys
import threading
import time
from contextlib import ExitStack

from diemcau_contract.plans import TrafficPlan
from diemcau_line.clock import Clock
from diemcau_line.light import LightFlow
from diemcau_line.protocol import FlowOpened, HubStepResult, Opened, PointStepResult
from diemcau_line.sockets import KERNEL_STAMPS, MeasuringSocket
from tests.bench import Row
from tests.line.ends import End, start_hall

POINTS = 16
SECONDS = 5.0
_STAMPS = 1500
_SENDER = """
import socket, sys, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range({count}):
    line.sendto(time.time_ns().to_bytes(8, "big"), ("127.0.0.1", {port}))
    time.sleep(0.002)
"""


def run() -> list[Row]:
    """Return all figures; about 45 s."""
    return [*_load(1.0), *_load(2.5), *_stamps(), _rest()]


def _load(megabits: float) -> list[Row]:
    plan = TrafficPlan(
        audio_bits_per_second=64_000, video_bits_per_second=int(megabits * 1e6) - 64_000,
        frames_per_second=30,
    )  # fmt: skip
    with ExitStack() as stack:
        hub = stack.enter_context(End("hub"))
        points = {flow: stack.enter_context(End("point")) for flow in range(1, POINTS + 1)}
        hall = start_hall(hub, POINTS, plan)
        for flow, point in points.items():
            point.send(hall.open_point(flow))
        for point in points.values():
            point.wait(Opened)
            hub.wait(FlowOpened)
        hall.step(points, seconds=SECONDS)
        at_hub = hub.wait(HubStepResult)
        at_points = [point.wait(PointStepResult) for point in points.values()]
    up = [flow.up for flow in at_hub.flows if flow.up]
    sent = [flow.down_sender for flow in at_hub.flows if flow.down_sender]
    lost = sum(one.packets_sent - one.packets_received for one in up)
    late = max(one.schedule_error_p99_seconds for one in sent)
    point_cpu = sorted(one.own_cpu_ratio for one in at_points)[POINTS // 2]
    point_late = sorted(
        one.up_sender.schedule_error_p99_seconds for one in at_points if one.up_sender
    )[POINTS // 2]
    name = f"{POINTS} points x {megabits:g} Mbit/s both ways"
    hub_goal = "<= 30" if megabits > 1 else "<= 50"
    return [
        Row("line", f"{name}: hub CPU", at_hub.own_cpu_ratio * 100, "% of a core", hub_goal),
        Row("line", f"{name}: hub lateness p99, worst flow", late * 1e3, "ms", "<= 5"),
        Row("line", f"{name}: lost on the way up", lost, "packets", "0"),
        Row("line", f"{name}: point CPU, median", point_cpu * 100, "% of a core", "<= 5"),
        Row("line", f"{name}: point lateness p99, median", point_late * 1e3, "ms", "<= 5"),
        Row("line", f"{name}: machine busy", (at_hub.end.cpu_ratio or 0) * 100, "%"),
    ]


def _stamps() -> list[Row]:
    """Compare kernel stamps with user-space ones while another thread keeps the interpreter."""
    clock = Clock()
    line = MeasuringSocket(clock, bind=("127.0.0.1", 0), peer=None, dscp=0)
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(1000))

    busy = threading.Thread(target=spin)
    busy.start()
    code = _SENDER.format(count=_STAMPS, port=line.port)
    sender = subprocess.Popen([sys.executable, "-c", code])
    kernel: list[int] = []
    user: list[int] = []
    while len(user) < _STAMPS and (sender.poll() is None or line.receive() >= 0):
        clock.refresh()
        if line.receive() < 0:
            time.sleep(0)
            continue
        now = clock.now_ns()
        sent = int.from_bytes(line.view[:8], "big") - clock.wall_lead_ns
        kernel.append(line.received_ns - sent)
        user.append(now - sent)
    over.set()
    busy.join()
    sender.wait()
    line.close()
    best, worst = (sorted(one)[len(one) * 99 // 100] / 1e6 for one in (kernel, user))
    what = "kernel" if KERNEL_STAMPS else "user space"
    return [
        Row("line", f"receive stamp p99, busy interpreter, {what}", best, "ms", "<= 0.1"),
        Row("line", "receive stamp p99, busy interpreter, after recv()", worst, "ms", "13.5"),
    ]


def _rest() -> Row:
    with End("hub") as hub:
        hall = start_hall(hub, 1)
        key = bytes.fromhex(hall.secret(1) * 2)
        flow = LightFlow("127.0.0.1", hall.port, ssid=1, key=key)
        before = time.process_time()
        flow.start()
        time.sleep(SECONDS * 2)
        cost = (time.process_time() - before) / SECONDS / 2
        flow.stop()
    return Row("line", "light STAMP flow, 2 packets/s: CPU", cost * 100, "% of a core", "<= 0.2")
