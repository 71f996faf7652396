"""The calls of ours that a registration must make, with the bytes of their messages at 13 agencies."""

from benchmarks.floor.entries import Call

CALLS = (
    # What a contractor calls.
    Call("Registration/BeginRegistration", 1, 1130, 620),
    Call("Registration/OpenSession", 1, 1670, 390),
    Call("Registration/FindBidder", 1, 130, 650),
    Call("Registration/PrepareRegistration", 1, 690, 3430),
    Call("Registration/Register", 1, 2680, 1230),
    # What the front door calls.
    Call("CertificateRegistry/CreateChallenge", 1, 1130, 620),
    Call("CertificateRegistry/OpenCardSession", 1, 1670, 390),
    # Before the password is looked at, before contacts are staged, and before the commit: for the hours, and for the
    # card whose bidder is confirmed.
    Call("CertificateRegistry/CheckCardSession", 3, 70, 360),
    Call("QualificationRegistry/FindBidder", 1, 150, 650),
    # A card of another bidder is refused before its holder fills in a form.
    Call("CertificateRegistry/CheckRegistrable", 1, 370, 0),
    Call("ContactNotification/GetRepresentativeContact", 1, 20, 0),
    Call("QualificationRegistry/ConfirmBidder", 2, 250, 780),
    Call("ContactNotification/StageContacts", 1, 920, 10),
    Call("CertificateRegistry/CreateActChallenge", 1, 1990, 2100),
    Call("CertificateRegistry/Register", 1, 2680, 460),
    Call("ContactNotification/GetStagedContacts", 1, 70, 730),
    # What workers call: the registration, then what it became at the other agencies, each as one state of the card.
    Call("ContactNotification/RecordCardStates", 2, 650, 0),
    Call("AgencySync/RecordCardStates", 2, 650, 0),
    Call("ContactNotification/SendNotices", 1, 860, 0),
    # Both contacts.
    Call("AgencySync/RecordContactOwners", 1, 280, 0),
    Call("CertificateRegistry/PropagateRegistrations", 1, 640, 1120),
)
