"""Certificate revocation lists: read strictly, and proven to be the issuer's own."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused, flipped_bits, refusal_of
from tests.support.real_evidence import REAL_CERTIFICATES, collateral_documents
from tests.support.sampling import examples
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.crypto.crl import RevocationList, load_crl, why_not_issued_by
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.testing import ISSUED_AT, FakeIntel, RevocationFields

INTEL = FakeIntel()
LOOK_ALIKE = FakeIntel("look-alike")
PLATFORM = INTEL.platform()
CA = load_certificate(INTEL.platform_ca.der, "PCK CA")
FIELDS = RevocationFields(this_update=ISSUED_AT, next_update=ISSUED_AT + timedelta(days=30))
ROOT_CRL = bytes.fromhex(collateral_documents("tdx_quote")["root_ca_crl"])
PCK_CRL = bytes.fromhex(collateral_documents("tdx_quote")["pck_crl"])


def load(der: bytes) -> RevocationList:
    """Read one CRL."""
    return load_crl(der, "CRL")


def issue(fields: RevocationFields) -> RevocationList:
    """A CRL of the simulated PCK CA."""
    return load(INTEL.platform_ca.revocation_list(fields))


def test_intels_root_crl_reads_as_what_it_is() -> None:
    """Window, number and issuer of the real root CRL; it revokes nothing."""
    crl, root = load(ROOT_CRL), load_certificate(REAL_CERTIFICATES["root"], "root")
    assert (crl.this_update, crl.next_update) == (
        datetime(2025, 3, 20, 11, 21, 57, tzinfo=UTC),
        datetime(2026, 4, 3, 11, 21, 57, tzinfo=UTC),
    )
    assert (crl.crl_number, crl.revoked_count) == (1, 0)
    assert why_not_issued_by(crl, root) is None


def test_intels_pck_crl_reads_as_what_it_is() -> None:
    """The real PCK CRL revokes 44 certificates, and not the leaf of the quote beside it."""
    crl, ca = load(PCK_CRL), load_certificate(REAL_CERTIFICATES["PCK CA"], "PCK CA")
    assert crl.revoked_count == 44
    assert why_not_issued_by(crl, ca) is None
    assert not crl.revokes(load_certificate(REAL_CERTIFICATES["PCK leaf"], "PCK leaf"))


def test_a_crl_of_one_ca_is_not_anothers() -> None:
    """Root CRL and PCK CRL exchanged: each names its issuer."""
    ca, root = (load_certificate(REAL_CERTIFICATES[role], role) for role in ("PCK CA", "root"))
    assert "issued by" in (why_not_issued_by(load(ROOT_CRL), ca) or "")
    assert "issued by" in (why_not_issued_by(load(PCK_CRL), root) or "")


def test_a_revoked_serial_is_found_and_its_neighbours_are_not() -> None:
    """Whole serial numbers are compared."""
    leaf = load_certificate(PLATFORM.leaf.der, "PCK leaf")
    neighbours = (leaf.serial_number - 1, leaf.serial_number + 1, leaf.serial_number >> 8)
    assert issue(replace(FIELDS, revoked=(1, 2, leaf.serial_number, 3))).revokes(leaf)
    assert not issue(replace(FIELDS, revoked=neighbours)).revokes(leaf)
    assert not issue(FIELDS).revokes(leaf)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (replace(FIELDS, number=None), "without CRL number or authority key identifier"),
        (replace(FIELDS, names_authority=False), "without CRL number or authority key identifier"),
    ],
)
def test_a_crl_without_its_mandatory_extensions_is_not_accepted(fields: RevocationFields, reason: str) -> None:
    """CRL number and authority key identifier are mandatory (RFC 5280, section 5.2)."""
    assert why_not_issued_by(issue(fields), CA) == reason


def test_a_look_alikes_crl_is_told_by_its_key_identifier() -> None:
    """Equal names, other key: the authority key identifier differs."""
    crl = load(LOOK_ALIKE.platform_ca.revocation_list(FIELDS))
    assert "authority key identifier" in (why_not_issued_by(crl, CA) or "")


def test_a_crl_signed_with_another_key_under_the_right_names_is_refused() -> None:
    """Name and key identifier can be copied; the signature cannot."""
    forged = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(INTEL.platform_ca.certificate.subject)
        .last_update(FIELDS.this_update)
        .next_update(FIELDS.next_update)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(INTEL.platform_ca.key.public_key()), critical=False)
        .sign(LOOK_ALIKE.platform_ca.key, hashes.SHA256())
    )
    assert why_not_issued_by(load(forged.public_bytes(Encoding.DER)), CA) == "its signature does not verify"


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(
            None, None, only_contains_user_certs=True, only_contains_ca_certs=False, only_some_reasons=None,
            indirect_crl=False, only_contains_attribute_certs=False,
        ),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
    ],
    ids=["delta", "partition", "unknown"],
)  # fmt: skip
def test_a_crl_that_covers_only_a_part_is_refused(extension: x509.ExtensionType) -> None:
    """Delta, partitioned and unknown critical extensions: such a list does not speak for every certificate."""
    der = INTEL.platform_ca.revocation_list(replace(FIELDS, critical_extensions=(extension,)))
    refusal = refusal_of(load, der, EvidenceFormatError)
    assert refusal is not None
    assert extension.oid.dotted_string in refusal.found


def cut_next_update(der: bytes) -> bytes:
    """A CRL of the same kind without nextUpdate: the second UTCTime is taken out and three lengths are mended."""
    times = [position for position in range(len(der)) if der[position : position + 2] == b"\x17\x0d"]
    body = der[: times[1]] + der[times[1] + 15 :]
    outer = int.from_bytes(der[2:4], "big") - 15 if der[1] == 0x82 else der[2] - 15
    inner_at = 4 if der[1] == 0x82 else 3
    inner = int.from_bytes(der[inner_at + 2 : inner_at + 4], "big") if der[inner_at + 1] == 0x82 else der[inner_at + 2]
    head = b"\x30\x82" + outer.to_bytes(2, "big") if der[1] == 0x82 else b"\x30\x81" + bytes((outer,))
    if der[inner_at + 1] == 0x82:
        return head + b"\x30\x82" + (inner - 15).to_bytes(2, "big") + body[inner_at + 4 :]
    return head + b"\x30\x81" + bytes((inner - 15,)) + body[inner_at + 3 :]


def test_a_crl_without_an_end_is_refused() -> None:
    """Without nextUpdate a list would be current for ever."""
    refusal = refusal_of(load, cut_next_update(ROOT_CRL), EvidenceFormatError)
    assert refusal is not None
    assert refusal.found == "CRL: without nextUpdate"


@pytest.mark.parametrize(
    "der",
    [b"", b"junk", ROOT_CRL[:-1], ROOT_CRL + b"\0", REAL_CERTIFICATES["root"], b"\x30\x00", b"\x30\x03\x30\x01\x00"],
    ids=["empty", "junk", "cut", "longer", "certificate", "empty sequence", "nothing inside"],
)
def test_what_is_no_crl_is_refused(der: bytes) -> None:
    """Nothing may be missing, nothing may trail."""
    assert refusal_of(load, der, EvidenceFormatError) is not None


def test_pem_is_not_der() -> None:
    """A CRL in PEM is refused, not guessed."""
    pem = b"-----BEGIN X509 CRL-----\n" + base64.b64encode(ROOT_CRL) + b"\n-----END X509 CRL-----\n"
    assert refusal_of(load, pem, EvidenceFormatError) is not None


def test_a_crl_signed_with_another_algorithm_is_refused() -> None:
    """ECDSA with SHA-384, and a P-384 key's signature, are not what Intel uses."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(INTEL.root.certificate.subject)
        .last_update(FIELDS.this_update)
        .next_update(FIELDS.next_update)
    )
    for key, algorithm in ((INTEL.root.key, hashes.SHA384()), (ec.generate_private_key(ec.SECP384R1()), hashes.SHA512())):
        refusal = refusal_of(load, builder.sign(key, algorithm).public_bytes(Encoding.DER), EvidenceFormatError)
        assert refusal is not None
        assert "signed with another algorithm" in refusal.found


@pytest.mark.filterwarnings("ignore::Warning")
def test_every_flipped_bit_of_a_crl_is_refused_or_breaks_its_signature() -> None:
    """Exhaustive over the real root CRL: no byte is without a guard, and both readers see the same parts."""
    root = load_certificate(REAL_CERTIFICATES["root"], "root")
    for position, der in flipped_bits(ROOT_CRL):
        if refusal_of(load, der, EvidenceFormatError) is None:
            crl, library = load(der), x509.load_der_x509_crl(der)
            assert why_not_issued_by(crl, root) is not None, f"bit {position}"
            assert crl.signed.signed_bytes == library.tbs_certlist_bytes
            assert crl.signed.signature == library.signature


def test_unused_bits_of_the_signature_are_not_ignored() -> None:
    """A signature that ends in a zero bit could also be written as a shorter BIT STRING: there is one spelling."""
    numbers = (replace(FIELDS, number=number) for number in range(1, 50))
    der = next(der for der in map(INTEL.platform_ca.revocation_list, numbers) if der[-1] % 2 == 0)
    unused = len(der) - len(x509.load_der_x509_crl(der).signature) - 1
    assert der[unused] == 0
    shorter = der[:unused] + b"\x01" + der[unused + 1 :]
    assert refusal_of(load, shorter, EvidenceFormatError) is not None or why_not_issued_by(load(shorter), CA) is not None


@settings(max_examples=examples(400))
@given(data=mutated_bytes([ROOT_CRL, PCK_CRL]))
@pytest.mark.filterwarnings("ignore::Warning")
def test_mutated_crls_are_read_or_refused(data: bytes) -> None:
    """Real CRLs, mutated anywhere."""
    assert_read_or_refused(load, data, EvidenceFormatError)


@settings(max_examples=examples(200))
@given(data=st.binary(max_size=512))
def test_random_bytes_are_no_crl(data: bytes) -> None:
    """Noise is refused."""
    assert refusal_of(load, data, EvidenceFormatError) is not None
