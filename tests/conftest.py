"""Rules that hold for every test: log calls must format, and CI skips nothing."""

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.usage import Terminal

OWN_LOGGERS = ("diemcau_contract", "diemcau_line", "diemcau_agent", "diemcau_server")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every program that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def log_formats() -> Iterator[None]:
    """Fail a test in which a log call of ours, at any level, cannot be formatted."""
    bad: list[str] = []
    make_record = logging.getLogRecordFactory()

    def make_checked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        if record.name.startswith(OWN_LOGGERS):
            try:
                record.getMessage()
            except (KeyError, TypeError, ValueError) as error:
                bad.append(f"{record.pathname}:{record.lineno}: {record.msg!r}: {error}")
                record.args = ()
        return record

    levels = {name: logging.getLogger(name).level for name in OWN_LOGGERS}
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.setLogRecordFactory(make_checked)
    yield
    logging.setLogRecordFactory(make_record)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    if bad:
        pytest.fail("log calls that cannot be formatted:\n" + "\n".join(bad))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Give a terminal to run programs in."""
    return Terminal(monkeypatch, capsys)


def forbidden_skips(config: pytest.Config) -> int:
    """How many tests or modules were skipped in a run that allows no skip."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("DIEMCAU_NO_SKIPS", "") in {"", "0"}:
        return 0
    return len(reporter.stats.get("skipped", []))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run with skips into a failed one where none is allowed."""
    if forbidden_skips(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say why a run without a failed test failed; -rs lists the skips and their reasons."""
    if count := forbidden_skips(config):
        terminalreporter.write_line(
            f"DIEMCAU_NO_SKIPS is set: this run fails for {count} skipped (listed with -rs)",
            red=True,
        )
