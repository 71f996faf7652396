"""The outside world in the domain's types.

contact_notification  reports registrations to contact-notification
agency_sync           reports registrations to agency-sync
crl_download          downloads CRLs from the addresses that the profile or a trusted CA names
trust_store_cache     the trust store of this process, with the CRLs of the database
judgement_pool        the pool of processes that judge strangers' certificates
judgement_process     the program that these processes run
judgement_messages    what the service and these processes tell each other
"""
