"""Certificates as the checks see them, and chains to a pinned root."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused, flipped_bits, refusal_of
from tests.support.real_evidence import DCAP_QVL, REAL_CERTIFICATES, collateral_documents, pck_chain
from tests.support.sampling import examples
from voltage_attest.crypto.certificates import Certificate, CertificateLoader, load_certificate, why_chain_fails
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID
from voltage_attest.testing import PLATFORM_CA, FakeIntel, PckFields, Signer, derive_key
from voltage_attest.trust import TrustRoots

INTEL = FakeIntel()
LOOK_ALIKE = FakeIntel("look-alike")
LEAF = INTEL.platform().leaf
ROOT = load_certificate(INTEL.root.der, "root")
P256 = derive_key("tests of certificates")


def load(der: bytes) -> Certificate:
    """Read one certificate."""
    return load_certificate(der, "certificate")


def chain_of(*signers: Signer) -> tuple[Certificate, ...]:
    """Their certificates, in that order."""
    return tuple(load(signer.der) for signer in signers)


def issue(
    *,
    key: CertificateIssuerPrivateKeyTypes = P256,
    names: tuple[str, ...] = ("A name",),
    algorithm: hashes.SHA256 | hashes.SHA384 | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    """DER of a self-signed certificate with that key, common names and extensions."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, algorithm or hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("role", "name", "is_ca", "may_sign", "may_certify"),
    [
        ("PCK leaf", "Intel SGX PCK Certificate", False, True, False),
        ("PCK CA", "Intel SGX PCK Platform CA", True, False, True),
        ("root", "Intel SGX Root CA", True, False, True),
        ("TCB signer", "Intel SGX TCB Signing", False, True, False),
    ],
)
def test_intels_certificates_read_as_what_they_are(
    role: str,
    name: str,
    is_ca: bool,  # noqa: FBT001 - the expected value
    may_sign: bool,  # noqa: FBT001 - the expected value
    may_certify: bool,  # noqa: FBT001 - the expected value
) -> None:
    """Name, CA flag and key usage of a real certificate of each role."""
    certificate = load(REAL_CERTIFICATES[role])
    assert certificate.common_name == name
    assert (certificate.extensions.is_ca, certificate.extensions.may_sign, certificate.extensions.may_certify) == (
        is_ca,
        may_sign,
        may_certify,
    )
    assert (certificate.extensions.values.get(PCK_EXTENSION_OID) is not None) is (role == "PCK leaf")
    assert certificate.extensions.subject_key_identifier is not None


def test_the_dates_of_the_root_are_utc() -> None:
    """The pinned root, as its provenance states it."""
    root = load(TrustRoots.default().intel)
    assert root.not_before == datetime(2018, 5, 21, 10, 45, 10, tzinfo=UTC)
    assert root.not_after == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert f"{root.serial_number:x}" == "22650cd65a9d3489f383b49552bf501b392706ac"


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"junk",
        b"\x30\x00",
        REAL_CERTIFICATES["root"][:-1],
        REAL_CERTIFICATES["root"] + b"\0",
        bytes.fromhex(collateral_documents("tdx_quote")["root_ca_crl"]),
    ],
    ids=["empty", "junk", "empty sequence", "cut", "longer", "CRL"],
)
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    """Nothing may be missing, nothing may trail."""
    assert refusal_of(load, der, EvidenceFormatError) is not None


@pytest.mark.parametrize(
    ("der", "found"),
    [
        (issue(key=rsa.generate_private_key(65537, 2048)), "signed with|its key is not P-256"),
        (issue(key=ec.generate_private_key(ec.SECP384R1())), "its key is not P-256"),
        (issue(algorithm=hashes.SHA384()), "signed with"),
        (issue(names=()), "0 common names"),
        (issue(names=("Intel SGX PCK Certificate", "another")), "2 common names"),
        (issue(extensions=((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True),)), "critical extension 2.5.29.37"),
        (issue(extensions=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True),)), "critical"),
    ],
    ids=["RSA", "P-384", "SHA-384", "no name", "two names", "EKU", "unknown"],
)
def test_what_intel_does_not_issue_is_refused_by_name(der: bytes, found: str) -> None:
    """P-256 keys, SHA-256 signatures, one common name, no critical extension of unknown meaning."""
    refusal = refusal_of(load, der, EvidenceFormatError)
    assert refusal is not None
    assert re.search(found, refusal.found)


def test_without_extensions_a_certificate_may_do_nothing() -> None:
    """Neither CA nor signer: absence is never permission."""
    certificate = load(issue())
    assert (certificate.extensions.is_ca, certificate.extensions.may_sign, certificate.extensions.may_certify) == (
        False,
        False,
        False,
    )
    assert certificate.extensions.values.get(PCK_EXTENSION_OID) is None


def test_extensions_are_given_as_bytes_by_oid() -> None:
    """The PCK extension's value can be asked for; an absent one is None."""
    values = load(REAL_CERTIFICATES["PCK leaf"]).extensions.values
    assert values[PCK_EXTENSION_OID][:1] == b"\x30"
    assert values.get(bytes.fromhex("2a0304")) is None


def assert_read_as_the_library_reads_it(der: bytes) -> None:
    """Two readers take a certificate apart, ours and the library's: they must see the same parts."""
    certificate, library = load(der), x509.load_der_x509_certificate(der)
    assert certificate.signed.signed_bytes == library.tbs_certificate_bytes
    assert certificate.signed.signature == library.signature


@cache
def flip_every_bit(role: str) -> tuple[frozenset[str], frozenset[str]]:
    """Read a certificate with each of its bits flipped: exceptions that are not the documented one, and warnings."""
    surprises: set[str] = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for position, der in flipped_bits(REAL_CERTIFICATES[role]):
            try:
                if refusal_of(load, der, EvidenceFormatError) is None:
                    assert_read_as_the_library_reads_it(der)
            except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
                surprises.add(f"bit {position}: {error!r}")
    return frozenset(surprises), frozenset(str(warning.message) for warning in caught)


@pytest.mark.parametrize("role", REAL_CERTIFICATES)
def test_every_bit_of_a_real_certificate_can_be_flipped(role: str) -> None:
    """Exhaustive: it is refused with the documented error, or read as the library reads it."""
    surprises, _ = flip_every_bit(role)
    assert surprises == frozenset()


@pytest.mark.parametrize("role", ["PCK leaf", "PCK CA", "root", "TCB signer"])
def test_hostile_certificates_make_no_noise(role: str) -> None:
    """No flip makes the library print a warning on standard error."""
    _, noise = flip_every_bit(role)
    assert noise == frozenset()


@settings(max_examples=examples(400))
@given(data=mutated_bytes(list(REAL_CERTIFICATES.values())))
@pytest.mark.filterwarnings("ignore::Warning")
def test_mutated_certificates_are_read_or_refused(data: bytes) -> None:
    """Real certificates of each role, mutated anywhere."""
    assert_read_or_refused(load, data, EvidenceFormatError)


@settings(max_examples=examples(200))
@given(data=st.binary(max_size=512))
def test_random_bytes_are_no_certificate(data: bytes) -> None:
    """Noise is refused."""
    assert refusal_of(load, data, EvidenceFormatError) is not None


def test_the_loader_reads_a_certificate_once() -> None:
    """The same bytes give the same object, in whatever chain; at its capacity it reads again."""
    loader = CertificateLoader((ROOT,), capacity=4)
    first = loader.chain(LEAF.chain_pem.encode(), "chain")
    assert loader.chain(LEAF.chain_pem.encode(), "chain")[0] is first[0]
    assert loader.chain((LEAF.pem + INTEL.root.pem).encode(), "chain")[0] is first[0]
    assert first[2] is ROOT
    for number in range(5):
        loader.chain(INTEL.platform(PckFields(pce_svn=number)).chain_pem.encode(), "other")
    assert loader.chain(LEAF.chain_pem.encode(), "chain") == first


def test_the_loader_names_the_certificate_that_fails() -> None:
    """A chain's error counts from one."""
    pem = LEAF.pem + "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(EvidenceFormatError, match="PCK chain, certificate 2"):
        CertificateLoader().chain(pem.encode(), "PCK chain")


def test_an_empty_block_is_no_certificate() -> None:
    """Two markers with nothing between are refused by the loader at the latest."""
    with pytest.raises(EvidenceFormatError, match="chain"):
        CertificateLoader().chain(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "chain")


@pytest.mark.parametrize("name", ["tdx_quote", "tdx_quote_td15ex", "tdx_quote_outdated"])
def test_real_chains_lead_to_the_pinned_root(name: str) -> None:
    """PCK chain, PCK CRL issuer chain and both signer chains of each real pair."""
    root = load(TrustRoots.default().intel)
    loader, documents = CertificateLoader(), collateral_documents(name)
    chains = [loader.chain(text.encode(), key) for key, text in documents.items() if key.endswith("issuer_chain")]
    chains.append(tuple(load(der) for der in pck_chain(DCAP_QVL / name)))
    assert [len(chain) for chain in chains] == [2, 2, 2, 3]
    assert [why_chain_fails(chain, root) for chain in chains] == [None] * 4


def test_a_simulated_chain_leads_to_its_own_root_only() -> None:
    """The fake Intel's root vouches for its chain; the pinned root does not."""
    chain = chain_of(*LEAF.chain)
    assert why_chain_fails(chain, ROOT) is None
    assert "is not the pinned root" in (why_chain_fails(chain, load(TrustRoots.default().intel)) or "")


NO_CA = INTEL.root.issue(replace(PLATFORM_CA, ca=False, label="no CA"))
SECOND_CA = INTEL.platform_ca.issue(replace(PLATFORM_CA, label="a CA below a CA"))

BROKEN: dict[str, tuple[Callable[[], tuple[Signer, ...]], str]] = {
    "look-alike root": (lambda: (LEAF, INTEL.platform_ca, LOOK_ALIKE.root), "is not the pinned root"),
    "root left out": (lambda: (LEAF, INTEL.platform_ca), "is not the pinned root"),
    "CA left out": (lambda: (LEAF, INTEL.root), "names another issuer"),
    "wrong order": (lambda: (INTEL.platform_ca, LEAF, INTEL.root), "no CA|names another issuer"),
    "look-alike CA": (lambda: (LEAF, LOOK_ALIKE.platform_ca, INTEL.root), "is not signed by"),
    "look-alike leaf": (lambda: (LOOK_ALIKE.platform().leaf, INTEL.platform_ca, INTEL.root), "is not signed by"),
    "another CA's leaf": (lambda: (LEAF, INTEL.processor_ca, INTEL.root), "names another issuer"),
    "CA that is none": (lambda: (NO_CA.issue(replace(PLATFORM_CA, ca=False)), NO_CA, INTEL.root), "no CA"),
    "TCB signer as CA": (
        lambda: (INTEL.tcb_signer.issue(replace(PLATFORM_CA, ca=False)), INTEL.tcb_signer, INTEL.root),
        "no CA",
    ),
    "CA too deep": (
        lambda: (SECOND_CA.issue(replace(PLATFORM_CA, ca=False)), SECOND_CA, INTEL.platform_ca, INTEL.root),
        "may not stand",
    ),
    "root as its own leaf": (lambda: (LEAF, INTEL.root, INTEL.root), "names another issuer|may not stand"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_chain_that_does_not_link_is_refused_with_the_reason(case: str) -> None:
    """Root equality, order, names, signatures, CA flags and path lengths."""
    signers, reason = BROKEN[case]
    why = why_chain_fails(chain_of(*signers()), ROOT)
    assert why is not None
    assert any(part in why for part in reason.split("|")), why


def test_a_ca_that_may_not_certify_is_refused() -> None:
    """CA by its basic constraints, but without keyCertSign."""
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    root = load(issue(extensions=((x509.BasicConstraints(ca=True, path_length=None), True), (usage, True))))
    assert "no CA" in (why_chain_fails((root, root), root) or "")


def test_every_flipped_bit_of_a_leafs_signature_breaks_the_chain() -> None:
    """The last 70 bytes of a certificate are its signature: no flip there is read and still links."""
    root, ca = ROOT, load(INTEL.platform_ca.der)
    head, signature = LEAF.der[:-70], LEAF.der[-70:]
    for position, flipped in flipped_bits(signature):
        if refusal_of(load, head + flipped, EvidenceFormatError) is None:
            assert why_chain_fails((load(head + flipped), ca, root), root) is not None, position
