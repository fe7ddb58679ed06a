"""Runs a command's coroutine so that Ctrl-C, SIGTERM and SIGHUP let it clean up before it ends."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from diemcau_server.cli.failure import ExitCode

Outcome = TypeVar("Outcome")
_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""A closed terminal ends a command like SIGTERM; Windows has no SIGHUP."""


class InterruptedCommand(Exception):  # noqa: N818  # not a fault: the user's wish
    """A command that was asked to end; ``code`` is its exit code."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code.name)
        self.code = code


def run_interruptible(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run ``work``; the first such wish cancels it, and its clean-up is waited for.

    Raises:
        InterruptedCommand: it was asked to end.
    """
    terminated: list[int] = []
    try:
        return asyncio.run(_watched(work, terminated))
    except KeyboardInterrupt as error:
        raise InterruptedCommand(ExitCode.INTERRUPTED) from error
    except asyncio.CancelledError as error:
        code = ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED
        raise InterruptedCommand(code) from error


async def _watched(work: Coroutine[Any, Any, Outcome], terminated: list[int]) -> Outcome:
    """Await ``work``; a signal that ends is noted in ``terminated`` and cancels it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def terminate(number: int) -> None:
        terminated.append(number)
        if task is not None:
            task.cancel()

    try:
        for number in _ENDING:
            loop.add_signal_handler(number, terminate, number)
    except (NotImplementedError, RuntimeError, ValueError):
        return await work  # Windows, or not the main thread: only Ctrl-C
    try:
        return await work
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)
