"""``--help`` in the user's language: typer's own words, and helps marked where they are written."""

import re
from functools import partial
from typing import Any, Final

from typer import TyperException
from typer.core import TyperCommand, TyperGroup

from diemcau_server.speech.language import Speech, mark

_HEADINGS: Final = (
    mark("Usage:"),
    mark("Arguments:"),
    mark("Options:"),
    mark("Commands:"),
    mark("Show this message and exit."),
)
_OPTIONS: Final = mark("[OPTIONS]")
_COMMAND: Final = mark("COMMAND [ARGS]...")
_TYPE: Final = re.compile(r" <[^<>]*>$")
"""What typer adds to an argument's name."""


class SpokenCommand(TyperCommand):
    """A command whose help is said in the language of the context's screen."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # as below
        """Parse; a mistake of every kind knows the command it was made in."""
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            if getattr(error, "ctx", ctx) is None:
                vars(error)["ctx"] = ctx
            raise

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401  # typer's context class is private
        """Return the help text."""
        say: Speech = ctx.obj.say
        _translate(self, say)
        return _with_headings(super().get_help(ctx), say)


class SpokenGroup(TyperGroup):
    """The command that holds the others, with its help as of :class:`SpokenCommand`."""

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401  # typer's context class is private
        """Return the help text."""
        say: Speech = ctx.obj.say
        _translate(self, say)
        self.subcommand_metavar = say(_COMMAND)
        for command in self.commands.values():
            _translate(command, say)
        return _with_headings(super().get_help(ctx), say)


def _with_headings(text: str, say: Speech) -> str:
    for heading in _HEADINGS:
        text = text.replace(heading, say(heading))
    return text


def _translate(command: Any, say: Speech) -> None:  # noqa: ANN401  # typer's classes are private
    command.options_metavar = say(_OPTIONS)
    if command.help:
        command.help = say(command.help)
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = say(parameter.help)
        if parameter.metavar:
            parameter.metavar = say(parameter.metavar)
        parameter.get_help_record = partial(_record, parameter, say)


def _record(parameter: Any, say: Speech, ctx: Any) -> tuple[str, str] | None:  # noqa: ANN401  # as above
    """Return a parameter's two columns with what typer itself puts into them."""
    record = type(parameter).get_help_record(parameter, ctx)
    if record is None:
        return None
    name, words = record
    if parameter.param_type_name == "argument":
        name = _TYPE.sub("", name)
    body, bracket, facts = words.rpartition("  [")
    facts = facts.replace("required", say("required")).replace("default:", say("default:"))
    facts = re.sub(r"(\d+)<=x<=(\d+)", _range_words(say), facts) if bracket else facts
    return name, f"{body}{bracket}{facts}"


def _range_words(say: Speech) -> str:
    return say("{low} to {high}", low=r"\1", high=r"\2")
