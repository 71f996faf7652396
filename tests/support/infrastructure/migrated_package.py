"""A package with revisions that a test writes, for the mechanics of migrations: no service's own are needed for it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

REVISION = '''"""Step {revision} of a test."""

from alembic import op

revision = "{revision}"
down_revision = {before!r}


def upgrade() -> None:
    op.execute({statement!r})
'''


class MigratedPackage:
    """An importable package in `folder` whose two chains are the statements given to it, in the order of numbers."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Every test's folder has another name, and what is known of a package is remembered by its name.
        self.name = f"package_{abs(hash(folder))}"
        self.folder = folder / self.name
        self.folder.mkdir()
        (self.folder / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(folder))

    def write(self, *, versions: Mapping[str, str], after: Mapping[str, str] | None = None) -> None:
        """Writes both chains anew: revision → statement. Without `after` the package has no such folder."""
        for chain, statements in (("versions", versions), ("after", after)):
            if statements is None:
                continue
            folder = self.folder / "migrations" / chain
            folder.mkdir(parents=True, exist_ok=True)
            before = None
            for revision, statement in statements.items():
                said = {"revision": revision, "before": before, "statement": statement}
                (folder / f"{revision}_step.py").write_text(REVISION.format(**said))
                before = revision
