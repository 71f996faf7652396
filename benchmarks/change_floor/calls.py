"""The calls of ours that a change must make.

The bytes of their messages, at 13 agencies, are estimated from the fields and from a registration's, which were
counted.
"""

from benchmarks.floor.entries import Call

CALLS = (
    # What a contractor calls.
    Call("Change/BeginChange", 1, 1130, 620),
    Call("Change/OpenChangeSession", 1, 1670, 390),
    Call("Change/GetRegistered", 1, 70, 1900),
    Call("Change/PrepareChange", 1, 800, 3700),
    Call("Change/SubmitChange", 1, 3000, 1300),
    # What the front door calls.
    Call("CertificateRegistry/CreateChallenge", 1, 1130, 620),
    Call("CertificateRegistry/OpenCardSession", 1, 1670, 390),
    # Before contacts are shown, before the form, and before the commit: for the hours, and for the bidder of the card
    # and where it is good, which may have ended meanwhile.
    Call("CertificateRegistry/CheckCardSession", 3, 70, 1700),
    # Shown with the contacts, part of what is signed, and part of what is committed: the roster may have another one by
    # now, and the bidder may have been suspended.
    Call("QualificationRegistry/GetCompany", 3, 40, 650),
    Call("ContactNotification/GetRegisteredContacts", 1, 60, 500),
    # What differs from the newest contacts is what the card signs.
    Call("ContactNotification/CheckChange", 1, 800, 60),
    Call("CertificateRegistry/CreateChangeChallenge", 1, 1500, 2100),
    # The act is proven by whoever knows the card, and committed by whoever keeps the contacts.
    Call("CertificateRegistry/ProveAct", 1, 2500, 1500),
    Call("ContactNotification/CommitChange", 1, 4500, 1300),
    # What a worker calls, with the contact that changed.
    Call("AgencySync/RecordContactOwners", 1, 160, 0),
)
