"""登録, from the choice of the agency to the receipt."""
