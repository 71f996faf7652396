"""The one error type of Toroku.

`Refusal` is pure and may be raised by any domain. How it crosses gRPC stands in `refusals.status`, its words for
people in `refusals.catalogue`; neither is imported from here, so that a domain stays free of gRPC.
"""

from refusals.refusal import Code, Refusal, Violation

__all__ = ["Code", "Refusal", "Violation"]
