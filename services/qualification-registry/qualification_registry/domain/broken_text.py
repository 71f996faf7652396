"""Characters that an earlier conversion of a file broke: those that certainly are wrong, and those that may be."""

import re

# The fields by which bidders are told apart and found; broken there, they match nothing.
BROKEN_FIELDS = ("name", "address", "representative_name")
_REPLACEMENT = "\ufffd"
# HTML's references, which a web page's list has where its program escaped characters: &#39641; &#x9AD9; &amp;
_REFERENCE = re.compile("&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos|nbsp);")
# What programs write for a character that they cannot: a geta, a question mark, a square.
_DOUBTFUL = "〓?？■□"


def may_be_broken(text: str) -> bool:
    """Returns whether a text has to be looked at by `find_broken`; fast, for all cells of a column at once."""
    return _REPLACEMENT in text or "&" in text


def find_broken(text: str) -> str:
    """Returns what stands for a lost character: U+FFFD, or a reference such as &#39641;; empty for nothing."""
    if _REPLACEMENT in text:
        return "U+FFFD"
    reference = _REFERENCE.search(text)
    return reference[0] if reference is not None else ""


def may_be_doubtful(text: str) -> bool:
    """Returns whether a text has characters that often stand for a lost one; names may have them rightly, too."""
    return any(character in text for character in _DOUBTFUL)
