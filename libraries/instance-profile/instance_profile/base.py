"""Building blocks of all parts of a profile: the base class, texts, codes and times of day."""

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import override

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]

# Stands where an agency's code stands, for the operator of the instance; no agency may have it.
OPERATOR = "operator"

_TIME_OF_DAY = r"^([0-9]|[0-3][0-9]|4[0-8]):[0-5][0-9]$"


class Part(BaseModel):
    """A part of a profile: frozen, and without unknown keys."""

    # A part alone is never read, so only the whole profile gets a validator.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    @override
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """Returns the JSON schema, in which the docstring below a key is its description.

        pydantic could do that as well, but reads the sources in every process for it, and only the schema needs them.
        """
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for base in cls.__mro__:
            if issubclass(base, Part) and base is not Part:
                for key, text in _read_docstrings(base):
                    properties[key].setdefault("description", text)
        return schema


def _read_docstrings(part: type[Part]) -> Iterator[tuple[str, str]]:
    body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for key, below in itertools.pairwise(statements):
        match key, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


class Text(Part):
    """A text for people, Japanese first."""

    ja: str
    """The Japanese text. Japanese is shown first everywhere."""
    en: str
    """The English text."""


class ProfileProblems(ValueError):
    """Inconsistencies between parts of a profile, each with its key path."""

    def __init__(self, problems: list[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(f"{format_path(path)}: {problem}" for path, problem in problems))
        self.problems = problems


def format_path(path: tuple[str | int, ...]) -> str:
    """Returns a key path as text, for example agencies[3].categories."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def _time_of_day(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        since_midnight = value
    elif isinstance(value, time):
        since_midnight = timedelta(hours=value.hour, minutes=value.minute)
    elif isinstance(value, str) and re.fullmatch(_TIME_OF_DAY, value):
        hour, minute = value.split(":")
        since_midnight = timedelta(hours=int(hour), minutes=int(minute))
    else:
        raise ValueError("a time of day is written as 8:30, 24:00, or 26:00 for two o'clock of the next day")
    if not timedelta() <= since_midnight <= timedelta(hours=48):
        raise ValueError("a time of day is between 0:00 and 48:00")
    return since_midnight


def _written_time(since_midnight: timedelta) -> str:
    minutes = int(since_midnight.total_seconds()) // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"


# The time since midnight of a day, as it is written in Japan: 24:00 is the end of the day, and 26:00 is two o'clock of
# the next day that still belongs to this one. (`datetime.time` can express neither.)
TimeOfDay = Annotated[
    timedelta,
    BeforeValidator(_time_of_day),
    PlainSerializer(_written_time, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _TIME_OF_DAY, "examples": ["8:30", "20:00", "24:00"]}),
]


def _month_and_day(value: str) -> str:
    # 2000 is a leap year, so 02-29 is valid.
    date.fromisoformat(f"2000-{value}")
    return value


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return value


# MM-DD
MonthAndDay = Annotated[str, StringConstraints(pattern=r"^\d\d-\d\d$"), AfterValidator(_month_and_day)]
Pattern = Annotated[str, AfterValidator(_regular_expression)]
