"""What an officer signs: every change by a command is an act, shown in words and signed with the officer's key.

- `options`: the options of the commands, as classes
- `session`: whom a command calls, and as whom
- `key`: the key of an officer in a file
- `card`: the key of an officer on a card
- `purpose`: whether what a service asks to be signed is this command's own request
- `showing`: what will be signed, in words
- `outcome`: what became of an act, in lines
- `signing`: the challenge, the question, the signature, the call
"""
