"""Roots of trust: the pinned one, and what may stand in its place."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import mutated_bytes
from tests.support.outcomes import failed_ids, open_policy
from tests.support.parsers import assert_read_or_refused
from tests.support.real_evidence import ACCEPTED_PAIRS, REAL_CERTIFICATES, REPOSITORY
from tests.support.sampling import examples
from voltage_attest.crypto.certificates import load_certificate, why_chain_fails
from voltage_attest.errors import TrustRootError
from voltage_attest.testing import FakeIntel
from voltage_attest.trust import PINNED_ROOTS, TrustRoots, known_issuing_certificates
from voltage_attest.verifier import Evidence, Verifier

INTEL = FakeIntel()
ROOT_PEM = (REPOSITORY / "fixtures" / "real" / "tinfoil-0.15.0" / "intel_sgx_root_ca.pem").read_bytes()


def accepted(pem: str | bytes) -> Verifier:
    """A verifier under that root: made only if the root is one."""
    return Verifier(open_policy(), roots=TrustRoots.from_pem(intel=pem))


def test_the_pinned_root_is_the_recorded_one() -> None:
    """Its hash, and the copies of it that came with independent packages and with every quote."""
    root = TrustRoots.default().intel
    assert hashlib.sha256(root).hexdigest() == PINNED_ROOTS["intel"].sha256
    assert root == REAL_CERTIFICATES["root"]
    assert TrustRoots.default().replaced == ()


def test_the_pinned_root_given_as_pem_replaces_nothing() -> None:
    """An independent copy of the same certificate, as text and as bytes."""
    assert TrustRoots.from_pem(intel=ROOT_PEM) == TrustRoots.default()
    assert TrustRoots.from_pem(intel=ROOT_PEM.decode()) == TrustRoots.default()
    assert TrustRoots.from_pem() == TrustRoots.default()


def test_another_root_is_said_to_be_another() -> None:
    """The role that it replaces is recorded, and every result will warn of it."""
    roots = TrustRoots.from_pem(intel=INTEL.root_pem)
    assert (roots.intel, roots.replaced) == (INTEL.root.der, ("intel",))


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "junk",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n\u00e4\u00e4\u00e4\u00e4\n-----END CERTIFICATE-----\n",
        INTEL.root_pem.decode() + INTEL.root_pem.decode(),
        INTEL.root_pem.decode().replace("CERTIFICATE", "X509 CRL"),
        INTEL.platform().chain_pem,
        INTEL.platform().leaf.pem,
        INTEL.tcb_signer.pem,
        INTEL.platform_ca.pem,
    ],
    ids=["empty", "junk", "nothing inside", "no DER", "not ASCII", "two", "CRL", "chain", "PCK leaf", "signer", "PCK CA"],
)
def test_what_is_no_root_is_refused_before_anything_is_judged(pem: str) -> None:
    """Not one certificate, or not a self-signed CA: the error is TrustRootError, at the latest when the verifier is made."""
    with pytest.raises(TrustRootError) as raised:
        accepted(pem)
    assert raised.value.remedy


@settings(max_examples=examples(300))
@given(data=mutated_bytes([ROOT_PEM, INTEL.root_pem]) | st.binary(max_size=300))
@pytest.mark.filterwarnings("ignore::Warning")
def test_mutated_roots_are_accepted_or_refused(data: bytes) -> None:
    """Whatever bytes stand for a root, TrustRootError is the one error."""
    assert_read_or_refused(accepted, data, TrustRootError)


@given(text=st.text(max_size=100))
def test_random_text_is_no_root(text: str) -> None:
    """Also text that ASCII cannot hold."""
    with pytest.raises(TrustRootError):
        TrustRoots.from_pem(intel=text)


def test_what_the_pinned_root_is_known_to_have_signed_it_has_signed() -> None:
    """The certificates whose link is taken as known, verified here from nothing: names, CA flags and signatures."""
    root = load_certificate(TrustRoots.default().intel, "root")
    known = [load_certificate(der, "known") for der in known_issuing_certificates()]
    assert [why_chain_fails((certificate, root), root) for certificate in known] == [None] * len(known)
    assert {certificate.common_name for certificate in known} <= {
        "Intel SGX PCK Platform CA",
        "Intel SGX PCK Processor CA",
        "Intel SGX TCB Signing",
    }
    assert len({certificate.der for certificate in known}) == len(known)


def test_under_another_root_nothing_is_known() -> None:
    """Intel's own certificates under a root that did not sign them: the chain fails, whatever is known elsewhere."""
    verifier = accepted(INTEL.root_pem)
    pair = ACCEPTED_PAIRS[0]
    result = verifier.examine(Evidence(quote=pair.quote), pair.collateral, at=pair.inside)
    assert {"tdx.pck.chain", "tdx.tcb_info.chain", "tdx.qe_identity.chain"} <= failed_ids(result)
    assert result.tdx is None
