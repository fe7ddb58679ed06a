"""Figures are worked out beside the loop, so that pacing never waits for them.

At the hub a step of 16 points takes about a second of computing, and a thread would share the
interpreter with the sender: there a child process does it (this package's ``analyst`` role: on
stdin a JSON line and the raw rows, on stdout a JSON line, until stdin closes). A point has one flow
and sends little: there a thread is enough and saves a process on an old PC.
"""

import json
import logging
import queue
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from diemcau_contract.measurements import TrafficStatistics
from diemcau_contract.plans import TrafficPlan
from diemcau_line.records import from_plain, to_plain
from diemcau_line.statistics import traffic_statistics
from diemcau_line.tally import SentCount
from diemcau_line.traffic import planned_sends

_log = logging.getLogger(__name__)

_ROW_BYTES = 8


@dataclass(frozen=True, slots=True)
class Job:
    """All that the figures of one direction of one step are made of."""

    plan: TrafficPlan
    seed: int
    duration_seconds: float
    rate_ratio: float
    sent: SentCount | None
    rows: "array[int]"


def work_out(job: Job) -> TrafficStatistics:
    """Draw the plan again and return the figures."""
    plan = list(planned_sends(job.plan, job.seed, job.duration_seconds, job.rate_ratio))
    return traffic_statistics(plan, job.rows, job.sent, job.duration_seconds)


class Analyst:
    """Works jobs out one after another in a thread of this object, or in its child process."""

    def __init__(self, *, in_child: bool) -> None:
        self._in_child = in_child
        self._jobs: queue.SimpleQueue[tuple[Job, Callable[[TrafficStatistics], None]] | None]
        self._jobs = queue.SimpleQueue()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """Start thread and child before the first job, so that their start disturbs no step."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="analyst", daemon=True)
            self._thread.start()

    def submit(self, job: Job, done: Callable[[TrafficStatistics], None]) -> None:
        """Work ``job`` out and call ``done``, from another thread."""
        self.prepare()
        self._jobs.put((job, done))

    def close(self) -> None:
        """End the child after the jobs at hand."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        child = self._start() if self._in_child else None
        while (task := self._jobs.get()) is not None:
            job, done = task
            result = _ask(child, job) if child is not None else None
            if result is None:
                if self._in_child:
                    _log.warning("the analyst process gave no result: working it out here")
                result = work_out(job)
            done(result)
        if child is not None and child.stdin is not None:
            child.stdin.close()
            child.wait()

    def _start(self) -> subprocess.Popen[bytes] | None:
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "diemcau_line", "analyst"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            _log.warning("the analyst process does not start: %s", error)
            return None


def _ask(child: subprocess.Popen[bytes], job: Job) -> TrafficStatistics | None:
    if child.stdin is None or child.stdout is None:
        return None
    head = {
        "plan": to_plain(job.plan),
        "seed": job.seed,
        "duration_seconds": job.duration_seconds,
        "rate_ratio": job.rate_ratio,
        "sent": [job.sent.first, job.sent.stop, job.sent.errors] if job.sent else None,
        "rows": len(job.rows),
    }
    try:
        child.stdin.write(json.dumps(head).encode() + b"\n")
        child.stdin.write(job.rows)
        child.stdin.flush()
        return from_plain(TrafficStatistics, json.loads(child.stdout.readline()))
    except (OSError, ValueError):
        return None


def serve(source: IO[bytes], target: IO[bytes]) -> None:
    """Be the child: answer jobs from ``source`` until it ends."""
    for line in source:
        head = json.loads(line)
        rows: array[int] = array("q")
        rows.frombytes(source.read(head["rows"] * _ROW_BYTES))
        job = Job(
            plan=from_plain(TrafficPlan, head["plan"]),
            seed=head["seed"],
            duration_seconds=head["duration_seconds"],
            rate_ratio=head["rate_ratio"],
            sent=SentCount(*head["sent"]) if head["sent"] is not None else None,
            rows=rows,
        )
        target.write(json.dumps(to_plain(work_out(job))).encode() + b"\n")
        target.flush()
