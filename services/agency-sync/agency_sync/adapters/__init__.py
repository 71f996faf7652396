"""The services that agency-sync calls, in terms of the domain.

certificate_registry     makes the registrations at further agencies
contact_notification     has changes count at further agencies
"""
