"""Officers' commands: rosters and password letters."""
