"""The command ``diemcau-agent``."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from diemcau_agent import __version__
from diemcau_agent.errors import AgentError, ExitCode, UsageError
from diemcau_agent.probes.table import probe_names
from diemcau_contract.causes import Language, Text
from diemcau_contract.commandline import SpokenParser, wanted_language
from diemcau_contract.errors import CommandLineError
from diemcau_contract.logs import LOG_FORM, LOG_FORMS, start_log
from diemcau_contract.mistakes import unreadable_text

if TYPE_CHECKING:
    from diemcau_agent.config import AgentConfig

LOG_BYTES: Final = 5_000_000
"""Ours: weeks of a room's events, and no more of its disk than twice this."""
CONFIG_VARIABLE: Final = "DIEMCAU_AGENT_CONFIG"
_log = logging.getLogger(__name__)

_HELP: Final[Mapping[str, Text]] = {
    "description": Text(
        "Chương trình của điểm cầu: theo dõi đường truyền và thiết bị, báo về huyện.",
        "What runs in a room: watches line and devices, reports to the hub.",
    ),
    "run": Text("chạy thường trực", "run as the resident agent"),
    "status": Text(
        "phòng đã sẵn sàng chưa, cần làm gì trước",
        "is this room ready, and what to do first",
    ),
    "check": Text("kiểm tra ngay (mở camera, micro)", "check now (opens camera and microphone)"),
    "accept": Text(
        "kiểm tra rồi ghi nhận phòng như hiện tại là đúng; lần sau khác đi sẽ được báo",
        "check, then keep the room as it is now as right; what differs later is told",
    ),
    "yes": Text("không hỏi trước khi loa phát tiếng", "do not ask before the speaker plays"),
    "doctor": Text(
        "máy này còn thiếu gì để chạy, và lệnh để sửa",
        "what this PC lacks to run it, and the command that mends it",
    ),
    "log": Text(
        "thiết bị đã được mở lúc nào, bao lâu, ai yêu cầu",
        "which device was opened when, for how long, and who asked",
    ),
    "opening": Text(
        "cho phép hoặc cấm mở camera, micro, loa; huyện không thể bật lại",
        "allow or forbid that camera, microphone and speaker are opened; the hub cannot override",
    ),
    "switch": Text("on: cho phép, off: cấm (bỏ trống: xem)", "on, off (none: show it)"),
    "config": Text(
        "tệp cấu hình (mặc định: $DIEMCAU_AGENT_CONFIG, rồi ./agent.yaml)",
        "the agent's file (default: $DIEMCAU_AGENT_CONFIG, then ./agent.yaml)",
    ),
    "check_only": Text("chỉ kiểm tra tệp cấu hình", "only check the agent's file"),
    "json": Text("in ra JSON", "print JSON"),
    "lang": Text(
        "ngôn ngữ: vi hoặc en (mặc định: theo LANG, rồi theo tệp cấu hình)",
        "language: vi or en (default: as LANG says, then as the agent's file does)",
    ),
    "log_file": Text(
        "ghi nhật ký vào tệp này (tối đa 5 MB và một tệp cũ), không ra màn hình",
        "log to this file (at most 5 MB and one older file) instead of standard error",
    ),
    "verbose": Text("ghi nhật ký chi tiết", "log details"),
    "probe": Text("MỤC", "PROBE"),
    "probes": Text("{names} (bỏ trống: tất cả)", "{names} (none: all)"),
    "explain": Text(
        "in số đo và nhật ký của từng phép kiểm tra", "print the numbers and the log of each probe"
    ),
    "valid": Text("cấu hình hợp lệ", "the configuration is valid"),
    "error": Text("lỗi", "error"),
    "fault": Text(
        "lỗi của chương trình: {what}. Chạy lại với --verbose và gửi nhật ký cho kỹ thuật.",
        "fault of the program: {what}. Run it again with --verbose and send the log.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and leave with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = wanted_language(given, os.environ)
    language: Language = asked or "vi"
    _speak_utf8()
    _find_session(os.environ)
    end = _End(language)
    try:
        parsed = _parse(given, language)
        end = _start_log(parsed, language)
        sys.exit(_run(parsed, asked))
    except AgentError as error:
        end.tell(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # a fault of ours: a sentence, and its trace logged
        end.tell_fault(error)
        sys.exit(ExitCode.NOT_OK)


@dataclass(frozen=True, slots=True)
class _End:
    """How it is told why a command ends before its time: in a sentence, as an event, or both."""

    language: Language
    sentence: bool = True
    event: bool = False

    def tell(self, error: AgentError) -> None:
        """Tell what a user can mend."""
        if self.event:
            on_one_line = error.text.en.replace(":\n  ", ": ").replace("\n  ", "; ")
            _log.error("the agent cannot run: %s", on_one_line)
        self._say(f"{_say('error', self.language)}: {error.text.in_language(self.language)}")

    def tell_fault(self, error: Exception) -> None:
        """Tell a fault of ours; who only gets the sentence sees its trace by --verbose."""
        what = f"{type(error).__name__}: {error}"
        level = logging.ERROR if self.event else logging.DEBUG
        _log.log(level, "fault of the program: %s", what, exc_info=error)
        self._say(_say("fault", self.language).format(what=what))

    def _say(self, text: str) -> None:
        if self.sentence and sys.stderr:  # pythonw.exe gives none
            print(text, file=sys.stderr)


def _find_session(environment: MutableMapping[str, str]) -> None:
    """Name the user's session where nobody has: a unit of the system, sudo, ssh into a room.

    Sound server and settings stand where pam_systemd(8) would have said.
    """
    if sys.platform == "linux":
        environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")


def default_config(environment: Mapping[str, str]) -> Path:
    """Return the agent's file where none is named: $DIEMCAU_AGENT_CONFIG, then ./agent.yaml.

    Raises:
        UsageError: there is neither.
    """
    named = environment.get(CONFIG_VARIABLE)
    path = Path(named) if named else Path("agent.yaml")
    if not named and not path.exists():
        raise UsageError(
            Text(
                f"không có tệp ./agent.yaml: chỉ rõ bằng --config hoặc biến {CONFIG_VARIABLE}",
                f"there is no ./agent.yaml: name the file by --config or {CONFIG_VARIABLE}",
            )
        )
    return path


def _asked_file(named: Path | None) -> Path | None:
    """Return the agent's file that is meant, also where it cannot be used; None: none is."""
    try:
        return (named or default_config(os.environ)).absolute()
    except UsageError:
        return None


def _run(parsed: argparse.Namespace, asked: Language | None) -> ExitCode:
    from diemcau_agent.config import load_config  # noqa: PLC0415  # only where its libraries are

    def load() -> "AgentConfig":
        return load_config(parsed.config or default_config(os.environ))

    if parsed.command == "doctor":
        from diemcau_agent.doctor import show_doctor  # noqa: PLC0415  # as below

        # Also without a file that can be used: that is the first thing it looks at.
        return show_doctor(load, _asked_file(parsed.config), asked, as_json=parsed.json)
    config = load()
    return _run_with(config, parsed, asked or config.language)


def _run_with(config: "AgentConfig", parsed: argparse.Namespace, language: Language) -> ExitCode:
    match parsed.command:
        case "run" if parsed.check_only:
            from diemcau_agent.statedirectory import check_state_directory  # noqa: PLC0415  # as above

            check_state_directory(config)
            print(_say("valid", language))
        case "run":
            from diemcau_agent.app import run_agent  # noqa: PLC0415  # MQTT only where it is used
            from diemcau_agent.statedirectory import held_state_directory  # noqa: PLC0415  # as above

            with held_state_directory(config):
                run_agent(config)
        case "status":
            from diemcau_agent.status import show_status  # noqa: PLC0415  # as above

            return show_status(config, language, as_json=parsed.json)
        case "log":
            from diemcau_agent.openinglog import show_log  # noqa: PLC0415  # as above

            show_log(config, language, as_json=parsed.json)
        case "opening":
            from diemcau_agent.openinglog import show_switch  # noqa: PLC0415  # as above

            show_switch(config, language, parsed.switch)
        case _:
            from diemcau_agent.check import Look, show_check  # noqa: PLC0415  # as above

            look = Look(
                language, as_json=parsed.json, explain=parsed.explain,
                accept=parsed.command == "accept", ask=not parsed.yes and sys.stdin.isatty(),
            )  # fmt: skip
            return show_check(config, parsed.probes, look)
    return ExitCode.OK


def _parse(given: Sequence[str], language: Language) -> argparse.Namespace:
    try:
        return _parser(language).parse_args(given)
    except CommandLineError as error:
        raise UsageError(error.text) from error


def _parser(language: Language) -> SpokenParser:
    def say(key: str) -> str:
        return _say(key, language)

    parser = SpokenParser(language=language, prog="diemcau-agent", description=say("description"))
    parser.add_version(__version__)
    parser.add_language(say("lang"))
    commands = parser.add_subparsers(dest="command", required=True)

    def add_command(name: str) -> SpokenParser:
        command = commands.add_parser(name, help=say(name), language=language)
        command.add_argument("--config", type=Path, metavar="F", help=say("config"))
        command.add_language(say("lang"))
        command.add_argument("--verbose", action="store_true", help=say("verbose"))
        return command

    run = add_command("run")
    run.add_argument("--check-only", action="store_true", help=say("check_only"))
    run.add_argument(
        "--log",
        choices=LOG_FORMS,
        default="auto",
        metavar="FORM",
        help=LOG_FORM.in_language(language),
    )
    run.add_argument("--log-file", type=Path, metavar="F", help=say("log_file"))
    status = add_command("status")
    status.add_argument("--json", action="store_true", help=say("json"))
    names = ", ".join(probe_names())
    for name in ("check", "accept"):
        check = add_command(name)
        asked = say("probes").format(names=names)
        check.add_argument("probes", nargs="*", metavar=say("probe"), help=asked)
        for flag in ("json", "explain", "yes"):
            check.add_argument(f"--{flag}", action="store_true", help=say(flag))
    for name in ("doctor", "log"):
        add_command(name).add_argument("--json", action="store_true", help=say("json"))
    opening = add_command("opening")
    opening.add_argument("switch", nargs="?", choices=("on", "off"), help=say("switch"))
    return parser


def _say(key: str, language: Language) -> str:
    return _HELP[key].in_language(language)


def _speak_utf8() -> None:
    """Write Vietnamese also where the system's own encoding cannot (Windows pipes)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _start_log(parsed: argparse.Namespace, language: Language) -> _End:
    """Log to standard error, or to the file that ``run`` was given; return how an end is told.

    Raises:
        UsageError: that file cannot be written.
    """
    resident = parsed.command == "run"
    file: Path | None = parsed.log_file if resident else None
    handler: logging.StreamHandler[Any] = logging.StreamHandler(sys.stderr or io.StringIO())
    try:
        if file is not None:
            handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    except OSError as error:
        why = unreadable_text(error)
        vi, en = f"không ghi được nhật ký {file}: {why.vi}", f"cannot log to {file}: {why.en}"
        raise UsageError(Text(vi, en)) from error
    form = parsed.log if resident else LOG_FORMS[1]
    watched = start_log(form, handler, os.environ, verbose=parsed.verbose)
    if not resident or parsed.check_only:
        return _End(language)
    # The file is read later: by whoever did not see the sentence, as Windows' task shows none.
    filed = file is not None
    return _End(language, sentence=watched or filed, event=filed or not watched)


if __name__ == "__main__":
    from diemcau_agent.entry import agent

    agent()
