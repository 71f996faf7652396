"""Loading a profile: a YAML file, and an overlay with the differences of one deployment."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from instance_profile.base import ProfileProblems, format_path
from instance_profile.model import Profile
from instance_profile.yaml_positions import (
    Located,
    UnreadableProfile,
    apply_overlay,
    find_origin,
    read_located,
    strip_origins,
)


class ProfileError(Exception):
    """An invalid profile. `problems` has one line for each problem: file, line, key path and cause.

    For example `saitama.yaml:42: agencies[3].categories[1]: there is no category good`.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_profile(path: Path, overlay: Path | None = None) -> Profile:
    """Returns the profile in `path`, with `overlay` merged into it.

    Mappings are merged key by key; lists whose entries all have a code, an id or a name (or a field, section,
    operation or category) are merged by that; all other lists and values are replaced. Raises ProfileError.
    """
    try:
        located = read_located(path)
        if overlay is not None:
            located = Located(apply_overlay(located, read_located(overlay)).value, located.origin)
    except UnreadableProfile as error:
        raise ProfileError(error.problems) from error
    try:
        return Profile.model_validate(strip_origins(located))
    except ValidationError as error:
        raise ProfileError(_problems(error, located)) from error


def _problems(error: ValidationError, located: Located) -> list[str]:
    problems: list[tuple[str, int, str]] = []
    for details in error.errors(include_url=False, include_input=False):
        for path, message in _messages(details):
            file, line = find_origin(located, path)
            key = format_path(path)
            problems.append((file, line, f"{file}:{line}: {key}: {message}" if key else f"{file}:{line}: {message}"))
    return [problem for _, _, problem in sorted(problems, key=lambda entry: entry[:2])]


def _messages(details: ErrorDetails) -> list[tuple[tuple[str | int, ...], str]]:
    cause: Any = details.get("ctx", {}).get("error")
    if isinstance(cause, ProfileProblems):
        return [((*details["loc"], *path), problem) for path, problem in cause.problems]
    if details["type"] == "extra_forbidden":
        return [(details["loc"], "unknown key")]
    if details["type"] == "missing":
        return [(details["loc"], "missing")]
    return [(details["loc"], details["msg"].removeprefix("Value error, "))]
