"""The registries that have a history."""

from collections.abc import Mapping
from enum import StrEnum

from operator_command.speech import Phrase, Speech


class Registry(StrEnum):
    """The registries, as their histories name them."""

    CERTIFICATE = "certificate-registry"
    QUALIFICATION = "qualification-registry"
    CONTACT = "contact-notification"


REGISTRY_WORDS: Mapping[Registry, Phrase] = {
    Registry.CERTIFICATE: Phrase("ICカードと利用者登録", "cards and registrations"),
    Registry.QUALIFICATION: Phrase("名簿とパスワード", "rosters and passwords"),
    Registry.CONTACT: Phrase("連絡先とお知らせ", "contacts and notices"),
}


def name_registry(registry: Registry, speech: Speech) -> str:
    """Returns what people call a registry, with its own name."""
    words = REGISTRY_WORDS[registry]
    return speech.say(Phrase(f"{registry}（{words.ja}）", f"{registry} ({words.en})"))
