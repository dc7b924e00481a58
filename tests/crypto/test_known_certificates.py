"""The issuing certificates that this package ships: what is taken for known about them is proven here."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from tests.cases.model import INTEL
from voltage_attest.crypto.certificates import Certificate, link_key, load_certificate, load_root, why_chain_fails
from voltage_attest.crypto.signatures import SignatureMemo
from voltage_attest.trust import INTEL_ISSUING_CERTIFICATES, TrustRoots, known_issuing_certificates
from voltage_attest.verify.case import Workshop

ROOT = load_root(TrustRoots.default().intel)
KNOWN = tuple(load_certificate(der, "known") for der in known_issuing_certificates())


def named(certificate: Certificate) -> str:
    return certificate.common_name


@pytest.mark.parametrize("certificate", KNOWN, ids=named)
def test_the_pinned_root_signed_each_shipped_certificate(certificate: Certificate) -> None:
    """Computed, with nothing remembered."""
    memo = SignatureMemo()
    assert why_chain_fails((certificate, ROOT), ROOT, memo) is None
    assert memo.computed == 1


@pytest.mark.parametrize("certificate", KNOWN, ids=named)
def test_each_shipped_certificate_is_listed_with_name_and_window(certificate: Certificate) -> None:
    """The list beside the file says what it holds."""
    window = f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"
    digest = hashlib.sha256(certificate.der).hexdigest()
    assert INTEL_ISSUING_CERTIFICATES[digest] == f"{certificate.common_name}, {window}"


def test_nothing_else_is_known_in_advance() -> None:
    """A Workshop under the pinned root begins with these links and no other."""
    memo = Workshop.under(TrustRoots.default()).memo
    asked: list[str] = []

    def compute() -> bool:
        asked.append("computed")
        return False

    assert all(memo.holds(link_key(certificate, ROOT), compute) for certificate in KNOWN)
    assert asked == []
    assert not memo.holds(link_key(replace(KNOWN[0], der=KNOWN[1].der), KNOWN[2]), compute)
    assert asked == ["computed"]


def test_under_another_root_nothing_is_known() -> None:
    """The simulator's root never signed Intel's certificates."""
    roots = TrustRoots.from_pem(intel=INTEL.root_pem)
    workshop = Workshop.under(roots)
    assert not any(workshop.memo.holds(link_key(certificate, workshop.root), lambda: False) for certificate in KNOWN)
    assert not any(workshop.memo.holds(link_key(certificate, ROOT), lambda: False) for certificate in KNOWN)


def test_a_look_alike_of_a_known_certificate_is_verified_like_any_other() -> None:
    """Same name, other key: its bytes are not the known ones, and the root did not sign it."""
    memo = Workshop.under(TrustRoots.default()).memo
    look_alike = load_certificate(INTEL.platform_ca.der, "look-alike")
    assert look_alike.common_name in {certificate.common_name for certificate in KNOWN}
    assert why_chain_fails((look_alike, ROOT), ROOT, memo) is not None
