"""Every revision of every service follows the rules that let old code run during a deployment."""

import ast
import re
from pathlib import Path

import pytest

from tools.migration_rules import find_breaking_changes, list_revisions

SERVICES = Path(__file__).parents[3] / "services"
FOLDERS = sorted(SERVICES.glob("*/*/migrations"))
REVISIONS = [path for folder in FOLDERS for chain in ("versions", "after") for path in list_revisions(folder / chain)]


def name_of(path: Path) -> str:
    return "-".join(path.relative_to(SERVICES).parts[1:])


def value(path: Path, name: str) -> object:
    for statement in ast.parse(path.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return ast.literal_eval(statement.value)
    raise AssertionError(f"{path} does not say its {name}")


def test_all_services_have_revisions() -> None:
    assert len(FOLDERS) >= 4
    assert len(REVISIONS) >= 4


@pytest.mark.parametrize("path", REVISIONS, ids=name_of)
def test_revision_has_a_docstring(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert len(docstring.split()) >= 3


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
@pytest.mark.parametrize("chain", ["versions", "after"])
def test_chain_is_linear_and_numbered(folder: Path, chain: str) -> None:
    """Readiness compares revisions as text, so that their order is the order of the chain."""
    before = None
    for number, path in enumerate(list_revisions(folder / chain), start=1):
        revision = value(path, "revision")
        assert revision == f"{number:04}"
        assert re.fullmatch(rf"{revision}_[a-z0-9_]+\.py", path.name)
        assert value(path, "down_revision") == before
        before = revision


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_what_comes_before_breaks_no_running_code(folder: Path) -> None:
    # Before the first revision no code can run.
    for path in list_revisions(folder / "versions")[1:]:
        assert find_breaking_changes(path.read_text("utf-8")) == [], path


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("ALTER TABLE card DROP COLUMN serial")',
        'op.execute("drop table card")',
        'op.execute("""ALTER TABLE card\n  RENAME COLUMN serial TO number""")',
        'op.execute("ALTER TABLE card RENAME TO cards")',
        'op.execute("ALTER TABLE card ALTER COLUMN serial SET NOT NULL")',
        'op.execute("ALTER TABLE card ALTER serial TYPE text")',
        'op.execute("ALTER TABLE card ADD COLUMN colour text NOT NULL")',
        'op.execute("ALTER TABLE card ADD COLUMN colour text NOT NULL, ADD COLUMN size int DEFAULT 1")',
        'op.drop_column("card", "serial")',
        'op.rename_table("card", "cards")',
        'op.alter_column("card", "serial", new_column_name="number")',
        'op.alter_column("card", "serial", nullable=False)',
        'op.add_column("card", Column("colour", Text, nullable=False))',
        "for statement in STATEMENTS: op.execute(statement)\nSTATEMENTS = ('SELECT 1', 'TRUNCATE card')",
    ],
)
def test_what_breaks_running_code_is_found(statement: str) -> None:
    assert len(find_breaking_changes(f'"""A step."""\n{statement}\n')) == 1


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("ALTER TABLE card ADD COLUMN colour text")',
        "op.execute(\"ALTER TABLE card ADD COLUMN colour text NOT NULL DEFAULT 'red'\")",
        "op.execute(\"ALTER TABLE card ADD COLUMN colour text DEFAULT 'red' NOT NULL\")",
        'op.execute("CREATE TABLE colour (name text NOT NULL, kind text NOT NULL)")',
        'op.execute("CREATE INDEX card_colour ON card (colour)")',
        'op.execute("ALTER TABLE card ALTER serial DROP NOT NULL; DROP INDEX card_by_serial")',
        'op.add_column("card", Column("colour", Text, nullable=False, server_default="red"))',
        'op.execute("SELECT 1 -- DROP TABLE card is for later")',
    ],
)
def test_what_old_code_does_not_notice_is_let_through(statement: str) -> None:
    assert find_breaking_changes(f'"""Does not DROP TABLE card."""\n{statement}\n') == []
