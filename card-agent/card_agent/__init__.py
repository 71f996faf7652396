"""The card agent: runs on the contractor's PC, with the card. PIN and private key never leave that PC.

From the inside out; each imports only what is above it:

- `private_files`: files that only their owner may read
- `media`: tokens, which hold a private key, in a card or a file
- `console`: the person (an abstraction), its implementation at a terminal, and the texts that are shown
- `signing`: the purpose, which is all that a card signs, and the card that signs it
- `trust`: the instances that the user trusts, and where they are
- `registration`: the operation 登録
- `command`: the command line
"""
