"""The card agent: runs on the contractor's PC, with the card. PIN and private key never leave that PC.

Who imports whom, from the inside out: `token` and `smart_card` (abstract) ← `piv` ← `pcsc`, and `token` ← `pkcs12`;
`purpose` (what may be signed) ← `register` (the operation) ← `command` (the words on the screen).
"""
