import pytest

from diemcau_agent import __version__
from diemcau_agent.__main__ import main
from tests.usage import Terminal


@pytest.mark.parametrize(
    ("arguments", "locale", "said"),
    [
        (["run", "--config"], "C.UTF-8",
         "lỗi: Tùy chọn --config cần một giá trị. Xem: diemcau-agent run --help\n"),
        (["run", "--lang", "fr"], "en_US.UTF-8",
         "lỗi: --lang: giá trị sai; cho phép: vi, en. Xem: diemcau-agent run --help\n"),
        (["chek"], "C.UTF-8",
         "lỗi: Không có lệnh chek. Hiện có: run, status, check, accept, doctor, log, opening. "
         "Xem: diemcau-agent --help\n"),
        (["chek"], "en_US.UTF-8",
         "error: There is no command chek. There are: run, status, check, accept, doctor, log, "
         "opening. See: diemcau-agent --help\n"),
        (["status", "--jsn", "--lang=en"], "C.UTF-8",
         "error: There is no option --jsn. Did you mean: --json? "
         "See: diemcau-agent status --help\n"),
        (["--lang", "en", "run", "--config"], "C.UTF-8",
         "error: Option --config needs a value. See: diemcau-agent run --help\n"),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line(
    arguments: list[str], locale: str, said: str, terminal: Terminal
) -> None:
    """One sentence, Vietnamese by default, English by --lang or LANG; exit code 2."""
    assert terminal.run(main, arguments, locale) == (2, "", said)


def test_the_version(terminal: Terminal) -> None:
    """--version prints name and version and ends with 0."""
    assert terminal.run(main, ["--version"]) == (0, f"diemcau-agent {__version__}\n", "")


COMMANDS = [
    [], ["run"], ["status"], ["check"], ["accept"], ["doctor"], ["log"], ["opening"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_in_one_language(command: list[str], terminal: Terminal) -> None:
    """Vietnamese help has none of argparse's English words and shares no line with English help."""
    assert terminal.lines_in_both_languages(main, command) == set()
