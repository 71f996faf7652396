"""The addresses from which CRLs are fetched."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RevocationSource:
    """An address of a CRL. `authority` is the id of the CA that the profile names it for; `failures` are in a row."""

    url: str
    authority: str | None
    failures: int
