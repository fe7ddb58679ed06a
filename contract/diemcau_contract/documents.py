"""YAML text into checked values, with every mistake named by file and line (SPEC 7)."""

import difflib
from collections.abc import Iterator
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from diemcau_contract.causes import Text
from diemcau_contract.errors import DocumentError, Problem
from diemcau_contract.mistakes import (
    doubled_key_text,
    mistake_text,
    syntax_text,
    unknown_key_text,
    unreadable_text,
)

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]
"""Keys and indexes from the root of a document to a value."""


def parse_document(text: str, model: type[Model], file: str) -> Model:
    """Read YAML ``text`` into ``model``.

    ``file`` is only named in problems; nothing is opened.

    Raises:
        DocumentError: with every problem, sorted by line.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentError([_syntax_problem(error, file)]) from error
    lines = dict(_lines(root, ())) if root is not None else {}
    problems = [*_duplicate_keys(root, file)]
    try:
        value = model.model_validate(content if content is not None else {})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=True)
        problems += [
            _problem(detail, lines, file, model)
            for detail in details
            if not _follows(detail, details)
        ]
    if problems:
        raise DocumentError(sorted(problems, key=lambda problem: problem.line))
    return value


def lines_of(text: str) -> dict[Place, int]:
    """Return the line (from 1) of every value in ``text``; empty when it is not YAML."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return {}
    return dict(_lines(root, ())) if root is not None else {}


def line_of(text: str, place: Place) -> int:
    """Return the line (from 1) at which the value at ``place`` stands, 0 when it is not there."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return dict(_lines(root, ())).get(place, 0) if root is not None else 0


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            yield from _lines(value, inner)
            yield inner, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*place, index))


def _duplicate_keys(node: yaml.Node | None, file: str) -> Iterator[Problem]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                yield Problem(file, line, str(key.value), doubled_key_text(seen[key.value]))
            seen[key.value] = line
            yield from _duplicate_keys(value, file)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _duplicate_keys(value, file)


def unreadable_problem(error: OSError | UnicodeDecodeError, file: str) -> Problem:
    """Return the problem of a document whose text cannot be had at all."""
    why = unreadable_text(error)
    return Problem(file, 0, "", Text(f"không đọc được: {why.vi}", f"cannot be read: {why.en}"))


def _syntax_problem(error: Exception, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return Problem(file, mark.line + 1 if mark else 0, "", syntax_text(what))


def _problem(
    detail: ErrorDetails, lines: dict[Place, int], file: str, model: type[BaseModel]
) -> Problem:
    place = tuple(part for part in detail["loc"] if part in _known_parts(lines))
    while place and place not in lines:
        place = place[:-1]
    where = dotted(detail["loc"])
    return Problem(file, lines.get(place, 0), where, _sentence(detail, model))


def _follows(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Tell whether a list is too short only because its entries are wrong."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
    )


def _known_parts(lines: dict[Place, int]) -> set[int | str]:
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
