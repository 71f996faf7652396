"""A package with revisions written by a test, for testing the mechanics of migrations without a service."""

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
    """An importable package in `folder` with two chains of revisions, each made of statements."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Revisions are cached by package name, so every test's package needs another name.
        self.name = f"package_{abs(hash(folder))}"
        self.folder = folder / self.name
        self.folder.mkdir()
        (self.folder / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(folder))

    def write(self, *, versions: Mapping[str, str], after: Mapping[str, str] | None = None) -> None:
        """Rewrites both chains from statements by revision. Without `after` the package has no such folder."""
        for chain, statements in (("versions", versions), ("after", after)):
            if statements is None:
                continue
            folder = self.folder / "migrations" / chain
            folder.mkdir(parents=True, exist_ok=True)
            before = None
            for revision, statement in statements.items():
                text = REVISION.format(revision=revision, before=before, statement=statement)
                (folder / f"{revision}_step.py").write_text(text)
                before = revision
