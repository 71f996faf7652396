"""The person at the terminal, and the words that it is shown."""
