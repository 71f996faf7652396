"""The settings of certificate-registry."""

from pathlib import Path

from pydantic import Field

from certificate_registry.domain.act_proof import STATEMENT_PREFIX as ACT_PROOF_PREFIX
from history.settings import SealingSettings
from servicekit.exceptions import CommandFailed
from servicekit.mailed_secrets import MailedSecretSettings
from servicekit.officer_proof import STATEMENT_PREFIX as OFFICER_PROOF_PREFIX
from servicekit.settings import DatabaseSettings
from servicekit.signed_statement import SigningKey

SERVICE = "certificate-registry"
# What the processes of `serve-lookup` are called: in their certificate, their metrics, their log.
LOOKUP = "user-lookup"
PACKAGE = "certificate_registry"


class Settings(DatabaseSettings):
    """Listeners, database, proof keys, judgement processes and peers. Addresses are `host:port`."""

    # Public keys (PEM; one or several; bare or in certificates), of which any may have signed a bidder proof.
    bidder_proof_public_keys: Path

    # The processes of a server that judge strangers' certificates, how many certificates wait for one or are judged at
    # a time, and the seconds that one may wait, and may then take.
    judgement_processes: int = Field(default=1, ge=1)
    concurrent_judgements: int = Field(default=16, ge=1)
    judgement_timeout: float = Field(default=2, gt=0)

    contact_notification_endpoint: str
    agency_sync_endpoint: str
    qualification_registry_endpoint: str

    def endpoints(self) -> dict[str, str]:
        """Returns the addresses of the peers by name."""
        return {
            "contact-notification": self.contact_notification_endpoint,
            "agency-sync": self.agency_sync_endpoint,
            "qualification-registry": self.qualification_registry_endpoint,
        }


class ServerSettings(Settings, MailedSecretSettings):
    """The settings of `serve`, which seals the secrets that officers are mailed, and signs officer and act proofs."""

    # A file with the Ed25519 key that signs officer proofs: PEM, PKCS#8, without a password.
    officer_proof_key: Path

    # The same for act proofs.
    act_proof_key: Path

    def load_officer_proof_key(self) -> SigningKey:
        """Returns the key of officer proofs; raises CommandFailed where the file has none."""
        return _load_key("OFFICER_PROOF_KEY", self.officer_proof_key, OFFICER_PROOF_PREFIX)

    def load_act_proof_key(self) -> SigningKey:
        """Returns the key of act proofs; raises CommandFailed where the file has none."""
        return _load_key("ACT_PROOF_KEY", self.act_proof_key, ACT_PROOF_PREFIX)


def _load_key(name: str, file: Path, prefix: bytes) -> SigningKey:
    try:
        return SigningKey.from_pem(file.read_bytes(), prefix)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"TOROKU_{name}: {error}") from error


class WorkerSettings(Settings, SealingSettings):
    """The settings of the worker, which has the key that seals the history."""


class LookupSettings(DatabaseSettings):
    """Those of `serve-lookup`, which has no peers and no proof keys."""

    # Connections for lookups. One more, which no setting changes, finds out whether the process is ready.
    database_pool: int = Field(default=4, ge=1)
