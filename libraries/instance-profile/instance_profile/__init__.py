"""Everything that differs between prefectures, as data, and the rules that use it."""

from instance_profile.load import ProfileError, load_draft, load_profile
from instance_profile.model import Profile

__all__ = ["Profile", "ProfileError", "load_draft", "load_profile"]
