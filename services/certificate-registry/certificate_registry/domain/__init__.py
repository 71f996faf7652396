"""The rules about cards: pure, without gRPC, without SQL, without a clock of their own.

authorities   which CAs an instance trusts, and where their certificates keep each value
certificate   a certificate as it stands: names, serial number, key
strength      which keys and algorithms are strong enough
revocation    the lists of revoked certificates that are held
trust         the CAs of a profile made ready for use; whether a fetched list may be held
path          is this certificate good, and by whose word
signature     did this card sign this purpose
purpose       what a card signs
challenge     a nonce works once, for five minutes
session       what a card session is good for, and how long
binding       whose card this may be
card          a card as it is kept
proof         has the qualification registry found this bidder for this card
registration  what became of a request, and which bidders may have one
"""
