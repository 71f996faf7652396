"""qualification-registry as its callers see it: the front door, agency-sync and the officer's command."""

from dataclasses import dataclass

from tests.support.peers.qualification_registry.bidders import BidderSearch
from tests.support.peers.qualification_registry.rosters import RosterImport


@dataclass(kw_only=True)
class QualificationRegistryPeer(BidderSearch, RosterImport):
    """The fake of the whole service. Each base is one group of its RPCs, with the state of that group."""
