"""`card-agent renew`: ICカード更新."""

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
from card_agent.console import renewal_words
from card_agent.console.person import Person
from card_agent.operation.card_approval import ANSWER_ADDRESS
from card_agent.renewal.cards import EQUAL, PINS
from card_agent.renewal.in_progress import RenewalDone
from card_agent.renewal.renew import renew_card
from card_agent.renewal.result import compose_result, show_result


def renew(
    endpoint: EndpointOption = None,
    trust: TrustOption = None,
    instance: InstanceOption = None,
    trust_file: TrustFileOption = None,
    reader: ReaderOption = None,
    new_reader: Annotated[
        str | None,
        typer.Option(
            "--new-reader",
            help="新しいICカードを挿入するカードリーダー名の一部"
            " / Part of the name of the new card's reader; by default the second one with a card, or the same.",
        ),
    ] = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pkcs11: Pkcs11Option = None,
    new_pkcs12: Annotated[
        Path | None,
        typer.Option("--new-pkcs12", help="新しい証明書ファイル / The new PKCS#12 file, with --pkcs12 the old one."),
    ] = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    new_pin_file: Annotated[
        Path | None,
        typer.Option(
            "--new-pin-file", help="新しいICカードのPINを1行目に書いたファイル / File with the PIN of the new card."
        ),
    ] = None,
    new_pin_fd: Annotated[
        int | None,
        typer.Option(
            "--new-pin-fd",
            help="新しいICカードのPINを読むファイル記述子 / File descriptor to read the PIN of the new card from.",
        ),
    ] = None,
    same_pin: Annotated[
        bool,
        typer.Option(
            "--same-pin",
            help="2枚のICカードのPINは同じである（新しいICカードには1回だけ送信する）"
            " / Both cards have the same PIN, which is sent to the new one once.",
        ),
    ] = False,
    form: FormOption = None,
    answer_address: AnswerAddressOption = None,
    yes: YesOption = False,
    receipt: ReceiptOption = None,
    details: DetailsOption = False,
    state_directory: StateDirectoryOption = None,
    language: LanguageOption = None,
) -> None:
    """登録情報を新しいICカードに引き継ぐ / Has a new card take the place of the registered one."""
    with person_at_terminal(language) as person:
        person.pin_source = make_pin_source(pin_file, pin_fd)
        person.new_pin_source = make_pin_source(new_pin_file, new_pin_fd)
        person.assume_yes = yes
        person.answers = read_answers(form)
        if same_pin:
            person.answers[PINS] = EQUAL
        if answer_address is not None:
            person.answers[ANSWER_ADDRESS] = answer_address
        choices = make_choices(
            endpoint=endpoint,
            trust=trust,
            instance=instance,
            trust_file=trust_file,
            reader=reader,
            new_reader=new_reader,
            slot=slot,
            pkcs12=pkcs12,
            pkcs11=pkcs11,
            new_pkcs12=new_pkcs12,
            state_directory=state_directory,
            receipt=receipt,
            details=details,
        )
        run_renewal(person, choices)


def run_renewal(person: Person, choices: Choices) -> None:
    """Renews a card, from the choice of the agency to the result."""
    run_operation(person, choices, _ENDING, renew_card, choices.places)


_ENDING: Ending[RenewalDone] = Ending(
    stopped_before=renewal_words.STOPPED_WITHOUT_RENEWAL,
    stopped_without_answer=renewal_words.STOPPED_WITHOUT_ANSWER,
    stopped_after=renewal_words.STOPPED_AFTER_RENEWAL,
    receipt=renewal_words.RESULT,
    show=show_result,
    # To be filed, and so in Japanese whatever the person reads.
    compose=lambda done: compose_result(done, "ja"),
)
