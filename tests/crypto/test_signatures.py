"""Raw P-256 signatures, and the memory of those found good."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.parsers import flipped_bits
from voltage_attest.crypto.signatures import SignatureMemo, load_p256_point, p256_verifies, p256_verifies_der
from voltage_attest.testing.keys import derive_key, public_point, sign_raw

KEY = derive_key("tests of signatures")
PUBLIC = KEY.public_key()
MESSAGE = b"the exact bytes"
SIGNATURE = sign_raw(KEY, MESSAGE)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF


def raw(r: int, s: int) -> bytes:
    """The signature r || s."""
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_a_signature_verifies_over_its_own_bytes_alone() -> None:
    """Another message, key or signature does not."""
    assert p256_verifies(PUBLIC, SIGNATURE, MESSAGE)
    assert not p256_verifies(PUBLIC, SIGNATURE, MESSAGE + b" ")
    assert not p256_verifies(derive_key("another").public_key(), SIGNATURE, MESSAGE)
    assert not p256_verifies(PUBLIC, sign_raw(derive_key("another"), MESSAGE), MESSAGE)


def test_every_flipped_bit_of_a_signature_refuses() -> None:
    """Exhaustive over its 512 bits."""
    verified = [position for position, flipped in flipped_bits(SIGNATURE) if p256_verifies(PUBLIC, flipped, MESSAGE)]
    assert verified == []


@pytest.mark.parametrize("size", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_refuses(size: int) -> None:
    """64 bytes; a longer one is not cut, a shorter one not padded."""
    assert not p256_verifies(PUBLIC, (SIGNATURE * 2)[:size], MESSAGE)


@pytest.mark.parametrize(
    "signature",
    [raw(0, 0), raw(0, 1), raw(1, 0), raw(ORDER, 1), raw(1, ORDER), raw(ORDER, ORDER), raw(2**256 - 1, 2**256 - 1)],
)
def test_numbers_outside_the_group_refuse(signature: bytes) -> None:
    """Zero and values from the order on: the signature that verifies anywhere is not accepted."""
    assert not p256_verifies(PUBLIC, signature, MESSAGE)


def test_r_and_s_in_the_wrong_order_refuse() -> None:
    """The first half is r."""
    assert not p256_verifies(PUBLIC, SIGNATURE[32:] + SIGNATURE[:32], MESSAGE)


@pytest.mark.parametrize("signature", [b"", b"\x30\x00", b"\x30", b"junk", SIGNATURE, b"\x30\x06\x02\x01\x01\x02\x01\x01"])
def test_a_der_signature_that_is_none_refuses(signature: bytes) -> None:
    """Malformed DER is a signature that does not verify, never an exception."""
    assert not p256_verifies_der(PUBLIC, signature, MESSAGE)


def test_a_point_on_the_curve_loads() -> None:
    """Both coordinates, big-endian, as quotes carry them."""
    key = load_p256_point(public_point(KEY))
    assert key is not None
    assert key.public_numbers() == PUBLIC.public_numbers()
    assert isinstance(key.curve, ec.SECP256R1)


@pytest.mark.parametrize(
    "point",
    [
        bytes(64),
        b"\xff" * 64,
        raw(PRIME, 0),
        raw(1, 1),
        public_point(KEY)[32:] + public_point(KEY)[:32],
        public_point(KEY)[:63],
        public_point(KEY) + b"\0",
        b"",
    ],
    ids=["zero", "all ones", "at the prime", "off the curve", "y first", "short", "long", "empty"],
)
def test_what_is_no_point_does_not_load(point: bytes) -> None:
    """Infinity, points off the curve and other lengths are None, never an exception."""
    assert load_p256_point(point) is None


def test_the_memo_remembers_what_was_good() -> None:
    """A second question under the same bytes costs nothing."""
    memo = SignatureMemo()
    assert memo.holds((b"key",), lambda: True)
    assert memo.holds((b"key",), lambda: pytest.fail("asked again"))
    assert memo.computed == 1


def test_the_memo_never_remembers_a_refusal() -> None:
    """A bad signature is computed every time, and becoming good later is noticed."""
    memo = SignatureMemo()
    assert not memo.holds((b"key",), lambda: False)
    assert memo.holds((b"key",), lambda: True)
    assert memo.computed == 2


def test_the_memo_tells_keys_apart_by_their_parts() -> None:
    """The parts of a key are not glued together: (ab, c) is not (a, bc)."""
    memo = SignatureMemo()
    assert memo.holds((b"ab", b"c"), lambda: True)
    assert not memo.holds((b"a", b"bc"), lambda: False)


def test_the_memo_is_bounded() -> None:
    """At its capacity it forgets, and computes again."""
    memo = SignatureMemo(capacity=3)
    for number in range(10):
        assert memo.holds((bytes((number,)),), lambda: True)
    assert memo.holds((b"\x00",), lambda: True)
    assert memo.computed == 11


def test_the_memo_may_know_answers_to_begin_with_and_never_forgets_those() -> None:
    """What is known by construction costs nothing, also after everything else was forgotten."""
    memo = SignatureMemo([(b"known",)], capacity=1)
    for number in range(4):
        assert memo.holds((bytes((number,)),), lambda: True)
    assert memo.holds((b"known",), lambda: pytest.fail("asked again"))
    assert memo.computed == 4
