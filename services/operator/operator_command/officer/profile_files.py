"""The prefecture's profile, where a command is given one: its names replace codes."""

from pathlib import Path

from instance_profile import Profile, ProfileError, load_profile
from refusals import Code, Refusal


def load_named_profile(profile: Path | None, overlay: Path | None) -> Profile | None:
    """Returns the profile in these files; None where none is named. Raises PROFILE_WRONG."""
    try:
        return load_profile(profile, overlay) if profile is not None else None
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None
