"""Faults between command and server, in words: what is wrong, where, what to try."""

import asyncio
import os

import aiohttp

from diemcau_server.cli.answers import Fault
from diemcau_server.cli.connection import SERVER_VARIABLE, TOKEN_VARIABLE, Connection
from diemcau_server.cli.failure import CommandError, ExitCode
from diemcau_server.speech.language import Speech

_UNKNOWN_IDS = frozenset({"unknown_hub", "unknown_point", "unknown_session", "unknown_profile"})


def not_reachable(server: str, error: BaseException, say: Speech) -> CommandError:
    """The server does not answer at its address."""
    sentence = say(
        "The server {server} cannot be reached ({reason}). Check that it runs "
        "(diemcau-server run) and that the address is right (--server or {variable}).",
        server=server, reason=_reason(error, say), variable=SERVER_VARIABLE,
    )  # fmt: skip
    return CommandError(sentence, ExitCode.NOT_RUN)


def connection_lost(server: str, error: BaseException | None, say: Speech) -> CommandError:
    """The server went away in the middle of a test and did not come back."""
    sentence = say(
        "The connection to the server {server} was lost during the test ({reason}). "
        "Check the server, then test again.",
        server=server, reason=_reason(error, say),
    )  # fmt: skip
    return CommandError(sentence, ExitCode.NOT_RUN)


def test_lost(test: str, say: Speech) -> CommandError:
    """The server came back and does not know the test any more."""
    sentence = say("The server was restarted: test {test} is lost. Test again.", test=test)
    return CommandError(sentence, ExitCode.NOT_RUN)


def not_ours(server: str, detail: str, say: Speech) -> CommandError:
    """Something answers, but not in the way of this version's server."""
    sentence = say(
        "{server} does not answer like a diemcau server of this version ({detail}). "
        "Check the address and the versions.",
        server=server, detail=detail,
    )  # fmt: skip
    return CommandError(sentence, ExitCode.NOT_RUN)


def no_token(say: Speech) -> CommandError:
    """A test was asked for without a token."""
    sentence = say(
        "A token is needed to start a test: give its file with --token-file, or the token "
        "itself in {variable}. The server's configuration names the file (http.token_file).",
        variable=TOKEN_VARIABLE,
    )  # fmt: skip
    return CommandError(sentence, ExitCode.USAGE)


def test_failed(fault: Fault | None, say: Speech) -> CommandError:
    """The server gave the test up."""
    if fault is not None and fault.code == "test_cancelled":
        return CommandError(say("The test was cancelled."), ExitCode.NOT_RUN)
    reason = (say.pick(fault.message) or fault.code) if fault else say("no reason given")
    sentence = say("The test could not be finished: {reason}", reason=reason)
    return CommandError(sentence, ExitCode.NOT_RUN)


def refused(fault: Fault, connection: Connection, say: Speech) -> CommandError:
    """Put the server's refusal into words; its code decides the exit code."""
    message = say.pick(fault.message) or fault.code
    if fault.code == "unauthorised":
        sentence = say(
            "The server {server} does not accept the token. Take it from the file that the "
            "server's configuration names (http.token_file): --token-file or {variable}.",
            server=connection.server, variable=TOKEN_VARIABLE,
        )  # fmt: skip
        return CommandError(sentence, ExitCode.NOT_RUN)
    if fault.code == "test_running":
        return CommandError(_running(fault, say), ExitCode.NOT_RUN)
    if fault.code in _UNKNOWN_IDS:
        return CommandError(_with_near(message, fault.near or (), say), ExitCode.USAGE)
    usage = fault.code in {"invalid", "not_found", "unknown_test"}
    return CommandError(message, ExitCode.USAGE if usage else ExitCode.NOT_RUN)


def _running(fault: Fault, say: Speech) -> str:
    since = fault.started_at
    return say(
        "Another test is running: started by {who} at {time} (test {test}). "
        "Wait until it has ended, then test again.",
        who=fault.asked_by or "?",
        time=since.astimezone().strftime("%H:%M:%S %d/%m/%Y") if since else "?",
        test=fault.test or "?",
    )


def _with_near(message: str, near: tuple[str, ...], say: Speech) -> str:
    if not near or any(name in message for name in near):
        return message
    question = say("Did you mean: {names}?", names=", ".join(near))
    return f"{message} {question}"


def _reason(error: BaseException | None, say: Speech) -> str:
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return say("no answer in time")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return say("unknown host name")
    if isinstance(error, ConnectionRefusedError):
        return say("connection refused")
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        if isinstance(inner, ConnectionRefusedError):
            return say("connection refused")
        return os.strerror(inner.errno) if inner.errno and inner.errno > 0 else str(inner)
    return say("connection cut")
