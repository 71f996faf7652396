"""Loading a profile: a YAML file, and an overlay with the differences of one deployment."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from instance_profile.base import ProfileProblems, format_path
from instance_profile.model import Profile
from instance_profile.unbuilt import UnbuiltUse, find_unbuilt
from instance_profile.yaml_positions import (
    Located,
    UnreadableProfile,
    apply_overlay,
    find_origin,
    read_located,
    strip_origins,
)

log = logging.getLogger(__name__)


class ProfileError(Exception):
    """An invalid profile. `problems` has one line for each problem: file, line, key path and cause.

    For example `saitama.yaml:42: agencies[3].categories[1]: there is no category good`.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Draft:
    """A valid profile that may ask for what this version of Toroku does not do yet."""

    profile: Profile
    # What no service starts with: a line for each place, with file, line, key path and what to do.
    not_carried_out: Sequence[str]
    # What prepares what is to come: likewise, and the keys without their places in lists.
    not_in_force: Sequence[str]
    keys_not_in_force: Sequence[str]


def load_draft(path: Path, overlay: Path | None = None) -> Draft:
    """Returns the profile in `path`, with `overlay` merged into it, whatever it asks for.

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
        profile = Profile.model_validate(strip_origins(located))
    except ValidationError as error:
        raise ProfileError(_problems(error, located)) from error
    uses = find_unbuilt(profile)
    return Draft(
        profile,
        [_write_use(use, located, "not carried out yet") for use in uses if use.unbuilt.prevents_start],
        [_write_use(use, located, "not in force yet") for use in uses if not use.unbuilt.prevents_start],
        sorted({_write_key(use) for use in uses if not use.unbuilt.prevents_start}),
    )


def load_profile(path: Path, overlay: Path | None = None) -> Profile:
    """Returns the profile in `path`, merged as by `load_draft`, to run with.

    Raises ProfileError also where it asks for what this version of Toroku does not do yet.
    """
    return _require_carried_out(load_draft(path, overlay))


def load_for_service(path: Path, overlay: Path | None = None) -> Profile:
    """Returns the profile that a service starts with, and logs once which of its keys are not in force yet.

    Raises as `load_profile`.
    """
    draft = load_draft(path, overlay)
    profile = _require_carried_out(draft)
    if draft.keys_not_in_force:
        log.info("keys of the profile that are not in force yet: %s", ", ".join(draft.keys_not_in_force))
    return profile


def _require_carried_out(draft: Draft) -> Profile:
    if draft.not_carried_out:
        raise ProfileError(list(draft.not_carried_out))
    return draft.profile


def _write_key(use: UnbuiltUse) -> str:
    return format_path(tuple(key for key in use.path if isinstance(key, str)))


def _write_use(use: UnbuiltUse, located: Located, kind: str) -> str:
    file, line = find_origin(located, use.path)
    return f"{file}:{line}: {format_path(use.path)}: {kind}: {use.unbuilt.why}"


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
