"""The operation 登録, from the greeting to the receipt.

`register` (all steps), `in_progress`, `search`, `form`, `commit`, `receipt`.
"""
