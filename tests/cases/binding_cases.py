"""Cases of fetching, binding, the operator's opinion, and the age of collateral."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from tests.cases.model import PLATFORM, Case, case, case_family, policy_text
from voltage_attest.appraise.binding import (
    chutes_report_data,
    near_report_data,
    tinfoil_v3_report_data,
    tinfoil_v3_sections_report_data,
    voltage_attest_report_data,
    voltage_verify_report_data,
)
from voltage_attest.evidence.model import Evidence, ProviderOpinion
from voltage_attest.result import failed, passed, undecided
from voltage_attest.testing import QuoteShape, TdReportFields

_NONCE = bytes(range(32))
_OTHER_NONCE = bytes(32)
_SPKI = hashlib.sha256(b"the pod's key").digest()
_OTHER_SPKI = hashlib.sha256(b"the twin's key").digest()
_E2EE = b"an end-to-end key"


def _bound(report_data: bytes, claims: Evidence, binding: str = "voltage-attest/1") -> Case:
    return Case(
        quote=PLATFORM.quote(TdReportFields(report_data=report_data)),
        claims=claims,
        nonce=_NONCE,
        policy=policy_text(channel={"binding": f'"{binding}"'}),
    )


def _bound_pod() -> Case:
    claims = Evidence(nonce=_NONCE, tls_spki_sha256=_SPKI, e2ee_public_key=_E2EE)
    return _bound(voltage_attest_report_data(_NONCE, _SPKI, _E2EE), claims)


@case
def bound_pod() -> Case:
    """A quote bound to the verifier's nonce, the pod's TLS key and its end-to-end key is verified."""
    return _bound_pod()


@case
def bound_pod_without_e2ee_key() -> Case:
    """Without an end-to-end key, 32 zero bytes stand in its place."""
    claims = Evidence(nonce=_NONCE, tls_spki_sha256=_SPKI)
    return _bound(voltage_attest_report_data(_NONCE, _SPKI, None), claims)


@case
def answer_for_another_nonce() -> Case:
    """The answer names another nonce than was drawn, although the quote would be bound to ours."""
    claims = Evidence(nonce=_OTHER_NONCE, tls_spki_sha256=_SPKI, e2ee_public_key=_E2EE)
    return replace(_bound(voltage_attest_report_data(_NONCE, _SPKI, _E2EE), claims), failed=frozenset({"binding.nonce"}))


@case_family("prefix", "longer")
def nonce_compared_in_part(kind: str) -> Case:
    """A nonce that agrees only as far as it goes is another nonce."""
    claimed = _NONCE[:16] if kind == "prefix" else _NONCE + b"\0"
    case = _bound_pod()
    return replace(case, claims=replace(case.claims, nonce=claimed), failed=frozenset({"binding.nonce"}))


@case_family("nonce", "tls_key", "e2ee_key", "no_e2ee_key", "cut", "order")
def quote_bound_to_another(what: str) -> Case:
    """REPORTDATA commits to something else than this nonce and these keys, in one place."""
    committed = {
        "nonce": voltage_attest_report_data(_OTHER_NONCE, _SPKI, _E2EE),
        "tls_key": voltage_attest_report_data(_NONCE, _OTHER_SPKI, _E2EE),
        "e2ee_key": voltage_attest_report_data(_NONCE, _SPKI, b"the twin's end-to-end key"),
        "no_e2ee_key": voltage_attest_report_data(_NONCE, _SPKI, None),
        "cut": voltage_attest_report_data(_NONCE, _SPKI, _E2EE)[:32] + bytes(32),
        "order": voltage_attest_report_data(_SPKI, _NONCE, _E2EE),
    }
    return replace(_bound(committed[what], _bound_pod().claims), failed=frozenset({"binding.report_data"}))


@case
def nobody_drew_a_nonce() -> Case:
    """The policy asks for a binding and no nonce is known: undecided, not verified."""
    return replace(_bound_pod(), nonce=None, errors=frozenset({"binding.nonce"}))


@case
def answer_without_nonce() -> Case:
    """An answer that does not say which nonce it was made for leaves it undecided."""
    case = _bound_pod()
    return replace(case, claims=replace(case.claims, nonce=None), errors=frozenset({"binding.nonce"}))


@case
def answer_without_tls_certificate() -> Case:
    """An answer that names no TLS key leaves the binding undecided."""
    case = _bound_pod()
    return replace(case, claims=replace(case.claims, tls_spki_sha256=None), errors=frozenset({"binding.report_data"}))


_MANIFEST = b'{"challenge":"%s","format":"voltage-verify-manifest/1","workload":{}}' % _NONCE.hex().encode()

_OTHER_BINDINGS = {
    "near": (
        near_report_data(b"address", _SPKI, _NONCE),
        Evidence(nonce=_NONCE, tls_spki_sha256=_SPKI, binding_inputs=(("signing_address", b"address"),)),
    ),
    "chutes": (
        chutes_report_data(_NONCE.hex().encode(), b"a2V5", _SPKI),
        Evidence(nonce=_NONCE, tls_spki_sha256=_SPKI, binding_inputs=(("e2e_pubkey_b64", b"a2V5"),)),
    ),
    "tinfoil-v3": (
        tinfoil_v3_report_data(_SPKI, bytes(32), _NONCE, bytes(32), None),
        Evidence(
            nonce=_NONCE,
            tls_spki_sha256=_SPKI,
            binding_inputs=(("hpke_public_key", bytes(32)), ("gpu_evidence_hash", bytes(32))),
        ),
    ),
    "tinfoil-v3 in sections": (
        tinfoil_v3_sections_report_data(b"v1", _NONCE, b"material", b"devices"),
        Evidence(
            nonce=_NONCE,
            tls_spki_sha256=_SPKI,
            binding_inputs=(
                ("report_data_algorithm", b"v1"),
                ("crypto_material", b"material"),
                ("device_evidence", b"devices"),
            ),
        ),
    ),
    "voltage-verify/1": (
        voltage_verify_report_data(_MANIFEST),
        Evidence(nonce=_NONCE, binding_inputs=(("manifest", _MANIFEST),)),
    ),
}


@case_family(*_OTHER_BINDINGS)
def bound_by_rule_of(binding: str) -> Case:
    """Evidence bound by another provider's rule verifies under a policy that names that rule."""
    report_data, claims = _OTHER_BINDINGS[binding]
    return _bound(report_data, claims, binding.partition(" ")[0])


@case_family(*_OTHER_BINDINGS)
def not_bound_by_rule_of(binding: str) -> Case:
    """The last byte of what another provider's rule demands is different."""
    report_data, claims = _OTHER_BINDINGS[binding]
    other = report_data[:-1] + bytes((report_data[-1] ^ 1,))
    return replace(_bound(other, claims, binding.partition(" ")[0]), failed=frozenset({"binding.report_data"}))


@case
def near_without_tls_key() -> Case:
    """NEAR's rule without a TLS fingerprint binds the nonce and no channel: not what [channel] asks for."""
    claims = Evidence(nonce=_NONCE, binding_inputs=(("signing_address", b"address"),))
    bound = _bound(near_report_data(b"address", None, _NONCE), claims, "near")
    return replace(bound, errors=frozenset({"binding.report_data"}))


@case
def fetched_evidence() -> Case:
    """Evidence that was fetched is judged like evidence that was given."""
    return Case(fetched=passed("https://pods.example/"))


@case
def redirected_pod() -> Case:
    """Something else answered for the pod: refused, and nothing about its quote is judged."""
    refusal = failed(expected="evidence", actual="a redirect", reason="the pod's address answered with a redirect")
    return Case(quote=None, fetched=refusal, failed=frozenset({"evidence.fetch"}))


@case
def unreachable_pod() -> Case:
    """A pod that cannot be reached leaves it undecided."""
    return Case(quote=None, fetched=undecided("the pod did not answer"), errors=frozenset({"evidence.fetch"}))


_TRUTH = ProviderOpinion(measurement_valid=True, mr_td=TdReportFields().mrtd.hex(), tdx_version="1.5")


@case
def operator_agrees() -> Case:
    """An operator whose opinion agrees with the hardware changes nothing."""
    return Case(claims=Evidence(opinion=_TRUTH))


@case_family("measurement_invalid", "other_mrtd", "older_tdx")
def operator_contradicts(what: str) -> Case:
    """The operator says of its pod what the hardware does not."""
    opinion = {
        "measurement_invalid": replace(_TRUTH, measurement_valid=False),
        "other_mrtd": replace(_TRUTH, mr_td="00" * 48),
        "older_tdx": replace(_TRUTH, tdx_version="1.0"),
    }[what]
    quote = PLATFORM.quote(shape=QuoteShape.V5_TD15)
    return Case(quote=quote, claims=Evidence(opinion=opinion), failed=frozenset({"evidence.provider_opinion"}))


@case
def collateral_older_than_the_policy_allows() -> Case:
    """Collateral is in date and still older than the policy's max_age."""
    return Case(policy=policy_text(collateral={"max_age": '"10d"'}), failed=frozenset({"tdx.policy.collateral_age"}))


@case
def collateral_within_max_age() -> Case:
    """Collateral as old as the policy allows is accepted."""
    return Case(policy=policy_text(collateral={"max_age": '"30d"'}))
