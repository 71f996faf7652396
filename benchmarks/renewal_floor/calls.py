"""The calls of ours that a renewal must make.

The bytes of their messages, at 13 agencies, are estimated from the fields and from a registration's, which were
counted.
"""

from benchmarks.floor.entries import Call

CALLS = (
    # What a contractor calls, some of it with each of the two cards.
    Call("Renewal/BeginRenewal", 2, 1130, 640),
    Call("Renewal/OpenRenewalSession", 2, 1700, 390),
    Call("Renewal/PrepareSuccession", 1, 150, 2500),
    Call("Renewal/PrepareRenewal", 1, 200, 4500),
    Call("Renewal/Renew", 1, 5500, 1500),
    # What the front door calls.
    Call("CertificateRegistry/CreateChallenge", 2, 1130, 640),
    Call("CertificateRegistry/OpenCardSession", 2, 1700, 390),
    # That of the old card before its act, and both before the new card's act and before the commit: for the hours, and
    # for the bidder of the old card and where it is good.
    Call("CertificateRegistry/CheckCardSession", 5, 70, 1200),
    # The old card signs for a company.
    Call("QualificationRegistry/GetCompany", 1, 40, 650),
    Call("CertificateRegistry/CreateSuccessionChallenge", 1, 1400, 2100),
    # Whether its bidder may have this new card, before its act and just before the commit.
    Call("QualificationRegistry/ProveBidder", 2, 250, 900),
    Call("CertificateRegistry/CreateRenewalChallenge", 1, 2500, 2600),
    Call("CertificateRegistry/Renew", 1, 6000, 1200),
    # What workers call: the renewal, then what it became at the other agencies, each as the states of both cards.
    Call("ContactNotification/RecordCardStates", 2, 2500, 0),
    Call("AgencySync/RecordCardStates", 2, 2500, 0),
    Call("ContactNotification/SendNotices", 1, 1000, 0),
    # The contact that passed on.
    Call("AgencySync/RecordContactOwners", 1, 160, 0),
    Call("CertificateRegistry/PropagateRegistrations", 1, 640, 1120),
)
