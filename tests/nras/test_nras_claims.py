"""What signed tokens say: each check of their claims fails alone on what it is for, and says what it expected and found."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.nras.judging import changed, only_failure, overall, run
from tests.nras.service import AT, NONCE, STAGING, Answer, Claims
from voltage_attest.result import Status
from voltage_attest.verify.nras import CLOCK_SKEW

ANSWER = Answer()


class TestIssuer:
    @pytest.mark.parametrize("issuer", [STAGING, "https://nras.attestation.nvidia.com/", "NV-Attestation-SDK", "", 7, None])
    def test_refuses_every_issuer_but_the_production_service(self, issuer: object) -> None:
        only_failure(Answer(on_overall=overall("iss", issuer)).case(), "nras.issuer")
        only_failure(Answer(on_device=changed("iss", issuer)).case(), "nras.issuer")


class TestValidity:
    def test_refuses_an_expired_token_to_the_second(self) -> None:
        end = ANSWER.issued + timedelta(hours=1)
        assert not any(found.status.closes_gate for found in run(ANSWER.case(at=end - timedelta(seconds=1))).values())
        assert "expired" in str(only_failure(ANSWER.case(at=end), "nras.validity").actual)

    def test_refuses_a_token_that_is_not_yet_valid(self) -> None:
        later = int((AT + CLOCK_SKEW).timestamp()) + 1
        assert "not yet valid" in str(only_failure(Answer(on_overall=overall("nbf", later)).case(), "nras.validity").actual)

    @pytest.mark.parametrize("judged_at_issue", [True, False])
    def test_refuses_a_token_issued_in_the_future(self, *, judged_at_issue: bool) -> None:
        answer = Answer(issued=AT + CLOCK_SKEW + timedelta(seconds=1))
        finding = only_failure(answer.case(judged_at_issue=judged_at_issue), "nras.validity")
        assert "in the future" in str(finding.actual)

    def test_accepts_a_clock_of_nvidias_that_is_slightly_ahead(self) -> None:
        assert run(Answer(issued=AT + CLOCK_SKEW).case())["nras.validity"].status is Status.PASSED

    def test_the_last_instant_there_is_can_be_judged_at(self) -> None:
        only_failure(ANSWER.case(at=datetime.max.replace(tzinfo=UTC)), "nras.validity")

    def test_judges_a_kept_copy_at_its_own_issue(self) -> None:
        years_later = AT + timedelta(days=3 * 365)
        only_failure(ANSWER.case(at=years_later), "nras.validity")
        findings = run(ANSWER.case(at=years_later, judged_at_issue=True))
        assert findings["nras.validity"].actual == "at its issue"
        assert not any(found.status.closes_gate for found in findings.values())

    @pytest.mark.parametrize(("claim", "minutes"), [("nbf", 2), ("exp", 0), ("exp", -1)])
    def test_refuses_a_kept_copy_that_was_not_valid_at_its_own_issue(self, claim: str, minutes: int) -> None:
        moment = int((ANSWER.issued + timedelta(minutes=minutes)).timestamp())
        only_failure(Answer(on_device=changed(claim, moment)).case(judged_at_issue=True), "nras.validity")

    @pytest.mark.parametrize("claim", ["nbf", "exp"])
    @pytest.mark.parametrize("value", [None, "1789064303", 1789064303.0, True, -1, 10**30])
    def test_refuses_a_window_that_is_absent_or_no_time(self, claim: str, value: object) -> None:
        only_failure(Answer(on_overall=overall(claim, value)).case(), "nras.validity")

    def test_refuses_a_token_that_does_not_say_when_it_was_issued(self) -> None:
        findings = run(Answer(on_device=changed("iat", None)).case())
        failing = {name for name, found in findings.items() if found.status is Status.FAILED}
        assert failing == {"nras.key_validity", "nras.validity"}


class TestNonce:
    OTHER = hashlib.sha256(b"another question").digest()

    def test_refuses_the_answer_to_another_question(self) -> None:
        finding = only_failure(ANSWER.case(nonce=self.OTHER), "nras.nonce")
        assert finding.expected == self.OTHER.hex()
        assert NONCE.hex() in str(finding.actual)

    @pytest.mark.parametrize("value", [None, "", NONCE.hex()[:-2], NONCE.hex() + "00", [NONCE.hex()], OTHER.hex()])
    @pytest.mark.parametrize("expected", [NONCE, None], ids=["expected", "unknown"])
    def test_refuses_a_device_token_with_another_nonce(self, value: object, expected: bytes | None) -> None:
        only_failure(Answer(on_device=changed("eat_nonce", value)).case(nonce=expected), "nras.nonce")

    def test_a_signed_error_may_lack_the_nonce_but_not_have_another(self) -> None:
        def fail(number: int, claims: Claims) -> None:
            claims["x-nvidia-error-details"] = {"code": 4007}
            if number == 1:
                claims["eat_nonce"] = self.OTHER.hex()

        findings = run(Answer(on_device=fail).case())
        assert {name for name, found in findings.items() if found.status.closes_gate} == {"nras.nonce", "nras.devices"}

    @pytest.mark.parametrize("expected", [NONCE, None], ids=["expected", "unknown"])
    def test_refuses_an_overall_token_without_nonce(self, expected: bytes | None) -> None:
        only_failure(Answer(on_overall=overall("eat_nonce", None)).case(nonce=expected), "nras.nonce")


class TestSubmodules:
    def test_refuses_a_missing_device_token(self) -> None:
        def drop(tokens: dict[str, str]) -> None:
            del tokens["GPU-1"]

        case = Answer(on_tokens=drop).case(ueids=Answer(count=1).ueids)
        finding = only_failure(case, "nras.submods")
        assert (finding.expected, finding.actual) == ("GPU-0, GPU-1", "GPU-0")

    def test_refuses_a_device_token_that_was_added(self) -> None:
        answer = Answer(on_tokens=lambda tokens: tokens.update({"GPU-2": ANSWER.device_token(2)}))
        only_failure(answer.case(ueids=Answer(count=3).ueids), "nras.submods")

    def test_refuses_device_tokens_that_changed_places(self) -> None:
        def swap(tokens: dict[str, str]) -> None:
            tokens["GPU-0"], tokens["GPU-1"] = tokens["GPU-1"], tokens["GPU-0"]

        only_failure(Answer(on_tokens=swap).case(), "nras.submods")

    def test_refuses_the_digest_of_another_token(self) -> None:
        """A genuine token of the same device, from another answer."""
        earlier = replace(ANSWER, issued=ANSWER.issued - timedelta(minutes=1)).device_token(1)
        finding = only_failure(Answer(on_tokens=lambda tokens: tokens.update({"GPU-1": earlier})).case(), "nras.submods")
        assert hashlib.sha256(earlier.encode()).hexdigest() in str(finding.actual)

    @pytest.mark.parametrize(
        "value",
        [
            None,
            [],
            "GPU-0",
            {"GPU-0": "digest", "GPU-1": "digest"},
            {"GPU-0": [], "GPU-1": []},
            {"GPU-0": ["DIGEST"], "GPU-1": ["DIGEST"]},
            {"GPU-0": ["DIGEST", ["SHA-256"]], "GPU-1": ["DIGEST", ["SHA-256"]]},
            {"GPU-0": ["DIGEST", ["SHA-256", "00"]], "GPU-1": ["DIGEST", ["SHA-256", "00"]]},
            {"GPU-0": ["DIGEST", ["SHA256", "00" * 32]], "GPU-1": ["DIGEST", ["SHA256", "00" * 32]]},
            {"GPU-0": ["JWT", ["SHA-256", "00" * 32]], "GPU-1": ["JWT", ["SHA-256", "00" * 32]]},
        ],
    )
    def test_refuses_submodules_of_another_form(self, value: object) -> None:
        finding = only_failure(Answer(on_overall=overall("submods", value)).case(), "nras.submods")
        assert finding.reason == "the overall token does not name its device tokens"


class TestResult:
    @pytest.mark.parametrize("value", [False, "true", "True", 1, None, [], {"result": True}])
    def test_refuses_every_result_but_true(self, value: object) -> None:
        only_failure(Answer(on_overall=overall("x-nvidia-overall-att-result", value)).case(), "nras.result")

    def test_refuses_claims_of_a_version_nobody_here_knows(self) -> None:
        for value in ("5.0", "1.0", 2.0, None, ["2.0"]):
            only_failure(Answer(on_overall=overall("x-nvidia-ver", value)).case(), "nras.claims_version")
        only_failure(Answer(on_device=changed("x-nvidia-gpu-claims-version", "9.9")).case(), "nras.claims_version")


CHAIN = "x-nvidia-gpu-{}-cert-chain"
REVOKED = {"x-nvidia-cert-status": "valid", "x-nvidia-cert-ocsp-status": "revoked"}
EXPIRED = {"x-nvidia-cert-status": "expired", "x-nvidia-cert-ocsp-status": "good"}


class TestDevices:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *[("measres", value) for value in ("fail", "not-run", "absent", "Success", True, None)],
            *[("secboot", value) for value in (False, "true", 1, None)],
            *[("dbgstat", value) for value in ("enabled", "disabled-since-boot", False, ["disabled"])],
            *[("hwmodel", value) for value in ("", "LS_10 A01 FSP BROM", "GA100", "GH100\n", 100, None)],
            ("x-nvidia-gpu-arch-check", False),
            ("x-nvidia-gpu-attestation-report-parsed", None),
            ("x-nvidia-gpu-attestation-report-nonce-match", "true"),
            ("x-nvidia-gpu-attestation-report-signature-verified", False),
            ("x-nvidia-gpu-attestation-report-cert-chain-validated", False),
            ("x-nvidia-gpu-driver-rim-cert-validated", None),
            ("x-nvidia-gpu-driver-rim-signature-verified", False),
            ("x-nvidia-gpu-vbios-rim-measurements-available", None),
            ("x-nvidia-gpu-vbios-index-no-conflict", False),
            ("x-nvidia-gpu-something-new", False),
        ],
    )
    def test_refuses_a_device_with_a_bad_claim(self, name: str, value: object) -> None:
        finding = only_failure(Answer(on_device=changed(name, value)).case(), "nras.devices")
        assert name in str(finding.actual)
        assert "GPU-1" in str(finding.reason)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            (CHAIN.format("attestation-report"), REVOKED),
            (CHAIN.format("attestation-report"), None),
            (CHAIN.format("driver-rim"), EXPIRED),
            (CHAIN.format("vbios-rim"), True),
            (CHAIN.format("vbios-rim"), []),
            (CHAIN.format("vbios-rim"), {}),
            ("x-nvidia-gpu-attestation-report-cert-chain-fwid-match", False),
            ("x-nvidia-mismatch-measurement-records", [{"index": 52}]),
            ("x-nvidia-mismatch-opaque-data-records", [{"id": 37}]),
        ],
    )
    def test_refuses_a_bad_claim_of_the_later_versions(self, name: str, value: object) -> None:
        finding = only_failure(Answer(version="4.0", on_device=changed(name, value)).case(), "nras.devices")
        assert name in str(finding.actual)

    def test_a_claim_outside_nvidias_own_may_be_false(self) -> None:
        findings = run(Answer(on_device=changed("boot-again", value=False)).case())
        assert not any(found.status.closes_gate for found in findings.values())

    def test_the_debug_status_is_judged_where_it_is_stated(self) -> None:
        findings = run(Answer(on_device=changed("dbgstat", None)).case())
        assert not any(found.status.closes_gate for found in findings.values())

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (4003, "INVALID_ARCHITECTURE"),
            (4007, "INVALID_CERTIFICATE_CHAIN"),
            (4010, "NONCE_NOT_MATCHING"),
            (4013, "INVALID_EVIDENCE_SIGNATURE"),
            (4014, "A"),
            (4015, "B"),
            (5013, "C"),
        ],
    )
    def test_recognises_a_signed_error_in_place_of_claims(self, code: int, message: str) -> None:
        def fail(number: int, claims: Claims) -> None:
            if number == 1:
                for name in [name for name in claims if name not in {"iss", "iat", "nbf", "exp", "jti"}]:
                    del claims[name]
                claims["x-nvidia-error-details"] = {"code": code, "message": message, "httpStatus": "400 BAD_REQUEST"}

        finding = only_failure(Answer(on_device=fail).case(), "nras.devices")
        assert finding.actual == f"GPU-1: error {code} '{message}'"

    def test_an_error_beside_good_claims_is_an_error(self) -> None:
        finding = only_failure(Answer(on_device=changed("x-nvidia-error-details", "?")).case(), "nras.devices")
        assert finding.actual == "GPU-1: error absent absent"

    def test_shows_four_devices_and_counts_the_others(self) -> None:
        def fail(_: int, claims: Claims) -> None:
            claims["measres"] = "fail"

        finding = only_failure(Answer(count=8, on_device=fail).case(), "nras.devices")
        assert str(finding.actual).endswith("; and 4 more")
        assert "GPU-7" in str(finding.reason)


class TestIdentities:
    def test_refuses_other_devices_than_those_verified_here(self) -> None:
        for ueids in (frozenset[str](), frozenset([min(ANSWER.ueids)]), ANSWER.ueids | {"1"}, frozenset({"1", "2"})):
            finding = only_failure(ANSWER.case(ueids=ueids), "nras.ueids")
            assert str(finding.actual).split(", ") == sorted(ANSWER.ueids)

    @pytest.mark.parametrize("known", [True, False])
    def test_refuses_one_device_shown_twice(self, *, known: bool) -> None:
        first = min(ANSWER.ueids)
        case = Answer(on_device=changed("ueid", first)).case(ueids=frozenset([first]) if known else None)
        assert "more than once" in str(only_failure(case, "nras.ueids").reason)

    @pytest.mark.parametrize("value", [None, 4809, "9" * 61])
    def test_refuses_a_device_without_a_name(self, value: object) -> None:
        only_failure(Answer(on_device=changed("ueid", value)).case(), "nras.ueids")
