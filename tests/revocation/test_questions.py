"""What is asked of NVIDIA about real certificates: which, where, and under which CertID."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import given
from hypothesis import strategies as st

from tests.gpu.real_devices import H100, VECTORS, needs_vectors, vector_item
from tests.revocation.authority import FAMILY, LINKS, Party, issue
from tests.support.mutations import mutated_bytes
from tests.support.real_evidence import REPOSITORY
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.nvidia_questions import NVIDIA_OCSP_URL, RevocationQuestion
from voltage_attest.collateral.rim import parse_rim_file
from voltage_attest.crypto.certificates import CertificateLoader
from voltage_attest.crypto.signatures import P384
from voltage_attest.crypto.status_sources import crl_addresses, ocsp_addresses
from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.evidence.nras_request import DeviceItem
from voltage_attest.result import Status, undecided
from voltage_attest.trust import TrustRoots
from voltage_attest.verify.gpu_case import read_device_chain
from voltage_attest.verify.revocation import (
    IssuedCertificate,
    RevocationCase,
    device_certificates,
    revocation,
    revocation_questions,
    rim_certificates,
)
from voltage_attest.verify.rim import ReportedDevice, RimCase
from voltage_attest.verify.rim_reading import Rim, absent_rim
from voltage_attest.verify.unreadable import Unreadable

SAMPLES = REPOSITORY / "fixtures" / "real" / "nv-local-gpu-verifier-2.7.3" / "samples"
VBIOS_RIM = SAMPLES / "1010_0200_882_960074001A_PROD.swidtag"
DRIVER_RIM = SAMPLES / "Driver_RIM_test_no_gpu.swidtag"
SOURCES = [
    x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://a.nvidia.com"))]
    ).public_bytes(),
    x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier("http://b.nvidia.com")], None, None, None)]
    ).public_bytes(),
]
L1, L2 = "http://crl.ndis.nvidia.com/crl/l1-root.crl", "http://crl.ndis.nvidia.com/crl/l2-{}.crl"


def links_of(item: DeviceItem) -> tuple[IssuedCertificate, ...]:
    return device_certificates(read_device_chain(item.certificate_chain, CertificateLoader(curve=P384)))


def asked(links: tuple[IssuedCertificate, ...]) -> tuple[RevocationQuestion, ...]:
    return revocation_questions(links, None)


def assert_about(question: RevocationQuestion, link: IssuedCertificate) -> None:
    """The library makes the same CertID from the same two certificates."""
    certificate, issuer = (x509.load_der_x509_certificate(one.der) for one in link[:2])
    library = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256()).build()
    request = ocsp.load_der_ocsp_request(question.ocsp_request)
    assert question.certificate_sha256 == hashlib.sha256(link.certificate.der).digest()
    assert (request.serial_number, request.issuer_key_hash, request.issuer_name_hash, request.hash_algorithm.name) == (
        library.serial_number,
        library.issuer_key_hash,
        library.issuer_name_hash,
        "sha256",
    )


def test_of_a_real_h100_three_certificates_are_asked_about() -> None:
    links = links_of(H100)
    questions = asked(links)
    assert [(question.name, question.crl_urls) for question in questions] == [
        ("GH100 A01 GSP BROM", ()),
        ("NVIDIA GH100 Provisioner ICA 1", (L2.format("gh100"),)),
        ("NVIDIA GH100 Identity", (L1,)),
    ]
    assert {question.ocsp_url for question in questions} == {NVIDIA_OCSP_URL}
    assert [ocsp_addresses(link.certificate) for link in links] == [(), *[("http://ocsp.ndis.nvidia.com",)] * 2]
    for question, link in zip(questions, links, strict=True):
        assert_about(question, link)


def test_a_real_h100_about_which_nothing_is_at_hand_stays_open_by_name() -> None:
    reason = ("ocsp:" + hashlib.sha256(links_of(H100)[1].certificate.der).hexdigest(), "HTTP 503")
    finding = revocation(RevocationCase(links_of(H100), NvidiaCollateral(absences=(reason,)), LINKS[0].certificate.not_before))
    assert finding.status is Status.ERROR
    told = str(finding.reason).split("; ")
    assert told[0].startswith("GH100 A01 GSP BROM: neither")
    assert "NVIDIA GH100 Provisioner ICA 1: HTTP 503" in told
    assert told[-1].startswith("NVIDIA GH100 Identity: neither")


@needs_vectors
@pytest.mark.parametrize(
    ("folder", "architecture", "crl"),
    [("asdk-blackwell-gb100", Architecture.BLACKWELL, "gb100"), ("asdk-switch-ls10", Architecture.LS10, "gh100")],
)
def test_a_blackwell_names_its_familys_crl_and_a_switch_that_of_hopper(
    folder: str, architecture: Architecture, crl: str
) -> None:
    links = links_of(vector_item(folder, "report", "chain", architecture))
    assert [question.crl_urls for question in asked(links)] == [(), (L2.format(crl),), (L1,)]
    assert {question.ocsp_url for question in asked(links)} == {NVIDIA_OCSP_URL}
    for question, link in zip(asked(links), links, strict=True):
        assert_about(question, link)


def rim(path: Path) -> Rim:
    return Rim(parse_rim_file(path.read_bytes()))


def rims(driver: Rim | Unreadable | None, firmware: Rim | Unreadable) -> tuple[IssuedCertificate, ...]:
    device = ReportedDevice("GH100", "", None if driver is None else "1", {})
    return rim_certificates(RimCase(device, driver, firmware, TrustRoots.default().nvidia_rim, LINKS[0].certificate.not_before))


def test_of_real_manifests_signers_and_cas_are_asked_about_once() -> None:
    links = rims(rim(DRIVER_RIM), rim(VBIOS_RIM))
    names = [question.name for question in asked(links)]
    assert names.count("NVIDIA Reference Value GH100 CA") == 1
    assert "NVIDIA CoRIM signing Root CA" not in names
    assert names.count("HCC RIM L4 Signer") == len({link.certificate.der for link in links if "Signer" in link[0].common_name})
    both = next(link for link in links if link.certificate.common_name == "NVIDIA Reference Value GH100 CA")
    assert both.chains == {"driver_rim", "vbios_rim"}
    assert {question.ocsp_url for question in asked(links)} == {NVIDIA_OCSP_URL}
    assert {question.crl_urls for question in asked(links)} == {(), ("http://crl.ndis.nvidia.com/crl-corim/l1-corim",)}
    for question, link in zip(asked(links), links, strict=True):
        assert_about(question, link)


@needs_vectors
def test_a_real_switch_has_one_manifest_in_the_place_of_vbios() -> None:
    links = rims(None, rim(VECTORS / "asdk-switch-ls10" / "bios_rim.xml"))
    assert {link.chains for link in links} == {frozenset({"vbios_rim"})}
    assert [link.certificate.common_name for link in links][-1] == "NVIDIA Reference Value LS10 CA"


def test_chains_that_are_absent_or_unreadable_raise_no_question() -> None:
    missing = absent_rim("NV_GPU_DRIVER_GH100_1")
    assert device_certificates(Unreadable(undecided("absent"))) == ()
    assert {link.chains for link in rims(missing, rim(VBIOS_RIM))} == {frozenset({"vbios_rim"})}
    broken = Rim(parse_rim_file(VBIOS_RIM.read_bytes()[:-99]))
    assert rims(broken, broken) == ()


def test_devices_of_one_node_ask_once_for_what_they_share() -> None:
    questions = asked((*LINKS, *LINKS, *links_of(H100), *links_of(H100)))
    assert len({question.certificate_sha256 for question in questions}) == len(questions) == 6


def test_every_request_carries_a_nonce_of_its_own() -> None:
    drawn = itertools.count(1)
    questions = revocation_questions(LINKS, lambda: next(drawn).to_bytes(32, "big"))
    assert [question.nonce for question in questions] == [number.to_bytes(32, "big") for number in (1, 2, 3)]
    for question in questions:
        (extension,) = ocsp.load_der_ocsp_request(question.ocsp_request).extensions
        assert extension.value == x509.OCSPNonce(question.nonce or b"")
    assert {question.nonce for question in asked(LINKS)} == {None}


def about(**changes: object) -> RevocationQuestion:
    party: Party = issue("A CA", FAMILY, **changes)  # type: ignore[arg-type]  # the tests name parameters of issue
    (question,) = asked((IssuedCertificate(party.loaded, FAMILY.loaded, frozenset({"device"})),))
    return question


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "http://ocsp.ndis.nvidia.com.example.org",
        "http://example.org/ocsp.ndis.nvidia.com",
        "http://user@ocsp.ndis.nvidia.com",
        "http://ocsp.ndis.nvidia.com:8080",
        "http://evilnvidia.com",
        "http://.nvidia.com",
        "file:///etc/passwd",
        "http://ocsp.ndis.nvidia.com/\n",
        "http://ocsp.ndis.nvidia.com/?a=b",
        "",
    ],
)
def test_an_address_that_is_not_nvidias_is_not_followed(address: str) -> None:
    """A chain is asked about before it is proven: whoever sends it must not choose whom this machine talks to."""
    question = about(responders=(address,), points=(address,))
    assert (question.ocsp_url, question.crl_urls) == (NVIDIA_OCSP_URL, ())


def test_nvidias_own_addresses_are_followed_and_ocsp_by_https() -> None:
    question = about(responders=("ldap://x", "http://ocsp2.ndis.nvidia.com/gpu"), points=(L1, L2.format("gh100")))
    assert question.ocsp_url == "https://ocsp2.ndis.nvidia.com/gpu"
    assert question.crl_urls == (L1, L2.format("gh100"))


@pytest.mark.parametrize("oid", ["2b06010505070101", "551d1f"], ids=["authorityInfoAccess", "cRLDistributionPoints"])
@given(octets=st.binary(max_size=64) | mutated_bytes(SOURCES))
def test_a_source_that_cannot_be_read_is_none(oid: str, octets: bytes) -> None:
    """Any bytes: what cannot be read names no source, and what can names text."""
    certificate = FAMILY.loaded
    values = {bytes.fromhex(oid): octets}
    odd = replace(certificate, extensions=replace(certificate.extensions, values=values))
    assert all(isinstance(address, str) for address in (*ocsp_addresses(odd), *crl_addresses(odd)))
    assert () in (ocsp_addresses(odd), crl_addresses(odd))
