"""What the programs that read their command line by argparse say of it, in both languages.

Nothing is printed here but what argparse prints itself for ``--help`` and ``--version``.
"""

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final, Never

from diemcau_contract.causes import Language, Text
from diemcau_contract.errors import CommandLineError

_USAGE: Final = "Cách dùng: "
_POSITIONALS: Final = "Lệnh và tham số"
_OPTIONS: Final = "Tùy chọn"
_HELP: Final = "hiện trợ giúp này rồi thoát"
_VERSION: Final = Text("hiện phiên bản rồi thoát", "show the version and exit")

_NEAR: Final = 0.7
"""How alike options must be (0 to 1) to be offered; two dashes make short ones rather alike."""
_UNKNOWN_OPTION: Final = r"unrecognized arguments: (?P<name>-[^\s=]+).*"
_MISTAKES: Final[Sequence[tuple[str, Text]]] = (
    (
        r"the following arguments are required: command",
        Text("Thiếu tên lệnh.", "A command is missing."),
    ),
    (
        r"the following arguments are required: (?P<names>.+)",
        Text("Thiếu {names}.", "{names} is missing."),
    ),
    (
        r"argument command: invalid choice: (['\"])(?P<name>.*?)\1.* "
        r"\(choose from (?P<allowed>.+)\)",
        Text(
            "Không có lệnh {name}. Hiện có: {allowed}.",
            "There is no command {name}. There are: {allowed}.",
        ),
    ),
    (
        r"argument (?P<name>\S+): invalid choice: .* \(choose from (?P<allowed>.+)\)",
        Text(
            "{name}: giá trị sai; cho phép: {allowed}.",
            "{name}: wrong value; allowed: {allowed}.",
        ),
    ),
    (
        r"argument (?P<name>\S+): expected one argument",
        Text("Tùy chọn {name} cần một giá trị.", "Option {name} needs a value."),
    ),
    (
        r"argument (?P<name>\S+): ignored explicit argument .*",
        Text("Tùy chọn {name} không nhận giá trị.", "Option {name} takes no value."),
    ),
    (
        r"ambiguous option: (?P<name>\S+) could match (?P<names>.+)",
        Text(
            "Không có tùy chọn {name}. Có phải ý bạn là: {names}?",
            "There is no option {name}. Did you mean: {names}?",
        ),
    ),
    (
        _UNKNOWN_OPTION,
        Text("Không có tùy chọn {name}.", "There is no option {name}."),
    ),
    (
        r"unrecognized arguments: (?P<names>.+)",
        Text("Thừa tham số: {names}.", "Too many arguments: {names}."),
    ),
)
"""argparse's sentences, and what is said instead."""


def wanted_language(arguments: Sequence[str], environment: Mapping[str, str]) -> Language | None:
    """Return the language asked for by ``--lang``, else English by LC_ALL or LANG, else None.

    It must be known before the command line is parsed, since its mistakes are told in it.
    """
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        name, _, value = argument.partition("=")
        if name == "--lang":
            following = arguments[position + 1] if position + 1 < len(arguments) else ""
            return "en" if (value or following) == "en" else "vi"
    locale = environment.get("LC_ALL") or environment.get("LANG") or ""
    return "en" if locale.split(".")[0].split("_")[0] == "en" else None


def need_libraries(extra: str, modules: Sequence[str]) -> None:
    """See that the libraries of ``extra`` are installed, without importing any of them.

    Raises:
        CommandLineError: one of ``modules`` is not there; the sentence tells how to install all.
    """
    if any(find_spec(name) is None for name in modules):
        install = f"pip install 'diemcau[{extra}]'"
        raise CommandLineError(
            Text(
                f"Chưa cài các thư viện mà lệnh này cần; hãy chạy: {install}",
                f"The libraries that this command needs are not installed; run: {install}",
            )
        )


def usage_text(message: str) -> Text:
    """Say a mistake on the command line; of an unknown kind of mistake, argparse's own words."""
    for pattern, sentence in _MISTAKES:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            values = found.groupdict()
            if "allowed" in values:
                values["allowed"] = values["allowed"].replace("'", "")
            return Text(sentence.vi.format(**values), sentence.en.format(**values))
    return Text(message, message)


class SpokenParser(argparse.ArgumentParser):
    """A parser whose help is in one language; its commands are parsers of this class too.

    A command line that is wrong raises CommandLineError. In English, help is argparse's own.
    """

    def __init__(
        self,
        *,
        language: Language,
        **settings: Any,  # noqa: ANN401  # argparse's own
    ) -> None:
        if language == "vi":
            settings["formatter_class"] = _VietnameseFormatter
        super().__init__(**settings)
        self._language: Language = language
        if language == "vi":
            self._positionals.title = _POSITIONALS
            self._optionals.title = _OPTIONS
            for action in self._actions:
                action.help = _HELP

    def add_language(self, words: str) -> None:
        """Add ``--lang``, whose value ``wanted_language`` has found already; ``words`` are help.

        A program and each of its commands have it, so that it may stand before or after the
        command.
        """
        self.add_argument("--lang", choices=("vi", "en"), help=words)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:  # noqa: ANN401  # argparse's own
        """Parse; what nobody knows is a mistake of the command that was given it."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def add_version(self, version: str) -> None:
        """Add ``--version``, which prints the program's name and ``version``."""
        shown = f"{self.prog} {version}"
        words = _VERSION.in_language(self._language)
        self.add_argument("--version", action="version", version=shown, help=words)

    def error(self, message: str) -> Never:
        """Raise CommandLineError with the mistake and where help is."""
        mistake, command = usage_text(message), f"{self.prog} --help"
        if found := re.fullmatch(_UNKNOWN_OPTION, message, re.DOTALL):
            mistake = self._with_near(mistake, found["name"])
        raise CommandLineError(Text(f"{mistake.vi} Xem: {command}", f"{mistake.en} See: {command}"))

    def _with_near(self, mistake: Text, name: str) -> Text:
        near = ", ".join(difflib.get_close_matches(name, self._option_string_actions, cutoff=_NEAR))
        if not near:
            return mistake
        return Text(
            f"{mistake.vi} Có phải ý bạn là: {near}?", f"{mistake.en} Did you mean: {near}?"
        )


class _VietnameseFormatter(argparse.HelpFormatter):
    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:  # noqa: ANN401  # argparse's own
        super().add_usage(usage, actions, groups, _USAGE if prefix is None else prefix)
