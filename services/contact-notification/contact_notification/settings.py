"""The settings of contact-notification."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from servicekit.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """What the service is told by its environment."""

    certificate_registry_endpoint: str

    # The mail server that takes the mails (host:port parted in two, as mail servers' manuals have it).
    smtp_host: str
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    # The CAs that the mail server's certificate is checked against; the system's own where none is named.
    smtp_ca: Path | None = None
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    # The address that mails come from; where it is empty, the help desk's of the profile.
    mail_sender: str = ""
