"""Officers in a service: who they are, the acts that they sign, and what two of them decide.

- `tables`: the tables, created by a migration of the service
- `directory`: the officers as certificate-registry reports them, for the server and for acts
- `act`: a signed act as it came with a request
- `methods`: the methods that need a signed act, and whether one is for exactly this request
- `words`: the lines of an act, by method
- `challenges`: the acts that officers are asked to sign
- `acts`: acts are taken and remembered, in the transaction of what they do
- `proposal`: a proposal, and what a service does for a method with `four_eyes`
- `proposal_store`: the proposals in the database
- `proposals`: what one officer proposes, another one approves or rejects
- `expiry`: challenges and outcomes that are too old are deleted
- `servicer`: the gRPC services OfficerActs, OfficerDirectory and Proposals
"""
