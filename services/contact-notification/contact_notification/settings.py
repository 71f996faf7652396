"""The settings of contact-notification."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from history.settings import SealingSettings
from servicekit.mailed_secrets import MailedSecretSettings
from servicekit.settings import DatabaseSettings

SERVICE = "contact-notification"
PACKAGE = "contact_notification"


class Settings(DatabaseSettings):
    """The settings, read from the environment."""

    certificate_registry_endpoint: str
    agency_sync_endpoint: str

    # The mail server (host and port separately, as mail servers' manuals have them).
    smtp_host: str
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    # The CAs that the mail server's certificate is checked against; the system's own where it is not set.
    smtp_ca: Path | None = None
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    # The address that mails come from; where it is empty, the help desk's of the profile.
    mail_sender: str = ""
    # For so many days a mail is tried; then it has failed (RFC 5321, 4.5.4.1).
    mail_give_up_after_days: int = Field(default=5, ge=1, le=30)

    def endpoints(self) -> dict[str, str]:
        """Returns the addresses of the peers by name."""
        return {
            "certificate-registry": self.certificate_registry_endpoint,
            "agency-sync": self.agency_sync_endpoint,
        }


class ServerSettings(Settings):
    """The settings of `serve`, which takes the proofs of acts."""

    # Public keys (PEM; one or several; bare or in certificates), of which any may have signed an act proof.
    act_proof_public_keys: Path


class WorkerSettings(Settings, SealingSettings, MailedSecretSettings):
    """The settings of the worker, which alone has the key of the history, and opens secrets for their mails."""
