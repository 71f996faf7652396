"""What an instance in containers needs before it starts: certificates and databases."""
