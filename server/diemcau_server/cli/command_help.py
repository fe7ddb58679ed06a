"""``--help`` in the user's language: typer's headings, and helps marked where they are written."""

from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

from diemcau_server.cli.language import Speech, mark

_HEADINGS: Final = (
    mark("Usage:"),
    mark("Arguments:"),
    mark("Options:"),
    mark("Commands:"),
    mark("Show this message and exit."),
)


class SpokenCommand(TyperCommand):
    """A command whose help is said in the language of the context's screen."""

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
        for command in self.commands.values():
            _translate(command, say)
        return _with_headings(super().get_help(ctx), say)


def _with_headings(text: str, say: Speech) -> str:
    for heading in _HEADINGS:
        text = text.replace(heading, say(heading))
    return text


def _translate(command: Any, say: Speech) -> None:  # noqa: ANN401  # typer's classes are private
    if command.help:
        command.help = say(command.help)
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = say(parameter.help)
