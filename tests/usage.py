"""What a program of the project makes of its command line."""

from collections.abc import Callable

import pytest

Main = Callable[[list[str]], int]


class Terminal:
    """Runs programs in this process under a locale."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(
        self, main: Main, arguments: list[str], locale: str = "C.UTF-8"
    ) -> tuple[object, str, str]:
        """Return exit code, output and errors."""
        self._monkeypatch.setenv("COLUMNS", "120")
        self._monkeypatch.delenv("LC_ALL", raising=False)
        self._monkeypatch.setenv("LANG", locale)
        code: object
        try:
            code = main(arguments)
        except SystemExit as left:
            code = left.code
        return code, *self._capsys.readouterr()

    def lines_in_both_languages(self, main: Main, command: list[str]) -> set[str]:
        """Return the lines of more than one word that Vietnamese and English help share."""
        told = [self.run(main, [*command, "--help"], f"{one}.UTF-8") for one in ("vi", "en")]
        assert [code for code, _, _ in told] == [0, 0]
        vietnamese, english = (set(out.splitlines()) for _, out, _ in told)
        return {line for line in vietnamese & english if len(line.split()) > 1}
