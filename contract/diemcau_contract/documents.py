"""YAML text into checked values, with every mistake named by file and line (SPEC 7)."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.reader import ReaderError

from diemcau_contract.causes import Text
from diemcau_contract.errors import DocumentError, Problem
from diemcau_contract.mistakes import (
    doubled_key_text,
    mistake_text,
    syntax_text,
    unknown_key_text,
    unreadable_text,
)
from diemcau_contract.yaml_text import Place, read_yaml

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text as it stands: plain values, and the line of each.

    ``problems`` are the keys that stand twice; everything else is found by whoever reads values.
    """

    file: str
    content: Any
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...]

    def problem(self, place: Place, what: Text) -> Problem:
        """Return the mistake ``what`` of the value at ``place``."""
        return Problem(self.file, self.lines.get(place, 0), dotted(place), what)

    def at(self, place: Place) -> object:
        """Return the value at ``place``, or None."""
        value: object = self.content
        for part in place:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value


def read_document(text: str, file: str) -> Document:
    """Read YAML ``text``.

    ``file`` is only named in problems; nothing is opened.

    Raises:
        DocumentError: it is no YAML, or values without end.
    """
    try:
        found = read_yaml(text)
    except yaml.YAMLError as error:
        raise DocumentError([_syntax_problem(error, text, file)]) from error
    problems = tuple(
        Problem(file, twice.line, twice.key, doubled_key_text(twice.first_line))
        for twice in found.doubled
    )
    return Document(file, found.content, found.lines, problems)


def checked(document: Document, model: type[Model]) -> Model:
    """Return the document's values as ``model``; a value of another type is a mistake.

    Raises:
        DocumentError: with every problem, sorted by line.
    """
    problems = [*document.problems]
    content = document.content if document.content is not None else {}
    try:
        # As JSON: there, strict means that nothing is converted but whole numbers to others.
        value = model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=True)
        problems += [
            _problem(detail, document, model) for detail in details if not _follows(detail, details)
        ]
    if problems:
        raise DocumentError(sorted(problems, key=lambda problem: problem.line))
    return value


def value_mistakes(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, Text]]:
    """Return what is wrong with values that are no ``model``, each with its dotted place."""
    details = error.errors(include_url=False, include_input=True)
    return [(dotted(detail["loc"]), _sentence(detail, model)) for detail in details]


def parse_document(text: str, model: type[Model], file: str) -> Model:
    """Read YAML ``text`` into ``model``, as ``read_document`` and ``checked`` do.

    Raises:
        DocumentError: with every problem, sorted by line.
    """
    return checked(read_document(text, file), model)


def unreadable_problem(error: OSError | UnicodeDecodeError, file: str) -> Problem:
    """Return the problem of a document whose text cannot be had at all."""
    why = unreadable_text(error)
    return Problem(file, 0, "", Text(f"không đọc được: {why.vi}", f"cannot be read: {why.en}"))


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(file, line, "", syntax_text("a character is not valid"))
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return Problem(file, mark.line + 1 if mark else 0, "", syntax_text(what))


def _problem(detail: ErrorDetails, document: Document, model: type[BaseModel]) -> Problem:
    lines = document.lines
    place = tuple(part for part in detail["loc"] if part in _known_parts(lines))
    while place and place not in lines:
        place = place[:-1]
    where = dotted(detail["loc"])
    return Problem(document.file, lines.get(place, 0), where, _sentence(detail, model))


def _follows(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Tell whether a list is too short only because its entries are wrong."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
    )


def _known_parts(lines: Mapping[Place, int]) -> set[int | str]:
    return {part for place in lines for part in place}


def dotted(place: Place) -> str:
    """Return a place as users read it: ``devices[0].source.url``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""What pydantic calls it in a model, and in a dataclass within one."""


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> Text:
    if detail["type"] not in _UNKNOWN_KEY:
        return mistake_text(detail)
    near = difflib.get_close_matches(str(detail["loc"][-1]), sorted(_field_names(model)), n=1)
    allowed = sorted(_keys_at(model, detail["loc"][:-1]))
    return unknown_key_text(near, allowed)


def _field_names(model: type[BaseModel]) -> set[str]:
    schema: dict[str, Any] = model.model_json_schema()
    names = set(schema.get("properties", {}))
    for definition in schema.get("$defs", {}).values():
        names |= set(definition.get("properties", {}))
    return names


def _keys_at(model: type[BaseModel], place: tuple[int | str, ...]) -> set[str]:
    """Return the keys that the section at ``place`` may have; none where it cannot be told."""
    schema: dict[str, Any] = model.model_json_schema()
    node = schema
    for part in place:
        inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
        node = _resolved(inner or {}, schema)
    return set(node.get("properties", {}))


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, also the one of an optional or only member."""
    for choice in (*node.get("allOf", ()), *node.get("anyOf", ())):
        if "$ref" in choice or "properties" in choice:
            node = choice
            break
    name = str(node.get("$ref", "")).rpartition("/")[2]
    found: dict[str, Any] = schema.get("$defs", {}).get(name, node)
    return found
