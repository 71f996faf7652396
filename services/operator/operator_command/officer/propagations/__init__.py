"""How far registrations, renewals and changes have come at the other agencies (SYN-05).

- `command`: the command line: `toroku propagation`
- `showing`: what it shows
"""
