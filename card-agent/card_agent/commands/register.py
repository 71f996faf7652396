"""`card-agent register`: 登録."""

from pathlib import Path
from typing import Annotated

import typer

from card_agent.commands.ending import Ending, run_operation
from card_agent.commands.options import (
    AnswerAddressOption,
    DetailsOption,
    EndpointOption,
    FormOption,
    InstanceOption,
    LanguageOption,
    PinDescriptorOption,
    PinFileOption,
    Pkcs11Option,
    Pkcs12Option,
    ReaderOption,
    ReceiptOption,
    SlotOption,
    StateDirectoryOption,
    TrustFileOption,
    TrustOption,
    YesOption,
)
from card_agent.commands.surroundings import (
    Choices,
    make_choices,
    make_pin_source,
    person_at_terminal,
    read_answers,
)
from card_agent.console import words
from card_agent.console.person import Person
from card_agent.operation.card_approval import ANSWER_ADDRESS
from card_agent.registration.in_progress import RegistrationResult
from card_agent.registration.receipt import compose_receipt
from card_agent.registration.register import register, show_receipt


def register_card(
    endpoint: EndpointOption = None,
    trust: TrustOption = None,
    instance: InstanceOption = None,
    trust_file: TrustFileOption = None,
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pkcs11: Pkcs11Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    form: FormOption = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file", help="検索のパスワードのファイル / File with the password of the bidder search."
        ),
    ] = None,
    answer_address: AnswerAddressOption = None,
    yes: YesOption = False,
    receipt: ReceiptOption = None,
    details: DetailsOption = False,
    state_directory: StateDirectoryOption = None,
    language: LanguageOption = None,
) -> None:
    """ICカードを利用者登録する / Registers the card."""
    with person_at_terminal(language) as person:
        person.pin_source = make_pin_source(pin_file, pin_fd)
        person.assume_yes = yes
        person.answers = read_answers(form, password_file)
        if answer_address is not None:
            person.answers[ANSWER_ADDRESS] = answer_address
        choices = make_choices(
            endpoint=endpoint,
            trust=trust,
            instance=instance,
            trust_file=trust_file,
            reader=reader,
            slot=slot,
            pkcs12=pkcs12,
            pkcs11=pkcs11,
            state_directory=state_directory,
            receipt=receipt,
            details=details,
        )
        run_registration(person, choices)


def run_registration(person: Person, choices: Choices) -> None:
    """Registers a card, from the choice of the agency to the receipt."""
    run_operation(person, choices, _ENDING, register, choices.medium)


_ENDING: Ending[RegistrationResult] = Ending(
    stopped_before=words.STOPPED_WITHOUT_REGISTRATION,
    stopped_without_answer=words.STOPPED_WITHOUT_ANSWER,
    stopped_after=words.STOPPED_AFTER_REGISTRATION,
    receipt=words.RECEIPT,
    show=show_receipt,
    # To be filed, and so in Japanese whatever the person reads.
    compose=lambda result: compose_receipt(result.receipt, result.instance, "ja"),
)
