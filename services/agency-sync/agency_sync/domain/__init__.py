"""The rules of propagation and all types that cross rooms; no gRPC, no SQL, no clock.

registration   a registration, as its event describes it
intention      the intention to propagate a registration, and when
propagation    to which agencies a registration is propagated, and the result at each of them
offers         the profile's settings: which agencies offer a category, when registrations are propagated
"""
