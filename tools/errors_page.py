"""Writes docs/errors.md: every reason, its words, who raises it. `python -m tools.errors_page [--check]`.

The words come from the catalogue, the rest from the sources and from the comments of the proto files.
"""

import sys
from pathlib import Path

import yaml

from refusals.catalogue import UNKNOWN, Explanation, Words, catalogue
from tools.reasons_in_sources import named_in_protos, raised

ROOT = Path(__file__).parent.parent
WORDS = ROOT / "libraries" / "refusals" / "refusals" / "words"
PAGE = ROOT / "docs" / "errors.md"

HEAD = """# Errors

Made by `make errors` from the words in `libraries/refusals/refusals/words`; never edited by hand.

Every refusal is a `google.rpc.Status` with an `ErrorInfo` (domain `toroku`, the reason, metadata) and, where fields
are wrong, a `BadRequest` whose field violations have reasons of their own. Refused means that nothing was changed.
Programs decide by the reason; its words may change. A place `{like_this}` is filled from the metadata.

*Raised by* names the part of the house, *RPC* the methods whose comment in the proto files names the reason. Every
method of an instance can also give those of `shared.yaml`, and the front door passes on what the registries refuse.
"""


def page() -> str:
    """The page, as text."""
    parts, methods, words = raised(), named_in_protos(), catalogue()
    lines = [HEAD]
    for file in sorted(WORDS.glob("*.yaml")):
        text = file.read_text("utf-8")
        about = text.partition("\n")[0].removeprefix("#").strip() if text.startswith("#") else ""
        lines += [f"## {file.name}", "", about, ""]
        lines += ["| reason | 日本語 | English | raised by | RPC |", "|---|---|---|---|---|"]
        for reason in yaml.safe_load(text) or {}:
            by = "the edge, for a reason that it does not know" if reason == UNKNOWN else _names(parts[reason])
            lines.append(f"| `{reason}` | {_both(words[reason])} | {by} | {_names(methods.get(reason, set()))} |")
        lines.append("")
    return "\n".join(lines)


def _both(explanation: Explanation) -> str:
    return f"{_cell(explanation.ja)} | {_cell(explanation.en)}"


def _cell(words: Words) -> str:
    return "<br>".join(part.strip().replace("\n", " ").replace("|", "\\|") for part in (words.what, words.next))


def _names(names: set[str]) -> str:
    return ", ".join(sorted(names))


if __name__ == "__main__":
    text = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text("utf-8") != text:
            sys.exit(f"{PAGE.relative_to(ROOT)} is not what the words say; run `make errors` and commit it")
    else:
        PAGE.write_text(text, "utf-8")
