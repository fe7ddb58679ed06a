"""Mistakes on the command line in the user's language; typer says them in English only."""

import re
from collections.abc import Sequence
from typing import Final

from typer import TyperException

from diemcau_server.cli.language import Speech

_QUOTED: Final = re.compile(r"(?:[`'\"]|\s\()([^`'\")]+)[`'\")]")


def usage_sentence(error: TyperException, say: Speech) -> str:
    """Say what is wrong on the command line; of an unknown kind of mistake, typer's own words.

    The classes of typer's usage errors are private, so they are told apart by name.
    """
    message = error.format_message()
    kind = type(error).__name__
    if kind == "NoSuchOption":
        sentence = say("There is no option {name}.", name=getattr(error, "option_name", "?"))
        return _with_names(sentence, getattr(error, "possibilities", None), say)
    if kind == "MissingParameter":
        return say("{name} is missing.", name=_parameter(error))
    if kind == "BadOptionUsage":
        return say("Option {name} needs a value.", name=getattr(error, "option_name", "?"))
    if kind == "BadParameter":
        allowed = _allowed(error) or message
        return say(
            "{name}: wrong value; allowed: {allowed}.", name=_parameter(error), allowed=allowed
        )
    return _by_message(message, say)


def _by_message(message: str, say: Speech) -> str:
    found = _QUOTED.search(message)
    name = found.group(1) if found else "?"
    if message.startswith("No such command"):
        return say("There is no command {name}.", name=name)
    if message.startswith("Got unexpected extra argument"):
        return say("Too many arguments: {names}.", names=name)
    if message.startswith("Missing command"):
        return say("A command is missing.")
    return message


def _with_names(sentence: str, names: Sequence[str] | None, say: Speech) -> str:
    if not names:
        return sentence
    question = say("Did you mean: {names}?", names=", ".join(sorted(names)))
    return f"{sentence} {question}"


def _parameter(error: TyperException) -> str:
    parameter = getattr(error, "param", None)
    if parameter is None:
        return "?"
    options = [name for name in parameter.opts if name.startswith("--")]
    return str(options[0] if options else parameter.metavar or parameter.name)


def _allowed(error: TyperException) -> str:
    parameter = getattr(error, "param", None)
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        return f"{low}..{high}"
    _, found, choices = error.format_message().partition("is not one of ")
    return choices.rstrip(".") if found else ""
