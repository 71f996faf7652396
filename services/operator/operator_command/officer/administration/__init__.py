"""Who is an officer: invitations, certificates, roles, withdrawals.

- `command`: the command line: `toroku officer`
- `invitations`: people who are invited, accept with a certificate, and are confirmed
- `accepting`: the invited person's side
- `roles`: what officers may do
- `listing`: the officers of an agency, on the terminal and as a file
- `withdrawal`: officers who leave, one or many
- `words`: an officer and a certificate in lines
"""
