"""What the process is told to do: one module per command."""
