"""One revision per file, each marked pre or post deployment."""
