"""Where the server is and with what token to ask it: options first, then the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from diemcau_contract.mistakes import unreadable_text
from diemcau_server.cli.failure import CommandError, ExitCode
from diemcau_server.speech.language import Speech

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"
SERVER_VARIABLE: Final = "DIEMCAU_SERVER"
TOKEN_VARIABLE: Final = "DIEMCAU_TOKEN"  # noqa: S105  # the variable's name


@dataclass(frozen=True, slots=True)
class Connection:
    """One server as a command asks it."""

    server: str
    """Base address without a slash at its end."""
    token: str | None = field(repr=False)


def connection(
    server: str | None, token_file: Path | None, environment: Mapping[str, str], say: Speech
) -> Connection:
    """Settle address and token.

    Raises:
        CommandError: an address that is none, a token file that cannot be read or is empty.
    """
    address = _checked(server or environment.get(SERVER_VARIABLE) or DEFAULT_SERVER, say)
    if token_file is not None:
        return Connection(address, read_token(token_file, say))
    return Connection(address, environment.get(TOKEN_VARIABLE, "").strip() or None)


def read_token(file: Path, say: Speech) -> str:
    """Read a token from its file.

    Raises:
        CommandError: the file cannot be read or holds no token.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = say.pick(unreadable_text(error))
        sentence = say("The token file {file} cannot be read: {reason}.", file=file, reason=reason)
        raise CommandError(sentence, ExitCode.USAGE) from error
    if not token or not token.isprintable() or not token.isascii():
        sentence = say("The token file {file} does not hold a token.", file=file)
        raise CommandError(sentence, ExitCode.USAGE)
    return token


def _checked(address: str, say: Speech) -> str:
    full = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(full)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        sentence = say(
            "{address} is not the address of a server; write it like {example}.",
            address=address, example=DEFAULT_SERVER,
        )  # fmt: skip
        raise CommandError(sentence, ExitCode.USAGE)
    return full.rstrip("/")
