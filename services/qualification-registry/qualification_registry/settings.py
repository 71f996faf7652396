"""The settings of qualification-registry."""

from pathlib import Path

from servicekit.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """What the service is told by its environment."""

    certificate_registry_endpoint: str
    # The Ed25519 key that bidder proofs are signed with: PEM, PKCS#8, without a password.
    bidder_proof_key: Path
