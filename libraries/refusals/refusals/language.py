"""The language that a person is spoken to in: one at a time, by the locale where nobody chose it."""

import locale
import os
from collections.abc import Mapping
from typing import Literal

Language = Literal["ja", "en"]

# In the order in which POSIX (XBD 8.2) asks them for the language of messages.
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def choose_language(environment: Mapping[str, str], system_locale: str | None) -> Language:
    """Returns Japanese for a Japanese locale, and else English.

    The first variable of the environment that is set decides; where none is, as on Windows, the system's locale, whose
    name there is `Japanese_Japan`.
    """
    names = [environment[variable] for variable in _VARIABLES if environment.get(variable)]
    name = names[0] if names else system_locale or ""
    return "ja" if name.casefold().startswith(("ja", "japanese")) else "en"


def read_system_language() -> Language:
    """Returns the language of this process's locale."""
    return choose_language(os.environ, locale.getlocale(locale.LC_CTYPE)[0])


def find_accepted_language(accepted: str) -> Language | None:
    """Returns the first language of ours in a header Accept-Language (RFC 9110, 12.5.4); None where it has none."""
    for part in accepted.split(","):
        tag = part.partition(";")[0].strip().lower()
        if tag.startswith("ja"):
            return "ja"
        if tag.startswith("en"):
            return "en"
    return None
