"""The rules of propagation and all types that cross rooms; no gRPC, no SQL, no clock.

card_state    the state of a card, as certificate-registry reports it
intention     the intentions to propagate registrations: when, and what a card's state does to them
propagation   to which agencies a registration is propagated, and the result at each of them
offers        the profile's settings: what each agency asks of a card, when registrations are propagated
"""
