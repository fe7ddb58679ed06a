"""The command ``diemcau``: thin commands that parse, call and print; ``main()`` never traces back.

Exit codes: 0 every tested point is ready, 1 not all are, 2 usage or configuration, 3 the test
could not run, 130 Ctrl-C.
"""

# ruff: noqa: ARG001, FBT001, FBT002, PLR0913, PLR0917  # a typer command is its options

import io
import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, Final, NoReturn, cast

import typer
from rich.console import Console

from diemcau_contract.commandline import wanted_language
from diemcau_contract.needs import anything_missing, need_document, need_lines
from diemcau_server import __version__
from diemcau_server.cli import faults
from diemcau_server.cli.answers import Board
from diemcau_server.cli.board import print_board
from diemcau_server.cli.client import ApiClient, Selection
from diemcau_server.cli.command_help import SpokenCommand, SpokenGroup
from diemcau_server.cli.connection import connection
from diemcau_server.cli.failure import CommandError, ExitCode
from diemcau_server.cli.interruption import InterruptedCommand, run_interruptible
from diemcau_server.cli.piped import Trimmed
from diemcau_server.cli.run import Screen, asker, explain, run_test, show, with_client
from diemcau_server.cli.usage import usage_sentence
from diemcau_server.demo.stage import run_demo
from diemcau_server.speech.language import mark, speech

_NAME: Final = "diemcau"
_PIPE_COLUMNS: Final = 120
"""Width of a table that goes into a file or a pipe, unless COLUMNS says otherwise."""


class _LanguageChoice(StrEnum):
    VI = "vi"
    EN = "en"


LangOption = Annotated[
    _LanguageChoice | None,
    typer.Option("--lang", help=mark("Language: vi or en (default: vi, or as LANG says)")),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", metavar=mark("ADDRESS"), help=mark("Address of the server (or DIEMCAU_SERVER)")
    ),
]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar=mark("FILE"),
        help=mark("File with the server's token (or DIEMCAU_TOKEN)"),
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help=mark("One JSON object on stdout"))]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help=mark("Show every finding, value, limit and probe log"))
]

app = typer.Typer(
    cls=SpokenGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=False,
    help=mark("Is every meeting room ready? Tests all points of a hub at once."),
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"diemcau {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help=mark("Show the version and exit."),
        ),
    ] = False,
    lang: LangOption = None,
) -> None:
    pass


@app.command(
    "test-line",
    cls=SpokenCommand,
    help=mark("Test the line and the devices of all points, or of some."),
)
def run_line_test(
    context: typer.Context,
    points: Annotated[
        list[str] | None,
        typer.Argument(metavar=mark("POINT"), help=mark("Points (default: all)")),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session", metavar=mark("ID"), help=mark("Points and profile of this session")
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", metavar=mark("ID"), help=mark("Bit rates and limits to judge by")
        ),
    ] = None,
    hub: Annotated[
        str | None,
        typer.Option("--hub", metavar=mark("ID"), help=mark("Hub, where the server has several")),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help=mark("Shorter test, without a full verdict"))
    ] = False,
    capacity: Annotated[
        bool,
        typer.Option("--capacity", help=mark("Measure the lines' capacity too")),
    ] = False,
    silent: Annotated[
        bool, typer.Option("--silent", help=mark("Let no speaker play in the rooms"))
    ] = False,
    as_json: JsonOption = False,
    with_reasons: ExplainOption = False,
    server: ServerOption = None,
    token_file: TokenOption = None,
    lang: LangOption = None,
) -> None:
    """Run a test and end with the exit code that its verdicts mean."""
    screen = _screen(context)
    where = connection(server, token_file, os.environ, screen.say)
    if where.token is None:
        raise faults.no_token(screen.say)
    selection = Selection(
        tuple(points or ()), session, profile, quick, capacity, asker(), hub, silent
    )  # fmt: skip

    async def work(client: ApiClient) -> ExitCode:
        result = await run_test(client, selection, screen)
        code = show(result, screen, json=as_json, capacity=capacity)
        if with_reasons:
            await explain(client, result, (), _beside(screen, as_json))
        return code

    _end(run_interruptible(with_client(lambda: ApiClient(where, screen.say), work)))


@app.command(
    "report", cls=SpokenCommand, help=mark("Show a kept test again (exit code as of test-line).")
)
def report(
    context: typer.Context,
    test: Annotated[str, typer.Argument(metavar=mark("TEST"), help=mark("The test's id"))],
    points: Annotated[
        list[str] | None,
        typer.Argument(metavar=mark("POINT"), help=mark("Points to explain (default: all)")),
    ] = None,
    as_json: JsonOption = False,
    with_reasons: ExplainOption = False,
    server: ServerOption = None,
    token_file: TokenOption = None,
    lang: LangOption = None,
) -> None:
    """Print a kept result."""
    screen = _screen(context)
    where = connection(server, token_file, os.environ, screen.say)

    async def work(client: ApiClient) -> ExitCode:
        result = await client.result(test)
        if result is None:
            sentence = screen.say("Test {test} has not ended yet.", test=test)
            raise CommandError(sentence, ExitCode.NOT_RUN)
        code = show(result, screen, json=as_json)
        if with_reasons:
            await explain(client, result, tuple(points or ()), _beside(screen, as_json))
        return code

    _end(run_interruptible(with_client(lambda: ApiClient(where, screen.say), work)))


@app.command(
    "status", cls=SpokenCommand, help=mark("Show the state of every point by its last report.")
)
def status(
    context: typer.Context,
    as_json: JsonOption = False,
    server: ServerOption = None,
    token_file: TokenOption = None,
    lang: LangOption = None,
) -> None:
    """Print the board."""
    screen = _screen(context)
    where = connection(server, token_file, os.environ, screen.say)

    async def work(client: ApiClient) -> Any:  # noqa: ANN401  # JSON as it came
        return await client.board()

    board = run_interruptible(with_client(lambda: ApiClient(where, screen.say), work))
    if as_json:
        screen.out.file.write(f"{json.dumps(board, ensure_ascii=False, indent=2)}\n")
    else:
        print_board(Board.model_validate(board), screen.out, screen.say)


@app.command(
    "demo",
    cls=SpokenCommand,
    help=mark("Build a district of stand-ins on this machine and test it."),
)
def demo(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help=mark("End after the test: 0 if all faults were found"))
    ] = False,
    points: Annotated[
        int,
        typer.Option("--points", metavar="N", min=1, max=200, help=mark("How many points")),
    ] = 16,
    lang: LangOption = None,
) -> None:
    """Run the demo."""
    _end(run_interruptible(run_demo(_screen(context), points=points, once=once)))


@app.command(
    "doctor", cls=SpokenCommand, help=mark("Look at what this machine lacks to be the server.")
)
def doctor(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", metavar="F", help=mark("The server's file"))
    ] = Path("server.yaml"),
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Print PASS or FAIL for each need; 1 where one fails."""
    from diemcau_server.doctor import server_needs  # noqa: PLC0415  # MQTT only where it is used

    screen = _screen(context)
    needs = list(server_needs(config))
    if as_json:
        content = need_document("diemcau.server_doctor/1", needs)
        screen.out.file.write(f"{json.dumps(content, ensure_ascii=False, indent=2)}\n")
    else:
        for line in need_lines(needs, screen.say.language):
            screen.out.print(line, soft_wrap=True)
    _end(ExitCode.NOT_READY if anything_missing(needs) else ExitCode.READY)


@app.command(
    "init",
    cls=SpokenCommand,
    help=mark("Write all files of a district into an empty folder, from a file of names."),
)
def init(
    context: typer.Context,
    names: Annotated[
        Path, typer.Argument(metavar=mark("NAMES"), help=mark("The file of names (YAML)"))
    ],
    folder: Annotated[
        Path,
        typer.Argument(metavar=mark("FOLDER"), help=mark("An empty folder, or one to be made")),
    ],
    lang: LangOption = None,
) -> None:
    """Write the set and print the commands that start it."""
    from diemcau_server.district.command import write_district  # noqa: PLC0415  # as above

    screen = _screen(context)
    for line in write_district(names, folder, screen.say):
        screen.out.print(line, soft_wrap=True)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    _speak_utf8()
    say = speech(wanted_language(arguments, os.environ) or "vi")
    screen = Screen(_console(stderr=False), _console(stderr=True), say)
    command = typer.main.get_command(app)
    try:
        outcome = command.main(
            args=list(arguments), prog_name=_NAME, standalone_mode=False, obj=screen
        )
    except CommandError as error:
        return _fail(screen, error.sentence, error.code)
    except InterruptedCommand as interrupted:
        return interrupted.code
    except typer.TyperException as error:
        place = getattr(getattr(error, "ctx", None), "command_path", _NAME)
        hint = say("See: {command}", command=f"{place} --help")
        return _fail(screen, f"{usage_sentence(error, say)} {hint}", ExitCode.USAGE)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    return outcome if isinstance(outcome, int) else ExitCode.READY


def main() -> NoReturn:
    """Entry point of ``diemcau``."""
    sys.exit(run(sys.argv[1:]))


def _screen(context: typer.Context) -> Screen:
    screen = context.obj
    if not isinstance(screen, Screen):
        raise TypeError("commands are called through run()")
    return screen


def _beside(screen: Screen, as_json: bool) -> Screen:
    """Keep standard output to the one JSON object."""
    return Screen(screen.err, screen.err, screen.say) if as_json else screen


def _end(code: ExitCode) -> NoReturn:
    raise typer.Exit(int(code))


def _fail(screen: Screen, sentence: str, code: ExitCode) -> ExitCode:
    screen.err.print(f"diemcau: {sentence}", soft_wrap=True)
    return code


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.file = cast("IO[str]", Trimmed(console.file))
        if "COLUMNS" not in os.environ:
            console.width = _PIPE_COLUMNS
    return console


def _speak_utf8() -> None:
    """Write Vietnamese also where the system's own encoding cannot (Windows pipes)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(encoding="utf-8", errors="replace")
