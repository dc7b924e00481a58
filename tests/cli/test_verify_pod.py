"""``voltage-attest verify POD_ID``, against a simulated pod over TLS on loopback: verdicts, troubles, the key, the cache."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import API_KEY, Run
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.http_core import Limits
from voltage_attest.pods import client
from voltage_attest.report import parse_result
from voltage_attest.result import Status
from voltage_attest.testing import (
    ATTESTATION,
    COLLATERAL,
    Answers,
    CutConnection,
    Disturbance,
    Fault,
    HostileTwin,
    HtmlPage,
    OversizedBody,
    Redirects,
    SimulatedPod,
    Slow,
    WrongContentType,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks pods in these tests gives up soon."""
    monkeypatch.setattr(client, "POD_LIMITS", Limits(read=1.0, attempts=2, backoff=0.01))


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_a_pod_is_verified_fresh_and_bound_to_its_key(live: Run, pod: SimulatedPod) -> None:
    result = live("verify", "pod_7", "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    parsed = parse_result(result.stdout)
    assert parsed.freshness.fresh
    assert parsed.channel.spki_sha256 == pod.spki_sha256.hex()
    assert (parsed.subject.pod_id, parsed.subject.provider) == ("pod_7", "voltagegpu")
    assert parsed.check("evidence.fetch").status is Status.PASSED


def test_two_runs_draw_two_nonces(live: Run) -> None:
    nonces = {json.loads(live("verify", "pod_7", "--format", "json").stdout)["freshness"]["nonce"] for _ in range(2)}
    assert len(nonces) == 2


@pytest.mark.parametrize(
    ("fault", "check_id"),
    [
        (Fault.STALE_NONCE, "binding.nonce"),
        (Fault.REPLAYED_QUOTE, "binding.report_data"),
        (Fault.WRONG_KEY, "binding.report_data"),
        (Fault.OTHER_MRTD, "tdx.policy.mrtd"),
        (Fault.DEBUG_TD, "tdx.td.debug"),
        (Fault.OUT_OF_DATE_TCB, "tdx.policy.tcb"),
        (Fault.REVOKED_PCK, "tdx.pck.revocation"),
        (Fault.NO_QUOTE, "evidence.quote_present"),
        (Fault.MEASUREMENT_INVALID, "evidence.provider_opinion"),
        (Fault.MR_TD_LIE, "evidence.provider_opinion"),
    ],
)
def test_a_pod_that_lies_is_refused_by_name(live: Run, pod: SimulatedPod, fault: Fault, check_id: str) -> None:
    with pod.faulty(fault):
        result = live("verify", "pod_7")
    assert result.exit_code == 1
    assert f"FAILED     {check_id}" in result.stdout


@pytest.mark.parametrize(
    ("trouble", "code", "sentence"),
    [
        (
            Answers(status=401),
            3,
            "The API key from VOLTAGEGPU_API_KEY was not accepted: check VOLTAGEGPU_API_KEY or --api-key-file",
        ),
        (Answers(status=403), 3, "The API key from VOLTAGEGPU_API_KEY may not see this"),
        (Answers(status=404), 3, "There is no pod id 'pod_7' at this address, or the key may not see it"),
        (Answers(status=429, retry_after="3600"), 3, "answered 429, too many requests"),
        (Answers(status=500), 3, "answered 500, an error of its own, 2 times. Try again later"),
        (Slow(seconds=3.0), 3, "Try again later"),
        (CutConnection(), 3, "breaks off in the middle"),
        (CutConnection(after=-1), 3, "pods/pod_7/attestation"),
        (OversizedBody(), 1, "sent more than 4194304 bytes"),
        (WrongContentType(), 1, "sent content of type text/plain; expected application/json"),
        (HtmlPage(), 1, "sent an HTML page instead of JSON"),
        (Answers(status=204), 1, "answered 204 where 200 was expected"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Disturbance) else None,
)
def test_trouble_on_the_way_ends_in_its_verdict_and_a_sentence_that_helps(
    live: Run, pod: SimulatedPod, trouble: Disturbance, code: int, sentence: str
) -> None:
    pod.set_faults(trouble)
    result = live("verify", "pod_7")
    assert result.exit_code == code
    assert sentence in words_of(result.stdout)
    row = "FAILED evidence.fetch" if code == 1 else "UNDECIDED evidence.fetch"
    assert row in words_of(result.stdout)


def test_a_redirect_is_refused_and_not_followed(live: Run, pod: SimulatedPod) -> None:
    with HostileTwin(pod) as twin, pod.faulty(Redirects(to=twin.base, on=ATTESTATION)):
        result = live("verify", "pod_7")
        assert twin.traffic.handshakes == 0
    assert result.exit_code == 1
    assert "redirects are not followed" in words_of(result.stdout)


def test_a_pod_that_nobody_knows_is_undecided(live: Run) -> None:
    result = live("verify", "nope")
    assert result.exit_code == 3
    assert "There is no pod id 'nope'" in words_of(result.stdout)


def test_nobody_listens(run: Run, live: Run, pod: SimulatedPod) -> None:
    assert live("verify", "pod_7").exit_code == 0
    pod.close()
    result = live("verify", "pod_7", "-q")
    assert result.exit_code == 3
    assert result.stdout.startswith("UNDECIDED: evidence.fetch")
    assert run is not None


def test_collateral_that_cannot_be_had_is_undecided_and_named(live: Run, pod: SimulatedPod) -> None:
    with pod.faulty(Answers(status=404, on=("/tdx/certification/v4/tcb",))):
        result = live("verify", "pod_7")
    assert result.exit_code == 3
    assert "has no TDX TCB info for FMSPC b0c06f000000" in words_of(result.stdout)
    assert "Missing of Intel's nine documents: tcb_info_issuer_chain, tcb_info, tcb_info_signature" in result.stderr


def test_the_key_may_come_from_a_file(live: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOLTAGEGPU_API_KEY")
    (folder / "key").write_text(f"{API_KEY}\n", "utf-8")
    (folder / "key").chmod(0o600)
    assert live("verify", "pod_7", "--api-key-file", "key").exit_code == 0
    (folder / "key").chmod(0o644)
    exposed = live("verify", "pod_7", "--api-key-file", "key")
    assert exposed.exit_code == 0
    assert "warning: the file key may be read by other users of this machine" in exposed.stderr


def test_the_second_name_of_the_key_is_looked_at_too(live: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOLTAGEGPU_API_KEY")
    monkeypatch.setenv("VOLT_API_KEY", API_KEY)
    assert live("verify", "pod_7").exit_code == 0


def test_without_a_key_nothing_is_asked(live: Run, pod: SimulatedPod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOLTAGEGPU_API_KEY")
    result = live("verify", "pod_7")
    assert result.exit_code == 2
    assert "set VOLTAGEGPU_API_KEY, or name a file that holds it with --api-key-file" in result.stderr
    assert pod.traffic.connections == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("pod/7",), "1 to 128 letters, digits, - and _"),
        (("pod_7", "--nonce", "00" * 32), "a nonce is drawn for every request"),
        (("pod_7", "--at", "2026-01-01T00:00:00Z"), "a live answer is judged for now"),
        (("pod_7", "--offline"), "asking takes the network"),
        (("pod_7", "--quote", "q"), "POD_ID and --quote FILE exclude each other"),
        (("pod_7", "--provider", "near"), "--provider does not go with POD_ID"),
        (("pod_7", "--api-base", "http://example.org"), "it is http, not https"),
        (("pod_7", "--pccs", "https://user:secret@example.org"), "it holds a user name or password"),
        (("pod_7", "--tls-ca", "root.pem.missing"), "--tls-ca"),
        (("pod_7", "--api-key-file", "no_such_file"), "no_such_file cannot be read"),
        ((), "Name one thing to verify: POD_ID, --quote FILE"),
    ],
)
@pytest.mark.usefixtures("live")
def test_what_cannot_be_asked_for_is_a_usage_error(run: Run, pod: SimulatedPod, words: tuple[str, ...], sentence: str) -> None:
    base = (
        () if "--api-base" in words or not words or words[0] != "pod_7" or "--quote" in words else ("--api-base", pod.api_base)
    )
    result = run("verify", *words, *base)
    assert result.exit_code == 2
    assert sentence in words_of(result.stderr)
    assert result.stdout == ""
    assert pod.traffic.connections == 0


def test_a_second_run_asks_the_pod_once_and_intel_never(live: Run, pod: SimulatedPod) -> None:
    first = live("verify", "pod_7", "-q")
    counted = (pod.traffic.requests_below(COLLATERAL), pod.traffic.requests_below(ATTESTATION))
    second = live("verify", "pod_7", "-q")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert counted == (4, 1)
    assert (pod.traffic.requests_below(COLLATERAL), pod.traffic.requests_below(ATTESTATION)) == (4, 2)


def test_without_the_cache_every_run_asks_intel_and_keeps_nothing(live: Run, pod: SimulatedPod) -> None:
    for _ in range(2):
        assert live("verify", "pod_7", "-q", "--no-cache").exit_code == 0
    assert pod.traffic.requests_below(COLLATERAL) == 8
    assert not CollateralCache.for_user().directory.exists()


def test_an_altered_cache_is_never_believed_and_fetched_anew(live: Run, pod: SimulatedPod) -> None:
    live("verify", "pod_7", "-q")
    files = list(CollateralCache.for_user().directory.glob("*.json"))
    assert len(files) == 4
    for file in files:
        file.write_bytes(file.read_bytes()[:-40])
    result = live("verify", "pod_7", "--format", "json")
    assert result.exit_code == 0
    assert pod.traffic.requests_below(COLLATERAL) == 8
    assert "was ignored: its file is damaged" in result.stderr
    assert not any(record.from_cache for record in parse_result(result.stdout).collateral)


def test_a_forged_document_in_the_cache_is_fetched_anew(live: Run, pod: SimulatedPod, forge: None) -> None:
    assert forge is None
    before = pod.traffic.requests_below(COLLATERAL)
    result = live("verify", "pod_7", "--format", "json")
    assert result.exit_code == 0
    assert pod.traffic.requests_below(COLLATERAL) == before + 4


@pytest.fixture
def forge(live: Run) -> None:
    """A cache whose TCB info accepts more than Intel signed, with every hash of ours right."""
    from voltage_attest.collateral.cache import CachedAnswer, decode_entry, encode_entry

    assert live("verify", "pod_7", "-q").exit_code == 0
    for file in CollateralCache.for_user().directory.glob("*.json"):
        entry = decode_entry(file.read_bytes())
        assert entry is not None
        body = entry.body.replace(b"OutOfDate", b"UpToDate_")
        file.write_bytes(encode_entry(CachedAnswer(entry.kind, entry.url, entry.headers, body)))


def test_a_forged_cache_without_a_network_never_verifies(live: Run, pod: SimulatedPod, forge: None) -> None:
    assert forge is None
    with pod.faulty(Answers(status=503, on=COLLATERAL)):
        result = live("verify", "pod_7", "-q")
    assert result.exit_code == 3


def test_a_cache_that_others_may_write_is_not_used(live: Run, pod: SimulatedPod) -> None:
    live("verify", "pod_7", "-q")
    CollateralCache.for_user().directory.chmod(0o777)
    result = live("verify", "pod_7", "-q")
    assert result.exit_code == 0
    assert "may be written by other users" in result.stderr
    assert pod.traffic.requests_below(COLLATERAL) == 8


def test_collateral_from_a_file_goes_with_a_pod(live: Run, pod: SimulatedPod, folder: Path) -> None:
    (folder / "nine.json").write_bytes(pod.collateral().to_json())
    assert live("verify", "pod_7", "-q", "--collateral", "nine.json").exit_code == 0
    assert pod.traffic.requests_below(COLLATERAL) == 0
    (folder / "nine.json").write_text("[]", "utf-8")
    assert live("verify", "pod_7", "-q", "--collateral", "nine.json").exit_code == 2


def test_a_policy_may_name_the_pccs(live: Run, run: Run, pod: SimulatedPod, folder: Path) -> None:
    text = pod.policy_toml(more=f'\n[tdx.collateral]\npccs = ["{pod.pccs_base}"]\n')
    (folder / "voltage-attest.toml").write_text(text, "utf-8")
    assert live is not None
    network = ("--api-base", pod.api_base, "--tls-ca", "ca.pem", "--trust-root", "root.pem")
    assert run("verify", "pod_7", "-q", *network).exit_code == 0
    assert pod.traffic.requests_below(COLLATERAL) == 4


def test_a_quote_in_a_file_gets_its_collateral_from_intel_and_then_from_the_cache(
    live: Run, run: Run, pod: SimulatedPod, folder: Path
) -> None:
    (folder / "quote").write_bytes(pod.machine.platform().quote(pod.machine.td))
    (folder / "voltage-attest.toml").write_text(pod.policy_toml(channel=None), "utf-8")
    assert live("verify", "--quote", "quote", "-q").exit_code == 0
    assert pod.traffic.requests_below(COLLATERAL) == 4
    offline = run("verify", "--quote", "quote", "--offline", "--pccs", pod.pccs_base, "--trust-root", "root.pem", "-q")
    assert offline.exit_code == 0
    assert pod.traffic.requests_below(COLLATERAL) == 4


def test_progress_is_for_terminals(live: Run) -> None:
    assert "asking" not in live("verify", "pod_7").stderr
    assert os.environ.get("FORCE_COLOR") is None
