"""The statements of a service: written once with SQLAlchemy Core, compiled once, run by psycopg alone."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import JSON, BindParameter, Executable, bindparam
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg
from typing_extensions import override


class _Compiler(PGCompiler_psycopg):
    """Writes constants into the text: a plan for any value can't use an index on the rows of one."""

    @override
    def visit_bindparam(self, bindparam: Any, *arguments: Any, **options: Any) -> Any:
        options["literal_binds"] = not bindparam.required
        return super().visit_bindparam(bindparam, *arguments, **options)  # type: ignore[no-untyped-call]  # untyped


class _Dialect(PGDialect_psycopg):
    statement_compiler = _Compiler


_DIALECT = _Dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]  # untyped


class Statement:
    """One statement, for a constant of a module: `servicekit.database.Connection` runs it with the values of a call.

    What differs from call to call is a `bindparam`. A list is one value (`column == any_(bindparam(…))`), never one
    parameter for each of its elements, so that the text is always the same and the server prepares it once. A result
    names its columns: `*` would mean others for a prepared statement once a migration adds one.
    """

    def __init__(self, query: Executable) -> None:
        self._query = query

    @cached_property
    def sql(self) -> bytes:
        """The text with psycopg's named parameters."""
        return str(self._compiled).encode()

    def fill(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the values of a call as psycopg takes them: JSON as text, and None as SQL's NULL."""
        if not self._json:
            return values
        return {
            name: Jsonb(value) if name in self._json and value is not None else value for name, value in values.items()
        }

    @cached_property
    def _compiled(self) -> Any:
        compiled = self._query.compile(dialect=_DIALECT)  # type: ignore[attr-defined]  # not in Executable's types
        if compiled.post_compile_params:
            raise ValueError("a list is one value: write `column == any_(…)` instead of `column.in_(…)`")
        return compiled

    @cached_property
    def _json(self) -> frozenset[str]:
        return frozenset(name for name, bind in self._compiled.binds.items() if isinstance(bind.type, JSON))


def bind_columns(*names: str) -> dict[str, BindParameter[Any]]:
    """Returns a parameter for each of these columns, under its name, for `values(…)`."""
    return {name: bindparam(name) for name in names}
