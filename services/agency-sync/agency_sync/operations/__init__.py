"""The operations: each opens its transactions, asks the adapters and applies the rules of the domain.

record      records a committed registration, with the intention to propagate it
propagate   carries out the open intentions
listing     lists how far a registration has come at the other agencies
"""
