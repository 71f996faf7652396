"""The gRPC services: convert, call one operation, convert.

certificate_registry   CertificateRegistry
user_lookup            UserLookup
"""
