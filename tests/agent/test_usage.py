import pytest

from diemcau_agent import __version__
from diemcau_agent.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "locale", "said"),
    [
        (["run", "--config"], "C.UTF-8",
         "lỗi: Tùy chọn --config cần một giá trị. Xem: diemcau-agent run --help\n"),
        (["run", "--lang", "fr"], "en_US.UTF-8",
         "lỗi: --lang: giá trị sai; cho phép: vi, en. Xem: diemcau-agent run --help\n"),
        (["chek"], "C.UTF-8", "lỗi: Không có lệnh chek. Xem: diemcau-agent --help\n"),
        (["chek"], "en_US.UTF-8",
         "error: There is no command chek. See: diemcau-agent --help\n"),
        (["status", "--jsn", "--lang=en"], "C.UTF-8",
         "error: There is no option --jsn. See: diemcau-agent --help\n"),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line(
    arguments: list[str],
    locale: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence, Vietnamese by default, English by --lang or LANG; exit code 2."""
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", locale)
    with pytest.raises(SystemExit) as left:
        main(arguments)

    assert left.value.code == 2
    assert capsys.readouterr() == ("", said)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version and ends with 0."""
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert left.value.code == 0
    assert capsys.readouterr() == (f"diemcau-agent {__version__}\n", "")


COMMANDS = [[], ["run"], ["status"], ["check"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_in_one_language(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vietnamese help has none of argparse's English words and shares no line with English help."""
    monkeypatch.setenv("COLUMNS", "120")
    told: dict[str, set[str]] = {}
    for language in ("vi", "en"):
        monkeypatch.setenv("LANG", f"{language}.UTF-8")
        monkeypatch.delenv("LC_ALL", raising=False)
        with pytest.raises(SystemExit) as left:
            main([*command, "--help"])
        assert left.value.code == 0
        told[language] = set(capsys.readouterr().out.splitlines())

    shared = told["vi"] & told["en"]
    assert not {line for line in shared if len(line.split()) > 1}
