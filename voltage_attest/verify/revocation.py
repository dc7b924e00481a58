"""Revocation of NVIDIA's certificates: those of a device between leaf and root, and those beside a manifest's signature.

Every certificate needs an OCSP answer about it or a CRL of its issuer, proven and in date, and all that is at hand must agree:
an answer that fails is not healed by a CRL, nor a CRL that revokes by a good answer. Without either the row is undecided.

Only OCSP reaches every certificate. A Hopper's or switch's BROM certificate names no source at all, a Blackwell's no CRL, and
neither do the signers of manifests nor the Hopper CAs right above them; NVIDIA's responder answers for all of these where it is
asked. So with CRLs alone no chain passes, and the row says which certificate is left: a CRL could not have named a single lost
device, and those of NVIDIA are current for months to two years. What can be kept for working offline are answers without
nonce, which live for a day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from cryptography.x509 import ReasonFlags

from voltage_attest.collateral.nvidia import MAX_OCSP, NvidiaCollateral, OcspAnswer
from voltage_attest.collateral.nvidia_questions import NVIDIA_ADDRESS, NVIDIA_OCSP_URL, RevocationQuestion
from voltage_attest.crypto.certificates import Certificate
from voltage_attest.crypto.crl import RevocationList, load_crl, why_not_signed_by
from voltage_attest.crypto.ocsp import (
    OcspResponse,
    OcspStatus,
    Unanswered,
    build_ocsp_request,
    parse_ocsp_response,
    signer_of,
    why_not_about,
    why_not_current,
    why_not_issued_for,
)
from voltage_attest.crypto.signatures import P384_STATUS, SignatureMemo
from voltage_attest.crypto.status_sources import crl_addresses, ocsp_addresses
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.result import Finding, Location, failed, passed, skipped, undecided
from voltage_attest.verify.gpu_case import DeviceChain
from voltage_attest.verify.joined import join_findings
from voltage_attest.verify.rim import RimCase
from voltage_attest.verify.rim_reading import Rim
from voltage_attest.verify.shelf import make_room
from voltage_attest.verify.unreadable import Unreadable

__all__ = [
    "IssuedCertificate",
    "RevocationCase",
    "RevocationShelf",
    "current_until",
    "device_certificates",
    "revocation",
    "revocation_questions",
    "rim_certificates",
    "rim_chain_certificates",
]

Kept = TypeVar("Kept")

_HOLD: Final = ReasonFlags.certificate_hold
_REVOKED: Final = "NVIDIA has revoked it: what it vouches for is not to be trusted"
_UNPROVEN: Final = "nothing proves that the certificate is not revoked"


class IssuedCertificate(NamedTuple):
    """A certificate whose revocation is judged, its issuer, and the policy's names of the chains it stands in.

    The chains are ``device``, ``driver_rim`` and ``vbios_rim``; CAs of manifests often stand in both of theirs.
    """

    certificate: Certificate
    issuer: Certificate
    chains: frozenset[str]


def device_certificates(chain: DeviceChain | Unreadable) -> tuple[IssuedCertificate, ...]:
    """Those of a device's chain that are judged: BROM, provisioner and family.

    The responder answers ``unauthorized`` for the leaf, which falls with its BROM; a root is trusted or not, by its key.
    """
    return () if isinstance(chain, Unreadable) else _links(chain.certificates[1:], "device")


def rim_certificates(case: RimCase) -> tuple[IssuedCertificate, ...]:
    """Those beside the signatures of a device's manifests, without the root, each once."""
    named = {"driver_rim": case.driver, "vbios_rim": case.firmware}
    return _once([link for name, rim in named.items() if isinstance(rim, Rim) for link in rim_chain_certificates(rim, name)])


def rim_chain_certificates(rim: Rim, chain: str) -> tuple[IssuedCertificate, ...]:
    """Those of one manifest, which stands in the policy's chain of that name."""
    return () if isinstance(rim.chain, Unreadable) else _links(rim.chain, chain)


def _links(certificates: tuple[Certificate, ...], chain: str) -> tuple[IssuedCertificate, ...]:
    pairs = pairwise(certificates)
    return tuple([IssuedCertificate(certificate, issuer, frozenset({chain})) for certificate, issuer in pairs])


def _once(links: Iterable[IssuedCertificate]) -> tuple[IssuedCertificate, ...]:
    """Each certificate once, with all the chains it stands in."""
    found: dict[tuple[bytes, bytes], IssuedCertificate] = {}
    for link in links:
        key = link.certificate.der, link.issuer.der
        known = found.get(key)
        found[key] = link if known is None else link._replace(chains=known.chains | link.chains)
    return tuple(found.values())


def revocation_questions(
    certificates: Iterable[IssuedCertificate], draw_nonce: Callable[[], bytes] | None
) -> tuple[RevocationQuestion, ...]:
    """What to ask of NVIDIA, each certificate once. With ``draw_nonce`` every request carries a nonce of its own."""
    return tuple([_question(link, draw_nonce) for link in _once(certificates)])


def _question(link: IssuedCertificate, draw_nonce: Callable[[], bytes] | None) -> RevocationQuestion:
    certificate, nonce = link.certificate, None if draw_nonce is None else draw_nonce()
    responders = [match for match in map(NVIDIA_ADDRESS.fullmatch, ocsp_addresses(certificate)) if match]
    return RevocationQuestion(
        certificate_sha256=hashlib.sha256(certificate.der).digest(),
        name=certificate.common_name,
        ocsp_url=f"https://{responders[0]['host']}{responders[0]['path']}" if responders else NVIDIA_OCSP_URL,
        ocsp_request=build_ocsp_request(certificate, link.issuer, nonce),
        nonce=nonce,
        crl_urls=_crl_urls(certificate),
    )


def _crl_urls(certificate: Certificate) -> tuple[str, ...]:
    return tuple([address for address in crl_addresses(certificate) if NVIDIA_ADDRESS.fullmatch(address)])


class RevocationShelf:
    """Keeps answers and CRLs as read, and whose they are, by their bytes: the devices of a node share most of them.

    Whose a CRL is not is kept as well, so that a forged one costs one verification and not one for each device. Dates and
    verdicts are never kept. Bounded; safe to share between threads (a lost race reads twice).
    """

    __slots__ = ("_answers", "_capacity", "_foreign", "_lists", "memo")

    def __init__(self, memo: SignatureMemo | None = None, capacity: int = MAX_OCSP) -> None:
        self.memo = memo or SignatureMemo()
        self._capacity = capacity
        self._answers: dict[bytes, OcspResponse | Unanswered | Unreadable] = {}
        self._lists: dict[bytes, RevocationList | Unreadable] = {}
        self._foreign: dict[tuple[bytes, bytes], str] = {}

    def answer(self, der: bytes) -> OcspResponse | Unanswered | Unreadable:
        """The OCSP response with these bytes, or what stands in its place."""
        return self._kept(self._answers, der, lambda: parse_ocsp_response(der, "OCSP response"))

    def crl(self, der: bytes) -> RevocationList | Unreadable:
        """The CRL with these bytes, or why it cannot be read."""
        return self._kept(self._lists, der, lambda: load_crl(der, "CRL", P384_STATUS))

    def why_not_issuers(self, crl: RevocationList, issuer: Certificate) -> str | None:
        """As :func:`~voltage_attest.crypto.crl.why_not_signed_by`, which depends on the bytes of both and nothing else."""
        key = issuer.der, crl.der
        reason = self._foreign.get(key)
        if reason is None:
            why: list[str] = []

            def compute() -> bool:
                why.extend([found for found in [why_not_signed_by(crl, issuer)] if found is not None])
                return not why

            if self.memo.holds((b"crl", *key), compute):
                return None
            reason = why[0]
            make_room(self._foreign, self._capacity)
            self._foreign[key] = reason
        return reason

    def _kept(self, kept: dict[bytes, Kept | Unreadable], der: bytes, read: Callable[[], Kept]) -> Kept | Unreadable:
        known = kept.get(der)
        if known is None:
            try:
                known = read()
            except EvidenceFormatError as error:
                reason = "what would tell whether it is revoked cannot be read"
                known = Unreadable(failed(expected=error.expected, actual=error.found, reason=reason))
            make_room(kept, self._capacity)
            kept[der] = known
        return known


@dataclass(frozen=True, slots=True)
class RevocationCase:
    """Certificates of one device under judgement at ``at`` (UTC): its own, or its manifests', whose chains have been proven.

    ``accept_hold`` names the chains in which a certificate on hold is accepted. ``unsafe_skip`` is the policy's reason to judge
    nothing, ``location`` where it says so. ``judged`` holds what was found of certificates in this appraisal, by their bytes:
    cases that differ in ``certificates`` alone may share it, as those of one node do.
    """

    certificates: tuple[IssuedCertificate, ...]
    collateral: NvidiaCollateral
    at: datetime
    accept_hold: frozenset[str] = frozenset()
    unsafe_skip: str | None = None
    shelf: RevocationShelf = field(default_factory=RevocationShelf)
    location: Location | None = None
    judged: dict[tuple[bytes, bytes, frozenset[str]], Finding] = field(default_factory=dict)


def revocation(case: RevocationCase) -> Finding:
    """gpu.revocation and gpu.rim.revocation."""
    if case.unsafe_skip is not None:
        return skipped(f"the policy leaves it out: {case.unsafe_skip}", unsafe=True, location=case.location)
    if not case.certificates:  # a bug of ours, whatever the evidence: nothing judged must never be passed
        raise RuntimeError("revocation was judged before the chain could be read")
    lists = [case.shelf.crl(der) for der in case.collateral.crls]
    unreadable = [("CRL", found.finding) for found in lists if isinstance(found, Unreadable)]
    readable = [found for found in lists if not isinstance(found, Unreadable)]
    judged = [(link.certificate.common_name, _judge_once(case, link, readable)) for link in case.certificates]
    return join_findings([*unreadable, *judged])


def current_until(case: RevocationCase) -> datetime | None:
    """The earliest instant at which an answer, its responder's certificate or a CRL ends (UTC); None where there is none."""
    read = [(link, case.shelf.answer(answer.der)) for link in case.certificates for answer in _answers(case, link)]
    answers = [(link, answer) for link, answer in read if isinstance(answer, OcspResponse)]
    signers = [signer_of(answer, link.issuer) for link, answer in answers]
    lists = [found for der in case.collateral.crls if not isinstance(found := case.shelf.crl(der), Unreadable)]
    subjects = {link.issuer.subject for link in case.certificates}
    ends = [
        *[answer.next_update for _, answer in answers],
        *[signer.not_after for signer in signers if signer is not None],
    ]
    return min([*ends, *[crl.next_update for crl in lists if crl.issuer_name in subjects]], default=None)


def _answers(case: RevocationCase, link: IssuedCertificate) -> list[OcspAnswer]:
    asked = hashlib.sha256(link.certificate.der).digest()
    return [answer for answer in case.collateral.ocsp if answer.certificate_sha256 == asked]


def _judge_once(case: RevocationCase, link: IssuedCertificate, lists: list[RevocationList]) -> Finding:
    key = link.certificate.der, link.issuer.der, link.chains
    found = case.judged.get(key)
    if found is None:
        found = case.judged[key] = _judge(case, link, lists)
    return found


def _judge(case: RevocationCase, link: IssuedCertificate, lists: list[RevocationList]) -> Finding:
    """One certificate by all that is at hand about it: the first that fails decides, else all are told."""
    silence: list[str] = []
    findings: list[Finding] = []
    for given_answer in _answers(case, link):
        answer = case.shelf.answer(given_answer.der)
        if isinstance(answer, Unanswered):
            silence.append(f"the OCSP responder answered {answer.status}")
        elif isinstance(answer, Unreadable):
            findings.append(answer.finding)
        else:
            findings.append(_judge_answer(case, link, answer, given_answer.nonce))
    findings += [_judge_list(case, link, crl) for crl in lists if crl.issuer_name == link.issuer.subject]
    closing = next((finding for finding in findings if finding.status.closes_gate), None)
    if closing is not None:
        return closing
    if not findings:
        return _absent(case, link, silence)
    return passed(", ".join([str(finding.actual) for finding in findings]))


def _absent(case: RevocationCase, link: IssuedCertificate, silence: list[str]) -> Finding:
    """Neither answer nor CRL: what is missing, and why as far as anybody said."""
    certificate, issuer = link.certificate, link.issuer
    addresses = crl_addresses(certificate)
    names = [f"ocsp:{hashlib.sha256(certificate.der).hexdigest()}", *[f"crl:{address}" for address in addresses]]
    reasons = [*silence, *[reason for name in names if (reason := case.collateral.why_absent(name)) is not None]]
    told = "; ".join(reasons) or "neither an OCSP answer about it nor a CRL of its issuer is at hand"
    alone = "" if addresses else "; it names no CRL, so only an OCSP answer can tell"
    return undecided(
        f"{told}{alone}",
        expected=f"an OCSP answer about serial number {certificate.serial_number:x}, or a CRL of {issuer.common_name}",
        actual="absent",
    )


def _judge_answer(case: RevocationCase, link: IssuedCertificate, answer: OcspResponse, nonce: bytes | None) -> Finding:
    certificate, issuer = link.certificate, link.issuer
    other = why_not_about(answer, certificate, issuer)
    if other is not None:
        expected = f"an OCSP answer about serial number {certificate.serial_number:x} of {issuer.common_name}"
        return failed(expected=expected, actual=other, reason="the answer is about another certificate than was asked for")
    impostor = why_not_issued_for(answer, issuer, case.at, case.shelf.memo)
    if impostor is not None:
        expected = f"an OCSP answer signed for {issuer.common_name}"
        return failed(expected=expected, actual=impostor, reason=f"the answer is not NVIDIA's: {_UNPROVEN}")
    stale = why_not_current(answer, case.at, nonce)
    if stale is not None:
        expected = f"an OCSP answer for {case.at.isoformat()}" + ("" if nonce is None else f" with nonce {nonce.hex()}")
        return failed(expected=expected, actual=stale, reason=f"the answer may be a recording: {_UNPROVEN}")
    if answer.status is OcspStatus.GOOD:
        return passed(f"good until {answer.next_update.isoformat()}")
    if answer.status is OcspStatus.REVOKED:
        return _revoked(case, link, answer.reason, "by OCSP")
    return failed(expected="good", actual="unknown", reason=f"the responder does not know it: {_UNPROVEN}")


def _judge_list(case: RevocationCase, link: IssuedCertificate, crl: RevocationList) -> Finding:
    reason = case.shelf.why_not_issuers(crl, link.issuer)
    if reason is not None:
        expected = f"a CRL issued and signed by {link.issuer.common_name}"
        return failed(expected=expected, actual=reason, reason=f"the CRL is not NVIDIA's: {_UNPROVEN}")
    if not crl.this_update <= case.at <= crl.next_update:
        window = f"{crl.this_update.isoformat()} to {crl.next_update.isoformat()}"
        return failed(expected=f"a CRL for {case.at.isoformat()}", actual=window, reason=f"the CRL is out of date: {_UNPROVEN}")
    if crl.revokes(link.certificate):
        return _revoked(case, link, crl.reason(link.certificate), f"by the CRL of {crl.this_update.date()}")
    return passed(f"not on the CRL of {crl.this_update.date()}, current until {crl.next_update.isoformat()}")


def _revoked(case: RevocationCase, link: IssuedCertificate, reason: ReasonFlags | None, source: str) -> Finding:
    """Revoked, unless it is only on hold and the policy accepts that in every chain it stands in."""
    if reason is _HOLD:
        if link.chains <= case.accept_hold:
            return passed(f"on hold {source}, which the policy accepts")
        return failed(expected="good", actual=f"on hold {source}", reason="NVIDIA has suspended it, for reasons not told")
    told = "no reason given" if reason is None else reason.value
    return failed(expected="good", actual=f"revoked {source} ({told})", reason=_REVOKED)
