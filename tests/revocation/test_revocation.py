"""gpu.revocation and gpu.rim.revocation: what they accept, what each lie is refused with, and what stays open."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.revocation.authority import (
    AT,
    BROM,
    CHAIN,
    FAMILY,
    LINKS,
    NONCE,
    PROVISIONER,
    ROOT,
    Answer,
    List,
    Party,
    answer_for,
    delegate,
    issue,
    refusal,
    resigned,
    with_two_singles,
)
from voltage_attest.collateral.nvidia import NvidiaCollateral, OcspAnswer
from voltage_attest.crypto.ocsp import CLOCK_SKEW
from voltage_attest.result import Finding, Location, Status
from voltage_attest.verify.revocation import RevocationCase, RevocationShelf, current_until, revocation

SECOND = timedelta(seconds=1)
HOLD = x509.ReasonFlags.certificate_hold
REVOKED = ocsp.OCSPCertStatus.REVOKED
LOOK_ALIKE = issue("NVIDIA GH100 Provisioner ICA 1", FAMILY)


def sha256(party: Party) -> bytes:
    return hashlib.sha256(party.der).digest()


def answers(*, about: Party | None = None, der: bytes = b"", nonce: bytes | None = NONCE) -> tuple[OcspAnswer, ...]:
    """Good answers about the three certificates; the one ``about`` a certificate exchanged for ``der``, or left out."""
    usual = [OcspAnswer(sha256(party), answer_for(party, nonce=nonce).der, nonce) for party in CHAIN[:3] if party is not about]
    other = [] if about is None or not der else [OcspAnswer(sha256(about), der, nonce)]
    return (*usual, *other)


def case(
    found: tuple[OcspAnswer, ...] = (), *crls: bytes, at: datetime = AT, absences: tuple[tuple[str, str], ...] = ()
) -> RevocationCase:
    return RevocationCase(LINKS, NvidiaCollateral(ocsp=found, crls=crls, absences=absences), at)


def judged(der: bytes, *, about: Party = BROM, at: datetime = AT, nonce: bytes | None = NONCE) -> Finding:
    """The row where one certificate's answer is ``der`` and the others are good."""
    return revocation(case(answers(about=about, der=der, nonce=nonce), at=at))


def test_good_answers_about_all_three_pass() -> None:
    finding = revocation(case(answers()))
    assert finding.status is Status.PASSED
    assert str(finding.actual).count("good until 2026-10-09T23:08:00") == 3


def test_answers_without_nonce_pass_where_none_was_sent() -> None:
    assert revocation(case(answers(nonce=None))).status is Status.PASSED


@pytest.mark.parametrize(
    "responder", [None, delegate(PROVISIONER, restricted=False), delegate(PROVISIONER, critical_usages=True)]
)
@pytest.mark.parametrize("by", list(ocsp.OCSPResponderEncoding))
@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384()])
def test_the_issuer_or_its_delegate_may_sign(
    responder: Party | None, by: ocsp.OCSPResponderEncoding, digest: hashes.SHA256 | hashes.SHA384
) -> None:
    assert judged(answer_for(BROM, responder=responder, by=by, digest=digest).der).status is Status.PASSED


def test_a_certificate_id_may_be_made_with_sha384_as_nvtrust_makes_it() -> None:
    assert judged(answer_for(BROM, hash=hashes.SHA384()).der).status is Status.PASSED


def revoked(reason: x509.ReasonFlags | None) -> bytes:
    return answer_for(BROM, status=REVOKED, reason=reason).der


ELSEWHERE = issue("Another root")
SAME_SERIAL = issue("GH100 A01 GSP BROM", LOOK_ALIKE, serial=BROM.certificate.serial_number)
PASSING_OFF = delegate(ELSEWHERE)
FORGED = resigned(answer_for(BROM).der, ec.generate_private_key(ec.SECP384R1()))

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "revoked": (lambda: revoked(x509.ReasonFlags.key_compromise), "revoked by OCSP (keyCompromise)"),
    "revoked without a reason": (lambda: revoked(None), "revoked by OCSP (no reason given)"),
    "on hold": (lambda: revoked(HOLD), "on hold by OCSP"),
    "unknown": (lambda: answer_for(BROM, status=ocsp.OCSPCertStatus.UNKNOWN).der, "unknown"),
    "stale": (lambda: answer_for(BROM, this_update=AT - timedelta(days=2), next_update=AT - SECOND).der, "valid 2026-10-06"),
    "stale without nextUpdate": (
        lambda: answer_for(BROM, this_update=AT - timedelta(hours=1, seconds=1), next_update=None).der,
        "valid 2026-10-08T22:07:59+00:00 to 2026-10-08T23:07:59+00:00",
    ),
    "not yet valid": (lambda: answer_for(BROM, this_update=AT + CLOCK_SKEW + SECOND).der, "valid 2026-10-08T23:13:01"),
    "about another serial number": (lambda: answer_for(PROVISIONER).der, "serial number"),
    "about another issuer's": (
        lambda: Answer(subject=SAME_SERIAL, issuer=LOOK_ALIKE, responder=delegate(LOOK_ALIKE)).der,
        "of another issuer",
    ),
    "CertID made with SHA-1": (lambda: answer_for(BROM, hash=hashes.SHA1()).der, "named with sha1"),  # noqa: S303
    "another nonce": (lambda: answer_for(BROM, nonce=NONCE[::-1]).der, "nonce 1f1e1d"),
    "shorter nonce": (lambda: answer_for(BROM, nonce=NONCE[:-1]).der, "nonce 0001"),
    "no nonce": (lambda: answer_for(BROM, nonce=None).der, "no nonce, although one was sent"),
    "responder not enclosed": (lambda: answer_for(BROM, enclosed=()).der, "is not enclosed"),
    "another's certificate enclosed": (lambda: answer_for(BROM, enclosed=(PASSING_OFF,)).der, "is not enclosed"),
    "responder without EKU": (lambda: answer_for(BROM, responder=delegate(PROVISIONER, usages=())).der, "is not for OCSP"),
    "responder for anything": (
        lambda: answer_for(BROM, responder=delegate(PROVISIONER, usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))).der,
        "is not for OCSP",
    ),
    "device as responder": (lambda: answer_for(BROM, responder=BROM).der, "is not for OCSP"),
    "CA as responder": (lambda: answer_for(BROM, responder=delegate(PROVISIONER, ca=True)).der, "is a CA, or may not sign"),
    "responder that may not sign": (lambda: answer_for(BROM, responder=delegate(PROVISIONER, signs=False)).der, "may not sign"),
    "expired responder": (lambda: answer_for(BROM, responder=delegate(PROVISIONER, last=AT - SECOND)).der, "is valid 2023"),
    "responder not yet valid": (
        lambda: answer_for(BROM, responder=delegate(PROVISIONER, first=AT + SECOND)).der,
        "is valid 2026",
    ),
    "responder of the root": (lambda: answer_for(BROM, responder=delegate(ROOT)).der, "was not issued by"),
    "responder of another CA": (lambda: answer_for(BROM, responder=PASSING_OFF).der, "was not issued by"),
    "responder of a look-alike": (lambda: answer_for(BROM, responder=delegate(LOOK_ALIKE)).der, "is not signed by this"),
    "root in the issuer's place": (lambda: answer_for(BROM, responder=ROOT).der, "was not issued by"),
    "wrong signature": (lambda: FORGED, "its signature is not"),
    "altered after signing": (
        lambda: answer_for(BROM, status=ocsp.OCSPCertStatus.UNKNOWN).der.replace(b"\x82\0\x18\x0f", b"\x80\0\x18\x0f"),
        "its signature is not",
    ),
    "signed over SHA-512": (lambda: answer_for(BROM, digest=hashes.SHA512()).der, "signed with another algorithm"),
    "two single responses": (
        lambda: resigned(answer_for(BROM, responder=None).der, PROVISIONER.key, with_two_singles),
        "2 single responses",
    ),
    "unknown critical extension": (
        lambda: answer_for(BROM, extensions=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True),)).der,
        "critical extension 1.2.3",
    ),
    "empty": (lambda: b"\0", "DER"),
    "cut": (lambda: answer_for(BROM).der[:-1], "DER"),
    "longer": (lambda: answer_for(BROM).der + b"\0", "DER"),
    "a certificate": (lambda: BROM.der, "status"),
    "too large": (lambda: bytes(20_000), "20000 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_an_answer_and_names_the_certificate(name: str) -> None:
    make, found = REFUSED[name]
    finding = judged(make())
    assert finding.status is Status.FAILED
    assert found in str(finding.actual)
    assert str(finding.actual).startswith("GH100 A01 GSP BROM: ")
    assert "Provisioner ICA 1: " not in str(finding.actual)
    assert finding.expected
    assert finding.reason


@pytest.mark.parametrize("party", CHAIN[:3], ids=lambda party: party.loaded.common_name)
def test_each_certificate_can_be_the_revoked_one(party: Party) -> None:
    finding = judged(answer_for(party, status=REVOKED).der, about=party)
    assert finding.actual == f"{party.loaded.common_name}: revoked by OCSP (no reason given)"


def test_all_that_fail_are_named() -> None:
    bad = tuple([OcspAnswer(sha256(party), answer_for(party, status=REVOKED).der, NONCE) for party in CHAIN[:3]])
    assert str(revocation(case(bad)).actual).count("revoked by OCSP") == 3


@pytest.mark.parametrize(
    ("at", "status"),
    [
        (AT - CLOCK_SKEW - SECOND, Status.FAILED),
        (AT - CLOCK_SKEW, Status.PASSED),
        (AT + timedelta(days=1), Status.PASSED),
        (AT + timedelta(days=1) + SECOND, Status.FAILED),
    ],
)
def test_an_answer_holds_in_its_window(at: datetime, status: Status) -> None:
    """The responder dates its answer after we asked, by its own clock: five minutes are granted before, none after."""
    assert revocation(case(answers(), at=at)).status is status


def test_an_answer_without_next_update_holds_an_hour() -> None:
    der = answer_for(BROM, this_update=AT - timedelta(hours=1), next_update=None).der
    assert judged(der).status is Status.PASSED


@pytest.mark.parametrize("status", [status for status in ocsp.OCSPResponseStatus if status.value])
def test_an_unsigned_refusal_is_no_answer(status: ocsp.OCSPResponseStatus) -> None:
    finding = judged(refusal(status))
    assert finding.status is Status.ERROR
    assert "the OCSP responder answered " in str(finding.reason)


def test_absent_answers_leave_it_open_and_the_reason_is_told() -> None:
    absences = ((f"ocsp:{sha256(BROM).hex()}", "ocsp.ndis.nvidia.com did not answer within 10 s"),)
    finding = revocation(case(answers(about=BROM), absences=absences))
    assert finding.status is Status.ERROR
    assert finding.reason == (
        "GH100 A01 GSP BROM: ocsp.ndis.nvidia.com did not answer within 10 s; it names no CRL, so only an OCSP answer can tell"
    )
    assert "NVIDIA GH100 Provisioner ICA 1" in str(finding.expected)


def test_with_nothing_at_hand_every_certificate_is_missing() -> None:
    finding = revocation(case(absences=(("crl:http://crl.ndis.nvidia.com/crl/l1-root.crl", "HTTP 503"),)))
    assert finding.status is Status.ERROR
    assert str(finding.reason).count("neither an OCSP answer") == 2
    assert "NVIDIA GH100 Identity: HTTP 503" in str(finding.reason)


CRLS = tuple([List(issuer=party).der for party in (PROVISIONER, FAMILY, ROOT)])
"""One of each issuer. NVIDIA's provisioners publish none; where one did, it would count."""


def test_crls_of_all_issuers_pass_without_an_answer() -> None:
    finding = revocation(case((), *CRLS))
    assert finding.status is Status.PASSED
    assert str(finding.actual).count("not on the CRL of 2026-09-18") == 3


def test_a_crl_may_be_signed_over_sha384_too() -> None:
    crl = List(issuer=ROOT, digest=hashes.SHA384()).der
    assert revocation(case(answers(about=FAMILY), crl)).status is Status.PASSED


def test_nvidias_crls_alone_leave_the_brom_certificate_open_and_say_so() -> None:
    """A Hopper's BROM certificate names no CRL and its issuer publishes none: only OCSP tells of a single revoked device."""
    finding = revocation(case((), *CRLS[1:]))
    assert finding.status is Status.ERROR
    assert str(finding.reason).startswith("GH100 A01 GSP BROM: ")
    assert "only an OCSP answer can tell" in str(finding.reason)


def serial(party: Party) -> int:
    return party.certificate.serial_number


REFUSED_LISTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "revoking": (lambda: List(issuer=ROOT, revoked=((serial(FAMILY), None),)).der, "revoked by the CRL of 2026-09-18"),
    "on hold": (lambda: List(issuer=ROOT, revoked=((serial(FAMILY), HOLD),)).der, "on hold by the CRL of 2026-09-18"),
    "stale": (lambda: List(issuer=ROOT, this_update=AT - timedelta(days=9), next_update=AT - SECOND).der, "2026-09-29"),
    "not yet valid": (lambda: List(issuer=ROOT, this_update=AT + SECOND).der, "2026-10-08T23:08:01"),
    "forged": (lambda: List(issuer=ROOT, key=ELSEWHERE.key).der, "its signature does not verify"),
    "a look-alike's": (lambda: List(issuer=issue("NVIDIA Device Identity CA")).der, "its signature does not verify"),
    "malformed": (lambda: CRLS[2][:-1], "DER"),
}


@pytest.mark.parametrize("name", REFUSED_LISTS)
def test_a_crl_that_fails_is_not_healed_by_good_answers(name: str) -> None:
    make, found = REFUSED_LISTS[name]
    finding = revocation(case(answers(), make()))
    assert finding.status is Status.FAILED
    assert found in str(finding.actual)
    assert ("CRL: " if name == "malformed" else "NVIDIA GH100 Identity: ") in str(finding.actual)


def test_an_answer_that_fails_is_not_healed_by_a_crl() -> None:
    for der in (answer_for(BROM, status=REVOKED).der, FORGED, answer_for(BROM, nonce=None).der):
        assert revocation(case(answers(about=BROM, der=der), *CRLS)).status is Status.FAILED


def test_a_second_answer_that_revokes_is_not_healed_by_the_first() -> None:
    second = OcspAnswer(sha256(BROM), answer_for(BROM, status=REVOKED, nonce=None).der)
    for found in ((*answers(), second), (second, *answers())):
        assert revocation(case(found)).status is Status.FAILED


def test_a_refusal_to_answer_is_made_up_for_by_a_crl() -> None:
    der = refusal(ocsp.OCSPResponseStatus.TRY_LATER)
    assert revocation(case(answers(about=FAMILY, der=der), CRLS[2])).status is Status.PASSED


def test_crls_of_others_say_nothing_here() -> None:
    crl = List(issuer=ELSEWHERE, revoked=((serial(BROM), None), (serial(FAMILY), None))).der
    assert revocation(case(answers(), crl)).status is Status.PASSED
    assert revocation(case((), crl)).status is Status.ERROR


def test_an_issuer_that_may_not_sign_crls_has_none() -> None:
    quiet = issue("NVIDIA GH100 Provisioner ICA 2", FAMILY, signs_crls=False)
    brom = issue("GH100 A01 GSP BROM", quiet)
    link = LINKS[0]._replace(certificate=brom.loaded, issuer=quiet.loaded)
    finding = revocation(replace(case((), List(issuer=quiet).der), certificates=(link,)))
    assert "may not sign CRLs" in str(finding.actual)


@pytest.mark.parametrize(
    ("accepted", "chains", "status"),
    [
        ({"device"}, {"device"}, Status.PASSED),
        (set(), {"device"}, Status.FAILED),
        ({"driver_rim"}, {"device"}, Status.FAILED),
        ({"driver_rim"}, {"driver_rim", "vbios_rim"}, Status.FAILED),
        ({"driver_rim", "vbios_rim"}, {"driver_rim", "vbios_rim"}, Status.PASSED),
    ],
)
def test_hold_is_accepted_only_in_the_chains_that_the_policy_names(
    accepted: set[str], chains: set[str], status: Status
) -> None:
    """NVIDIA's nvtrust accepts it everywhere as soon as it is allowed for manifests."""
    links = tuple([link._replace(chains=frozenset(chains)) for link in LINKS])
    held = (List(issuer=ROOT, revoked=((serial(FAMILY), HOLD),)).der, revoked(HOLD))
    for found in (case(answers(), held[0]), case(answers(about=BROM, der=held[1]))):
        finding = revocation(replace(found, certificates=links, accept_hold=frozenset(accepted)))
        assert finding.status is status
        assert "on hold" in str(finding.actual)


@pytest.mark.parametrize("reason", [reason for reason in x509.ReasonFlags if reason is not HOLD])
def test_accepting_hold_accepts_no_other_reason(reason: x509.ReasonFlags) -> None:
    if reason in {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}:
        reason = x509.ReasonFlags.superseded
    found = replace(case(answers(about=BROM, der=revoked(reason))), accept_hold=frozenset({"device"}))
    assert revocation(found).status is Status.FAILED


def test_the_policy_can_leave_it_out_and_that_is_loud() -> None:
    location = Location("voltage-attest.toml", 7)
    found = replace(case(), unsafe_skip="air-gapped", location=location)
    finding = revocation(found)
    assert (finding.status, finding.unsafe, finding.location) == (Status.SKIPPED, True, location)
    assert "air-gapped" in str(finding.reason)


def test_nothing_judged_is_never_passed() -> None:
    with pytest.raises(RuntimeError, match="before the chain"):
        revocation(replace(case(answers()), certificates=()))


def test_eight_devices_verify_the_shared_certificates_once() -> None:
    """Signatures of two answers and two delegations are remembered; only the BROM's differ from device to device."""
    shelf = RevocationShelf()
    found = answers()
    for _ in range(8):
        assert revocation(replace(case(found), shelf=shelf)).status is Status.PASSED
    assert shelf.memo.computed == 6


def test_what_is_kept_does_not_outlive_its_window() -> None:
    shelf = RevocationShelf(capacity=1)
    found = answers()
    for at, status in ((AT, Status.PASSED), (AT + timedelta(days=2), Status.FAILED), (AT, Status.PASSED)):
        assert revocation(replace(case(found, *CRLS, at=at), shelf=shelf)).status is status


def test_the_row_holds_until_the_first_document_ends() -> None:
    assert current_until(case(answers(), *CRLS)) == AT + timedelta(days=1)
    assert current_until(case((), *CRLS, b"junk")) == AT + timedelta(days=40)
    assert current_until(case()) is None


def test_the_row_holds_no_longer_than_the_responders_certificate() -> None:
    end = AT + timedelta(hours=3)
    brief = delegate(PROVISIONER, first=AT - timedelta(days=1), last=end)
    der = answer_for(BROM, responder=brief).der
    assert judged(der).status is Status.PASSED
    assert current_until(case(answers(about=BROM, der=der))) == end


def test_a_forged_list_is_verified_once_for_all_devices() -> None:
    """By its bytes and its issuer's: whose it is not depends on nothing else."""
    shelf, found = RevocationShelf(), answers()
    forged = List(issuer=PROVISIONER, key=FAMILY.key).der
    for _ in range(8):
        finding = revocation(replace(case(found, forged), shelf=shelf))
        assert finding.status is Status.FAILED
        assert "signature does not verify" in str(finding.actual)
    assert shelf.memo.computed == 7
    good = List(issuer=PROVISIONER).der
    assert revocation(replace(case(answers(), good), shelf=shelf)).status is Status.PASSED


def test_a_full_shelf_makes_room_by_what_was_put_there_first() -> None:
    shelf = RevocationShelf(capacity=3)
    documents = [answer_for(BROM, nonce=bytes((number,)) * 32).der for number in range(4)]
    kept = [shelf.answer(der) for der in documents]
    assert [shelf.answer(der) is known for der, known in zip(documents[1:], kept[1:], strict=True)] == [True] * 3
    assert shelf.answer(documents[0]) is not kept[0]
