"""What is outside of this process or its event loop, behind types of the domain."""
