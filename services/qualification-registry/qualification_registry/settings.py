"""The settings of qualification-registry."""

from pathlib import Path

from servicekit.settings import DatabaseSettings

SERVICE = "qualification-registry"
PACKAGE = "qualification_registry"


class Settings(DatabaseSettings):
    """The settings, read from the environment."""

    certificate_registry_endpoint: str
    # A file with the Ed25519 key that signs bidder proofs: PEM, PKCS#8, without a password.
    bidder_proof_key: Path
    # Public keys (PEM; one or several; bare or in certificates), of which any may have signed a bidder proof: that of
    # the key above, and while keys are replaced the other one. The same file as certificate-registry's.
    bidder_proof_public_keys: Path
