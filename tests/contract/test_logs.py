"""Log lines: one an event, with ids, in the form that whoever reads them expects."""

import asyncio
import io
import json
import logging
from collections.abc import Mapping

import pytest

from diemcau_contract.logs import (
    JournalLines,
    JsonLines,
    TextLines,
    belonging,
    lines_for,
    start_log,
)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def record(message: str, level: int = logging.INFO, **more: object) -> logging.LogRecord:
    """Return an event of a fixed time."""
    made = logging.LogRecord("diemcau_agent.x", level, "x.py", 1, message, None, None)
    made.created = 1_773_448_200.25
    made.__dict__.update(more)
    return made


def failure() -> tuple[type[BaseException], BaseException, object]:
    """Return what a log call keeps of an error."""
    with pytest.raises(ValueError, match="two") as raised:
        int("một\ntwo")
    return raised.type, raised.value, raised.tb


def test_an_event_for_programs_is_one_object_on_one_line() -> None:
    """Time in UTC, level, logger, message in its own letters, ids, trace."""
    with belonging(request="r-1"), belonging(test="t-1"):
        line = JsonLines().format(record("Xã\nBom Bo", logging.WARNING, exc_info=failure()))
    content = json.loads(line)

    assert "\n" not in line
    assert "Xã" in line
    trace = content.pop("trace")
    assert trace.endswith("'một\\ntwo'")
    assert content == {
        "time": "2026-03-14T00:30:00.250Z", "level": "warning", "logger": "diemcau_agent.x",
        "message": "Xã\nBom Bo", "request": "r-1", "test": "t-1",
    }  # fmt: skip


def test_an_event_for_people_cannot_be_forged_from_outside() -> None:
    """Line ends and escape sequences of a message are shown, not obeyed; ids stand behind it."""
    with belonging(test="t-1"):
        line = TextLines().format(record("a\nERROR b \x1b[2J \x9b"))

    assert line.endswith("INFO diemcau_agent.x: a\\x0aERROR b \\x1b[2J \\x9b [test=t-1]")
    assert "\n" not in line


def test_an_id_that_the_message_names_is_not_said_twice() -> None:
    """Only for people: for programs each key is there always."""
    with belonging(test="t-1"):
        assert TextLines().format(record("test t-1 ends")).endswith(": test t-1 ends")
        assert json.loads(JsonLines().format(record("test t-1 ends")))["test"] == "t-1"


def test_a_trace_for_people_follows_on_indented_lines() -> None:
    """No line of it can be taken for an event."""
    first, *rest = TextLines().format(record("failed", exc_info=failure())).split("\n")

    assert first.endswith("INFO diemcau_agent.x: failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.CRITICAL, 3), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6),
     (logging.DEBUG, 7)],
)  # fmt: skip
def test_the_journal_is_told_the_priority_of_every_line(level: int, priority: int) -> None:
    """So that journalctl --priority finds it; the journal has the time itself."""
    lines = JournalLines().format(record("failed", level, exc_info=failure())).split("\n")

    assert lines[0] == f"<{priority}>diemcau_agent.x: failed"
    assert all(line.startswith(f"<{priority}>") for line in lines)


def test_ids_hold_for_what_begins_within_and_for_nothing_else() -> None:
    """A task keeps the ids of where it was begun; two tasks do not see each other's."""

    async def said(name: str) -> str:
        await asyncio.sleep(0)
        return TextLines().format(record(name)).rpartition(": ")[2]

    async def run() -> list[str]:
        with belonging(test="t-1"):
            first = asyncio.create_task(said("first"))
        with belonging(test="t-2"):
            second = asyncio.create_task(said("second"))
        return [await first, await second, await said("outside")]

    assert asyncio.run(run()) == ["first [test=t-1]", "second [test=t-2]", "outside"]


@pytest.mark.parametrize(
    ("form", "stream", "environment", "expected"),
    [
        ("auto", Terminal(), {}, TextLines),
        ("auto", io.StringIO(), {}, JsonLines),
        ("auto", io.StringIO(), {"JOURNAL_STREAM": "8:1"}, JournalLines),
        ("auto", Terminal(), {"JOURNAL_STREAM": "8:1"}, TextLines),
        ("text", io.StringIO(), {}, TextLines),
        ("json", Terminal(), {"JOURNAL_STREAM": "8:1"}, JsonLines),
    ],
)
def test_the_form_follows_who_reads(
    form: str, stream: io.StringIO, environment: Mapping[str, str], expected: type
) -> None:
    """People at a terminal and in the journal, programs in files and pipes."""
    assert type(lines_for(form, stream, environment)) is expected  # type: ignore[arg-type]  # one of its words


def test_libraries_are_heard_from_warnings_on_whatever_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their details may hold what we do not print; ours are told with --verbose."""
    root = logging.RootLogger(logging.WARNING)
    manager = logging.Manager(root)
    monkeypatch.setattr(logging, "root", root)
    monkeypatch.setattr(logging.Logger, "manager", manager)
    monkeypatch.setattr(logging.Logger, "root", root)
    stream = io.StringIO()
    start_log("json", logging.StreamHandler(stream), {}, verbose=True)
    for name in ("paho", "diemcau_server.app"):
        for level in (logging.DEBUG, logging.WARNING):
            manager.getLogger(name).log(level, "said")

    heard = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["logger"], one["level"]) for one in heard] == [
        ("paho", "warning"), ("diemcau_server.app", "debug"), ("diemcau_server.app", "warning"),
    ]  # fmt: skip
