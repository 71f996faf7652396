"""All that a database has, as text."""

import psycopg
from psycopg import sql


def dump_database(dsn: str) -> str:
    """Returns every row of every table of the database, those of the jobs too, as text."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('public', 'jobs') AND table_type = 'BASE TABLE'"
        ).fetchall()
        rows = [
            connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(*table))).fetchall()
            for table in tables
        ]
    return "\n".join(str(row) for table in rows for (row,) in table)
