"""The four certificates beside a manifest's signature lead to the pinned root, each in its role, or the reason is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.rim import foundry
from tests.rim.foundry import RANKS, ROOT, Issued, Rank, chain, issue, usual_chain, with_leaf
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from voltage_attest.crypto.certificates import Certificate, load_certificate
from voltage_attest.crypto.rim_chain import why_rim_chain_fails
from voltage_attest.crypto.signatures import P384
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.trust import PINNED_ROOTS, TrustRoots


def load(der: bytes, what: str) -> Certificate:
    return load_certificate(der, what, P384)


def loaded(issued: tuple[Issued, ...]) -> tuple[Certificate, ...]:
    return tuple(load(each.der, f"certificate {number}") for number, each in enumerate(issued))


def why(issued: tuple[Issued, ...]) -> str | None:
    return why_rim_chain_fails(loaded(issued), foundry.root().der)


def changed(position: int, **changes: object) -> tuple[Issued, ...]:
    """The usual chain issued anew, with one rank changed."""
    ranks = list(RANKS)
    ranks[position] = replace(ranks[position], **changes)  # type: ignore[arg-type]  # the tests name fields of Rank
    return chain(ranks)


def test_the_usual_chain_leads_to_the_root() -> None:
    assert why(usual_chain()) is None


def test_the_pinned_root_is_what_it_is_said_to_be() -> None:
    certificate = x509.load_der_x509_certificate(TrustRoots.default().nvidia_rim)
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(TrustRoots.default().nvidia_rim).hexdigest() == PINNED_ROOTS["nvidia-rim"].sha256
    assert hashlib.sha256(key).hexdigest() == "dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3"
    assert certificate.subject.rfc4514_string() == f"CN={PINNED_ROOTS['nvidia-rim'].name},O=NVIDIA,C=US"
    assert (
        f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        == PINNED_ROOTS["nvidia-rim"].valid
    )
    assert f"{certificate.serial_number:x}" == "45dae3a00e5037bddf875375ecb5e270"


def test_refuses_another_root_of_the_same_name() -> None:
    assert why(chain(top=issue(ROOT, None))) == "the last certificate ('NVIDIA CoRIM signing Root CA') is not the pinned root"


def test_refuses_shorter_and_longer_chains() -> None:
    assert why(chain(RANKS[:2])) == "3 certificates"
    assert why(chain((*RANKS, Rank("NVIDIA Reference Value X CA")))) == "5 certificates"
    assert why((foundry.root(),)) == "1 certificates"


def test_refuses_certificates_out_of_order() -> None:
    leaf, first, second, root = usual_chain()
    assert why((leaf, second, first, root)) is not None


def test_refuses_a_link_that_another_key_signed() -> None:
    leaf, first, _, root = usual_chain()
    impostor = issue(RANKS[2], root)
    assert why((leaf, first, impostor, root)) == (
        "'NVIDIA Reference Value L3 GH100 002' is not signed by this 'NVIDIA Reference Value GH100 CA'"
    )


def test_refuses_a_link_to_another_name() -> None:
    leaf, first, _, root = usual_chain()
    other = issue(Rank("NVIDIA Reference Value GB1XX CA 001"), root)
    assert "names another issuer" in str(why((leaf, first, other, root)))


@pytest.mark.parametrize("position", [1, 2])
def test_refuses_an_issuer_that_is_no_ca(position: int) -> None:
    assert "is no CA" in str(why(changed(position, is_ca=False, path_length=None)))
    assert "is no CA" in str(why(changed(position, may_certify=False)))


def test_refuses_a_ca_above_its_path_length() -> None:
    assert "may not stand 1 CAs above" in str(why(changed(2, path_length=0)))


@pytest.mark.parametrize("position", [1, 2])
def test_refuses_cas_that_issue_for_other_purposes(position: int) -> None:
    """The same root certifies the signers of network adapters' manifests."""
    assert "no CA for reference values" in str(why(changed(position, name="NVIDIA CoRIM signing CX7 ICA ID 2")))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"is_ca": True, "may_certify": True}, "is a CA"),
        ({"may_certify": True}, "is a CA"),
        ({"may_sign": False}, "may not sign"),
        ({"ocsp_responder": True}, "another use"),
    ],
)
def test_refuses_a_leaf_in_another_role(changes: dict[str, object], found: str) -> None:
    assert found in str(why(with_leaf(**changes)))


def test_refuses_other_curves_and_algorithms() -> None:
    for leaf in (with_leaf(curve=ec.SECP256R1())[0], with_leaf(hash=hashes.SHA256())[0]):
        with pytest.raises(EvidenceFormatError, match=r"P-384|another algorithm"):
            load(leaf.der, "leaf")


def test_refuses_a_certificate_beyond_all_bounds() -> None:
    with pytest.raises(EvidenceFormatError, match="at most"):
        load(bytes(100_000), "leaf")


def without_version(der: bytes) -> bytes:
    return der.replace(bytes.fromhex("a003020102"), b"", 1)


def with_zero_serial(der: bytes) -> bytes:
    at = der.index(bytes.fromhex("a003020102")) + 5
    size = der[at + 1]
    return der[: at + 2] + bytes(size) + der[at + 2 + size :]


@pytest.mark.parametrize("spoil", [without_version, with_zero_serial, lambda der: der + b"\0", lambda der: der[:-1]])
def test_refuses_malformed_certificates(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(EvidenceFormatError):
        load(spoil(usual_chain()[0].der), "leaf")


@given(st.binary(max_size=256) | mutated_bytes([TrustRoots.default().nvidia_rim, usual_chain()[0].der]))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert_read_or_refused(lambda found: load(found, "certificate"), data, EvidenceFormatError)
