"""What goes into a file or a pipe: no blanks at the ends of lines."""

import io
import re
from typing import IO, Final

_BLANKS: Final = re.compile(r"[ \t]+(?=\n)")


class Trimmed(io.TextIOBase):
    """Passes text on without the blanks by which tables fill their last column."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write whole lines, as a console does."""
        self._file.write(_BLANKS.sub("", text))
        return len(text)

    def flush(self) -> None:
        """Flush what lies behind."""
        self._file.flush()

    def fileno(self) -> int:
        """Return the descriptor of what lies behind."""
        return self._file.fileno()
