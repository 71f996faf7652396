"""X.509 and the trust of one instance. Pure functions and values; knows nothing of the registry's domain.

names             compares names, as cheaply as possible
certificate       reads certificates that anyone may have sent
strength          which keys and algorithms are strong enough
card_authorities  the CAs that an instance trusts, and where their certificates keep each displayed value
revocation_list   reads CRLs, their freshness and order
standing          for how long a validation stands
trust_store       the pinned CA keys, the CA certificates below them, the stored CRLs
path_validation   validates a card's certificate path and revocation status
"""
