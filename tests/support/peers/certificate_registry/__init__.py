"""certificate-registry as its callers see it: the front door, contact-notification, agency-sync, the other registry."""

from dataclasses import dataclass

from tests.support.peers.certificate_registry.bidders import BidderRecords
from tests.support.peers.certificate_registry.changes import ChangeActs
from tests.support.peers.certificate_registry.propagation import Propagation
from tests.support.peers.certificate_registry.registrations import Registrations
from tests.support.peers.certificate_registry.renewals import Renewals


@dataclass(kw_only=True)
class CertificateRegistryPeer(Registrations, ChangeActs, Renewals, Propagation, BidderRecords):
    """The fake of the whole service. Each base is one group of its RPCs, with the state of that group.

    `before_answer` runs in Register, ProveAct, Renew, PropagateRegistrations and RecordBidderStates, after they took
    effect.
    """
