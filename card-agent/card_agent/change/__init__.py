"""変更: what is registered, shown and changed.

`change` (the operation from the choice of the agency to the receipt), `in_progress`, `registered` (what is shown of
it), `form` (what is typed over it, checked and agreed to), `meanwhile` (another change came first), `commit` and
`receipt`.
"""
