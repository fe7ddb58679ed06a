"""The command ``diemcau-server``."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from diemcau_contract.causes import Language, Text
from diemcau_contract.commandline import SpokenParser, wanted_language
from diemcau_contract.errors import CommandLineError, DocumentError
from diemcau_contract.logs import LOG_FORM, LOG_FORMS, start_log
from diemcau_server import __version__
from diemcau_server.config import ServerConfig, load_config
from diemcau_server.errors import FaultError, ServerError

_NAME = "diemcau-server"
_LOG = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_RUNTIME = 1
EXIT_USAGE = 2

_HELP: Mapping[str, Text] = {
    "about": Text(
        "Máy chủ diemcau tại hội trường: nhận báo cáo của các điểm cầu, đo đường truyền.",
        "The diemcau server at the hub: takes the points' reports, tests their lines.",
    ),
    "run": Text("chạy máy chủ", "run the server"),
    "config": Text("tệp cấu hình (YAML)", "configuration file (YAML)"),
    "check": Text("chỉ kiểm tra tệp cấu hình rồi thoát", "only check the file, then exit"),
    "ready": Text("ghi tệp này khi máy chủ đã sẵn sàng", "write this file when all is listening"),
    "lang": Text(
        "ngôn ngữ: vi hoặc en (mặc định: vi, hoặc theo LANG)",
        "language: vi or en (default: vi, or as LANG says)",
    ),
    "verbose": Text("ghi nhật ký chi tiết", "log details"),
    "valid": Text("cấu hình hợp lệ", "the configuration is valid"),
    "problems": Text("Tệp cấu hình có {count} lỗi:", "Configuration has {count} problems:"),
    "one_problem": Text("Tệp cấu hình có 1 lỗi:", "Configuration has 1 problem:"),
    "cannot": Text("Máy chủ không chạy được: {why}", "The server cannot run: {why}"),
    "fault": Text(
        "Lỗi của chương trình: {why}. Chạy lại với --verbose và gửi nhật ký cho kỹ thuật.",
        "Fault of the program: {why}. Run it again with --verbose and send the log.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 1 cannot run, 2 usage or configuration."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    language: Language = wanted_language(given, os.environ) or "vi"
    try:
        asked = _parser(language).parse_args(given)
    except CommandLineError as error:
        print(f"{_NAME}: {error.text.in_language(language)}", file=sys.stderr)
        return EXIT_USAGE
    watched = asked.check_only or start_log(
        asked.log, logging.StreamHandler(sys.stderr), os.environ, verbose=asked.verbose
    )
    try:
        config = load_config(asked.config)
        if asked.check_only:
            print(f"{asked.config}: {_say('valid', language)}")
        else:
            _run(config, asked.ready_file)
    except KeyboardInterrupt:
        return EXIT_OK
    except DocumentError as error:
        _tell_problems(error, language, watched=watched)
        return EXIT_USAGE
    except Exception as error:  # noqa: BLE001  # whatever ends the server is told in its log
        _tell_end(error, language, watched=watched)
        return EXIT_RUNTIME
    return EXIT_OK


def _run(config: ServerConfig, ready_file: Path | None) -> None:
    from diemcau_server.app import run_server  # noqa: PLC0415  # only where its libraries are

    asyncio.run(run_server(config, ready_file))


def _tell_problems(error: DocumentError, language: Language, *, watched: bool) -> None:
    """Tell what is wrong with the file: a line each, or one event for a log that nobody watches."""
    count = len(error.problems)
    headline = _HELP["one_problem" if count == 1 else "problems"]
    if not watched:
        _LOG.error("%s %s", headline.en.format(count=count), "; ".join(map(str, error.problems)))
        return
    print(headline.in_language(language).format(count=count), file=sys.stderr)
    for problem in error.problems:
        print(f"  {problem.in_language(language)}", file=sys.stderr)


def _tell_end(error: Exception, language: Language, *, watched: bool) -> None:
    """Tell why the server ends, with the trace of a fault; who watches sees that by --verbose."""
    text = error.text if isinstance(error, ServerError) else Text(repr(error), repr(error))
    expected = isinstance(error, ServerError) and not isinstance(error, FaultError)
    trace = None if expected else error
    if not watched:
        _LOG.error("the server cannot run: %s", text.en, exc_info=trace)
        return
    if trace is not None:
        _LOG.debug("the trace of the fault", exc_info=trace)
    sentence = _say("cannot" if expected else "fault", language)
    print(sentence.format(why=text.in_language(language)), file=sys.stderr)


def _parser(language: Language) -> SpokenParser:
    parser = SpokenParser(language=language, prog=_NAME, description=_say("about", language))
    parser.add_version(__version__)
    parser.add_language(_say("lang", language))
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help=_say("run", language), language=language)
    run.add_argument(
        "--config", type=Path, required=True, metavar="F", help=_say("config", language)
    )
    run.add_argument("--check-only", action="store_true", help=_say("check", language))
    run.add_argument("--ready-file", type=Path, metavar="F", help=_say("ready", language))
    run.add_argument(
        "--log",
        choices=LOG_FORMS,
        default="auto",
        metavar="FORM",
        help=LOG_FORM.in_language(language),
    )
    run.add_argument("--verbose", action="store_true", help=_say("verbose", language))
    run.add_language(_say("lang", language))
    return parser


def _say(key: str, language: Language) -> str:
    return _HELP[key].in_language(language)


if __name__ == "__main__":
    from diemcau_server.entry import server

    server()
