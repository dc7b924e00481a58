"""Device certificates, their signatures and the firmware identity inside: strict where a lenient reader would look away."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.gpu.fake_nvidia import FWID, fwid_extension
from tests.gpu.real_devices import H100
from tests.support.real_evidence import REAL_CERTIFICATES
from voltage_attest.crypto.device_certificates import load_device_certificate
from voltage_attest.crypto.p384 import p384_verifies
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.dice import parse_composite_device_fwid, parse_tcb_info_fwid
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.evidence.spdm import parse_exchange

LEAF, BROM, *_ = parse_pem_chain(H100.certificate_chain, "chain")
SHA384 = bytes.fromhex("06082a8648ce3d040303")
SHA256 = bytes.fromhex("06082a8648ce3d040302")
HOPPER = fwid_extension(FWID, blackwell=False).public_bytes()
BLACKWELL = fwid_extension(FWID, blackwell=True).public_bytes()
DIGEST = bytes.fromhex("0609608648016503040202")


def test_a_real_leaf_reads() -> None:
    leaf = load_device_certificate(LEAF, "leaf")
    assert leaf.common_name == "GH100 A01 GSP FMC LF"
    assert (leaf.extensions.is_ca, leaf.extensions.may_sign, leaf.extensions.may_certify) == (False, True, False)
    brom = load_device_certificate(BROM, "BROM")
    assert leaf.is_signed_by(brom)()
    assert not brom.is_signed_by(leaf)()


@pytest.mark.parametrize("name", REAL_CERTIFICATES)
def test_refuses_intels_certificates(name: str) -> None:
    with pytest.raises(EvidenceFormatError, match="signed with another algorithm"):
        load_device_certificate(REAL_CERTIFICATES[name], name)


def test_refuses_an_algorithm_that_is_named_in_one_place_only() -> None:
    inner, outer = LEAF.index(SHA384), LEAF.rindex(SHA384)
    assert inner < outer
    for place in (inner, outer):
        der = LEAF[:place] + SHA256 + LEAF[place + len(SHA256) :]
        with pytest.raises(EvidenceFormatError, match="signed with another algorithm"):
            load_device_certificate(der, "leaf")


def test_refuses_a_key_on_another_curve() -> None:
    """Intel's P-256 key inside a certificate that says it is signed as NVIDIA's are."""
    der = REAL_CERTIFICATES["PCK CA"].replace(SHA256, SHA384)
    with pytest.raises(EvidenceFormatError, match="its key is not P-384"):
        load_device_certificate(der, "CA")


def test_a_signature_of_another_size_does_not_verify() -> None:
    exchange = parse_exchange(H100.report)
    key = load_device_certificate(LEAF, "leaf").public_key
    assert p384_verifies(key, exchange.signature, exchange.signed_bytes)
    r, s = exchange.signature[:48], exchange.signature[48:]
    for signature in (b"", r + s[:-1], r + s + b"\0", r + b"\0" + s, bytes(96), b"\xff" * 96):
        assert not p384_verifies(key, signature, exchange.signed_bytes)
    assert not p384_verifies(key, exchange.signature, hashlib.sha384(exchange.signed_bytes).digest())
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    assert not p384_verifies(other, exchange.signature, exchange.signed_bytes)


def test_the_first_digest_is_the_firmware_identity() -> None:
    assert parse_composite_device_fwid(HOPPER, "FWID") == FWID == parse_tcb_info_fwid(BLACKWELL, "FWID")


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (HOPPER.replace(DIGEST, DIGEST[:-1] + b"\x01"), "of another algorithm"),
        (HOPPER.replace(b"\x02\x01\x01", b"\x02\x01\x02"), "of other shape"),
        (HOPPER + b"\0", "DER"),
        (BLACKWELL, "of other shape"),
    ],
    ids=["SHA-256", "version 2", "trailing byte", "the other rule's"],
)
def test_refuses_a_composite_device_id_of_another_shape(octets: bytes, found: str) -> None:
    with pytest.raises(EvidenceFormatError, match=found):
        parse_composite_device_fwid(octets, "FWID")


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (BLACKWELL.replace(DIGEST, DIGEST[:-1] + b"\x01"), "of another algorithm"),
        (BLACKWELL.replace(b"\xa6", b"\xa5", 1), "0 FWIDs"),
        (HOPPER, "0 FWIDs"),
    ],
    ids=["SHA-256", "no list", "the other rule's"],
)
def test_refuses_tcb_info_of_another_shape(octets: bytes, found: str) -> None:
    with pytest.raises(EvidenceFormatError, match=found):
        parse_tcb_info_fwid(octets, "FWID")
