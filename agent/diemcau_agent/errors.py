"""What can go wrong for a user, with the sentence that says so in both languages.

AgentError          has ``text`` and ``exit_code``
├── ConfigError     the agent's file, with all its problems
├── StateDirectoryError  the folder of the agent's state
└── UsageError      the command line
LinkDownError       there is no session with the broker right now (never reaches a user)
"""

from collections.abc import Sequence
from enum import IntEnum

from diemcau_contract.causes import Text
from diemcau_contract.errors import Problem


class ExitCode(IntEnum):
    """Exit codes of ``diemcau-agent``, part of its interface."""

    OK = 0
    NOT_OK = 1
    """The room is not ready, or a check found something or could not be made."""
    USAGE = 2
    """The command line or the agent's file is wrong, or the folder that it names."""
    NOT_RUNNING = 3
    """No agent runs for this file."""


class AgentError(Exception):
    """An end that a user sees: one sentence in two languages, no traceback."""

    def __init__(self, text: Text, exit_code: ExitCode) -> None:
        super().__init__(text.en)
        self.text = text
        self.exit_code = exit_code


class ConfigError(AgentError):
    """The agent's file cannot be used; ``problems`` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        vi = [f"tệp cấu hình có {count} lỗi:"]
        en = [f"the configuration has {count} problem{'s' if count > 1 else ''}:"]
        for problem in problems:
            vi.append(f"  {problem.in_language('vi')}")
            en.append(f"  {problem.in_language('en')}")
        super().__init__(Text("\n".join(vi), "\n".join(en)), ExitCode.USAGE)
        self.problems = tuple(problems)


class StateDirectoryError(AgentError):
    """The folder of the agent's state takes no files, or another agent's."""

    def __init__(self, text: Text) -> None:
        super().__init__(text, ExitCode.USAGE)


class UsageError(AgentError):
    """A word on the command line that means nothing here."""

    def __init__(self, text: Text) -> None:
        super().__init__(text, ExitCode.USAGE)


class LinkDownError(Exception):
    """The message was not handed to the broker; try again once the link is up."""
