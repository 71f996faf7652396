"""SQL: browser sessions and drafts."""
