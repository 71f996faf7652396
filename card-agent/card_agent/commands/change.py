"""`card-agent change`: 変更."""

from card_agent.change.change import change_contacts
from card_agent.change.form import BOTH, NOTHING, SECTIONS
from card_agent.change.in_progress import ChangeResult
from card_agent.change.receipt import compose_receipt, show_receipt
from card_agent.commands.ending import Ending, run_operation
from card_agent.commands.options import (
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
from card_agent.console import change_words
from card_agent.console.field_names import CARD_CONTACT, REPRESENTATIVE_CONTACT
from card_agent.console.person import Person


def change_card(
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
    yes: YesOption = False,
    receipt: ReceiptOption = None,
    details: DetailsOption = False,
    state_directory: StateDirectoryOption = None,
    language: LanguageOption = None,
) -> None:
    """登録内容を確認し、連絡先を変更する / Shows what is registered, and changes the contacts."""
    with person_at_terminal(language) as person:
        person.pin_source = make_pin_source(pin_file, pin_fd)
        person.assume_yes = yes
        person.answers = read_answers(form)
        if form is not None:
            person.answers[SECTIONS] = _choose_sections(person.answers)
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
        run_change(person, choices)


def run_change(person: Person, choices: Choices) -> None:
    """Shows what is registered and changes it, from the choice of the agency to the receipt."""
    run_operation(person, choices, _ENDING, change_contacts, choices.medium)


def _choose_sections(answers: dict[str, str]) -> str:
    """Returns what a form file changes: the sections that it has; a file without any only has it shown."""
    given = {path.partition(".")[0] for path in answers}
    chosen = [section for section in (CARD_CONTACT, REPRESENTATIVE_CONTACT) if section in given]
    return chosen[0] if len(chosen) == 1 else BOTH if chosen else NOTHING


_ENDING: Ending[ChangeResult] = Ending(
    stopped_before=change_words.STOPPED_WITHOUT_CHANGE,
    stopped_without_answer=change_words.STOPPED_WITHOUT_ANSWER,
    stopped_after=change_words.STOPPED_AFTER_CHANGE,
    receipt=change_words.RECEIPT,
    show=show_receipt,
    # To be filed, and so in Japanese whatever the person reads.
    compose=lambda result: compose_receipt(result.receipt, result.instance, "ja"),
)
