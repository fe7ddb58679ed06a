"""YAML text into checked values, with every mistake named by file and line (SPEC 7)."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from diemcau_contract.errors import DocumentError, Problem
from diemcau_contract.words import ID_PATTERN

_CREDENTIALS = re.compile(r"//[^/@\s]*@")
"""User and password within an address: a log must not learn them from a mistake."""

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
                what = f"key given twice (first on line {seen[key.value]}); keep one"
                yield Problem(file, line, str(key.value), what)
            seen[key.value] = line
            yield from _duplicate_keys(value, file)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _duplicate_keys(value, file)


def _syntax_problem(error: Exception, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return Problem(file, mark.line + 1 if mark else 0, "", f"not valid YAML: {what}")


def _problem(
    detail: ErrorDetails, lines: dict[Place, int], file: str, model: type[BaseModel]
) -> Problem:
    place = tuple(part for part in detail["loc"] if part in _known_parts(lines))
    while place and place not in lines:
        place = place[:-1]
    where = _dotted(detail["loc"])
    return Problem(file, lines.get(place, 0), where, _sentence(detail, model))


def _follows(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Tell whether a list is too short only because its entries are wrong."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
    )


def _known_parts(lines: dict[Place, int]) -> set[int | str]:
    return {part for place in lines for part in place}


def _dotted(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(detail["loc"][-1]), sorted(_field_names(model)), n=1)
        if near:
            return f"unknown key; did you mean {near[0]!r}?"
        allowed = ", ".join(sorted(_keys_at(model, detail["loc"][:-1])))
        return f"unknown key; allowed: {allowed}" if allowed else "unknown key"
    if kind == "missing":
        return "missing; this key is required"
    context = detail.get("ctx", {})
    if kind == "string_pattern_mismatch" and context.get("pattern") == ID_PATTERN:
        sentence = "not an id; use a-z, 0-9 and '-', at most 63 characters"
    elif kind in _SENTENCES:
        sentence = _SENTENCES[kind].format(**{key: _whole(value) for key, value in context.items()})
    else:
        message = detail["msg"].removeprefix("Value error, ")
        sentence = message[:1].lower() + message[1:]
    return f"{sentence}{_shown(detail['input'])}"


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


_DATE = "must be a date and time such as 2026-03-14T07:30:00"
_SENTENCES: Mapping[str, str] = {
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "dataclass_type": "must be a mapping of keys",
    "datetime_type": _DATE,
    "datetime_parsing": _DATE,
    "datetime_from_date_parsing": _DATE,
    "datetime_object_invalid": _DATE,
}
"""What is allowed, by kind of mistake, in the words of whoever writes the file."""


def _shown(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return ""
    return f" (got {_CREDENTIALS.sub('//***@', repr(value))})"


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
