"""What the portal calls."""
