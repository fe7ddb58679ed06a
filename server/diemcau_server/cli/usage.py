"""Mistakes on the command line in the user's language; typer says them in English only."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Final

from typer import TyperException

from diemcau_server.speech.language import Speech

_NEAR: Final = 0.7
"""How alike names must be (0 to 1) to be offered: two dashes alone make short ones rather alike."""
_QUOTED: Final = re.compile(r"(?:[`'\"]|\s\()([^`'\")]+)[`'\")]")


def usage_sentence(error: TyperException, say: Speech) -> str:
    """Say what is wrong on the command line; of an unknown kind of mistake, typer's own words.

    The classes of typer's usage errors are private, so they are told apart by name.
    """
    message = error.format_message()
    kind = type(error).__name__
    if kind == "NoSuchOption":
        name = getattr(error, "option_name", "?")
        near = _nearest(name, getattr(error, "possibilities", None) or ())
        return _with_names(say("There is no option {name}.", name=name), near, say)
    if kind == "MissingParameter":
        return say("{name} is missing.", name=_parameter(error, say))
    if kind == "BadOptionUsage":
        return say("Option {name} needs a value.", name=getattr(error, "option_name", "?"))
    if kind == "BadParameter":
        allowed = _allowed(error) or message
        return say(
            "{name}: wrong value; allowed: {allowed}.", name=_parameter(error, say), allowed=allowed
        )
    return _by_message(error, message, say)


def _by_message(error: TyperException, message: str, say: Speech) -> str:
    found = _QUOTED.search(message)
    name = found.group(1) if found else "?"
    if message.startswith("No such command"):
        return _no_command(error, name, say)
    if message.startswith("Got unexpected extra argument"):
        return say("Too many arguments: {names}.", names=name)
    if message.startswith("Missing command"):
        return say("A command is missing.")
    return message


def _no_command(error: TyperException, name: str, say: Speech) -> str:
    context: Any = getattr(error, "ctx", None)
    commands = context.command.list_commands(context)
    sentence = say("There is no command {name}.", name=name)
    if near := _nearest(name, commands):
        return _with_names(sentence, near, say)
    return f"{sentence} {say('There are: {names}.', names=', '.join(commands))}"


def _nearest(name: str, known: Sequence[str]) -> Sequence[str]:
    return difflib.get_close_matches(name, known, cutoff=_NEAR)


def _with_names(sentence: str, names: Sequence[str], say: Speech) -> str:
    if not names:
        return sentence
    question = say("Did you mean: {names}?", names=", ".join(names))
    return f"{sentence} {question}"


def _parameter(error: TyperException, say: Speech) -> str:
    parameter = getattr(error, "param", None)
    if parameter is None:
        return "?"
    options = [name for name in parameter.opts if name.startswith("--")]
    return str(options[0] if options else say(parameter.metavar or parameter.name))


def _allowed(error: TyperException) -> str:
    parameter = getattr(error, "param", None)
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        return f"{low}..{high}"
    _, found, choices = error.format_message().partition("is not one of ")
    return choices.rstrip(".") if found else ""
