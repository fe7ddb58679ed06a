import pytest

from diemcau_contract.causes import Language, Text
from diemcau_contract.commandline import SpokenParser, usage_text, wanted_language
from diemcau_contract.errors import CommandLineError


@pytest.mark.parametrize(
    ("arguments", "environment", "language"),
    [
        ([], {}, None),
        ([], {"LANG": "en_US.UTF-8"}, "en"),
        ([], {"LANG": "C.UTF-8"}, None),
        ([], {"LANG": "vi_VN.UTF-8"}, None),
        ([], {"LANG": "en_US.UTF-8", "LC_ALL": "vi_VN.UTF-8"}, None),
        (["status", "--lang", "vi"], {"LANG": "en_US.UTF-8"}, "vi"),
        (["--lang=vi"], {"LANG": "en_US.UTF-8"}, "vi"),
        (["status", "--lang=en"], {}, "en"),
        (["--lang", "en"], {}, "en"),
        (["run", "--lang"], {}, "vi"),
        (["test-line", "--", "--lang=en"], {}, None),
    ],
)
def test_the_language(
    arguments: list[str], environment: dict[str, str], language: Language | None
) -> None:
    """``--lang`` first, then LC_ALL, then LANG; none where neither asks for English."""
    assert wanted_language(arguments, environment) == language


def parser(language: Language) -> SpokenParser:
    """Return the parser of a small program with one command."""
    outer = SpokenParser(language=language, prog="prog", description="About.")
    outer.add_version("1.2.3")
    outer.add_language("Language.")
    commands = outer.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="Run.", language=language)
    run.add_language("Language.")
    run.add_argument("--config", required=True, help="File.")
    run.add_argument("--color", choices=("red", "blue"), help="Colour.")
    run.add_argument("--all", action="store_true", help="All.")
    return outer


@pytest.mark.parametrize(
    ("arguments", "vi", "en", "command"),
    [
        ([], "Thiếu tên lệnh.", "A command is missing.", "prog"),
        (["rnu"], "Không có lệnh rnu. Hiện có: run.",
         "There is no command rnu. There are: run.", "prog"),
        (["run"], "Thiếu --config.", "--config is missing.", "prog run"),
        (["run", "--config"], "Tùy chọn --config cần một giá trị.",
         "Option --config needs a value.", "prog run"),
        (["run", "--all=x"], "Tùy chọn --all không nhận giá trị.",
         "Option --all takes no value.", "prog run"),
        (["run", "--color", "green"], "--color: giá trị sai; cho phép: red, blue.",
         "--color: wrong value; allowed: red, blue.", "prog run"),
        (["run", "--co", "x"], "Không có tùy chọn --co. Có phải ý bạn là: --config, --color?",
         "There is no option --co. Did you mean: --config, --color?", "prog run"),
        (["run", "--config", "x", "--xyz=3"], "Không có tùy chọn --xyz.",
         "There is no option --xyz.", "prog run"),
        (["run", "--config", "x", "--colr", "red"],
         "Không có tùy chọn --colr. Có phải ý bạn là: --color?",
         "There is no option --colr. Did you mean: --color?", "prog run"),
        (["--xyz", "run", "--config", "x"], "Không có tùy chọn --xyz.",
         "There is no option --xyz.", "prog"),
        (["run", "--config", "x", "more", "{most}"], "Thừa tham số: more {most}.",
         "Too many arguments: more {most}.", "prog run"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_both_languages(
    arguments: list[str], vi: str, en: str, command: str
) -> None:
    """Each kind of mistake has its sentence, and the command whose help tells more."""
    with pytest.raises(CommandLineError) as caught:
        parser("vi").parse_args(arguments)

    assert caught.value.text == Text(f"{vi} Xem: {command} --help", f"{en} See: {command} --help")


@pytest.mark.parametrize(
    "arguments", [["--lang", "en", "run", "--config", "x"], ["run", "--lang=en", "--config", "x"]]
)
def test_the_language_stands_before_or_after_the_command(arguments: list[str]) -> None:
    """``--lang`` is known to the program and to each command."""
    assert parser("vi").parse_args(arguments).config == "x"


def test_a_guess_of_argparse_is_understood() -> None:
    """A newer argparse may add what was meant; the command is still told as unknown."""
    message = "argument command: invalid choice: 'rnu', maybe you meant 'run'? (choose from run)"
    assert usage_text(message) == Text(
        "Không có lệnh rnu. Hiện có: run.", "There is no command rnu. There are: run."
    )


def test_an_unknown_mistake_keeps_its_words() -> None:
    """What argparse may say one day is passed on."""
    assert usage_text("new words") == Text("new words", "new words")


@pytest.mark.parametrize(
    ("language", "arguments", "said"),
    [
        ("vi", ["--help"],
         "Cách dùng: prog [-h] [--version] [--lang {vi,en}] {run} ...\n\nAbout.\n\n"
         "Lệnh và tham số:\n  {run}\n    run           Run.\n\n"
         "Tùy chọn:\n  -h, --help      hiện trợ giúp này rồi thoát\n"
         "  --version       hiện phiên bản rồi thoát\n  --lang {vi,en}  Language.\n"),
        ("vi", ["run", "-h"],
         "Cách dùng: prog run [-h] [--lang {vi,en}] --config CONFIG [--color {red,blue}] "
         "[--all]\n\n"
         "Tùy chọn:\n  -h, --help          hiện trợ giúp này rồi thoát\n"
         "  --lang {vi,en}      Language.\n  --config CONFIG     File.\n"
         "  --color {red,blue}  Colour.\n  --all               All.\n"),
        ("en", ["--help"],
         "usage: prog [-h] [--version] [--lang {vi,en}] {run} ...\n\nAbout.\n\n"
         "positional arguments:\n  {run}\n    run           Run.\n\n"
         "options:\n  -h, --help      show this help message and exit\n"
         "  --version       show the version and exit\n  --lang {vi,en}  Language.\n"),
        ("vi", ["--version"], "prog 1.2.3\n"),
    ],
)  # fmt: skip
def test_help_and_version(
    language: Language,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Help has no word of another language; the version stands alone; both end with 0."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as left:
        parser(language).parse_args(arguments)

    assert left.value.code == 0
    assert capsys.readouterr() == (said, "")
