"""The rules of propagation and all types that cross rooms; no gRPC, no SQL, no clock.

card_state    the state of a card, as certificate-registry reports it
bidder_state  the state of a bidder, and what is judged again by a newer one
contact_owner the state of a contact's owner, and the changes that it plans
schedule      when an instance propagates
intention     the intentions to propagate registrations, renewals and changes: to which agencies, and when
intention_changes what the new states of cards do to intentions
change_propagation at which agencies a change counts now
propagation   to which agencies a registration is propagated, and the result at each of them
contact_owner the state of a contact's owner, as contact-notification reports it
feed          what the feed of an agency says of a card
feed_position the place of a reader in a feed, and whether it can go on from there
snapshot      how long a snapshot of a feed counts, and what of it is signed
offers        the profile's settings: what each agency asks of a card, when registrations are propagated
"""
