"""``--save-bundle`` and ``--bundle``: the same verdict, check by check, with the pod and the network gone."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.bundle import test_voltage_verify as vendor
from tests.cli.conftest import Run
from tests.pods.answers import encode
from tests.support.outcomes import policy_text
from voltage_attest.evidence.bundle import parse_bundle
from voltage_attest.report import parse_result
from voltage_attest.result import AttestationResult, CheckResult
from voltage_attest.testing import APPRAISED_AT, ATTESTATION, COLLATERAL, Answers, Disturbance, Fault, HtmlPage, SimulatedPod


def rows(result: AttestationResult) -> list[CheckResult]:
    return list(result.checks)


def judged(run: Run, *words: str) -> AttestationResult:
    return parse_result(run("verify", *words, "--trust-root", "root.pem", "--format", "json").stdout)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt to open a socket is an error."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a bundle was judged and the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    "trouble",
    [
        None,
        Fault.DEBUG_TD,
        Fault.STALE_NONCE,
        Fault.NO_QUOTE,
        Fault.REVOKED_PCK,
        Fault.MEASUREMENT_INVALID,
        Answers(status=503, on=ATTESTATION),
        HtmlPage(on=ATTESTATION),
        Answers(status=404, on=COLLATERAL),
    ],
    ids=str,
)
def test_live_and_bundle_and_bundle_without_a_network_agree_on_every_check(
    live: Run, run: Run, pod: SimulatedPod, request: pytest.FixtureRequest, trouble: Fault | Disturbance | None
) -> None:
    if trouble is not None:
        pod.set_faults(trouble)
    live_result = parse_result(live("verify", "pod_7", "--format", "json", "--save-bundle", "bundle.json").stdout)
    at = f"{live_result.appraised_at:%Y-%m-%dT%H:%M:%SZ}"
    first = judged(run, "--bundle", "bundle.json", "--at", at)
    pod.close()
    request.getfixturevalue("no_network")
    second = judged(run, "--bundle", "bundle.json", "--at", at)
    assert rows(first) == rows(second) == rows(live_result)
    assert first.verdict is second.verdict is live_result.verdict
    assert first == second
    assert (first.tdx, first.valid_until, first.subject, first.collateral) == (
        live_result.tdx,
        live_result.valid_until,
        live_result.subject,
        live_result.collateral,
    )
    assert live_result.freshness.nonce == first.freshness.nonce
    assert not first.freshness.fresh


def test_a_bundle_is_judged_for_now_and_says_when_it_says_it_was_made(live: Run, run: Run, folder: Path) -> None:
    live("verify", "pod_7", "--save-bundle", "bundle.json")
    document = json.loads((folder / "bundle.json").read_text("utf-8"))
    document["created_at"] = "2020-01-01T00:00:00Z"
    (folder / "bundle.json").write_text(json.dumps(document), "utf-8")
    result = run("verify", "--bundle", "bundle.json", "--trust-root", "root.pem")
    assert result.exit_code == 0, "what the bundle says of its time decides nothing"
    assert "This bundle says it was made at 2020-01-01 00:00:00 UTC" in result.stderr
    assert "--at 2020-01-01T00:00:00Z judges for that time" in result.stderr
    then = run("verify", "--bundle", "bundle.json", "--trust-root", "root.pem", "--at", "2020-01-01T00:00:00Z")
    assert (then.exit_code, then.stderr) == (1, "")


def test_a_bundle_that_was_altered_is_refused(live: Run, run: Run, folder: Path) -> None:
    live("verify", "pod_7", "--save-bundle", "bundle.json")
    document = json.loads((folder / "bundle.json").read_text("utf-8"))
    tcb_info = document["collateral"]["intel"]["tcb_info"]
    document["collateral"]["intel"]["tcb_info"] = tcb_info.replace("OutOfDate", "UpToDate", 1)
    (folder / "bundle.json").write_text(json.dumps(document), "utf-8")
    result = run("verify", "--bundle", "bundle.json", "--trust-root", "root.pem")
    assert result.exit_code == 1
    assert "FAILED     tdx.tcb_info.signature" in result.stdout


def test_a_nonce_of_ones_own_replaces_the_bundles(live: Run, run: Run, folder: Path) -> None:
    live("verify", "pod_7", "--save-bundle", "bundle.json")
    nonce = json.loads((folder / "bundle.json").read_text("utf-8"))["nonce"]
    words = ("verify", "--bundle", "bundle.json", "--trust-root", "root.pem", "-q", "--nonce")
    assert run(*words, nonce).exit_code == 0
    assert run(*words, "00" * 32).exit_code == 1
    assert run(*words, "00").exit_code == 2


def test_other_collateral_may_take_the_place_of_the_bundles(live: Run, run: Run, pod: SimulatedPod, folder: Path) -> None:
    with pod.faulty(Answers(status=404, on=COLLATERAL)):
        assert live("verify", "pod_7", "--save-bundle", "bundle.json").exit_code == 3
    (folder / "nine.json").write_bytes(pod.collateral().to_json())
    words = ("verify", "--bundle", "bundle.json", "--trust-root", "root.pem", "-q")
    assert run(*words).exit_code == 3
    assert run(*words, "--collateral", "nine.json").exit_code == 0


def test_a_bundle_judged_again_is_saved_as_the_same(live: Run, run: Run, folder: Path) -> None:
    live("verify", "pod_7", "--save-bundle", "one.json")
    at = json.loads((folder / "one.json").read_text("utf-8"))["created_at"]
    run("verify", "--bundle", "one.json", "--trust-root", "root.pem", "--at", at, "--save-bundle", "two.json")
    assert (folder / "two.json").read_bytes() == (folder / "one.json").read_bytes()


def test_files_are_bundled_too(verify: Run, run: Run, folder: Path, policy: Path) -> None:
    first = verify("--format", "json", "--save-bundle", "bundle.json")
    words = ("--bundle", "bundle.json", "--policy", policy, "--at", "2025-06-19T12:00:00Z", "--format", "json")
    again = run("verify", *words)
    assert parse_result(again.stdout) == parse_result(first.stdout)
    assert parse_bundle((folder / "bundle.json").read_bytes()).documents == ()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema": "voltage-attest/evidence/9"}', b"\xff"])
def test_what_is_no_bundle_is_refused(run: Run, folder: Path, policy: Path, content: bytes) -> None:
    (folder / "bundle.json").write_bytes(content)
    result = run("verify", "--bundle", "bundle.json", "--policy", policy)
    assert result.exit_code == 1
    assert "FAILED     evidence.fetch" in result.stdout


def test_a_bundle_that_lies_about_fetching_verifies_nothing(live: Run, run: Run, pod: SimulatedPod, folder: Path) -> None:
    with pod.faulty(Answers(status=503, on=ATTESTATION)):
        live("verify", "pod_7", "--save-bundle", "bundle.json")
    text = (folder / "bundle.json").read_text("utf-8")
    document = json.loads(text)
    (kept,) = document["documents"]
    kept["content"] = "eyJzdGF0dXMiOiAicGFzc2VkIn0="
    (folder / "bundle.json").write_text(json.dumps(document), "utf-8")
    result = run("verify", "--bundle", "bundle.json", "--trust-root", "root.pem")
    assert result.exit_code == 1
    assert "FAILED     evidence.quote_present" in result.stdout
    kept["content"] = "eyJzdGF0dXMiOiAic2tpcHBlZCJ9"
    (folder / "bundle.json").write_text(json.dumps(document), "utf-8")
    assert run("verify", "--bundle", "bundle.json", "--trust-root", "root.pem").exit_code == 1


def test_a_bundle_that_cannot_be_written_gives_no_verdict(live: Run) -> None:
    result = live("verify", "pod_7", "--save-bundle", "no_such_folder/bundle.json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "--save-bundle: no_such_folder/bundle.json cannot be written" in result.stderr


@pytest.fixture
def vendors(folder: Path) -> tuple[str, ...]:
    """The words that verify the vendor's bundle, but for the challenge."""
    (folder / "vendor.json").write_bytes(encode(vendor.good()))
    (folder / "root.pem").write_bytes(vendor.INTEL.root_pem)
    (folder / "voltage-attest.toml").write_text(f'{policy_text()}\n[channel]\nbinding = "voltage-verify/1"\n', "utf-8")
    return ("verify", "--bundle", "vendor.json", "--trust-root", "root.pem", "--at", APPRAISED_AT.isoformat())


def test_the_vendors_bundle_is_judged_with_the_challenge_that_was_sent(run: Run, vendors: tuple[str, ...]) -> None:
    assert run(*vendors, "--nonce", vendor.CHALLENGE).exit_code == 0
    assert run(*vendors, "--nonce", "00" * 32).exit_code == 1


def test_the_vendors_bundle_kept_as_ours_loses_nothing(run: Run, folder: Path, vendors: tuple[str, ...]) -> None:
    run(*vendors, "--nonce", vendor.CHALLENGE, "--save-bundle", "ours.json")
    kept = parse_bundle((folder / "ours.json").read_bytes())
    assert kept.documents == vendor.read(vendor.good()).documents
    assert kept.evidence == vendor.read(vendor.good()).evidence
    words = ("--bundle", "ours.json", "--trust-root", "root.pem", "--at", APPRAISED_AT.isoformat(), "-q")
    assert run("verify", *words).exit_code == 0


def test_the_vendors_bundle_without_a_challenge_is_undecided(run: Run, vendors: tuple[str, ...]) -> None:
    result = run(*vendors)
    assert result.exit_code == 3
    assert "UNDECIDED  binding.nonce" in result.stdout


def test_the_vendors_bundle_with_another_manifest_is_refused(run: Run, folder: Path, vendors: tuple[str, ...]) -> None:
    document = vendor.good()
    vendor.part(document, "commitments")["sha256"] = "00" * 32
    (folder / "vendor.json").write_bytes(encode(document))
    result = run(*vendors, "--nonce", vendor.CHALLENGE)
    assert result.exit_code == 1
    assert "FAILED     evidence.fetch" in result.stdout
