"""Reading a profile: one YAML file, and over it what one deployment says otherwise."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from instance_profile.base import ProfileProblems, dotted
from instance_profile.model import Profile
from instance_profile.yaml_positions import Located, UnreadableProfile, apply_overlay, origin, plain, read_located


class ProfileError(Exception):
    """A profile is wrong. `problems` are all that were found, one line each: file, line, key and what is wrong.

    For example `saitama.yaml:42: agencies[3].categories[1]: there is no category good`.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_profile(path: Path, overlay: Path | None = None) -> Profile:
    """The profile in `path`, with what `overlay` says otherwise laid over it.

    Mappings are merged key by key; lists whose entries all have a code, an id or a name (or a field, section or
    operation) are merged by that; all other lists and values are replaced. Raises ProfileError.
    """
    try:
        located = read_located(path)
        if overlay is not None:
            located = Located(apply_overlay(located, read_located(overlay)).value, located.origin)
    except UnreadableProfile as error:
        raise ProfileError(error.problems) from error
    try:
        return Profile.model_validate(plain(located))
    except ValidationError as error:
        raise ProfileError(_problems(error, located)) from error


def _problems(error: ValidationError, located: Located) -> list[str]:
    found: list[tuple[str, int, str]] = []
    for details in error.errors(include_url=False, include_input=False):
        for place, message in _messages(details):
            file, line = origin(located, place)
            key = dotted(place)
            found.append((file, line, f"{file}:{line}: {key}: {message}" if key else f"{file}:{line}: {message}"))
    return [problem for _, _, problem in sorted(found, key=lambda entry: entry[:2])]


def _messages(details: ErrorDetails) -> list[tuple[tuple[str | int, ...], str]]:
    cause: Any = details.get("ctx", {}).get("error")
    if isinstance(cause, ProfileProblems):
        return [((*details["loc"], *place), problem) for place, problem in cause.problems]
    if details["type"] == "extra_forbidden":
        return [(details["loc"], "there is no such key")]
    if details["type"] == "missing":
        return [(details["loc"], "has to be given")]
    return [(details["loc"], details["msg"].removeprefix("Value error, "))]
