"""The process that judges strangers' certificates, one after the other: started by `judgement_pool`, with no settings.

It has no database, key or address of the service. Orders come on its standard input, answers go to its standard output.
It ends when its input does, so it never outlives the service, and by SIGALRM when one certificate takes too long.
"""

import asyncio
import os
import signal
import sys
import traceback
from typing import BinaryIO

from certificate_registry.adapters.judgement_messages import (
    LENGTH_BYTES,
    Acknowledgement,
    Answer,
    Authorities,
    ChangedLists,
    Judgement,
    Order,
    PresentedCertificate,
    read_order,
    write_message,
)
from certificate_registry.domain.valid_card import create_valid_card
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import validate_certificate
from certificate_registry.pki.revocation_list import RevocationList, parse_revocation_list
from certificate_registry.pki.trust_store import TrustStore, build_trust_store
from refusals import Refusal


class _Judge:
    """The trust store of this process, and what it says of a certificate."""

    def __init__(self, loop: asyncio.Runner) -> None:
        self._loop = loop
        self._lists: dict[bytes, RevocationList] = {}
        self._trust_store: TrustStore = build_trust_store(())

    def answer(self, order: Order) -> Answer:
        """Carries out an order."""
        match order:
            case Authorities():
                self._trust_store = build_trust_store(order.authorities)
            case ChangedLists():
                for sha256 in order.dropped:
                    del self._lists[sha256]
                for der in order.added:
                    revocation_list = parse_revocation_list(der)
                    self._lists[revocation_list.sha256] = revocation_list
                self._trust_store = self._trust_store.with_lists(self._lists.values())
            case PresentedCertificate():
                return self._judge(order)
        return Acknowledgement()

    def _judge(self, presented: PresentedCertificate) -> Judgement:
        crl_urls: tuple[str, ...] = ()
        try:
            certificate = parse_certificate(presented.certificate)
            crl_urls = certificate.crl_urls
            validated = self._loop.run(
                validate_certificate(certificate, presented.others, self._trust_store, presented.now)
            )
        except Refusal as refusal:
            judgement = Judgement(refusal=refusal)
        else:
            judgement = Judgement(valid=create_valid_card(validated, presented.now))
        # The addresses of any other certificate are nobody's business.
        return Judgement(judgement.valid, judgement.refusal, crl_urls) if judgement.is_status_unknown else judgement


def run() -> None:
    """Carries out orders until there are no more."""
    # The service ends this process. Ctrl-C and a platform's SIGTERM to all must not end it while calls still run.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with asyncio.Runner() as loop:
        judge = _Judge(loop)
        while content := _read(sys.stdin.buffer):
            order = read_order(content)
            if isinstance(order, PresentedCertificate):
                signal.setitimer(signal.ITIMER_REAL, order.seconds)
            try:
                answer = judge.answer(order)
            except Exception:  # The service reports any defect, with the call that it belongs to.
                answer = Judgement(defect=traceback.format_exc())
            signal.setitimer(signal.ITIMER_REAL, 0)
            answers.write(write_message(answer))
            answers.flush()


def _read(stream: BinaryIO) -> bytes:
    length = stream.read(LENGTH_BYTES)
    return stream.read(int.from_bytes(length, "big")) if length else b""


if __name__ == "__main__":
    run()
