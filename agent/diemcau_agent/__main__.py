"""The command ``diemcau-agent``."""

import argparse
import logging
import os
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from diemcau_agent import __version__
from diemcau_agent.errors import AgentError, ExitCode, UsageError
from diemcau_contract.causes import Language, Text
from diemcau_contract.commandline import SpokenParser, wanted_language
from diemcau_contract.errors import CommandLineError

CONFIG_VARIABLE: Final = "DIEMCAU_AGENT_CONFIG"

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
    "verbose": Text("ghi nhật ký chi tiết", "log details"),
    "probe": Text("MỤC", "PROBE"),
    "probes": Text(
        "line, camera, microphone, host (bỏ trống: tất cả)",
        "line, camera, microphone, host (none: all)",
    ),
    "explain": Text("in nhật ký của từng phép kiểm tra", "print the log of each probe"),
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
    try:
        parsed = _parse(given, language)
        _set_up(language, verbose=parsed.verbose)
        sys.exit(_run(parsed, asked))
    except AgentError as error:
        print(f"{_say('error', language)}: {error.text.in_language(language)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


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


def _run(parsed: argparse.Namespace, asked: Language | None) -> ExitCode:
    from diemcau_agent.config import load_config  # noqa: PLC0415  # only where its libraries are

    config = load_config(parsed.config or default_config(os.environ))
    language: Language = asked or config.language
    match parsed.command:
        case "run" if parsed.check_only:
            print(_say("valid", language))
        case "run":
            from diemcau_agent.app import run_agent  # noqa: PLC0415  # MQTT only where it is used

            run_agent(config)
        case "status":
            from diemcau_agent.status import show_status  # noqa: PLC0415  # as above

            return show_status(config, language, as_json=parsed.json)
        case _:
            from diemcau_agent.check import Look, show_check  # noqa: PLC0415  # as above

            look = Look(language, as_json=parsed.json, explain=parsed.explain)
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
    status = add_command("status")
    status.add_argument("--json", action="store_true", help=say("json"))
    check = add_command("check")
    check.add_argument("probes", nargs="*", metavar=say("probe"), help=say("probes"))
    check.add_argument("--json", action="store_true", help=say("json"))
    check.add_argument("--explain", action="store_true", help=say("explain"))
    return parser


def _say(key: str, language: Language) -> str:
    return _HELP[key].in_language(language)


def _speak_utf8() -> None:
    """Write Vietnamese also where the system's own encoding cannot (Windows pipes)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _set_up(language: Language, *, verbose: bool) -> None:
    """Log to standard error; a fault of ours is one sentence, its traceback only with --verbose."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )

    def show(
        kind: type[BaseException], error: BaseException, trace: types.TracebackType | None
    ) -> None:
        logging.getLogger(__name__).debug("fault", exc_info=(kind, error, trace))
        what = f"{kind.__name__}: {error}"
        print(_say("fault", language).format(what=what), file=sys.stderr)

    sys.excepthook = show


if __name__ == "__main__":
    from diemcau_agent.entry import agent

    agent()
