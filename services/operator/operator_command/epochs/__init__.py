"""The epochs of an instance's databases, which are raised after one of them was put back."""
