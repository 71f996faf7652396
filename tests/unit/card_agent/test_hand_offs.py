"""What is kept of a hand-off, and for how long."""

import time
from pathlib import Path

import pytest

from card_agent.clock import read_clock
from card_agent.local_page import hand_offs
from card_agent.local_page.hand_offs import ChosenCard, HandOff, HandOffs, ReadMedium, RenewalState
from card_agent.local_page.pins import KeptPin, keep_pin
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin, TokenCertificate
from card_agent.trust import TrustedInstance
from signed_acts.purpose import Operation, Role

TRUSTED = TrustedInstance("saitama", "front-door.example:443")
FILE = Pkcs12File(Path("card.p12"))


def kept(seconds: float) -> KeptPin:
    return KeptPin(Pin("123456"), read_clock() + seconds)


def hand_off_with(pin: KeptPin) -> HandOff:
    hand_off = HandOff("id", TRUSTED, read_clock())
    renewal = RenewalState.begin(pins_are_equal=True)
    renewal.trial_pin = pin
    hand_off.begin(Operation.RENEWAL, ChosenCard(FILE, TokenCertificate(b"", "1"), "", pin=pin), Role.OLD, renewal)
    hand_off.reading = ReadMedium(FILE, pin)
    return hand_off


@pytest.mark.parametrize(("seconds", "is_kept"), [(60.0, True), (0.0, False)])
def test_each_pin_whose_time_is_over_is_forgotten(seconds: float, is_kept: bool) -> None:
    hand_off = hand_off_with(kept(seconds))
    hand_off.forget_old_pins()
    assert hand_off.renewal is not None
    pins = (hand_off.cards[Role.OLD].pin, hand_off.renewal.trial_pin, hand_off.reading)
    assert [pin is not None for pin in pins] == [is_kept] * 3


def test_time_in_which_the_pc_slept_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    pin = keep_pin(Pin("123456"), None)
    woken_at = time.clock_gettime(time.CLOCK_BOOTTIME) + 601
    assert pin.is_in_time
    # Python's own clock stood still meanwhile.
    monkeypatch.setattr(time, "clock_gettime", lambda _: woken_at)
    assert not pin.is_in_time


def test_no_repr_has_a_pin_or_what_opens_a_hand_off() -> None:
    hand_off = hand_off_with(kept(60))
    assert "123456" not in repr(hand_off)
    assert "'id'" not in repr(hand_off)
    form = hand_off.forms.issue("/card", "content")
    assert form.token not in repr(hand_off) + repr(form)


def test_password_by_which_a_file_was_read_is_for_that_file_and_taken_once() -> None:
    hand_off = hand_off_with(kept(60))
    assert hand_off.take_reading_pin(Pkcs12File(Path("other.p12"))) is None
    assert hand_off.take_reading_pin(FILE) is None


def test_hand_off_without_use_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    living = HandOffs()
    id = living.make(TRUSTED).id
    assert living.find(id) is not None
    monkeypatch.setattr(hand_offs, "IDLE_SECONDS", 0.0)
    assert living.find(id) is None


def test_old_forms_make_room_for_new_ones() -> None:
    hand_off = hand_off_with(kept(60))
    tokens = [hand_off.forms.issue("/card", number).token for number in range(60)]
    assert hand_off.forms.find("/card", tokens[0]) is None
    newest = hand_off.forms.find("/card", tokens[-1])
    assert newest is not None
    assert newest.content == 59
