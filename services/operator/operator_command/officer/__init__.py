"""Officers' work from the command line: roster imports and password letters."""
