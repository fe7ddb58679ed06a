"""How a command ends when it cannot do its work: one sentence for people, one exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``diemcau``, part of its interface."""

    READY = 0
    """Every tested point is ready."""
    NOT_READY = 1
    """The test ran; not all points are ready."""
    USAGE = 2
    """The command line or a file is wrong; asking again the same way cannot help."""
    NOT_RUN = 3
    """The test could not run: server not reachable, login refused, another test running."""
    INTERRUPTED = 130
    TERMINATED = 143


class CommandError(Exception):
    """A command that cannot go on; ``sentence`` is already in the user's language."""

    def __init__(self, sentence: str, code: ExitCode) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
