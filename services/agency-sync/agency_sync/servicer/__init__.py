"""The gRPC services: convert, call one operation, convert.

agency_sync   AgencySync
feed          Feed
"""
