"""YAML text read once: its plain values, the line of each, and keys that stand twice (SPEC 7).

The values are those of JSON. A date stays text, so that a wrong one is a mistake of its key.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

Place = tuple[int | str, ...]
"""Keys and indexes from the root of a document to a value."""

DEPTH_MAX: Final = 50
"""Ours has 6 levels; the library and all that walks a document go down by recursion."""
VALUES_MAX: Final = 500_000
"""With those that an alias repeats: a thousand points in a hundred sessions are 100 000."""
_INTEGER_MAX: Final = 2**63 - 1
_TAG: Final = "tag:yaml.org,2002:"
_FLOAT: Final = f"{_TAG}float"
_NO_JSON: Final = ("binary", "omap", "pairs", "set", "timestamp")
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
"""No file name may hold the first, nothing can be written with the others."""
_EXPONENT: Final = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+")
"""A number such as 1e9, which YAML 1.1 takes for text and YAML 1.2 does not."""


@dataclass(frozen=True, slots=True)
class DoubledKey:
    """A key that stands twice in one mapping; lines count from 1."""

    key: str
    line: int
    first_line: int


@dataclass(frozen=True, slots=True)
class YamlText:
    """What a text holds; ``content`` is None where it holds nothing."""

    content: Any
    lines: Mapping[Place, int]
    doubled: Sequence[DoubledKey]


def read_yaml(text: str) -> YamlText:
    """Read the one document of ``text``.

    Raises:
        yaml.YAMLError: it is no YAML, holds a value that JSON has not, or has no end.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return YamlText(None, {}, ())
        # Before the values are made: that changes the nodes of mappings with "<<".
        lines, doubled = dict(_lines(node, ())), tuple(_doubled(node))
        return YamlText(loader.construct_document(node), lines, doubled)
    finally:
        loader.dispose()


def write_yaml(value: object) -> str:
    """Return ``value`` as text that ``read_yaml`` reads as the same."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False)


class _Loader(yaml.SafeLoader):
    """Refuses what cannot be walked, before anybody walks it."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the library's
        first: [(tag, pattern) for tag, pattern in known if tag != f"{_TAG}timestamp"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._sizes: dict[yaml.Node, tuple[int, int]] = {}
        """Of each node that is whole: how many values it holds, and how deep."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # its stubs'
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _too_deep(mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and node not in self._sizes:
            self._sizes[node] = self._size(node, mark)
        return node

    def _size(self, node: yaml.Node, mark: yaml.Mark) -> tuple[int, int]:
        """Return values and depth below ``node``; one that is not whole yet is an alias."""
        if node.end_mark is None:
            raise ComposerError(None, None, "a value contains itself", mark)
        inner = [self._sizes[child] for child in _children(node)]
        values = 1 + sum(size[0] for size in inner)
        depth = 1 + max((size[1] for size in inner), default=0)
        if values > VALUES_MAX:
            problem = f"there are more than {VALUES_MAX} values"
            raise ComposerError(None, None, problem, mark)
        if depth > DEPTH_MAX:
            raise _too_deep(mark)
        return values, depth

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002  # the library's
        """Return the value of ``node``; what the library trips over is a mistake with its place."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError) as error:
            raise _wrong("the value cannot be read", node) from error
        if isinstance(value, int) and abs(value) > _INTEGER_MAX:
            raise _wrong("the number is too large", node)
        if isinstance(value, str) and _NO_TEXT.search(value):
            raise _wrong("a character is not valid", node)
        return value


class _Dumper(yaml.SafeDumper):
    """Quotes what ``_Loader`` would not take for text."""


def _refuse(loader: _Loader, node: yaml.Node) -> None:
    loader.construct_undefined(node)


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+0123456789"))
for _name in _NO_JSON:
    _Loader.add_constructor(f"{_TAG}{_name}", _refuse)


def _wrong(what: str, node: yaml.Node) -> ConstructorError:
    return ConstructorError(None, None, what, node.start_mark)


def _too_deep(mark: yaml.Mark) -> ComposerError:
    problem = f"values are nested more than {DEPTH_MAX} levels deep"
    return ComposerError(None, None, problem, mark)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


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


def _doubled(node: yaml.Node) -> Iterator[DoubledKey]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                yield DoubledKey(name, line, seen[name])
            seen[name] = line
            yield from _doubled(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _doubled(value)
