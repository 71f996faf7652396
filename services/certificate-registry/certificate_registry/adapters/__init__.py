"""The outside world in the domain's types.

contact_notification  hands card states and notices to contact-notification
agency_sync           hands card states to agency-sync
officer_directory     hands the states of officers to the services that keep them
officer_authorities   the CAs of officers' certificates
code_hashing          argon2id of one-time codes
crl_download          downloads CRLs from the addresses that the profile or a trusted CA names
trust_store_cache     the trust store of this process, with the CRLs of the database
valid_cards           the cards that this process knows to be valid
judgement_pool        the pool of processes that judge strangers' certificates
judgement_process     the program that these processes run
judgement_messages    what the service and these processes tell each other
"""
