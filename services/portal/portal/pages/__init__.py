"""The pages: which address shows what, and which form does what."""
