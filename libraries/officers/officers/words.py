"""The lines of an officer's act: what a call will do, in words for people, by method.

They are in `words/*.yaml`, Japanese and English, with placeholders for fields of the request, and for facts that the
service knows of what it names.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from signed_acts.keys import MOST_LINE_CHARACTERS

_PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")
# Of a longer list the first and the last ones are shown, with their number.
_MOST_SHOWN = 10
_ENDS = 3


@dataclass(frozen=True, slots=True)
class MethodWords:
    """The lines of one method, with placeholders."""

    ja: Sequence[str]
    en: Sequence[str]


class Fact(NamedTuple):
    """What a service says of what a request names."""

    ja: str
    en: str


class ActWords:
    """The words of the methods of a service. Raises LookupError for a method without words, or with a wrong one.

    `known` has the words of all methods, `facts` the names of facts of some, by the full names of the methods.
    """

    def __init__(
        self,
        methods: Mapping[str, type[Message]],
        known: Mapping[str, MethodWords],
        facts: Mapping[str, Iterable[str]] = MappingProxyType({}),
    ) -> None:
        self._words = {
            name: _find_words(known, name, request_type, facts.get(name, ())) for name, request_type in methods.items()
        }

    def write_lines(
        self, method: str, request: Message, facts: Mapping[str, Fact] = MappingProxyType({})
    ) -> tuple[str, ...]:
        """Returns the lines for a request: the Japanese ones, then the same in English."""
        words = self._words[method]
        ja = {name: fact.ja for name, fact in facts.items()}
        en = {name: fact.en for name, fact in facts.items()}
        return (*_fill(words.ja, "ja", request, ja), *_fill(words.en, "en", request, en))


@cache
def load_words() -> Mapping[str, MethodWords]:
    """Returns the words of all methods by their full names."""
    words: dict[str, MethodWords] = {}
    for file in sorted(files("officers").joinpath("words").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".yaml"):
            continue
        for method, lines in (yaml.safe_load(file.read_text("utf-8")) or {}).items():
            if method in words:
                raise LookupError(f"{method} has words twice")
            words[method] = MethodWords(lines["ja"], lines["en"])
    return words


def find_placeholders(words: MethodWords) -> frozenset[str]:
    """Returns the names of all placeholders of a method's words."""
    return frozenset(name for line in (*words.ja, *words.en) for name in _PLACEHOLDER.findall(line))


def _find_words(
    known: Mapping[str, MethodWords], method: str, request_type: type[Message], facts: Iterable[str]
) -> MethodWords:
    if method not in known:
        raise LookupError(f"{method} needs an officer's act, but libraries/officers has no words for it")
    if missing := find_placeholders(known[method]) - {*request_type.DESCRIPTOR.fields_by_name, *facts}:
        raise LookupError(f"{method}: its request has no field {', '.join(sorted(missing))}")
    return known[method]


def _fill(lines: Iterable[str], language: str, request: Message, facts: Mapping[str, str]) -> Iterable[str]:
    fields = request.DESCRIPTOR.fields_by_name

    def show(match: re.Match[str]) -> str:
        name = match[1]
        return facts[name] if name in facts else _show(fields[name], getattr(request, name), language)

    for line in lines:
        filled = _PLACEHOLDER.sub(show, line)
        # A reason has as many characters as a line.
        yield from (filled[at : at + MOST_LINE_CHARACTERS] for at in range(0, len(filled), MOST_LINE_CHARACTERS))


def _show(field: Any, value: Any, language: str) -> str:
    if not field.is_repeated:
        return _show_one(field, value, language)
    values = [_show_one(field, one, language) for one in value]
    if not values:
        return "なし" if language == "ja" else "none"
    comma, gap, count = ("、", "…", f"{len(values)}件") if language == "ja" else (", ", " … ", f"{len(values)}")
    if len(values) > _MOST_SHOWN:
        text = comma.join(values[:_ENDS]) + gap + comma.join(values[-_ENDS:])
    else:
        text = comma.join(values)
    return f"{count}（{text}）" if language == "ja" else f"{count} ({text})"


def _show_one(field: Any, value: Any, language: str) -> str:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return "=".join(_show_one(part, getattr(value, part.name), language) for part in field.message_type.fields)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return str(value.hex())
    if field.type == FieldDescriptor.TYPE_BOOL:
        yes, no = ("はい", "いいえ") if language == "ja" else ("yes", "no")
        return yes if value else no
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return str(value) if named is None else str(named.name)
    return str(value) or "－"
