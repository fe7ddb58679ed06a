import pytest

from diemcau_server import __version__
from diemcau_server.__main__ import main
from tests.usage import Terminal


@pytest.mark.parametrize(
    ("arguments", "locale", "said"),
    [
        (["run"], "C.UTF-8", "diemcau-server: Thiếu --config. Xem: diemcau-server run --help\n"),
        (["run", "--lang", "fr"], "en_US.UTF-8",
         "diemcau-server: --lang: giá trị sai; cho phép: vi, en. "
         "Xem: diemcau-server run --help\n"),
        ([], "C.UTF-8", "diemcau-server: Thiếu tên lệnh. Xem: diemcau-server --help\n"),
        ([], "en_US.UTF-8", "diemcau-server: A command is missing. See: diemcau-server --help\n"),
        (["run", "--lang=en", "--config"], "C.UTF-8",
         "diemcau-server: Option --config needs a value. See: diemcau-server run --help\n"),
        (["--lang", "en", "run", "--config"], "C.UTF-8",
         "diemcau-server: Option --config needs a value. See: diemcau-server run --help\n"),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line(
    arguments: list[str], locale: str, said: str, terminal: Terminal
) -> None:
    """One sentence, Vietnamese by default, English by --lang or LANG; exit code 2."""
    assert terminal.run(main, arguments, locale) == (2, "", said)


def test_the_version(terminal: Terminal) -> None:
    """--version prints name and version and ends with 0."""
    assert terminal.run(main, ["--version"]) == (0, f"diemcau-server {__version__}\n", "")


COMMANDS = [[], ["run"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_in_one_language(command: list[str], terminal: Terminal) -> None:
    """Vietnamese help has none of argparse's English words and shares no line with English help."""
    assert terminal.lines_in_both_languages(main, command) == set()
