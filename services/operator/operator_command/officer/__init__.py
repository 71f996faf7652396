"""Officers' work from the command line: roster imports, password letters, and comparisons of names."""
