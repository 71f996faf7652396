"""One module per operation: opens the transaction, asks the adapters, calls the rules."""
