"""SQL: one function per question or change; the transaction is the caller's."""
