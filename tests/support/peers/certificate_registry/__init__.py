"""certificate-registry as its callers see it: the front door, contact-notification, agency-sync, the other registry."""

from dataclasses import dataclass

from tests.support.peers.certificate_registry.bidders import BidderRecords
from tests.support.peers.certificate_registry.propagation import Propagation
from tests.support.peers.certificate_registry.registrations import Registrations


@dataclass(kw_only=True)
class CertificateRegistryPeer(Registrations, Propagation, BidderRecords):
    """The fake of the whole service. Each base is one group of its RPCs, with the state of that group.

    `before_answer` runs in Register and PropagateRegistrations, after the registrations were made.
    """
