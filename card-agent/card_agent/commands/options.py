"""The options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from refusals.language import Language

ReaderOption = Annotated[
    str | None, typer.Option("--reader", help="カードリーダー名の一部 / Part of the reader's name.")
]
SlotOption = Annotated[
    str | None,
    typer.Option(
        "--slot", help="PIVのスロット（9A, 9C, 9D） / Slot of the PIV card; by default the first with a certificate."
    ),
]
Pkcs12Option = Annotated[
    Path | None, typer.Option("--pkcs12", help="カードの代わりに使う証明書ファイル / A PKCS#12 file instead of a card.")
]
Pkcs11Option = Annotated[
    Path | None,
    typer.Option(
        "--pkcs11",
        help="認証局のPKCS#11モジュール（--readerはICカードの名前にも使える）"
        " / The PKCS#11 module of a CA; --reader is then a part of the token's name, too.",
    ),
]
PinFileOption = Annotated[
    Path | None, typer.Option("--pin-file", help="PINを1行目に書いたファイル / File whose first line is the PIN.")
]
PinDescriptorOption = Annotated[
    int | None, typer.Option("--pin-fd", help="PINを読むファイル記述子 / File descriptor to read the PIN from.")
]
LanguageOption = Annotated[
    Language | None,
    typer.Option("--language", help="画面の言語 / Language of the screen; by default that of the locale."),
]
EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint", help="接続先 / The front door, host:port, if the trust file does not say it."),
]
TrustOption = Annotated[
    Path | None,
    typer.Option("--trust", help="接続先を検証するCA証明書（PEM） / CA certificates (PEM) that verify it."),
]
InstanceOption = Annotated[
    str | None,
    typer.Option("--instance", help="このシステム以外では手続きをしない / Refuse any other instance."),
]
TrustFileOption = Annotated[
    Path | None,
    typer.Option("--trust-file", help="信頼するシステムの一覧（YAML） / Trusted instances, where and by which CA."),
]
FormOption = Annotated[
    Path | None,
    typer.Option("--form", help="入力内容のファイル（YAML） / Form file: agency, category, search, contacts."),
]
AnswerAddressOption = Annotated[
    str | None,
    typer.Option(
        "--answer-address",
        help="担当者の確認が必要な場合に回答を受け取るメールアドレス"
        " / Mail address for the answer where an officer has to be asked about the card.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="確認を求めずに署名・送信する / Sign and send without asking.")]
ReceiptOption = Annotated[
    Path | None, typer.Option("--receipt", help="控えを書くファイル / File to write the receipt to.")
]
DetailsOption = Annotated[
    bool,
    typer.Option("--details", help="署名する内容をすべて表示する / Show all values of what the card signs."),
]
VersionOption = Annotated[
    bool, typer.Option("--version", help="このカードエージェントのバージョン / The version of this card agent.")
]
StateDirectoryOption = Annotated[
    Path | None,
    typer.Option("--state-directory", help="途中の手続きを覚えるフォルダー / Folder for what is unfinished."),
]
