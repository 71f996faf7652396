"""`card-agent trust`: which instances this person's card signs for."""

from pathlib import Path
from typing import Annotated

import grpc
import typer

from card_agent.commands.options import LanguageOption, TrustFileOption, YesOption
from card_agent.commands.surroundings import find_configuration, person_at_terminal
from card_agent.console import serve_words
from card_agent.console.person import Answer, Person, Row
from card_agent.console.words import Words, to_words
from card_agent.operation.calls import FrontDoor, call
from card_agent.trust import FILE_NAME, TrustedInstance, read_trust_file
from card_agent.trust_offer import (
    OfferedInstance,
    add_trusted,
    check_addition,
    read_offer,
    read_server_key,
    remove_trusted,
)
from refusals import Code, Refusal
from toroku.frontdoor.v1 import entry_pb2

application = typer.Typer(help="信頼するシステムの一覧 / The systems that this person's card signs for.")


@application.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="システムの運営者から受け取ったファイル / The file of the operator.")],
    trust_file: TrustFileOption = None,
    yes: YesOption = False,
    language: LanguageOption = None,
) -> None:
    """運営者のファイルのシステムを一覧に追加する / Trusts the systems in an operator's file, once you agree."""
    with person_at_terminal(language) as person:
        person.assume_yes = yes
        trusted, offers = _choose_file(trust_file), read_offer(file)
        check_addition(trusted, offers)
        known = {instance.id for instance in read_trust_file(trusted)}
        for offer in offers:
            _show_offer(person, offer)
            if offer.instance.id in known:
                person.show_message(serve_words.REPLACES)
        if person.confirm(serve_words.CONFIRM_TRUST, may_go_back=False) is not Answer.YES:
            person.show_message(serve_words.TRUST_NOT_SAVED)
            return
        add_trusted(trusted, offers)
        person.show_message(serve_words.TRUST_SAVED)


@application.command("list")
def show_list(trust_file: TrustFileOption = None, language: LanguageOption = None) -> None:
    """信頼するシステムの一覧を表示する / Shows the trusted systems."""
    with person_at_terminal(language) as person:
        instances = read_trust_file(_choose_file(trust_file))
        for instance in instances:
            person.show(serve_words.TRUSTED, _list_rows(instance))
        if not instances:
            person.show_message(serve_words.NO_TRUSTED)


@application.command("remove")
def remove(
    instance: Annotated[str, typer.Argument(help="システムのID / The id of the system.")],
    trust_file: TrustFileOption = None,
    yes: YesOption = False,
    language: LanguageOption = None,
) -> None:
    """システムを一覧から削除する / Has a system trusted no more."""
    with person_at_terminal(language) as person:
        person.assume_yes = yes
        file = _choose_file(trust_file)
        found = [each for each in read_trust_file(file) if each.id == instance]
        if not found:
            metadata = {"instance": instance, "file": str(file)}
            raise Refusal("INSTANCE_NOT_TRUSTED", Code.FAILED_PRECONDITION, metadata)
        person.show(serve_words.TRUSTED, _list_rows(found[0]))
        if person.confirm(serve_words.CONFIRM_REMOVAL, may_go_back=False) is not Answer.YES:
            person.show_message(serve_words.TRUST_NOT_SAVED)
            return
        remove_trusted(file, instance)
        person.show_message(serve_words.TRUST_REMOVED)


def _choose_file(trust_file: Path | None) -> Path:
    return trust_file or find_configuration() / FILE_NAME


def _show_offer(person: Person, offer: OfferedInstance) -> None:
    """Shows who answers there, and by which keys it is known. Raises the refusals of the call, INSTANCE_DIFFERS."""
    with person.show_waiting():
        key, name = read_server_key(offer), _read_name(offer)
    rows: list[Row] = [(serve_words.SYSTEM_NAME, name), *_list_rows(offer.instance)]
    rows.append((serve_words.SERVER_KEY, key))
    fingerprints = offer.authority_fingerprints or (serve_words.SYSTEM_AUTHORITIES,)
    rows += [(serve_words.AUTHORITY_CERTIFICATE, fingerprint) for fingerprint in fingerprints]
    person.show(serve_words.TRUSTED, rows)


def _read_name(offer: OfferedInstance) -> Words:
    roots = offer.authority_pem.encode() or None
    credentials = grpc.ssl_channel_credentials(roots)
    with grpc.secure_channel(offer.instance.endpoint, credentials) as channel:
        request = entry_pb2.DescribeInstanceRequest()
        instance = call(FrontDoor.at(channel).entry.DescribeInstance, request).instance
    if instance.id != offer.instance.id:
        metadata = {"found": instance.id, "expected": offer.instance.id}
        raise Refusal("INSTANCE_DIFFERS", Code.FAILED_PRECONDITION, metadata)
    return to_words(instance.name)


def _list_rows(instance: TrustedInstance) -> list[Row]:
    return [
        (serve_words.SYSTEM_ID, instance.id),
        (serve_words.ENDPOINT, instance.endpoint),
        (serve_words.PORTAL, instance.portal or serve_words.NOT_USED),
        (serve_words.RETURN_ADDRESS, instance.return_address or serve_words.NOT_USED),
        (serve_words.RELEASES, instance.releases or serve_words.NOT_USED),
    ]
