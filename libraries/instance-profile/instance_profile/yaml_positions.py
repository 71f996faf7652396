"""YAML whose values keep their origin (file and line), and the merging of two such files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from instance_profile.base import format_path

KeyPath = tuple[str | int, ...]
Origin = tuple[str, int]

# A list is merged entry by entry by the first of these keys that all its entries have; other lists are replaced.
_IDENTIFYING_KEYS = ("code", "id", "name", "field", "section", "operation", "category")
# Far more than a profile needs; an alias that contains itself exceeds them.
_MOST_NESTED = 30
_MOST_VALUES = 500_000


@dataclass(frozen=True, slots=True)
class Located:
    """A value and its origin; for a value in a mapping that is the line of its key.

    `value` is a mapping, a tuple, a string or None. Numbers, booleans and dates remain strings, and the model converts
    them: so 8:30 is no number of seconds and 0123 is not octal.
    """

    value: "Mapping[str, Located] | tuple[Located, ...] | str | None"
    origin: Origin


class UnreadableProfile(Exception):
    """A file that can't be read, is not YAML, or has duplicate keys; each problem is one line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Composer(yaml.SafeLoader):
    """Composes nodes of strings and null only."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's classes have their resolvers in this attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_located(path: Path) -> Located:
    """Reads a file's document. Raises UnreadableProfile with all duplicate keys, or with the first other problem."""
    name = str(path)
    try:
        content = path.read_text("utf-8-sig")
        node = yaml.compose(content, _Composer)
    except OSError as error:
        raise UnreadableProfile([f"{name}: can't be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise UnreadableProfile([f"{name}: not UTF-8 (byte {error.start})"]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UnreadableProfile([f"{name}:{line}: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise UnreadableProfile([f"{name}: {' '.join(str(error).split())}"]) from error
    if node is None:
        raise UnreadableProfile([f"{name}:1: the file is empty"])
    reader = _Reader(name)
    located = reader.read(node, (), node.start_mark.line + 1)
    if not isinstance(located.value, Mapping):
        reader.problems.append(f"{name}:{located.origin[1]}: a profile is a mapping of keys to values")
    if reader.problems:
        raise UnreadableProfile(reader.problems)
    return located


def apply_overlay(base: Located, overlay: Located) -> Located:
    """Returns the base merged with the overlay: mappings key by key, lists by `_IDENTIFYING_KEYS`.

    Entries of the base keep their order, new ones follow. An overlay cannot remove an entry of such a list.
    """
    if isinstance(base.value, Mapping) and isinstance(overlay.value, Mapping):
        merged = dict(base.value)
        for key, value in overlay.value.items():
            merged[key] = apply_overlay(merged[key], value) if key in merged else value
        # A problem of the merged mapping as a whole is caused by the overlay: the base alone was valid.
        return Located(merged, overlay.origin)
    if isinstance(base.value, tuple) and isinstance(overlay.value, tuple):
        key_of = _identifying_key((*base.value, *overlay.value))
        if key_of is not None and _has_no_duplicates(base.value, key_of) and _has_no_duplicates(overlay.value, key_of):
            entries = {_identity(entry, key_of): entry for entry in base.value}
            for entry in overlay.value:
                identity = _identity(entry, key_of)
                entries[identity] = apply_overlay(entries[identity], entry) if identity in entries else entry
            return Located(tuple(entries.values()), overlay.origin)
    return overlay


def strip_origins(located: Located) -> object:
    """Returns the value without origins: dicts, lists, strings and None."""
    if isinstance(located.value, Mapping):
        return {key: strip_origins(value) for key, value in located.value.items()}
    if isinstance(located.value, tuple):
        return [strip_origins(value) for value in located.value]
    return located.value


def find_origin(located: Located, path: KeyPath) -> Origin:
    """Returns the origin of the value at a key path, or of the nearest enclosing value that exists."""
    current = located
    for key in path:
        inner: Located | None = None
        if isinstance(current.value, Mapping) and isinstance(key, str):
            inner = current.value.get(key)
        elif isinstance(current.value, tuple) and isinstance(key, int) and key < len(current.value):
            inner = current.value[key]
        if inner is None:
            break
        current = inner
    return current.origin


class _Reader:
    """Converts composed nodes into located values and collects their problems."""

    def __init__(self, file: str) -> None:
        self.problems: list[str] = []
        self._file = file
        self._values = 0

    def read(self, node: Node, path: KeyPath, line: int) -> Located:
        self._values += 1
        if len(path) > _MOST_NESTED or self._values > _MOST_VALUES:
            raise UnreadableProfile([f"{self._file}:{line}: {format_path(path[:5])}: nested too deeply"])
        if isinstance(node, MappingNode):
            return Located(dict(self._entries(node, path)), (self._file, line))
        if isinstance(node, SequenceNode):
            entries = enumerate(node.value)
            values = tuple(self.read(entry, (*path, index), entry.start_mark.line + 1) for index, entry in entries)
            return Located(values, (self._file, line))
        if isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return Located(None, (self._file, line))
        if not isinstance(node, ScalarNode) or node.tag != "tag:yaml.org,2002:str":
            self._refuse(line, path, f"the tag {node.tag} is not supported")
        return Located(str(node.value), (self._file, line))

    def _entries(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Located]]:
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._refuse(line, path, "a key has to be a string")
                continue
            key = str(key_node.value)
            if key in lines:
                self._refuse(line, (*path, key), f"is in line {lines[key]} already")
                continue
            lines[key] = line
            yield key, self.read(value_node, (*path, key), line)

    def _refuse(self, line: int, path: KeyPath, problem: str) -> None:
        self.problems.append(f"{self._file}:{line}: {format_path(path)}: {problem}")


def _identifying_key(entries: tuple[Located, ...]) -> str | None:
    for key in _IDENTIFYING_KEYS:
        if entries and all(_identity(entry, key) is not None for entry in entries):
            return key
    return None


def _identity(entry: Located, key: str) -> str | None:
    if not isinstance(entry.value, Mapping) or key not in entry.value:
        return None
    identity = entry.value[key].value
    return identity if isinstance(identity, str) else None


def _has_no_duplicates(entries: tuple[Located, ...], key: str) -> bool:
    # Lists with duplicates are not merged, which would hide one of them, so that the model refuses them.
    return len({_identity(entry, key) for entry in entries}) == len(entries)
