"""Writes the tables of docs/what-a-card-signs.md from those that the code reads.

`python -m tools.signed_acts_page` writes them; with `--check` it only fails where the committed page is outdated. The
rest of the page is written by hand; each table stands between two marks.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from signed_acts.keys import KEYS
from signed_acts.operations import EVERY_ACT, EVERY_PURPOSE, OFFICER, RULES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "what-a-card-signs.md"


def render_page(page: str) -> str:
    """Returns the page with its tables written anew."""
    for name, table in (("keys", render_keys()), ("operations", render_operations())):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        page = before + begin + "\n" + table + "\n" + end + rest.partition(end)[2]
    return page


def render_keys() -> str:
    """Returns the table of the keys: what each holds, and its form."""
    lines = ["| key | what it holds | form |", "|---|---|---|"]
    lines += [f"| `{key}` | {meaning} | {form} |" for key, (meaning, form) in KEYS.items()]
    return "\n".join(lines) + "\n"


def render_operations() -> str:
    """Returns the table of the operations: which keys a purpose of each has beside those of every purpose."""
    lines = ["| operation | type | role | compulsory | optional |", "|---|---|---|---|---|"]
    for (operation, type_, role), rule in RULES.items():
        name = "the full name of the RPC" if operation == OFFICER else f"`{operation}`"
        compulsory = _join(key for key in KEYS if key in rule.compulsory - EVERY_ACT)
        parts = [compulsory] if compulsory else []
        if rule.compulsory >= EVERY_ACT:
            parts.append("those of every act")
        optional = _join(key for key in KEYS if key in rule.optional)
        lines.append(f"| {name} | `{type_}` | `{role}` | {', '.join(parts) or '–'} | {optional or '–'} |")
    every_purpose, every_act = (_join(key for key in KEYS if key in keys) for keys in (EVERY_PURPOSE, EVERY_ACT))
    return "\n".join([f"Every purpose has {every_purpose}, every act {every_act}.", "", *lines]) + "\n"


def _join(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def main() -> None:
    """Writes the page, or with `--check` ends with an error where the committed page differs."""
    committed = PAGE.read_text("utf-8")
    page = render_page(committed)
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page, "utf-8")
    elif page != committed:
        sys.exit(
            f"{PAGE.relative_to(ROOT)} differs from the table; run `python -m tools.signed_acts_page` and commit it"
        )


if __name__ == "__main__":
    main()
