"""Log lines of every program: one line an event, with the ids of the request or test behind it.

On a terminal and in the journal of systemd lines are for people, elsewhere JSON (decision 0034).
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

from diemcau_contract.causes import Text

LogForm = Literal["auto", "text", "json"]
LOG_FORMS: Final[tuple[LogForm, ...]] = ("auto", "text", "json")

LOG_FORM: Final = Text(
    "dạng nhật ký: text, json, hoặc auto (text trên màn hình và trong journal, ngoài ra json)",
    "form of the log: text, json, or auto (text on a terminal and in the journal, else json)",
)

REQUEST_ID: Final = "X-Request-Id"
"""The header by which a request's id goes from the command line to the server and back."""

_OWN: Final = ("diemcau_contract", "diemcau_line", "diemcau_agent", "diemcau_server")
_NO_IDS: Final[Mapping[str, str]] = {}
_IDS: ContextVar[Mapping[str, str]] = ContextVar("ids of log lines", default=_NO_IDS)
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_PRIORITIES: Final = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Priorities of syslog (RFC 5424 section 6.2.1), as sd-daemon(3) wants them before a line."""
_DEBUG: Final = 7


@contextmanager
def belonging(**ids: str) -> Iterator[None]:
    """Give every line logged within, also by tasks that begin there, these ids (``test=…``)."""
    token = _IDS.set({**_IDS.get(), **ids})
    try:
        yield
    finally:
        _IDS.reset(token)


def current_ids() -> Mapping[str, str]:
    """Return the ids that a line logged now would bear."""
    return _IDS.get()


class TextLines(logging.Formatter):
    """``TIME LEVEL LOGGER: MESSAGE [test=…]``, local time; a trace follows on indented lines.

    No text that came over the network can begin a line of its own or move the cursor.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a trace behind it."""
        message = record.getMessage()
        message += "".join(
            f" [{name}={value}]" for name, value in current_ids().items() if value not in message
        )
        lines = [f"{self.head(record)}{record.name}: {message}"]
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            lines += [f"    {line}" for line in trace.split("\n")]
        return "\n".join(line.translate(_CONTROLS) for line in lines)

    def head(self, record: logging.LogRecord) -> str:
        """Return what stands before the logger's name."""
        return f"{self.formatTime(record)} {record.levelname} "


class JournalLines(TextLines):
    """As TextLines, with the priority in front and without the time, which the journal keeps."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a trace behind it in lines of the same priority."""
        priority = next((code for least, code in _PRIORITIES if record.levelno >= least), _DEBUG)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))

    def head(self, record: logging.LogRecord) -> str:  # noqa: ARG002  # as of its base
        """Return nothing: the journal has time and priority."""
        return ""


class JsonLines(logging.Formatter):
    """One JSON object an event: time (UTC), level, logger, message, ids, and a trace if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        content = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **current_ids(),
        }
        if record.exc_info:
            content["trace"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)


def lines_for(form: LogForm, stream: TextIO, environment: Mapping[str, str]) -> logging.Formatter:
    """Return what makes lines in ``form``; ``auto`` looks at where they go."""
    if form == "json":
        return JsonLines()
    # systemd sets it for what writes to its journal, which shows lines to people (systemd.exec(5)).
    if form == "auto" and "JOURNAL_STREAM" in environment and not stream.isatty():
        return JournalLines()
    return TextLines() if form == "text" or stream.isatty() else JsonLines()


def start_log(
    form: LogForm,
    handler: "logging.StreamHandler[Any]",
    environment: Mapping[str, str],
    *,
    verbose: bool,
) -> bool:
    """Log through ``handler``: our own events from INFO on, or all, and warnings of libraries.

    Returns whether its lines are for somebody who watches: why the program ends is told there in a
    sentence, and to the journal and to programs by an event like all others.
    """
    lines = lines_for(form, handler.stream, environment)
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in _OWN:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    return type(lines) is TextLines
