"""The commands of `card-agent`, one module each.

`options` has the options that several commands have, `surroundings` the person, the card and the files of a command,
`ending` how an operation ends: with a receipt, or with Ctrl-C.
"""
