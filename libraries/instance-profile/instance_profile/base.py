"""Building blocks of all parts of a profile: the base class, texts, codes and times of day."""

import re
from datetime import date, time, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]

# Stands where an agency's code stands, for the operator of the instance; no agency may have it.
OPERATOR = "operator"

_TIME_OF_DAY = r"^([0-9]|[0-3][0-9]|4[0-8]):[0-5][0-9]$"


class Part(BaseModel):
    """A part of a profile: frozen, and without unknown keys."""

    # A docstring below a key is its description in the JSON schema.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


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
