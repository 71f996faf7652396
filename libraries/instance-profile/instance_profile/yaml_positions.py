"""YAML that remembers where each value stands: which file, which line. Two such files can be laid over each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from instance_profile.base import dotted

Place = tuple[str | int, ...]
Origin = tuple[str, int]

# By the first of these that all its entries have, a list is merged entry by entry; other lists are replaced.
_IDENTIFYING_KEYS = ("code", "id", "name", "field", "section", "operation")
# Far more than a profile needs; what goes past it is an alias that contains itself.
_MOST_NESTED = 30
_MOST_VALUES = 500_000


@dataclass(frozen=True, slots=True)
class Located:
    """A value and where it was written; of a value in a mapping that is the line of its key.

    `value` is a mapping, a tuple, a string or None. Numbers and truth values stay strings here, and the model says what
    they are: so 8:30 is no count of seconds, 0123 no octal number, and 2026-11-24 no object.
    """

    value: "Mapping[str, Located] | tuple[Located, ...] | str | None"
    origin: Origin


class UnreadableProfile(Exception):
    """A file that can't be read, is no YAML, or says a thing twice; each problem is one line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Composer(yaml.SafeLoader):
    """Composes nodes only; the one thing that it tells from a string is null."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's classes carry their resolvers in this attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_located(path: Path) -> Located:
    """The file's one document. Raises UnreadableProfile with every duplicate key, or with the first other problem."""
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
    """The base with what the overlay says otherwise: mappings merge key by key, lists as `_IDENTIFYING_KEYS` say.

    Entries that the base has stay in their order, new ones follow. An overlay can't take an entry of such a list away.
    """
    if isinstance(base.value, Mapping) and isinstance(overlay.value, Mapping):
        merged = dict(base.value)
        for key, value in overlay.value.items():
            merged[key] = apply_overlay(merged[key], value) if key in merged else value
        # What is wrong with the whole of a mapping is the overlay's doing: the base alone was right.
        return Located(merged, overlay.origin)
    if isinstance(base.value, tuple) and isinstance(overlay.value, tuple):
        key_of = _identifying_key((*base.value, *overlay.value))
        if key_of is not None and _has_no_twins(base.value, key_of) and _has_no_twins(overlay.value, key_of):
            entries = {_identity(entry, key_of): entry for entry in base.value}
            for entry in overlay.value:
                identity = _identity(entry, key_of)
                entries[identity] = apply_overlay(entries[identity], entry) if identity in entries else entry
            return Located(tuple(entries.values()), overlay.origin)
    return overlay


def plain(located: Located) -> object:
    """The value without its places: dicts, lists, strings and None."""
    if isinstance(located.value, Mapping):
        return {key: plain(value) for key, value in located.value.items()}
    if isinstance(located.value, tuple):
        return [plain(value) for value in located.value]
    return located.value


def origin(located: Located, place: Place) -> Origin:
    """Where a place was written, or else the nearest thing around it that was."""
    found = located
    for key in place:
        inner: Located | None = None
        if isinstance(found.value, Mapping) and isinstance(key, str):
            inner = found.value.get(key)
        elif isinstance(found.value, tuple) and isinstance(key, int) and key < len(found.value):
            inner = found.value[key]
        if inner is None:
            break
        found = inner
    return found.origin


class _Reader:
    """Turns composed nodes into located values and gathers what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.problems: list[str] = []
        self._file = file
        self._values = 0

    def read(self, node: Node, place: Place, line: int) -> Located:
        self._values += 1
        if len(place) > _MOST_NESTED or self._values > _MOST_VALUES:
            raise UnreadableProfile([f"{self._file}:{line}: {dotted(place[:5])}: nested too deeply"])
        if isinstance(node, MappingNode):
            return Located(dict(self._entries(node, place)), (self._file, line))
        if isinstance(node, SequenceNode):
            entries = enumerate(node.value)
            read = tuple(self.read(entry, (*place, index), entry.start_mark.line + 1) for index, entry in entries)
            return Located(read, (self._file, line))
        if isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return Located(None, (self._file, line))
        if not isinstance(node, ScalarNode) or node.tag != "tag:yaml.org,2002:str":
            self._refuse(line, place, f"the tag {node.tag} has no meaning here")
        return Located(str(node.value), (self._file, line))

    def _entries(self, node: MappingNode, place: Place) -> Iterator[tuple[str, Located]]:
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._refuse(line, place, "a key has to be a word")
                continue
            key = str(key_node.value)
            if key in lines:
                self._refuse(line, (*place, key), f"stands in line {lines[key]} already")
                continue
            lines[key] = line
            yield key, self.read(value_node, (*place, key), line)

    def _refuse(self, line: int, place: Place, problem: str) -> None:
        self.problems.append(f"{self._file}:{line}: {dotted(place)}: {problem}")


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


def _has_no_twins(entries: tuple[Located, ...], key: str) -> bool:
    # Twins are left as they are for the model to refuse: merging them would hide one of them.
    return len({_identity(entry, key) for entry in entries}) == len(entries)
