"""The agent as a process of its own, for tests of signals, memory and the command line."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

START = [sys.executable, "-m", "diemcau_agent"]
ENVIRONMENT = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@dataclass(slots=True)
class AgentProcess:
    """One running agent."""

    process: subprocess.Popen[bytes]
    log: Path

    async def end(self, how: signal.Signals) -> int:
        """Send ``how`` to this very process and return its exit code."""
        self.process.send_signal(how)
        return await asyncio.to_thread(self.process.wait, 30)


def write_config(folder: Path, port: int, more: str = "", login: str = "") -> Path:
    """Write an agent's file; ``login`` is further keys of its broker."""
    file = folder / "agent.yaml"
    file.write_text(
        "schema: diemcau.agent/1\nhub: bu-dang\npoint: bom-bo\n"
        f"broker: {{url: 'mqtt://127.0.0.1:{port}'{login}}}\nstate_directory: state\n{more}",
        encoding="utf-8",
    )
    return file


@contextlib.asynccontextmanager
async def agent_process(
    config: Path, before: Sequence[str] = (), more: Sequence[str] = ()
) -> AsyncIterator[AgentProcess]:
    """Yield a running agent, ended by its own id; what comes ``before`` it must exec it."""
    log = config.with_name("agent.log")
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: ASYNC220  # asyncio's own are not on every loop
            [*before, *START, "run", "--config", str(config), *more],
            stdout=sink, stderr=sink, env=ENVIRONMENT,
        )  # fmt: skip
    try:
        yield AgentProcess(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        await asyncio.to_thread(process.wait)


async def command(*arguments: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run ``diemcau-agent`` to its end."""
    return await asyncio.to_thread(
        subprocess.run, [*before, *START, *arguments], capture_output=True, encoding="utf-8",
        env=ENVIRONMENT, timeout=60, check=False,
    )  # fmt: skip
