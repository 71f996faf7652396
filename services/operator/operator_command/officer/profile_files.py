"""The prefecture's profile, whose names replace codes: the one named, or that of the instance in a state folder."""

from pathlib import Path

from instance_profile import Profile, ProfileError, load_profile
from operator_command.topology import read_profile_files
from refusals import Code, Refusal


def find_profile(profile: Path | None, overlay: Path | None, state: Path | None) -> Profile | None:
    """Returns the profile in these files, otherwise that of the instance in `state`; None where neither is known.

    Raises PROFILE_WRONG.
    """
    if profile is None:
        files = read_profile_files(state) if state is not None else None
        if files is None:
            return None
        profile, overlay = files[0], overlay or files[1]
    try:
        return load_profile(profile, overlay)
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None


def require_profile(profile: Profile | None) -> Profile:
    """Returns a profile that is known. Raises PROFILE_NOT_NAMED."""
    if profile is None:
        raise Refusal("PROFILE_NOT_NAMED", Code.INVALID_ARGUMENT)
    return profile
