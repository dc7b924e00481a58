"""Cases of the collateral file and its revocation lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509

from tests.cases.model import INTEL, LOOK_ALIKE, PLATFORM, Case, case, case_family, flipped
from voltage_attest.testing import APPRAISED_AT, ISSUED_AT, RevocationFields, Signer, derive_key

_GENUINE = INTEL.collateral(PLATFORM)
_SECOND = timedelta(seconds=1)
_CURRENT = RevocationFields(this_update=ISSUED_AT, next_update=ISSUED_AT + timedelta(days=30))

_ABSENT = {
    "pck_crl_issuer_chain": "tdx.crl.issuer_chain",
    "root_ca_crl": "tdx.crl.root",
    "pck_crl": "tdx.crl.pck",
    "tcb_info_issuer_chain": "tdx.tcb_info.chain",
    "tcb_info_signature": "tdx.tcb_info.signature",
    "qe_identity_issuer_chain": "tdx.qe_identity.chain",
    "qe_identity_signature": "tdx.qe_identity.signature",
}


def _unreadable(data: bytes) -> Case:
    return Case(failed=frozenset({"tdx.collateral.parse"}), collateral=data)


@case
def not_json() -> Case:
    """The collateral file is not JSON."""
    return _unreadable(b"pck_crl_issuer_chain: ...")


@case
def empty_collateral() -> Case:
    """The collateral file is empty."""
    return _unreadable(b"")


@case
def list_of_documents() -> Case:
    """The collateral file is a JSON list."""
    return _unreadable(json.dumps([_GENUINE.documents]).encode())


@case
def foreign_key() -> Case:
    """The collateral file has a key that is none of Intel's: perhaps another layout, perhaps bait."""
    return _unreadable(json.dumps({**_GENUINE.documents, "tcbInfo": "{}"}).encode())


@case
def duplicate_key() -> Case:
    """A key occurs twice: two readers would believe two different documents."""
    genuine = _GENUINE.to_json()
    return _unreadable(genuine.replace(b"{", b'{"root_ca_crl": "",', 1))


@case
def document_of_another_type() -> Case:
    """TCB info is embedded as an object, and so no longer the bytes that were signed."""
    return _unreadable(json.dumps({**_GENUINE.documents, "tcb_info": json.loads(_GENUINE.tcb_info or "")}).encode())


@case_family(*_ABSENT)
def absent(document: str) -> Case:
    """A document is absent: nothing can be said, and nothing is."""
    documents = {key: text for key, text in _GENUINE.documents.items() if key != document}
    return Case(errors=frozenset({_ABSENT[document]}), collateral=json.dumps(documents).encode())


@case_family("tcb_info", "qe_identity")
def absent_text(document: str) -> Case:
    """A signed document is absent: neither its content nor its signature can be judged."""
    documents = {key: text for key, text in _GENUINE.documents.items() if key != document}
    errors = frozenset({f"tdx.{document}.parse", f"tdx.{document}.signature"})
    return Case(errors=errors, collateral=json.dumps(documents).encode())


@case
def nothing_but_a_quote() -> Case:
    """The collateral file holds no document at all."""
    errors = {*_ABSENT.values(), "tdx.tcb_info.parse", "tdx.qe_identity.parse"}
    # Signatures wait for the chain of their signer, the PCK CRL for the chain of its issuer.
    errors -= {"tdx.tcb_info.signature", "tdx.qe_identity.signature", "tdx.crl.pck"}
    return Case(errors=frozenset(errors), collateral=b"{}")


def _other_pck_chain(chain_pem: str) -> Case:
    collateral = replace(_GENUINE, pck_certificate_chain=chain_pem)
    return Case(failed=frozenset({"tdx.collateral.pck_chain"}), collateral=collateral.to_json())


@case
def pck_chain_of_another_platform() -> Case:
    """The PCK chain beside the collateral is not the quote's: the collateral was fetched for another."""
    return _other_pck_chain(LOOK_ALIKE.platform().chain_pem)


@case
def unreadable_pck_chain() -> Case:
    """The PCK chain beside the collateral is no PEM, though nothing else needs it."""
    return _other_pck_chain("nobody reads this")


@case
def pck_chain_beside_the_collateral() -> Case:
    """The tenth key holds the quote's own chain."""
    return Case(collateral=replace(_GENUINE, pck_certificate_chain=PLATFORM.chain_pem).to_json())


@case_family("processor_ca", "without_root", "root_first", "look_alike", "with_leaf", "garbage")
def crl_issuer_chain(which: str) -> Case:
    """The PCK CRL's issuer chain is not exactly the quote's PCK CA and the pinned root."""
    ca, root = INTEL.platform_ca.pem, INTEL.root.pem
    chain = {
        "processor_ca": INTEL.processor_ca.chain_pem,
        "without_root": ca,
        "root_first": root + ca,
        "look_alike": LOOK_ALIKE.platform_ca.chain_pem,
        "with_leaf": PLATFORM.chain_pem,
        "garbage": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    }[which]
    collateral = replace(_GENUINE, pck_crl_issuer_chain=chain)
    return Case(failed=frozenset({"tdx.crl.issuer_chain"}), collateral=collateral.to_json())


def _partitioned(this_update: datetime, next_update: datetime) -> RevocationFields:
    """A list that covers CA certificates only, and says so as RFC 5280 demands."""
    scope = x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=True,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    return RevocationFields(this_update=this_update, next_update=next_update, critical_extensions=(scope,))


def _patched(ca: Signer, old: str, new: str) -> str:
    """The CA's current list with octets replaced inside its DER."""
    return ca.revocation_list(_CURRENT).hex().replace(old, new)


_FORGERIES: dict[str, Callable[[Signer], str]] = {
    "signed_by_another_key": lambda ca: replace(ca, key=derive_key("attacker")).revocation_list(_CURRENT).hex(),
    "of_another_ca": lambda _: LOOK_ALIKE.tcb_signer.revocation_list(_CURRENT).hex(),
    "without_number": lambda ca: ca.revocation_list(replace(_CURRENT, number=None)).hex(),
    "without_authority": lambda ca: ca.revocation_list(replace(_CURRENT, names_authority=False)).hex(),
    "partitioned": lambda ca: ca.revocation_list(_partitioned(ISSUED_AT, ISSUED_AT + timedelta(days=30))).hex(),
    "altered": lambda ca: flipped(ca.revocation_list(_CURRENT), -1).hex(),
    "of_unknown_version": lambda ca: _patched(ca, "02010130", "02012130"),
    "with_another_tag_in_its_name": lambda ca: _patched(ca, "06035504030c", "06035504030d"),
    "with_a_bit_string_in_its_name": lambda ca: _patched(ca, "06035504030c", "060355040303"),
    "with_another_algorithm": lambda ca: _patched(ca, "2a8648ce3d040302", "2a8648ce3d040303"),
    "with_broken_dates": lambda ca: _patched(ca, "170d", "160d"),
    "truncated": lambda ca: ca.revocation_list(_CURRENT)[:-1].hex(),
    "pem": lambda _: "-----BEGIN X509 CRL-----",
    "empty": lambda _: "",
    "half_a_byte": lambda ca: ca.revocation_list(_CURRENT).hex()[:-1],
}


@case_family(*_FORGERIES)
def root_crl(defect: str) -> Case:
    """The root CRL is not the pinned root's own, whole list."""
    collateral = replace(_GENUINE, root_ca_crl=_FORGERIES[defect](INTEL.root))
    return Case(failed=frozenset({"tdx.crl.root"}), collateral=collateral.to_json())


@case_family(*_FORGERIES)
def pck_crl(defect: str) -> Case:
    """The PCK CRL is not the PCK CA's own, whole list."""
    collateral = replace(_GENUINE, pck_crl=_FORGERIES[defect](INTEL.platform_ca))
    return Case(failed=frozenset({"tdx.crl.pck"}), collateral=collateral.to_json())


@case
def exchanged_crls() -> Case:
    """Root CRL and PCK CRL stand in each other's place."""
    collateral = replace(_GENUINE, root_ca_crl=_GENUINE.pck_crl, pck_crl=_GENUINE.root_ca_crl)
    return Case(failed=frozenset({"tdx.crl.root", "tdx.crl.pck"}), collateral=collateral.to_json())


@case
def crl_of_the_other_pck_ca() -> Case:
    """The PCK CRL is the Processor CA's, and the platform is certified by the Platform CA."""
    collateral = INTEL.collateral(PLATFORM, pck_crl=INTEL.processor_ca.revocation_list(_CURRENT))
    return Case(failed=frozenset({"tdx.crl.pck"}), collateral=collateral.to_json())


_WINDOWS = {
    "stale": RevocationFields(this_update=datetime(2026, 10, 1, tzinfo=UTC), next_update=APPRAISED_AT - _SECOND),
    "future": RevocationFields(this_update=APPRAISED_AT + _SECOND, next_update=datetime(2026, 12, 31, tzinfo=UTC)),
}


@case_family(*_WINDOWS)
def root_crl_validity(when: str) -> Case:
    """The root CRL does not speak of the appraisal time: what was revoked since is not on it."""
    collateral = INTEL.collateral(PLATFORM, root_crl=INTEL.root.revocation_list(_WINDOWS[when]))
    return Case(failed=frozenset({"tdx.crl.root_validity"}), collateral=collateral.to_json())


@case_family(*_WINDOWS)
def pck_crl_validity(when: str) -> Case:
    """The PCK CRL does not speak of the appraisal time: what was revoked since is not on it."""
    collateral = INTEL.collateral(PLATFORM, pck_crl=INTEL.platform_ca.revocation_list(_WINDOWS[when]))
    return Case(failed=frozenset({"tdx.crl.pck_validity"}), collateral=collateral.to_json())


@case_family("first", "last")
def instant(which: str) -> Case:
    """The first and the last instant of collateral's life belong to it."""
    return Case(at=ISSUED_AT if which == "first" else ISSUED_AT + timedelta(days=30))


@case_family("before", "after")
def instant_outside(which: str) -> Case:
    """One second outside its life, collateral is refused without grace."""
    failed = {"tdx.tcb_info.validity", "tdx.qe_identity.validity", "tdx.crl.pck_validity"}
    if which == "before":  # the root CRL lives a year
        failed |= {"tdx.crl.root_validity"}
    at = ISSUED_AT - _SECOND if which == "before" else ISSUED_AT + timedelta(days=30) + _SECOND
    return Case(failed=frozenset(failed), at=at)
