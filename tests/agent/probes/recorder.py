"""What a probe's process writes, starts and talks to, as the kernel sees it (strace)."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from diemcau_agent.probes.result import ProbeResult, from_json

_CALLS = (
    "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,unlink,"
    "unlinkat,rmdir,link,linkat,symlink,symlinkat,truncate,chmod,fchmodat,connect,bind,sendto,"
    "sendmsg,sendmmsg,execve,listen"
)
_LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<arguments>.*)$")
_PATH = re.compile(r'"(?P<path>(?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
_INET = re.compile(
    r"sa_family=AF_INET6?, sin6?_port=htons\((?P<port>\d+)\)"
    r'.*?"(?P<host>[0-9a-fA-F.:]+)"'
)
_UNIX = re.compile(r'sa_family=AF_UNIX, sun_path=(?P<at>@?)"(?P<path>[^"]*)"')
_OPENING = frozenset({"open", "openat", "openat2"})
_TALKING = frozenset({"connect", "bind", "sendto", "sendmsg", "sendmmsg", "listen"})


@dataclass(frozen=True, slots=True)
class Recording:
    """What one run did; each act is ``verb what``."""

    result: ProbeResult
    acts: tuple[str, ...]


def record(name: str, settings: Mapping[str, object], folder: Path) -> Recording:
    """Run a row of the table, or ``module:function``, as the agent does, and write down its acts.

    The interpreter's own cache of compiled modules is off: it is no act of a probe.
    """
    trace = folder / "trace"
    done = subprocess.run(
        ["strace", "--follow-forks", f"--trace={_CALLS}", "--string-limit=200",
         f"--output={trace}", "--", sys.executable, "-m", "diemcau_agent.probes", name, "90"],
        input=json.dumps(dict(settings)).encode(), capture_output=True, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    return Recording(from_json(done.stdout), tuple(sorted(set(_acts(lines)))))


def _acts(lines: list[str]) -> Iterator[str]:
    programs = 0
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        call, arguments = found["call"], found["arguments"]
        if call == "execve":
            programs += 1
            if programs > 1:
                yield f"start {_path(arguments)}"
        elif call in _TALKING:
            yield from _talk(call, arguments)
        elif call not in _OPENING:
            yield f"{call} {_path(arguments)}"
        elif _WRITES.search(arguments):
            yield f"write {_path(arguments)}"


def _talk(call: str, arguments: str) -> Iterator[str]:
    """Yield whom it talks to; a socket without an address in the call was connected before."""
    verb = "bind" if call == "bind" else "listen" if call == "listen" else "talk"
    inet, unix = _INET.search(arguments), _UNIX.search(arguments)
    if inet is not None:
        yield f"{verb} {inet['host']}:{inet['port']}"
    elif unix is not None:
        yield f"{verb} unix:{unix['at']}{unix['path']}"
    elif verb == "listen":
        yield "listen"


def _path(arguments: str) -> str:
    found = _PATH.search(arguments)
    return found["path"] if found else arguments[:80]
