"""Device certificates, their signatures and the firmware identity inside: strict where a lenient reader would look away."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.gpu.fake_nvidia import FWID, fwid_extension
from tests.gpu.real_devices import H100
from tests.support.parsers import flipped_bits, refusal_of
from tests.support.real_evidence import REAL_CERTIFICATES
from voltage_attest.crypto.certificates import Certificate, load_certificate, why_links_fail
from voltage_attest.crypto.signatures import P384, SignatureMemo, p384_verifies
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import SEQUENCE, first_member, read_members, read_single
from voltage_attest.evidence.dice import parse_composite_device_fwid, parse_tcb_info_fwid
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.evidence.spdm import parse_exchange
from voltage_attest.testing.nvidia.der import tlv

CHAIN = parse_pem_chain(H100.certificate_chain, "chain")
LEAF, BROM, *_ = CHAIN
SHA384 = bytes.fromhex("06082a8648ce3d040303")
SHA256 = bytes.fromhex("06082a8648ce3d040302")
HOPPER = fwid_extension(FWID, blackwell=False).public_bytes()
BLACKWELL = fwid_extension(FWID, blackwell=True).public_bytes()
DIGEST = bytes.fromhex("0609608648016503040202")


def load(der: bytes, what: str) -> Certificate:
    return load_certificate(der, what, P384)


def test_a_real_leaf_reads() -> None:
    leaf = load(LEAF, "leaf")
    assert leaf.common_name == "GH100 A01 GSP FMC LF"
    assert (leaf.extensions.is_ca, leaf.extensions.may_sign, leaf.extensions.may_certify) == (False, True, False)
    brom = load(BROM, "BROM")
    assert leaf.is_signed_by(brom)()
    assert not brom.is_signed_by(leaf)()


def test_a_real_chain_reads_as_the_library_reads_it() -> None:
    for der in CHAIN:
        certificate, library = load(der, "certificate"), x509.load_der_x509_certificate(der)
        spki = library.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        point = library.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        assert (certificate.spki, certificate.key_bits) == (spki, point)
        assert certificate.issuer_name == library.issuer.public_bytes()
        assert certificate.signed.signed_bytes == library.tbs_certificate_bytes
        assert certificate.signed.signature == library.signature


@pytest.mark.filterwarnings("ignore::Warning")
def test_every_flipped_bit_of_a_real_certificate_is_refused_or_breaks_its_link() -> None:
    """Of the BROM certificate, below its provisioner: all of what is signed, and of each other octet the lowest bit."""
    issuer, (start, stop) = load(CHAIN[2], "issuer"), span_of_signed(BROM)
    for position, der in flipped_bits(BROM):
        if position % 8 and not start <= position // 8 < stop:
            continue
        if refusal_of(lambda data: load(data, "BROM"), der, EvidenceFormatError) is None:
            assert why_links_fail((load(der, "BROM"), issuer), SignatureMemo()) is not None, position


def span_of_signed(der: bytes) -> tuple[int, int]:
    signed = load(der, "certificate").signed.signed_bytes
    return der.index(signed), der.index(signed) + len(signed)


@pytest.mark.parametrize("name", REAL_CERTIFICATES)
def test_refuses_intels_certificates(name: str) -> None:
    with pytest.raises(EvidenceFormatError, match="signed with another algorithm"):
        load(REAL_CERTIFICATES[name], name)


def test_refuses_an_algorithm_that_is_named_in_one_place_only() -> None:
    inner, outer = LEAF.index(SHA384), LEAF.rindex(SHA384)
    assert inner < outer
    for place in (inner, outer):
        der = LEAF[:place] + SHA256 + LEAF[place + len(SHA256) :]
        with pytest.raises(EvidenceFormatError, match="signed with another algorithm"):
            load(der, "leaf")


def test_refuses_a_key_on_another_curve() -> None:
    """Intel's P-256 key inside a certificate that says it is signed as NVIDIA's are."""
    der = REAL_CERTIFICATES["PCK CA"].replace(SHA256, SHA384)
    with pytest.raises(EvidenceFormatError, match="its key is not P-384"):
        load(der, "CA")


def test_a_signature_of_another_size_does_not_verify() -> None:
    exchange = parse_exchange(H100.report)
    key = load(LEAF, "leaf").public_key
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


def with_serial_number(number: bytes) -> bytes:
    """The real leaf with another serial number, as anybody can write it: who signed it is not asked when it is read."""
    whole = read_single(LEAF, SEQUENCE, "leaf")
    signed = first_member(whole, "leaf")
    fields = read_members(read_single(signed, SEQUENCE, "leaf"), "leaf")
    fields[1] = (fields[1][0], number)
    return tlv(SEQUENCE, tlv(SEQUENCE, *[tlv(*field) for field in fields]), whole[len(signed) :])


@pytest.mark.parametrize("size", [22, 100, 2000])
def test_refuses_a_serial_number_longer_than_any_may_be(size: int) -> None:
    """One of 2,000 bytes has more digits than Python writes: naming the device by it would end in an exception."""
    refused = refusal_of(lambda der: load(der, "leaf"), with_serial_number(b"\x01" + bytes(size - 1)), EvidenceFormatError)
    assert refused is not None
    assert f"a serial number of {size} bytes" in refused.found


def test_a_serial_number_may_have_20_bytes_and_a_leading_zero() -> None:
    assert load(with_serial_number(b"\0" + b"\xff" * 20), "leaf").serial_number == 2**160 - 1
