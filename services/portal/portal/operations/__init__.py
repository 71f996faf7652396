"""What happens in a journey between two pages. They use the messages of the API as they are: docs/adr/0037."""
