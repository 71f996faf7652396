"""Reads a migration's source and finds what would break the old code that still runs while it is applied.

Only the chain `versions` is applied beside old code (docs/adr/0006-migrations-before-and-after.md).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# Matched in SQL whatever the case. Statements that only relax a rule (dropping an index, a default, NOT NULL) pass.
BREAKING_SQL = {
    r"\bDROP\s+(TABLE|COLUMN|VIEW|MATERIALIZED\s+VIEW|FUNCTION|PROCEDURE|TYPE|SCHEMA|SEQUENCE|DOMAIN)\b": "drops it",
    r"\bRENAME\b": "renames it",
    r"\bSET\s+NOT\s+NULL\b": "refuses rows that old code writes",
    r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b": "changes a column's type",
    r"\bADD\s+COLUMN\b(?:(?!,\s*ADD\b|;)(?!\bDEFAULT\b|\bGENERATED\b).)*\bNOT\s+NULL\b"
    r"(?:(?!,\s*ADD\b|;)(?!\bDEFAULT\b|\bGENERATED\b).)*(?:,\s*ADD\b|;|$)": "adds a column that old code does not fill",
    r"\b(TRUNCATE|REVOKE)\b": "takes away what old code uses",
}
# Alembic's operations by name, with the arguments that make each one break old code (None: any call does).
BREAKING_OPERATIONS = {
    "drop_table": None,
    "drop_column": None,
    "rename_table": None,
    "alter_column": ("new_column_name", "nullable=False", "type_"),
    "add_column": ("nullable=False",),
}


def find_breaking_changes(source: str) -> list[str]:
    """Returns what in a revision of `versions` breaks running code, one line of text each.

    Revisions have no `downgrade`: a schema is never taken back.
    """
    changes = []
    for node in _walk_without_docstrings(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in BREAKING_OPERATIONS
        ):
            call = ast.unparse(node)
            arguments = BREAKING_OPERATIONS[node.func.attr]
            has_default = node.func.attr == "add_column" and "server_default" in call
            if (arguments is None or any(argument in call for argument in arguments)) and not has_default:
                changes.append(f"line {node.lineno}: op.{node.func.attr}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            statement = re.sub(r"--[^\n]*", "", node.value)
            for pattern, effect in BREAKING_SQL.items():
                if match := re.search(pattern, statement, re.IGNORECASE | re.DOTALL):
                    changes.append(f"line {node.lineno}: {' '.join(match[0].split())}: {effect}")
    return changes


def list_revisions(folder: Path) -> list[Path]:
    """Returns the source files of a chain, ordered by their numbers; an empty list where the folder is missing."""
    return sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")


def _walk_without_docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    docstrings = {
        id(statement.value)
        for scope in ast.walk(tree)
        if isinstance(scope, ast.Module | ast.FunctionDef | ast.ClassDef)
        for statement in scope.body[:1]
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) not in docstrings:
            yield node
