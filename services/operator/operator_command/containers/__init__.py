"""Preparation of an instance in containers: a volume of certificates for each service, and the databases."""
