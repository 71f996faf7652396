"""What contact-notification calls, in terms of the domain.

certificate_registry   knows the outcome of a request, and bars a late commit
smtp                   the mail server
"""
