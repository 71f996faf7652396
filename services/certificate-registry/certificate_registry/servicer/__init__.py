"""The gRPC services: convert, call one operation, convert.

certificate_registry   CertificateRegistry
officers               Officers
cards                  Cards
card_proposals         what is done for approved proposals about cards
user_lookup            UserLookup
"""
