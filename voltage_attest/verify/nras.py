"""Checks of what NVIDIA's attestation service (NRAS) says of a node's devices: its own word, current, and of these devices.

A second opinion beside local verification, on by policy only. All tokens of an answer are judged alike, the overall one and
each device's; a finding names the tokens that fail. Claims are asked for only after ``nras.token``, and RFC 9711 and RFC 7519
say what they mean. What NVIDIA's Python SDK leaves out is judged here: issuer, window, nonce, digests and the set of devices.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from voltage_attest.collateral.jwks import MAX_KID_LENGTH
from voltage_attest.crypto.nras_keys import ES384, es384_verifies
from voltage_attest.errors import InputError
from voltage_attest.evidence.eat import EatToken, claimed_digests, claimed_nonce, claimed_time
from voltage_attest.result import Finding, Status, failed, passed, skipped
from voltage_attest.trust.nvidia_nras import NRAS_ISSUER
from voltage_attest.verify.nras_case import NrasCase
from voltage_attest.verify.nras_claims import CLAIMS_VERSIONS, claims_version, nras_error, why_claims_fail
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["CLOCK_SKEW", "NRAS_FUNCTIONS", "answer_ends"]

CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far NVIDIA's clock may be ahead of the appraisal time. It lengthens no token's life: ``exp`` is judged to the second."""

_HEADER: Final = frozenset({"alg", "kid", "typ"})
_RESULT: Final = "x-nvidia-overall-att-result"
_MAX_UEID_LENGTH: Final = 60
_SHOWN: Final = 4
"""Faults shown in full; the others are counted."""


class _Fault(NamedTuple):
    """What a token should have said, and what it says."""

    expected: str
    actual: str


def parse(case: NrasCase) -> Finding:
    """nras.parse."""
    if isinstance(case.eat, Unreadable):
        return case.eat.finding
    return passed(f"an overall token, and one for each of {_names([token.name for token in case.eat.devices])}")


def header(case: NrasCase) -> Finding:
    """nras.header."""

    def judge(token: EatToken) -> _Fault | None:
        kid, algorithm = token.header.required("kid"), token.header.required("alg")
        if algorithm.value != ES384:
            return _Fault(f"alg {ES384}", f"alg {algorithm.as_text()[:40]!r}")
        if not kid.as_text(MAX_KID_LENGTH).isprintable():
            return _Fault("a printable kid", "another")
        if (kind := token.header.members.get("typ")) is not None and kind.value != "JWT":
            return _Fault("typ JWT, if any", "another typ")
        foreign = ", ".join(sorted([repr(name[:40]) for name in token.header.members if name not in _HEADER]))
        return _Fault("alg and kid alone", f"also {foreign[:200]}") if foreign else None

    return _each(case.tokens, judge, ES384, "a token asks to be read by other rules than NRAS's own")


def key_sets(case: NrasCase) -> Finding:
    """nras.jwks."""
    found = case.key_set
    return found.finding if isinstance(found, Unreadable) else passed(f"{len(found.keys)} keys")


def key(case: NrasCase) -> Finding:
    """nras.key: failed if any key is, else undecided if any is in no key set."""
    bad = [found.finding for found in case.keys.values() if isinstance(found, Unreadable)]
    for status in (Status.FAILED, Status.ERROR):
        for finding in bad:
            if finding.status is status:
                return finding
    proven = {case.key_of(token).intermediate.common_name for token in case.tokens}
    return passed(f"{', '.join(case.keys)}, certified by {', '.join(sorted(proven))}")


def signature(case: NrasCase) -> Finding:
    """nras.token."""

    def judge(token: EatToken) -> _Fault | None:
        if es384_verifies(token.text, case.key_of(token)):
            return None
        return _Fault(f"a signature by the key {', '.join(case.keys)}", "another signature")

    return _each(case.tokens, judge, f"{len(case.tokens)} signatures", "a token was altered, or signed by somebody else")


def key_validity(case: NrasCase) -> Finding:
    """nras.key_validity."""

    def judge(token: EatToken) -> _Fault | None:
        issued, proven = _moment(token, "iat"), case.key_of(token)
        for certificate in (proven.leaf, proven.intermediate):
            if not certificate.is_valid_at(issued):
                return _Fault(
                    f"iat from {_stamp(certificate.not_before)} to {_stamp(certificate.not_after)} ({certificate.common_name})",
                    _stamp(issued),
                )
        return None

    return _each(case.tokens, judge, "valid at issue", "the key was not certified when the token was issued")


def issuer(case: NrasCase) -> Finding:
    """nras.issuer."""

    def judge(token: EatToken) -> _Fault | None:
        stated = token.claims.required("iss").as_text()
        return None if stated == NRAS_ISSUER else _Fault(NRAS_ISSUER, repr(stated[:80]))

    return _each(case.tokens, judge, NRAS_ISSUER, "it is not the word of NVIDIA's production service")


def validity(case: NrasCase) -> Finding:
    """nras.validity."""

    def judge(token: EatToken) -> _Fault | None:
        issued, start, end = (_moment(token, claim) for claim in ("iat", "nbf", "exp"))
        at = min(issued, case.at) if case.judged_at_issue else case.at
        if issued - CLOCK_SKEW > case.at:
            return _Fault(f"issued by {_stamp(case.at)}", f"iat {_stamp(issued)}, in the future")
        if start - CLOCK_SKEW > at:
            return _Fault(f"valid at {_stamp(at)}", f"nbf {_stamp(start)}, not yet valid")
        return None if at < end else _Fault(f"valid at {_stamp(at)}", f"exp {_stamp(end)}, expired")

    judged = "at its issue" if case.judged_at_issue else _stamp(case.at)
    return _each(case.tokens, judge, judged, "the token is not of the time it is judged at")


def nonce(case: NrasCase) -> Finding:
    """nras.nonce."""
    stated = case.nonce if case.nonce is not None else _first_nonce(case.tokens)

    def judge(token: EatToken) -> _Fault | None:
        if token.claims.optional("eat_nonce") is None and nras_error(token) is not None:
            return None  # NRAS signed an error in place of claims: nras.devices fails
        found = claimed_nonce(token)
        return None if hmac.compare_digest(found, stated) else _Fault(stated.hex(), found.hex())

    finding = _each(case.tokens, judge, stated.hex(), "the answer is to another question: it may be a recording")
    if case.nonce is None and finding.status is Status.PASSED:
        return skipped("no nonce is expected of this answer; all its tokens have one and the same", actual=stated.hex())
    return finding


def submodules(case: NrasCase) -> Finding:
    """nras.submods."""
    tokens = {token.name: token for token in given(case.eat).devices}
    try:
        digests = claimed_digests(given(case.eat).overall)
    except InputError as error:
        return failed(expected=error.expected, actual=error.found, reason="the overall token does not name its device tokens")
    if set(digests) != set(tokens):
        return failed(
            expected=_names(digests),
            actual=_names(tokens),
            reason="a device token is missing, or was added to those that the overall token names",
        )

    def judge(token: EatToken) -> _Fault | None:
        expected, actual = digests[token.name], hashlib.sha256(token.text.encode()).digest()
        return None if hmac.compare_digest(expected, actual) else _Fault(expected.hex(), actual.hex())

    return _each(tokens.values(), judge, _names(tokens), "the overall token is about another device token")


def version(case: NrasCase) -> Finding:
    """nras.claims_version."""
    overall, devices = given(case.eat).overall, given(case.eat).devices
    stated = {(claims_version(token, overall) or "none")[:40] for token in devices}
    if stated <= set(CLAIMS_VERSIONS):
        return passed(", ".join(sorted(stated)))
    return failed(
        expected=f"one of {', '.join(CLAIMS_VERSIONS)}",
        actual=", ".join(sorted(stated)),
        reason="nobody here knows what claims of that version mean",
    )


def overall_result(case: NrasCase) -> Finding:
    """nras.result."""
    claim = given(case.eat).overall.claims.members.get(_RESULT)
    if claim is not None and claim.value is True:
        return passed("true")
    return failed(
        expected=f"{_RESULT} true",
        actual="absent" if claim is None else claim.raw[:40],
        reason="NRAS does not vouch for all devices",
    )


def devices(case: NrasCase) -> Finding:
    """nras.devices."""
    overall = given(case.eat).overall

    def judge(token: EatToken) -> _Fault | None:
        fault = why_claims_fail(token, claims_version(token, overall))
        return None if fault is None else _Fault("a device that NRAS vouches for", fault)

    tokens = given(case.eat).devices
    return _each(tokens, judge, f"{len(tokens)} devices", "NRAS refuses the device, or does not say all that it must")


def identities(case: NrasCase) -> Finding:
    """nras.ueids."""
    try:
        stated = [token.claims.required("ueid").as_text(_MAX_UEID_LENGTH) for token in given(case.eat).devices]
    except InputError as error:
        return failed(expected=error.expected, actual=error.found, reason="NRAS does not say which device it judged")
    found = frozenset(stated)
    if len(found) != len(stated):
        return failed(
            expected=f"{len(stated)} different devices", actual=", ".join(stated), reason="one device was shown more than once"
        )
    if case.ueids is None:
        return skipped("no device was verified here to compare with", actual=", ".join(sorted(found)))
    if found != case.ueids:
        return failed(
            expected=", ".join(sorted(case.ueids)) or "none",
            actual=", ".join(sorted(found)),
            reason="NRAS judged other devices than those verified here",
        )
    return passed(", ".join(sorted(found)))


NRAS_FUNCTIONS: Final[Mapping[str, Callable[[NrasCase], Finding]]] = {
    "nras.parse": parse,
    "nras.header": header,
    "nras.jwks": key_sets,
    "nras.key": key,
    "nras.token": signature,
    "nras.key_validity": key_validity,
    "nras.issuer": issuer,
    "nras.validity": validity,
    "nras.nonce": nonce,
    "nras.submods": submodules,
    "nras.result": overall_result,
    "nras.claims_version": version,
    "nras.devices": devices,
    "nras.ueids": identities,
}
"""Check id to function, in order; each needs only what its entry in ``checks/nras.py`` requires."""


def answer_ends(case: NrasCase) -> datetime:
    """When the first token of the answer ends (UTC); to be asked for only after ``nras.validity``."""
    return min([_moment(token, "exp") for token in case.tokens])


def _each(tokens: Iterable[EatToken], judge: Callable[[EatToken], _Fault | None], actual: str, reason: str) -> Finding:
    """Judge every token; a claim that is absent or of another form is a fault like any other."""
    faults: list[tuple[str, _Fault]] = []
    for token in tokens:
        try:
            fault = judge(token)
        except InputError as error:
            fault = _Fault(error.expected, error.found)
        if fault is not None:
            faults.append((token.name, fault))
    if not faults:
        return passed(actual)
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return failed(
        expected="; ".join(dict.fromkeys([fault.expected for _, fault in faults[:_SHOWN]])),
        actual="; ".join(f"{name}: {fault.actual}" for name, fault in faults[:_SHOWN]) + more,
        reason=f"{reason} ({', '.join(name for name, _ in faults)})",
    )


def _first_nonce(tokens: tuple[EatToken, ...]) -> bytes:
    """The overall token's nonce where none is expected, for comparing the others with; empty if it has none."""
    try:
        return claimed_nonce(tokens[0])
    except InputError:
        return b""


def _moment(token: EatToken, claim: str) -> datetime:
    return datetime.fromtimestamp(claimed_time(token, claim), UTC)


def _names(named: Iterable[str]) -> str:
    return ", ".join(sorted([name[:40] for name in named])) or "none"


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
