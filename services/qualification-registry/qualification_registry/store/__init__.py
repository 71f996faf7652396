"""SQL: one function per question or change. The transaction is the caller's."""
