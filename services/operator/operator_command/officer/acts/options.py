"""The options that officers' commands have in common, each set of them as a class."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from operator_command.client.options import STATE, ClientCertificate, ClientKey, Officer, State, Trust
from operator_command.speech import LanguageOption

_Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        envvar="TOROKU_ENDPOINT",
        metavar="[SERVICE=]HOST:PORT",
        help="The service's agency listener; with SERVICE=, once for each, where a command calls several.",
    ),
]
_Instance = Annotated[
    str | None,
    typer.Option(envvar="TOROKU_INSTANCE", help="Id of the instance, where your certificate does not name it."),
]
ProfileFile = Annotated[
    Path | None,
    typer.Option(
        envvar="TOROKU_PROFILE",
        help="The prefecture's profile, for names instead of codes; by default that of the state folder's instance.",
    ),
]
OverlayFile = Annotated[
    Path | None, typer.Option(envvar="TOROKU_PROFILE_OVERLAY", help="Overrides of the profile for this instance.")
]
_WithCard = Annotated[
    bool, typer.Option("--with-card", help="Your key is on a card in a reader; its PIN is asked for once.")
]
_Reader = Annotated[str | None, typer.Option(help="Part of the reader's name, where there are several.")]
_Slot = Annotated[str | None, typer.Option(help="The key on the card: 9A or 9C; by default the first one.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking whether to, for scripts.")]
_RequestId = Annotated[
    str | None,
    typer.Option(metavar="UUID", help="That of a command whose outcome is unknown: asks for it, and acts only once."),
]
_Details = Annotated[bool, typer.Option("--details", help="Show every value that is signed, hashes too.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerOptions:
    """Which instance an officer's command calls, as whom, and in which language it speaks."""

    endpoint: _Endpoints = None
    instance: _Instance = None
    profile: ProfileFile = None
    overlay: OverlayFile = None
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None
    trust: Trust = None
    state: State = STATE
    officer: Officer = None
    with_card: _WithCard = False
    reader: _Reader = None
    slot: _Slot = None
    language: LanguageOption = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningOptions(OfficerOptions):
    """How an officer confirms what is signed, too."""

    yes: _Yes = False
    details: _Details = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOptions(SigningOptions):
    """Which request it is, too, where a repetition is answered by the outcome."""

    request_id: _RequestId = None


def take_options(command: Callable[..., None]) -> Callable[..., None]:
    """Returns the command with one option for each field of the class that its parameter `options` is of."""
    signature = inspect.signature(command, eval_str=True)
    kind: type[OfficerOptions] = signature.parameters["options"].annotation
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    parameters = [parameter for name, parameter in signature.parameters.items() if name != "options"]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[name])
        for name, field in fields.items()
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        chosen = {name: values.pop(name) for name in fields}
        command(**values, options=kind(**chosen))

    # What Typer reads a command's options from.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # a function may have one (PEP 362)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
