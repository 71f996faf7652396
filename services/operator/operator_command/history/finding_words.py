"""A sentence for each finding: what happened, to what, and what to do next."""

from history.findings import Fault, Finding
from operator_command.speech import Phrase


def describe_finding(finding: Finding) -> Phrase:
    """Returns the sentence for a finding that is a fault."""
    place, head = _name_place(finding), finding.head
    ja, en = place.ja, place.en
    match finding.fault:
        case Fault.CHANGED:
            return Phrase(
                f"{ja}が封印の後に書き換えられているので、バックアップにある同じ記録と比べ、元の内容を確かめてください。",
                f"{en} was changed after it was sealed: compare it with a backup to see what it said.",
            )
        case Fault.REMOVED:
            return Phrase(
                f"{ja}が削除されているので、バックアップにある元の記録を確かめてください。",
                f"{en} was removed: look it up in a backup.",
            )
        case Fault.INSERTED:
            return Phrase(
                f"{ja}は封印された履歴にないものなので、その内容を信用せず、誰が書き込んだかを調べてください。",
                f"{en} is not what was sealed: do not rely on it, and find out who wrote it.",
            )
        case Fault.REORDERED:
            return Phrase(
                f"{ja}の順序が入れ替えられているので、バックアップにある順序と比べてください。",
                f"{en} is not in the order in which it was sealed: compare it with a backup.",
            )
        case Fault.CUT:
            return Phrase(
                f"履歴の終わりにある{ja}が切り取られているので、バックアップにある元の記録を確かめてください。",
                f"{en} was cut off at the end of the history: look it up in a backup.",
            )
        case Fault.DETAILS_CHANGED:
            return Phrase(
                f"{ja}の詳細が書き換えられているので、その内容を信用せず、バックアップにある詳細と比べてください。",
                f"The details of {_lower(en)} were changed: do not rely on them, and compare them with a backup.",
            )
        case Fault.DETAILS_MISSING:
            return Phrase(
                f"{ja}の詳細が、消去の操作なしに失われているので、バックアップにある詳細を確かめてください。",
                f"The details of {_lower(en)} are gone although no act erased them: look them up in a backup.",
            )
        case Fault.ERASED_WITHOUT_ACT:
            return Phrase(
                f"{ja}の詳細を消去したとされる操作（記録番号{finding.act}）が履歴にないか、この記録についてのものでは"
                "ないので、バックアップにある詳細を確かめてください。",
                f"The details of {_lower(en)} are said to be erased by act {finding.act}, which is not in the history "
                "or is not about them: look them up in a backup.",
            )
        case Fault.HEAD_REMOVED:
            return Phrase(
                f"封印{head}番（{ja}のもの）が削除されているので、バックアップにある封印を確かめてください。",
                f"Head {head}, of {_lower(en)}, was removed: look it up in a backup.",
            )
        case Fault.HEAD_OF_ANOTHER_CHAIN:
            return Phrase(
                f"封印{head}番は別の登録簿またはシステムの履歴のものなので、データベースの取り違えがないか確かめてください。",
                f"Head {head} is of another registry's history, or another instance's: check that this is the right "
                "database.",
            )
        case Fault.CHAIN_BROKEN:
            return Phrase(
                f"封印{head}番が直前の封印につながらないので、その前後の封印をバックアップと比べてください。",
                f"Head {head} does not go on from the one before: compare the heads around it with a backup.",
            )
        case Fault.LEAVES_CHANGED:
            return Phrase(
                f"{ja}は封印のとおりですが、封印{head}番に添えられた要約値が書き換えられているので、"
                "誰が書き換えたかを調べてください。",
                f"{en} is as it was sealed, but the digests beside head {head} were changed: find out who did it.",
            )
        case Fault.BATCH_CHANGED:
            return Phrase(
                f"{ja}のどれかが、封印{head}番に添えられた要約値とともに書き換えられているので、"
                "そのすべてをバックアップと比べてください。",
                f"{en} was changed, or one of them, together with the digests beside head {head}: compare all of them "
                "with a backup.",
            )
        case Fault.KEY_UNKNOWN:
            return Phrase(
                f"封印{head}番に署名した鍵が公開鍵のファイルにないので、以前の鍵も入ったファイルを指定して"
                "もう一度確かめてください。",
                f"Head {head} is signed by a key that is not among the public keys: verify again with a file that has "
                "the former keys too.",
            )
        case Fault.SIGNATURE_WRONG:
            return Phrase(
                f"封印{head}番の署名が正しくなく、後から作られた封印のおそれがあるので、バックアップにある封印と"
                "比べてください。",
                f"The signature of head {head} is wrong, so it was made or changed by somebody else: compare it with a "
                "backup.",
            )
        case Fault.ROLLED_BACK:
            return Phrase(
                f"控えてあった封印{head}番が履歴にないので、データベースが古い状態に戻されていないか確かめてください。",
                f"Head {head}, which was noted, is not in the history: find out whether the database was rolled back.",
            )
        case Fault.REWRITTEN:
            return Phrase(
                f"封印{head}番が控えてあったものと違い、履歴が作り直されたおそれがあるので、署名の鍵が盗まれていないか"
                "調べてください。",
                f"Head {head} is not the one that was noted, so the history was rewritten: find out whether the "
                "signing key was stolen.",
            )
        case None:
            return Phrase(
                f"{ja}の詳細は、記録番号{finding.act}の操作により消去されています。",
                f"The details of {_lower(en)} were erased by act {finding.act}.",
            )


def _name_place(finding: Finding) -> Phrase:
    """Returns which entries a finding is about; empty where it is about a head alone."""
    first, last, number = finding.first_position, finding.last_position, finding.number
    known = Phrase("", "") if number is None else Phrase(f"（記録番号{number}）", f" (number {number})")
    if first is None:
        return (
            Phrase(f"位置のない記録{known.ja}", f"The entry without a position{known.en}")
            if number is not None
            else known
        )
    if first == last:
        return Phrase(f"{first}番の記録{known.ja}", f"Entry {first}{known.en}")
    return Phrase(f"{first}番から{last}番までの記録", f"The range of entries {first} to {last}")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
