"""Writes docs/errors.md, which lists every reason with its words and with the components and RPCs that give it.

`python -m tools.errors_page` writes the page; with `--check` it only fails where the committed page is outdated. The
words come from the catalogue, the rest from the Python sources and from the comments of the proto files.
"""

import sys
from collections.abc import Set as AbstractSet
from pathlib import Path

import yaml

from refusals.catalogue import UNKNOWN, Explanation, Words, catalogue
from tools.reasons_in_sources import map_reasons_to_components, map_reasons_to_rpcs

ROOT = Path(__file__).parent.parent
WORDS = ROOT / "libraries" / "refusals" / "refusals" / "words"
PAGE = ROOT / "docs" / "errors.md"

HEAD = """# Errors

Written by `make errors` from the words in `libraries/refusals/refusals/words`; do not edit it.

Every refusal is a `google.rpc.Status` with an `ErrorInfo` (domain `toroku`, the reason, metadata) and, where fields
are wrong, a `BadRequest` whose field violations have reasons of their own. A refused request changed nothing.
Programs decide by the reason; the words may change. A placeholder `{like_this}` is filled from the metadata, or, where
those lack it, with the name that the instance gives to the thing: `{help_desk_ja}`, `{bidder_id_label_ja}` and the
others of `refusals.catalogue.NEUTRAL_NAMES`, whose own texts stand in where nobody knows the instance.

A refused call carries this status, serialized, in the binary trailer `grpc-status-details-bin`. A field violation has
`field` (the path in the request, `card_contact.mail_address`), `reason` (a reason of this page), and in `description`
the metadata of this reason: a JSON object whose values are strings, `{"most":"60","actual":"61"}`, or nothing where
there are none. Clients in other languages take these messages from googleapis (status.proto and error_details.proto in
google/rpc); `tests/contract/servicekit/refused_call.js` is a client in Node that reads all of it.

*Raised by* names the components that raise the reason, *RPC* the methods whose comment in the proto files names it.
Every method can also answer with the reasons of `shared.yaml`, and the front door passes on the refusals of the
registries.
"""


def render_page() -> str:
    """Returns the page as Markdown: one section per file of the catalogue, one row per reason."""
    components, rpcs, explanations = map_reasons_to_components(), map_reasons_to_rpcs(), catalogue()
    lines = [HEAD]
    for file in sorted(WORDS.glob("*.yaml")):
        text = file.read_text("utf-8")
        summary = text.partition("\n")[0].removeprefix("#").strip() if text.startswith("#") else ""
        lines += [f"## {file.name}", "", summary, ""]
        lines += ["| reason | 日本語 | English | raised by | RPC |", "|---|---|---|---|---|"]
        for reason in yaml.safe_load(text) or {}:
            raised_by = "a client, for a reason it does not know" if reason == UNKNOWN else _join(components[reason])
            words = _render_words(explanations[reason])
            lines.append(f"| `{reason}` | {words} | {raised_by} | {_join(rpcs.get(reason, set()))} |")
        lines.append("")
    return "\n".join(lines)


def _render_words(explanation: Explanation) -> str:
    return f"{_render_cell(explanation.ja)} | {_render_cell(explanation.en)}"


def _render_cell(words: Words) -> str:
    return "<br>".join(part.strip().replace("\n", " ").replace("|", "\\|") for part in (words.what, words.next))


def _join(names: AbstractSet[str]) -> str:
    return ", ".join(sorted(names))


def main() -> None:
    """Writes the page, or with `--check` ends with an error where the committed page differs."""
    page = render_page()
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page, "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page:
        sys.exit(
            f"{PAGE.relative_to(ROOT)} differs from the catalogue and the sources; run `make errors` and commit it"
        )


if __name__ == "__main__":
    main()
