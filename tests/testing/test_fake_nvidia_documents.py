"""What the fake NVIDIA says of its devices and certificates: manifests, OCSP answers and CRLs, read by libraries and judged by
checks that it shares no code with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from tests.testing.nvidia_judging import closing, judge
from voltage_attest.collateral.rim import driver_rim_id, switch_rim_id, vbios_rim_id
from voltage_attest.result import Verdict
from voltage_attest.testing import (
    APPRAISED_AT,
    GB100_GPU,
    H100_GPU,
    NVIDIA_ISSUED_AT,
    Chip,
    FakeNvidia,
    NvidiaSigner,
    OcspError,
    OcspFields,
    OcspStatus,
    RimKind,
    derive_p384_key,
    ocsp_error,
    sign_xml,
)
from voltage_attest.testing.nvidia.collateral import ocsp_request
from voltage_attest.testing.nvidia.ocsp import read_ocsp_question

NVIDIA = FakeNvidia()
GPU = NVIDIA.gpu()
NODE = NVIDIA.node()
BROM = GPU.leaf.chain[1]

# Written down, so that a library version, machine or year that changes a byte is noticed.
RIMS_SHA256 = "a40afed11630e729af9d81f58cfcf8236396b049aa26c8d4b8f1738675d66579"
OCSP_SHA256 = "77e38122cd9c3b2f245cfa5fd61b54ae4bd986f2667e219ee959ce5a5e5f217b"
CRL_SHA256 = "e534ca9f8aaedb4ba21c6775f2002c28d737565c0e185d356427cb337350ea22"


def digest(*parts: bytes) -> str:
    return sha256(b"".join(parts)).hexdigest()


# Manifests


def test_manifests_have_the_ids_that_reports_lead_to() -> None:
    blackwell = NVIDIA.gpu(GB100_GPU)
    assert list(NVIDIA.rims([*NODE.devices, blackwell])) == [
        driver_rim_id("GH100", "590.12"),
        vbios_rim_id("G520", "0200", "885", "96.00.A5.00.01"),
        switch_rim_id("96.10.55.00.01"),
        driver_rim_id("GB100", "590.12"),
        vbios_rim_id("G525", "0220", "886", "97.00.88.00.0F"),
    ]


@pytest.mark.parametrize("kind", [RimKind.DRIVER, RimKind.VBIOS])
def test_signxml_verifies_a_manifest(kind: RimKind) -> None:
    expected = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA384}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA384}),
        verification_time=APPRAISED_AT,
    )
    signer = NVIDIA.rim_signer().certificate
    found = XMLVerifier().verify(NVIDIA.rim(kind, GPU), x509_cert=signer, expect_config=expected)
    assert not isinstance(found, list)
    assert found.signed_xml is not None
    meta = found.signed_xml[1]
    assert (meta.get("product"), meta.get("edition")) == ("GH100", "GPU")
    active = [each for each in found.signed_xml[2] if each.get("active") == "True"]
    assert len(active) == (21 if kind is RimKind.DRIVER else 12)


def test_chain_in_a_manifest_leads_to_the_rim_root() -> None:
    chain = [each.certificate for each in NVIDIA.rim_signer(Chip.LS10).chain]
    assert [each.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for each in chain] == [
        "NVIDIA Reference Value L4 LS10",
        "NVIDIA Reference Value L3 LS10 001",
        "NVIDIA Reference Value LS10 CA",
        "NVIDIA CoRIM signing Root CA",
    ]
    for certificate, issuer in zip(chain, (*chain[1:], chain[-1]), strict=True):
        certificate.verify_directly_issued_by(issuer)


def rims_with(kind: RimKind, manifest: bytes) -> dict[str, bytes]:
    """The GPU's manifests, one of them replaced."""
    rims = NVIDIA.rims([GPU])
    return {rim_id: manifest if ("DRIVER" in rim_id) == (kind is RimKind.DRIVER) else data for rim_id, data in rims.items()}


DRIVER = NVIDIA.rim_fields(RimKind.DRIVER, GPU)
MANIFESTS: Mapping[str, tuple[bytes, set[str]]] = {
    "of another product": (NVIDIA.rim(RimKind.DRIVER, GPU, fields=replace(DRIVER, product="GB100")), {"gpu.rim.driver"}),
    "of another version": (NVIDIA.rim(RimKind.DRIVER, GPU, fields=replace(DRIVER, version="590.11")), {"gpu.rim.driver"}),
    "with another value": (
        NVIDIA.rim(RimKind.DRIVER, GPU, fields=replace(DRIVER, golden={**DRIVER.golden, 30: (bytes(48),)})),
        {"gpu.measurements"},
    ),
    "that contradicts the VBIOS's": (
        NVIDIA.rim(RimKind.DRIVER, GPU, fields=replace(DRIVER, golden={**DRIVER.golden, 3: (bytes(48),)})),
        {"gpu.measurements"},
    ),
    "under another root": (
        NVIDIA.rim(RimKind.DRIVER, GPU, signer=FakeNvidia("look-alike").rim_signer()),
        {"gpu.rim.chain"},
    ),
    "signed with another key": (
        NVIDIA.rim(RimKind.DRIVER, GPU, signer=replace(NVIDIA.rim_signer(), key=derive_p384_key("attacker"))),
        {"gpu.rim.signature"},
    ),
    "altered afterwards": (NVIDIA.rim(RimKind.DRIVER, GPU).replace(b"590.12", b"590.13", 1), {"gpu.rim.signature"}),
    "that is none": (sign_xml("<SoftwareIdentity/>", NVIDIA.rim_signer()), {"gpu.rim.parse"}),
}


@pytest.mark.parametrize(("manifest", "refused"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_driver_manifest_is_refused_by_the_check_for_it(manifest: bytes, refused: set[str]) -> None:
    collateral = NVIDIA.collateral([GPU], rims=rims_with(RimKind.DRIVER, manifest))
    assert refused <= closing(judge(NVIDIA, [GPU], collateral=collateral)) <= refused | {"gpu.rim.revocation"}


def test_absent_manifest_leaves_it_undecided() -> None:
    result = judge(NVIDIA, [GPU], collateral=NVIDIA.collateral([GPU], rims={}))
    assert (result.verdict, "gpu.rim.parse" in closing(result)) == (Verdict.UNDECIDED, True)


def test_switch_has_no_driver_manifest() -> None:
    with pytest.raises(ValueError, match="LS_10 has no driver manifest"):
        NVIDIA.rim(RimKind.DRIVER, NODE.switches[0])


# OCSP


def question(certificate: NvidiaSigner, *, nonce: bytes | None = None, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """A request as the library writes it."""
    issuer = certificate.issuer or certificate
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        certificate.certificate, issuer.certificate, algorithm or hashes.SHA256()
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(serialization.Encoding.DER)


ASKED = {
    "BROM": BROM,
    "provisioner": NVIDIA.provisioner(),
    "family": NVIDIA.family(),
    "Blackwell BROM": NVIDIA.gpu(GB100_GPU).leaf.chain[1],
    "switch provisioner": NVIDIA.provisioner(Chip.LS10),
    "manifest signer": NVIDIA.rim_signer(),
    "manifest CA": NVIDIA.rim_signer(Chip.LS10).chain[1],
}


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384()], ids=lambda each: str(each.name))
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
def test_library_reads_a_good_answer(asked: NvidiaSigner, algorithm: hashes.HashAlgorithm) -> None:
    nonce = b"\x5a" * 32
    found = ocsp.load_der_ocsp_response(NVIDIA.ocsp_answer(question(asked, nonce=nonce, algorithm=algorithm)))
    assert found.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert (found.certificate_status, found.serial_number) == (ocsp.OCSPCertStatus.GOOD, asked.serial)
    assert found.this_update_utc == found.produced_at_utc == NVIDIA_ISSUED_AT
    assert found.next_update_utc == NVIDIA_ISSUED_AT + timedelta(hours=24)
    assert found.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    (responder,) = found.certificates
    assert asked.issuer is not None
    responder.verify_directly_issued_by(asked.issuer.certificate)
    usage = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert not responder.extensions.get_extension_for_class(x509.OCSPNoCheck).critical
    key = responder.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(found.signature, found.tbs_response_bytes, ec.ECDSA(hashes.SHA384()))
    assert found.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(key).digest


@pytest.mark.parametrize(
    ("status", "reason"),
    [(OcspStatus.REVOKED, x509.ReasonFlags.key_compromise), (OcspStatus.HOLD, x509.ReasonFlags.certificate_hold)],
)
def test_revocation_has_its_reason_and_date(status: OcspStatus, reason: x509.ReasonFlags) -> None:
    since = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    found = ocsp.load_der_ocsp_response(NVIDIA.ocsp_answer(question(BROM), OcspFields(status=status, revoked_at=since)))
    assert (found.certificate_status, found.revocation_reason) == (ocsp.OCSPCertStatus.REVOKED, reason)
    assert found.revocation_time_utc == since


def test_answer_can_lack_what_is_optional() -> None:
    answer = NVIDIA.ocsp_answer(
        question(BROM, nonce=b"n" * 32),
        OcspFields(status=OcspStatus.UNKNOWN, life=None, echo_nonce=False, shows_responder=False),
    )
    found = ocsp.load_der_ocsp_response(answer)
    assert found.certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    assert (found.next_update_utc, len(found.extensions), found.certificates) == (None, 0, [])


ANSWERS: Mapping[str, tuple[OcspFields, set[str]]] = {
    "revoked": (OcspFields(status=OcspStatus.REVOKED), {"gpu.revocation", "gpu.rim.revocation"}),
    "on hold": (OcspFields(status=OcspStatus.HOLD), {"gpu.revocation", "gpu.rim.revocation"}),
    "unknown": (OcspFields(status=OcspStatus.UNKNOWN), {"gpu.revocation", "gpu.rim.revocation"}),
    "stale": (OcspFields(this_update=APPRAISED_AT - timedelta(days=2)), {"gpu.revocation", "gpu.rim.revocation"}),
    "about another": (
        OcspFields(cert_id=read_ocsp_question(ocsp_request(NVIDIA.provisioner(Chip.LS10))).cert_id),
        {"gpu.revocation", "gpu.rim.revocation"},
    ),
    "without its responder": (OcspFields(shows_responder=False), {"gpu.revocation", "gpu.rim.revocation"}),
    "without end": (OcspFields(life=None), set()),
}


@pytest.mark.parametrize(("fields", "refused"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answer_is_judged_by_the_check_for_it(fields: OcspFields, refused: set[str]) -> None:
    assert closing(judge(NVIDIA, [GPU], collateral=NVIDIA.collateral([GPU], ocsp=fields))) == refused


def test_hold_can_be_accepted_by_policy() -> None:
    collateral = NVIDIA.collateral([GPU], ocsp=OcspFields(status=OcspStatus.HOLD))
    assert closing(judge(NVIDIA, [GPU], collateral=collateral, policy='certificate_hold = "accept"')) == set()


@pytest.mark.parametrize(
    ("request_der", "error"),
    [
        (question(GPU.leaf), OcspError.UNAUTHORIZED),
        (question(FakeNvidia("look-alike").provisioner()), OcspError.UNAUTHORIZED),
        (b"", OcspError.MALFORMED_REQUEST),
        (b"\x30\x03\x02\x01\x00", OcspError.MALFORMED_REQUEST),
    ],
    ids=["leaf", "another world", "empty", "no request"],
)
def test_what_it_cannot_answer_ends_in_an_error(request_der: bytes, error: OcspError) -> None:
    answer = NVIDIA.ocsp_answer(request_der)
    assert answer == ocsp_error(error)
    assert ocsp.load_der_ocsp_response(answer).response_status.name == error.name


@given(st.integers(0, 400), st.binary(max_size=3))
def test_any_request_has_an_answer(place: int, put: bytes) -> None:
    request = question(BROM, nonce=b"n" * 32)
    answer = NVIDIA.ocsp_answer(request[:place] + put + request[place + len(put) :])
    assert ocsp.load_der_ocsp_response(answer).response_status in tuple(ocsp.OCSPResponseStatus)


def test_responder_can_be_another() -> None:
    answer = NVIDIA.ocsp_answer(question(BROM), responder=NVIDIA.provisioner())
    found = ocsp.load_der_ocsp_response(answer)
    assert [each.subject for each in found.certificates] == [NVIDIA.provisioner().certificate.subject]


# Revocation lists


def test_revocation_list_is_the_issuers_and_names_the_revoked() -> None:
    family, provisioner = NVIDIA.family(), NVIDIA.provisioner()
    crl = x509.load_der_x509_crl(NVIDIA.crl(family, provisioner, reason=x509.ReasonFlags.certificate_hold))
    key = family.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert isinstance(crl.signature_hash_algorithm, hashes.SHA384)
    entry = crl.get_revoked_certificate_by_serial_number(provisioner.serial)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.certificate_hold
    assert (crl.last_update_utc, crl.next_update_utc) == (NVIDIA_ISSUED_AT, NVIDIA_ISSUED_AT + timedelta(days=30))


def test_revocation_list_is_judged_beside_good_answers() -> None:
    good = NVIDIA.collateral([GPU])
    clean = replace(good, crls=(NVIDIA.crl(NVIDIA.family()), NVIDIA.crl(NVIDIA.root)))
    assert closing(judge(NVIDIA, [GPU], collateral=clean)) == set()
    revoking = replace(good, crls=(NVIDIA.crl(NVIDIA.family(), NVIDIA.provisioner()),))
    assert closing(judge(NVIDIA, [GPU], collateral=revoking)) == {"gpu.revocation"}


# The same bytes every time


def test_documents_are_equal_to_the_byte() -> None:
    nvidia = FakeNvidia("fake nvidia")
    answers = [nvidia.ocsp_answer(ocsp_request(each)) for each in nvidia.gpu().leaf.chain[1:4]]
    assert digest(*nvidia.rims(nvidia.node().devices).values()) == RIMS_SHA256
    assert digest(*answers) == OCSP_SHA256
    assert digest(nvidia.crl(nvidia.family(), nvidia.provisioner())) == CRL_SHA256


def test_world_can_be_moved_to_the_present() -> None:
    later = FakeNvidia(issued_at=APPRAISED_AT + timedelta(days=1000))
    device = later.gpu()
    assert device.chain_pem == GPU.chain_pem
    assert later.rims([device]) == NVIDIA.rims([GPU])
    assert closing(judge(later, [device], at=APPRAISED_AT + timedelta(days=1000, hours=1))) == set()
    assert closing(judge(later, [device], at=APPRAISED_AT)) == {"gpu.revocation", "gpu.rim.revocation"}


def test_manifest_is_xml_of_the_real_shape() -> None:
    root = etree.fromstring(NVIDIA.rim(RimKind.VBIOS, NVIDIA.gpu(replace(H100_GPU, versioned=True))))
    floors = [each for each in root[2] if int(each.get("index", "0")) >= 0x1000]
    assert [(each.get("index"), each.get("name")) for each in floors] == [("4133", "FSP_UCODE_MIN_SVN")]
