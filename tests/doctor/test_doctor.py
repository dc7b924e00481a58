"""``voltage-attest doctor``: each trouble is found, with what to do; and the support bundle tells no secret."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.conftest import API_KEY, Run, folder, live, pod, run
from voltage_attest.cli import doctor as command
from voltage_attest.cli.doctor_bundle import redacted
from voltage_attest.cli.doctor_model import Level, Observation
from voltage_attest.cli.doctor_network import hinted
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.http import HttpAnswer
from voltage_attest.testing import COLLATERAL, EVERYTHING, Answers, HtmlPage, SimulatedPod

__all__ = ["folder", "live", "pod", "run"]

HOME = Path("/home/ada")


@pytest.fixture
def look(run: Run, pod: SimulatedPod, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``doctor`` where all is well, with what a test adds."""
    for name in (*("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"),):
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", API_KEY)
    (folder / "ca.pem").write_bytes(pod.ca_pem)
    (folder / "voltage-attest.toml").write_text(pod.policy_toml(), "utf-8")

    def invoke(*words: str | Path) -> object:
        result = run("doctor", "--api-base", pod.api_base, "--pccs", pod.pccs_base, "--tls-ca", "ca.pem", *words)
        assert API_KEY not in result.output
        return result

    return invoke  # type: ignore[return-value]


def said(result: object) -> str:
    """What was printed, without line breaks."""
    return " ".join(str(getattr(result, "stdout", "")).split())


def test_where_all_is_well_it_says_so(look: Run, pod: SimulatedPod) -> None:
    result = look()
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("No problem found.\n")
    text = said(result)
    for part in (
        "version voltage-attest",
        "pinned roots are unaltered",
        "voltage-attest.toml loads",
        "there is one, from VOLTAGEGPU",
    ):
        assert part in text
    assert f"PCCS td-qe-identity from {pod.pccs_base} in " in text
    assert f"pod API {pod.api_base} answers" in text
    assert "clock within the window of td-qe-identity" in text
    assert not [request for request in pod.received if "authorization" in {name.lower() for name in dict(request.headers)}]


def test_a_server_that_does_not_answer_is_a_problem_with_a_remedy(look: Run, pod: SimulatedPod) -> None:
    pod.close()
    result = look()
    assert result.exit_code == 1
    assert "PROBLEM PCCS the TD QE identity" in said(result)
    assert "PROBLEM pod API" in said(result)
    assert "What to do:" in said(result)


@pytest.mark.parametrize("trouble", [Answers(status=503, on=COLLATERAL), HtmlPage(on=COLLATERAL)], ids=str)
def test_a_pccs_that_answers_something_else_is_a_problem(look: Run, pod: SimulatedPod, trouble: Answers | HtmlPage) -> None:
    pod.set_faults(trouble)
    result = look()
    assert result.exit_code == 1
    assert "PROBLEM PCCS" in said(result)


def test_any_status_of_the_api_is_an_answer(look: Run, pod: SimulatedPod) -> None:
    pod.set_faults(Answers(status=403, on=EVERYTHING))
    assert f"ok pod API {pod.api_base} answers" in said(look())


@pytest.mark.parametrize(("days", "word"), [(-400, "slow"), (400, "fast")])
def test_a_clock_that_is_wrong_is_told_from_signed_dates(
    look: Run, monkeypatch: pytest.MonkeyPatch, days: int, word: str
) -> None:
    monkeypatch.setattr(command, "present", lambda: datetime.now(UTC).replace(microsecond=0) + timedelta(days=days))
    result = look()
    assert result.exit_code == 1
    assert "PROBLEM clock" in said(result)
    assert word in said(result)


def test_what_a_server_says_of_the_time_is_a_hint_and_no_more() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def heard(date: str) -> list[Observation]:
        return list(hinted("https://pccs.example.org", HttpAnswer(200, {"date": date}, b""), now))

    assert heard("Tue, 24 Nov 2026 12:01:00 GMT") == []
    assert heard("yesterday") == heard("") == []
    (hint,) = heard("Tue, 24 Nov 2026 14:00:00 GMT")
    assert hint.level is Level.NOTE
    assert "120 minutes from this machine's clock" in hint.text


def test_a_cached_document_of_the_future_tells_of_a_slow_clock(look: Run, live: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live("verify", "pod_7", "-q").exit_code == 0
    monkeypatch.setattr(command, "present", lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(days=400))
    assert "a document in the cache was issued" in said(look("--offline"))


def test_offline_nothing_is_asked(look: Run, pod: SimulatedPod) -> None:
    assert look("--offline").exit_code == 0
    assert pod.received == ()


def test_proxies_and_cas_of_the_environment_are_pointed_out(look: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:hunter2@proxy.clinic:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/company.pem")
    text = said(look("--offline"))
    assert "set in the environment, and not used: HTTPS_PROXY What to do:" in text
    assert "hunter2" not in text
    assert "SSL_CERT_FILE" not in text, "a CA is named by option"


def test_a_policy_that_does_not_load_or_has_ended_is_a_problem(look: Run, pod: SimulatedPod, folder: Path) -> None:
    (folder / "ended.toml").write_text(pod.policy_toml().replace("[tdx]", "valid_until = 2020-01-01\n[tdx]", 1), "utf-8")
    result = look("--offline", "--policy", "ended.toml")
    assert result.exit_code == 1
    assert "PROBLEM policy valid_until: the policy ended on 2020-01-01" in said(result)
    assert "PROBLEM policy" in said(look("--offline", "--policy", "absent.toml"))


def test_without_a_key_it_says_what_cannot_be_done(look: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOLTAGEGPU_API_KEY")
    assert "note API key there is none: no pod can be asked" in said(look("--offline"))


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_key_that_others_may_read_and_a_cache_that_others_may_write_are_problems(look: Run, folder: Path) -> None:
    (folder / "key").write_text(API_KEY, "utf-8")
    (folder / "key").chmod(0o644)
    cache = CollateralCache.for_user().directory
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    text = said(look("--offline", "--api-key-file", "key"))
    assert "PROBLEM API key the file key may be read by other users" in text
    assert "PROBLEM cache" in text


def test_an_audit_log_that_was_altered_or_has_no_folder_is_a_problem(look: Run, pod: SimulatedPod, folder: Path) -> None:
    def audited(path: str) -> str:
        (folder / "audited.toml").write_text(f'{pod.policy_toml()}\n[audit]\npath = "{path}"\n', "utf-8")
        return said(look("--offline", "--policy", "audited.toml"))

    assert "ok audit log audit.jsonl has not been begun" in audited("audit.jsonl")
    assert "PROBLEM audit log its folder nowhere does not exist" in audited("nowhere/audit.jsonl")
    (folder / "audit.jsonl").write_text('{"seq": 0}\n{"seq": 1}\n{"seq": 2}\n', "utf-8")
    assert "PROBLEM audit log" in audited("audit.jsonl")


def test_the_support_bundle_holds_what_was_seen_and_no_secret(
    look: Run, folder: Path, pod: SimulatedPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:hunter2@proxy.clinic:3128")
    result = look("--support-bundle", "support.json", "--proxy", pod.api_base.replace("https://", "http://ada:hunter2@"))
    text = (folder / "support.json").read_text("utf-8")
    document = json.loads(text)
    assert document["schema"] == "voltage-attest/support/1"
    assert len(document["observations"]) > 8
    assert "Read it before you send it." in result.stdout
    for secret in (API_KEY, "hunter2", "proxy.clinic", str(Path.home()) + "/"):
        assert secret not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asked https://ada:pw@pccs.clinic.example:8081/sgx?key=1 for it", "asked https://[host]:8081 for it"),
        ("from https://api.trustedservices.intel.com/sgx/x?ca=platform", "from https://api.trustedservices.intel.com/sgx/x"),
        ("https://intel.com.evil.example/x", "https://[host]"),
        ("/home/ada/policies/ward.toml", "~/policies/ward.toml"),
        ("ada's machine box-7 said no", "[name]'s machine [name] said no"),
        ("10.1.2.3 and fe80::1 answered at 12:00:00.", "[address] and [address] answered at 12:00:00."),
        ("OpenSSL 3.0.19", "OpenSSL 3.0.19"),
        ("the key is s3cr3t-value", "the key is [secret]"),
    ],
)
def test_what_is_nobodys_business_is_left_out(text: str, expected: str) -> None:
    environment = {"MY_API_TOKEN": "s3cr3t-value", "HOME": "/home/ada"}
    assert redacted(text, environment=environment, home=HOME, names=("ada", "box-7")) == expected


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["https", "http", "socks5"]))
def test_a_secret_is_left_out_wherever_it_stands(before: str, after: str, scheme: str) -> None:
    secret = "Zq9-hidden-Zq9"  # noqa: S105 - of this test alone
    for text in (before + secret + after, f"{before} {scheme}://u:{secret}@host/{secret} {after}"):
        assert secret not in redacted(text, environment={"X_KEY": secret}, home=HOME, names=())
