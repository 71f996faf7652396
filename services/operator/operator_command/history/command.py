"""`toroku history show` and `toroku history verify`."""

from pathlib import Path
from typing import Annotated

import typer

from operator_command.client.options import STATE, ClientCertificate, ClientKey, State, Trust
from operator_command.history.registries import Registry
from operator_command.officer.acts.options import OverlayFile, ProfileFile
from operator_command.speech import LanguageOption

Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        envvar="TOROKU_HISTORY_ENDPOINTS",
        metavar="REGISTRY=HOST:PORT",
        help="A registry's agency listener; may be repeated. Then only these registries are asked.",
    ),
]
OneRegistry = Annotated[Registry | None, typer.Option(help="Only this registry; by default all.")]
CallingOfficer = Annotated[
    str | None,
    typer.Option(
        "--as-officer",
        envvar="TOROKU_OFFICER",
        help="Call as this officer of the operator (operator/person) of the state folder.",
    ),
]

history = typer.Typer(no_args_is_help=True, help="Shows who did what when, and verifies that nobody changed it since.")


@history.command("show")
def show_history(
    bidder: Annotated[str | None, typer.Option(metavar="BIDDER_ID", help="What concerns this bidder.")] = None,
    card: Annotated[
        str | None,
        typer.Option(metavar="SHA256|FILE", help="What concerns this card: its certificate (PEM, DER) or its SHA-256."),
    ] = None,
    officer: Annotated[
        str | None,
        typer.Option(metavar="AGENCY/PERSON", help="What this officer did; operator/person for the operator's."),
    ] = None,
    request: Annotated[str | None, typer.Option(metavar="UUID", help="What was done for this request_id.")] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also show what was changed, and what was signed.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, help="How many entries to show, the newest ones.")] = 50,
    registry: OneRegistry = None,
    profile: ProfileFile = None,
    overlay: OverlayFile = None,
    endpoint: Endpoints = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    as_officer: CallingOfficer = None,
    language: LanguageOption = None,
) -> None:
    """Shows the entries about a bidder, a card, an officer or a request, the newest first, of all registries."""
    from operator_command.history.session import SessionOptions, history_session
    from operator_command.history.show import name_subject, show_entries

    subjects = {"bidder": bidder, "card": card, "officer": officer, "request": request}
    named = [(kind, value) for kind, value in subjects.items() if value is not None]
    if len(named) != 1:
        raise typer.BadParameter("name one of --bidder, --card, --officer, --request")
    options = SessionOptions(
        registry, endpoint or (), profile, overlay, client_certificate, client_key, trust, state, as_officer
    )
    with history_session(language, options) as session:
        show_entries(session, name_subject(*named[0]), most=most, has_details=details)


@history.command("verify")
def verify_history(
    first: Annotated[int, typer.Option("--from", min=0, help="Only from the batch with this position.")] = 0,
    last: Annotated[int, typer.Option("--until", min=0, help="Only up to the batch with this position.")] = 0,
    witness: Annotated[
        Path | None,
        typer.Option(
            help="Compare with the heads noted in this file, and note the newest ones there if all is well; or with "
            "the signed head in it, as an agency got it."
        ),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(
            help="Verify this receipt only, or the text of a mail that has one, without a connection to the instance."
        ),
    ] = None,
    entry: Annotated[
        str | None, typer.Option(metavar="SHA256", help="The digest that the receipt has to prove.")
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            help="The public keys of the history (PEM); by default certificates/history.pub of the state folder."
        ),
    ] = None,
    registry: OneRegistry = None,
    profile: ProfileFile = None,
    overlay: OverlayFile = None,
    endpoint: Endpoints = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    as_officer: CallingOfficer = None,
    language: LanguageOption = None,
) -> None:
    """Verifies the registries' histories, or a receipt; says what was done to which entry, and ends with 1 then."""
    from operator_command.history.public_keys import load_keys, locate_keys

    is_range = bool(first or last)
    if (entry is not None and receipt is None) or (witness is not None and (is_range or receipt is not None)):
        raise typer.BadParameter("--entry belongs to --receipt, and --witness to a verification of everything")
    if receipt is not None:
        from operator_command.history.receipts import verify_file

        verify_file(receipt, public_key or locate_keys(state), entry, language)
        return
    from operator_command.history.session import SessionOptions, history_session
    from operator_command.history.verify import VerifyOptions, verify_registries

    options = SessionOptions(
        registry, endpoint or (), profile, overlay, client_certificate, client_key, trust, state, as_officer
    )
    with history_session(language, options) as session:
        keys = load_keys(public_key or locate_keys(state))
        is_good = verify_registries(session, keys, VerifyOptions(first, last, witness))
    if not is_good:
        raise typer.Exit(1)
