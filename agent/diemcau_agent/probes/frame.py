"""The frame around every probe: own process, hard time limit, captured log, never an exception.

Blocking; call it through ``asyncio.to_thread`` (the selector loop that the agent needs on
Windows has no subprocesses of its own).
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import psutil
from pydantic import ValidationError

from diemcau_agent.probes.result import ProbeResult, from_json
from diemcau_agent.probes.table import CPU_STARVED_RATIO, WITHOUT_DEVICE, probe_for
from diemcau_contract.device_words import NETWORK
from diemcau_contract.messages import DeviceResult, HostState

MAX_LOG_CHARACTERS: Final = 4000

_STARTED: Final = b"probe started"
_LOGIN: Final = re.compile(r"://[^\s'\"]*@")
"""Within an address, up to the last ``@``: a password may hold others."""
_PASSWORD: Final = re.compile(r"((?:password|passwd|pwd)=)[^&\s'\"]+", re.IGNORECASE)
"""Within the path or query of an address: some cameras want it there."""
_NETWORK_PROBE: Final = "network-camera"
_AFTER_KILL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class ChildRun:
    """What came of one child process."""

    result: ProbeResult
    log: str
    """The child's standard error, its last 4,000 characters, logins in addresses struck out."""
    duration_seconds: float
    """From start to end of the process."""


def run_probe(
    kind: str,
    settings: Mapping[str, object],
    limit_seconds: float | None = None,
    role: str = "main",
) -> tuple[DeviceResult, str]:
    """Look at one device and return the result with the probe's log.

    Args:
        kind: a kind of device; one without a row in the table is ``not_applicable``.
        settings: the probe's own settings, JSON values only.
        limit_seconds: for the whole child; None takes the table's.
        role: the device's role, carried into the result.
    """
    found = probe_for(kind, settings.get("format"))
    if found is None:
        run = ChildRun(ProbeResult("not_applicable"), f"no probe for {kind}", 0.0)
    else:
        name, row = found
        run = run_child(name, settings, limit_seconds or row.limit_seconds)
        if name == _NETWORK_PROBE:
            # What to do first is another than with one at a USB port, whatever came of it.
            values = {**run.result.values, NETWORK: True}
            run = replace(run, result=replace(run.result, values=values))
    return device_result(kind, role, run), run.log


def run_child(name: str, settings: Mapping[str, object], limit_seconds: float) -> ChildRun:
    """Run a row of the table, or a function given as ``module:name``, in a child process.

    Over time is ``bad`` with ``timeout`` once the probe of a device had begun. It is ``unknown``
    before that, for what has no device, and with ``cpu_busy`` when the whole PC was busy: then the
    time says nothing of the device. A child that dies or talks nonsense is ``unknown`` with
    ``crashed``.
    """
    started, cpu_before = time.perf_counter(), cpu_seconds()
    try:
        child = _start(name, limit_seconds)
    except OSError as error:
        return ChildRun(ProbeResult("unknown", ("crashed",)), f"cannot start: {error}", 0.0)
    try:
        output, errors = child.communicate(json.dumps(dict(settings)).encode(), limit_seconds)
    except subprocess.TimeoutExpired:
        _, errors = _kill(child)
        begun = _STARTED in errors and name not in WITHOUT_DEVICE
        result = _over_time(busy_ratio(cpu_before, cpu_seconds()), begun=begun)
        ending = "killed: over time"
    else:
        result, ending = _read(output, child.returncode), f"exit code {child.returncode}"
    return ChildRun(result, _log(errors, ending), time.perf_counter() - started)


def device_result(kind: str, role: str, run: ChildRun) -> DeviceResult:
    """Put a child's result into the contract's form; words outside its lists are a crash."""
    stamp = {
        "kind": kind,
        "role": role,
        "duration_seconds": round(run.duration_seconds, 3),
        "measured_at": datetime.now(UTC),
    }
    result = run.result
    try:
        return DeviceResult.model_validate(
            {
                **stamp,
                "model": result.model,
                "status": result.status,
                "causes": result.causes,
                "values": dict(result.values),
            }
        )
    except ValidationError:
        return DeviceResult.model_validate({**stamp, "status": "unknown", "causes": ("crashed",)})


def host_state(result: ProbeResult) -> HostState:
    """Put what was read of the PC into the contract's form; nonsense is a crash."""
    # Of a child that was killed the frame may know how busy the PC was.
    known = {name: value for name, value in result.values.items() if name in HostState.model_fields}
    try:
        return HostState.model_validate({**known, "status": result.status, "causes": result.causes})
    except ValidationError:
        return HostState.model_validate({"status": "unknown", "causes": ("crashed",)})


def _start(name: str, limit_seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "diemcau_agent.probes", name, str(limit_seconds)]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.IDLE_PRIORITY_CLASS
    return subprocess.Popen(  # our own interpreter, a name from our own table
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        creationflags=flags,
        # A group of its own to be killed by, but not a session: Linux gives each session an equal
        # share of the processors (autogroup), and the low priority would count for nothing.
        process_group=None if sys.platform == "win32" else 0,
    )


def _kill(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    if sys.platform == "win32":
        child.kill()
    else:
        # The child leads its own group and is not yet waited for, so the number is still its own.
        os.killpg(child.pid, signal.SIGKILL)
    try:
        return child.communicate(timeout=_AFTER_KILL_SECONDS)
    except subprocess.TimeoutExpired as late:
        # Stuck in a driver: the kernel ends it when the call returns.
        return late.stdout or b"", late.stderr or b""


def cpu_seconds() -> tuple[float, float]:
    """Return the seconds that all processors were busy and were there since the system's start."""
    times = psutil.cpu_times()
    total = sum(times)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def busy_ratio(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Return how busy all processors were between two readings; 0 for no time at all."""
    elapsed = after[1] - before[1]
    return (after[0] - before[0]) / elapsed if elapsed > 0.0 else 0.0


def _over_time(cpu_ratio: float, *, begun: bool) -> ProbeResult:
    if cpu_ratio >= CPU_STARVED_RATIO:
        return ProbeResult("unknown", ("timeout", "cpu_busy"), {"cpu_ratio": round(cpu_ratio, 3)})
    return ProbeResult("bad" if begun else "unknown", ("timeout",))


def _read(output: bytes, exit_code: int) -> ProbeResult:
    if exit_code != 0:
        return ProbeResult("unknown", ("crashed",))
    try:
        return from_json(output)
    except ValueError:
        return ProbeResult("unknown", ("crashed",))


def _log(errors: bytes, ending: str) -> str:
    text = _LOGIN.sub("://***@", errors.decode("utf-8", "replace"))
    text = _PASSWORD.sub(r"\1***", text)
    return f"{text.rstrip()}\n{ending}\n"[-MAX_LOG_CHARACTERS:]
