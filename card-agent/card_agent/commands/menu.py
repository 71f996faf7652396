"""`card-agent menu`, and `card-agent` alone: the menu, and the operation that is chosen there (ENT-06)."""

from collections.abc import Callable, Mapping

import typer

from card_agent.commands.advise import run_advice
from card_agent.commands.change import run_change
from card_agent.commands.options import (
    EndpointOption,
    InstanceOption,
    LanguageOption,
    Pkcs11Option,
    Pkcs12Option,
    ReaderOption,
    ReceiptOption,
    SlotOption,
    StateDirectoryOption,
    TrustFileOption,
    TrustOption,
    VersionOption,
)
from card_agent.commands.register import run_registration
from card_agent.commands.renew import run_renewal
from card_agent.commands.surroundings import Choices, make_choices, open_front_door, person_at_terminal
from card_agent.commands.version import print_version
from card_agent.console.person import Person
from card_agent.operation.menu import choose_operation
from signed_acts.purpose import Operation

# In the order of the menu.
OPERATIONS: Mapping[Operation, Callable[[Person, Choices], None]] = {
    Operation.REGISTRATION: run_registration,
    Operation.CHANGE: run_change,
    Operation.RENEWAL: run_renewal,
    Operation.VIEW: run_advice,
}


def show_menu(
    endpoint: EndpointOption = None,
    trust: TrustOption = None,
    instance: InstanceOption = None,
    trust_file: TrustFileOption = None,
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pkcs11: Pkcs11Option = None,
    receipt: ReceiptOption = None,
    state_directory: StateDirectoryOption = None,
    language: LanguageOption = None,
) -> None:
    """操作の説明を見て選ぶ / Shows what each operation is for, and carries out the one that is chosen."""
    with person_at_terminal(language) as person:
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
        )
        with open_front_door(choices.target) as front_door:
            chosen = choose_operation(front_door, person, OPERATIONS, instance_id=choices.target.instance)
        if chosen is not None:
            OPERATIONS[chosen](person, choices)


def begin(context: typer.Context, version: VersionOption = False) -> None:
    """ICカードの確認・利用者登録・変更・更新 / Without a command: the menu."""
    if version:
        print_version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        show_menu()
