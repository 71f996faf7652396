"""Tokens, which hold a private key: a card in a reader, or a file.

`token` (abstract) ← `smart_card` (abstract connection) ← `piv` and `jpki` (applications) ← `pcsc` (readers);
`token` ← `pkcs12`. `certificate_der` reads the certificates of all of them.
"""
