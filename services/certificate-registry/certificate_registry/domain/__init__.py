"""The rules about cards: pure, without gRPC, without SQL, without a clock of their own.

purpose       what a card signs
challenge     a nonce works once, for five minutes
session       what a card session is good for, and how long
binding       whose card this may be
card          a card as it is kept
proof         has the qualification registry found this bidder for this card
registration  what became of a request, and which bidders may have one
"""
