"""What a card signs, and how that is checked: one grammar for contractors and officers, for all operations.

- `operations`: which operations there are, and which keys a purpose of each has: the table
- `keys`: what each key holds, and its one valid form
- `purpose`: a purpose, its only encoding, and whether it is the expected one
- `signature`: the signature over a purpose
- `subjects`: the hash of a list of subjects
- `request`: the hash of a form
- `lines`: the lines of an act in one language
"""
