"""YAML text into checked values, with every mistake named by file and line (SPEC 7)."""

import difflib
from collections.abc import Iterator
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from diemcau_contract.errors import DocumentError, Problem

Model = TypeVar("Model", bound=BaseModel)
_Place = tuple[int | str, ...]


def parse_document(text: str, model: type[Model], file: str) -> Model:
    """Read YAML ``text`` into ``model``.

    ``file`` is only named in problems; nothing is opened.

    Raises:
        DocumentError: with every problem, sorted by line.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DocumentError([_syntax_problem(error, file)]) from error
    lines = dict(_lines(root, ())) if root is not None else {}
    problems = [*_duplicate_keys(root, file)]
    try:
        value = model.model_validate(content if content is not None else {})
    except ValidationError as error:
        problems += [
            _problem(detail, lines, file, model)
            for detail in error.errors(include_url=False, include_input=True)
        ]
    if problems:
        raise DocumentError(sorted(problems, key=lambda problem: problem.line))
    return value


def line_of(text: str, place: _Place) -> int:
    """Return the line (from 1) at which the value at ``place`` stands, 0 when it is not there."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return dict(_lines(root, ())).get(place, 0) if root is not None else 0


def _lines(node: yaml.Node, place: _Place) -> Iterator[tuple[_Place, int]]:
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


def _syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return Problem(file, mark.line + 1 if mark else 0, "", f"not valid YAML: {what}")


def _problem(
    detail: ErrorDetails, lines: dict[_Place, int], file: str, model: type[BaseModel]
) -> Problem:
    place = tuple(part for part in detail["loc"] if part in _known_parts(lines))
    while place and place not in lines:
        place = place[:-1]
    where = _dotted(detail["loc"])
    return Problem(file, lines.get(place, 0), where, _sentence(detail, model))


def _known_parts(lines: dict[_Place, int]) -> set[int | str]:
    return {part for place in lines for part in place}


def _dotted(place: _Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(detail["loc"][-1]), sorted(_field_names(model)), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown key{hint}"
    if kind == "missing":
        return "missing; this key is required"
    message = detail["msg"].removeprefix("Value error, ")
    shown = _shown(detail["input"])
    return f"{message[:1].lower()}{message[1:]}{shown}"


def _shown(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return ""
    return f" (got {value!r})"


def _field_names(model: type[BaseModel]) -> set[str]:
    schema: dict[str, Any] = model.model_json_schema()
    names = set(schema.get("properties", {}))
    for definition in schema.get("$defs", {}).values():
        names |= set(definition.get("properties", {}))
    return names
