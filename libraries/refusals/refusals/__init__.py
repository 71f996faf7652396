"""The one error type of Toroku.

`Refusal` is pure and may be raised by any domain. `refusals.status` converts it for gRPC, `refusals.catalogue` has its
words for people, `refusals.language` the language that they are spoken to in; none of them is imported from here, so
that a domain does not import gRPC.
"""

from refusals.refusal import Code, Refusal, Violation

__all__ = ["Code", "Refusal", "Violation"]
