"""Reads a revision's source and says what of it would break the code that still runs while it is applied."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# In SQL, whatever the case; what makes a rule narrower (dropping an index, a default, NOT NULL) is left alone.
BREAKING_SQL = {
    r"\bDROP\s+(TABLE|COLUMN|VIEW|MATERIALIZED\s+VIEW|FUNCTION|PROCEDURE|TYPE|SCHEMA|SEQUENCE|DOMAIN)\b": "drops it",
    r"\bRENAME\b": "renames it",
    r"\bSET\s+NOT\s+NULL\b": "refuses rows that old code writes",
    r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b": "changes a column's type",
    r"\bADD\s+COLUMN\b(?:(?!,\s*ADD\b|;)(?!\bDEFAULT\b|\bGENERATED\b).)*\bNOT\s+NULL\b"
    r"(?:(?!,\s*ADD\b|;)(?!\bDEFAULT\b|\bGENERATED\b).)*(?:,\s*ADD\b|;|$)": "adds a column that old code does not fill",
    r"\b(TRUNCATE|REVOKE)\b": "takes away what old code uses",
}
# Alembic's operations: the name, and what makes it break (None: always).
BREAKING_OPERATIONS = {
    "drop_table": None,
    "drop_column": None,
    "rename_table": None,
    "alter_column": ("new_column_name", "nullable=False", "type_"),
    "add_column": ("nullable=False",),
}


def breaking(source: str) -> list[str]:
    """What in a revision of `versions` breaks running code, one sentence each; its `downgrade` is never run."""
    tree = ast.parse(source)
    found = []
    for node in _nodes(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in BREAKING_OPERATIONS
        ):
            written = ast.unparse(node)
            signs = BREAKING_OPERATIONS[node.func.attr]
            harmless = node.func.attr == "add_column" and "server_default" in written
            if (signs is None or any(sign in written for sign in signs)) and not harmless:
                found.append(f"line {node.lineno}: op.{node.func.attr}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            statement = re.sub(r"--[^\n]*", "", node.value)
            for pattern, why in BREAKING_SQL.items():
                if matched := re.search(pattern, statement, re.IGNORECASE | re.DOTALL):
                    found.append(f"line {node.lineno}: {' '.join(matched[0].split())}: {why}")
    return found


def revisions(folder: Path) -> list[Path]:
    """The revisions of a chain by their numbers; none where the folder is missing."""
    return sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")


def _nodes(tree: ast.Module) -> Iterator[ast.AST]:
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
