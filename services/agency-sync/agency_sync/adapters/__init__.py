"""The services that agency-sync calls, in terms of the domain.

certificate_registry     makes the registrations at further agencies
qualification_registry   knows at which agencies a bidder is qualified
"""
