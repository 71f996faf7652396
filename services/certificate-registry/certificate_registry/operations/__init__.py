"""One module per operation: opens the transaction, asks the adapters, calls the rules.

card_session        opens, checks and ends card sessions
challenges          what operations with a card share: sessions, nonces, signed purposes, path validation
registration        登録: the act to be signed, and its commit
act_proof           変更: the act to be signed, and its proof
renewal             ICカード更新: the acts to be signed, and what is checked
renewal_commit      what a renewal writes
bidder_proofs       what operations that take a bidder proof share
outcomes            what became of a request
propagation         registrations at further agencies
bidder_states       records the states of bidders
decided_card        what officers' decisions about cards share
suspension          officers suspend and resume cards
binding_undo        officers undo bindings
registration_reopening  officers take back renewals
predecessor_link    officers link cards to expired ones before them
card_listing        the cards that officers see
revocation          fetches CRLs and applies them to the stored cards
revocation_request  has CRLs fetched
card_trust          judges stored cards anew when CRLs, CAs or rules change
deliveries          tells the other services of the states of cards
notices             has people told of an act
expiry              deletes challenges, sessions, cards, notices, tombstones and CRLs that are long past
officer_invitations administrators invite persons
officer_acceptance  the acts by which invited persons accept
officer_enrolment   acceptance and confirmation
officer_roles       roles are granted and withdrawn
officer_withdrawal  officers are withdrawn, and looked at
officer_log_in      officers' sessions in the portal, and their proofs
officer_deliveries  tells the other services of officers
officer_notices     has officers told by mail
resolve_user        the bidder of a card, at every log-in
"""
