"""``verify --evidence``: other providers' answers, from files and asked for, one machine and several."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import Run
from tests.collateral_fetch.loopback import Loopback, answer, serving
from tests.pods import answers, test_real_answers
from tests.pods.answers import encode
from tests.support.outcomes import policy_text
from voltage_attest.cli import verify_sources
from voltage_attest.report import parse_result
from voltage_attest.result import Status, Verdict
from voltage_attest.testing import APPRAISED_AT, FakeIntel, WebAuthority

INTEL = FakeIntel()
NONCE = answers.NONCE.hex()


def write(folder: Path, binding: str) -> None:
    """The policy, the fake root and its collateral."""
    (folder / "voltage-attest.toml").write_text(f'{policy_text()}\n[channel]\nbinding = "{binding}"\n', "utf-8")
    (folder / "root.pem").write_bytes(INTEL.root_pem)
    (folder / "nine.json").write_bytes(INTEL.collateral(INTEL.platform()).to_json())


@pytest.fixture
def judge(run: Run, folder: Path) -> Run:
    """Judge an answer in a file."""

    def invoke(provider: str, body: bytes, *words: str) -> Result:
        write(folder, provider)
        (folder / "answer").write_bytes(body)
        known = ("--collateral", "nine.json", "--trust-root", "root.pem", "--at", APPRAISED_AT.isoformat())
        return run("verify", "--evidence", "answer", "--provider", provider, *known, *words)

    return invoke


def test_every_machine_of_an_answer_is_judged(judge: Run) -> None:
    result = judge("near", encode(answers.near_gateway()), "--nonce", NONCE)
    assert result.exit_code == 0
    assert result.stdout.startswith("Machine 1 of 2 (gateway)\n\nVERIFIED")
    assert "Machine 2 of 2 (example/model)\n\nVERIFIED" in result.stdout


def test_one_machine_that_is_refused_refuses_them_all(judge: Run) -> None:
    document = answers.near_gateway()
    reports = document["model_attestations"]
    assert isinstance(reports, list)
    reports.append(answers.dstack_report() | {"intel_quote": answers.quote_over(b"for another").hex()})
    result = judge("near", encode(document), "--nonce", NONCE, "-q")
    assert result.exit_code == 1
    verdicts = [line.split(": ")[1] for line in result.stdout.splitlines()]
    assert [verdict.split(",")[0] for verdict in verdicts] == ["VERIFIED", "VERIFIED", "REFUSED"]


def test_json_of_an_answer_is_a_list_whatever_it_holds(judge: Run) -> None:
    two = json.loads(judge("near", encode(answers.near_gateway()), "--nonce", NONCE, "--format", "json").stdout)
    one = json.loads(judge("near", encode(answers.dstack_report()), "--nonce", NONCE, "--format", "json").stdout)
    assert [len(two), len(one)] == [2, 1]
    assert all(parse_result(json.dumps(result)).verdict is Verdict.VERIFIED for result in two + one)


def test_a_companion_brings_the_keys_of_chutes(judge: Run, folder: Path) -> None:
    (folder / "keys").write_bytes(encode(answers.chutes_instances()))
    body = encode(answers.chutes_evidence())
    assert judge("chutes", body, "--nonce", NONCE, "--companion", "keys").exit_code == 0
    assert judge("chutes", body, "--nonce", NONCE).exit_code == 3


def test_without_the_nonce_nobody_knows_for_whom_it_was_made(judge: Run) -> None:
    result = judge("near", encode(answers.dstack_report()))
    assert result.exit_code == 3
    assert "UNDECIDED  binding.nonce" in result.stdout


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>"])
def test_what_is_no_answer_is_refused(judge: Run, body: bytes) -> None:
    result = judge("near", body, "--nonce", NONCE)
    assert result.exit_code == 1
    assert "FAILED     evidence.fetch" in result.stdout


def test_each_machine_gets_a_bundle(judge: Run, run: Run, folder: Path) -> None:
    judge("near", encode(answers.near_gateway()), "--nonce", NONCE, "--save-bundle", "kept.json")
    assert sorted(path.name for path in folder.glob("kept*")) == ["kept.1.json", "kept.2.json"]
    for name in ("kept.1.json", "kept.2.json"):
        words = ("--bundle", name, "--trust-root", "root.pem", "--at", APPRAISED_AT.isoformat())
        assert run("verify", *words, "-q").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--evidence", "answer"), "--evidence goes with --provider NAME"),
        (("--evidence", "answer", "--provider", "nobody"), "--provider 'nobody' is unknown; expected one of voltagegpu, near"),
        (("--evidence", "answer", "--provider", "near", "--target", "m"), "--target does not go with --evidence"),
        (("--evidence", "https://h", "--provider", "near", "--nonce", NONCE), "a nonce is drawn for every request"),
        (("--evidence", "https://h", "--provider", "near"), "--target is missing: near serves several, so name the model"),
        (("--evidence", "https://h", "--provider", "voltagegpu"), "`voltage-attest verify POD_ID`"),
        (("--evidence", "https://h", "--provider", "dstack", "--target", "m"), "--target does not go with dstack"),
        (("--evidence", "https://h?q=1", "--provider", "dstack"), "the base address has a query"),
        (("--evidence", "answer", "--provider", "near", "--companion", "x"), "--companion does not go with near"),
        (("--evidence", "http://h", "--provider", "dstack"), "it is http, not https"),
        (("--quote", "q", "--save-bundle", "-"), "--save-bundle needs a file's name"),
        (("--quote", "q", "--companion", "keys"), "--companion does not go with --quote"),
    ],
)
def test_what_does_not_fit_together_is_a_usage_error(run: Run, policy: Path, words: tuple[str, ...], sentence: str) -> None:
    result = run("verify", *words, "--policy", policy)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


class TestAskedForAtAnAddress:
    """A dstack machine on loopback, whose answer was made for a nonce that the test draws."""

    @pytest.fixture
    def served(self) -> list[bytes]:
        """What the machine sends next."""
        return [answer(encode(answers.dstack_report()))]

    @pytest.fixture
    def server(self, folder: Path, served: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
        authority = WebAuthority.create()
        write(folder, "near")
        (folder / "ca.pem").write_bytes(authority.ca_pem)
        monkeypatch.setattr("voltage_attest.attest.draw_nonce", lambda: answers.NONCE)
        monkeypatch.setattr(verify_sources, "present", lambda: APPRAISED_AT)
        with serving(lambda wire, _: wire.sendall(served[0]), authority.issue("127.0.0.1").context) as running:
            yield running

    @pytest.fixture
    def ask(self, run: Run, server: Loopback) -> Run:
        known = ("--collateral", "nine.json", "--trust-root", "root.pem", "--tls-ca", "ca.pem")
        return lambda *words: run("verify", "--evidence", server.base, "--provider", "dstack", *known, *words)

    def test_it_is_verified_with_a_nonce_drawn_for_it(self, ask: Run, server: Loopback) -> None:
        result = ask("--format", "json")
        assert result.exit_code == 0
        (only,) = json.loads(result.stdout)
        assert only["freshness"] == {"nonce": NONCE, "fresh": True}
        assert f"nonce={NONCE}" in server.targets[0]

    def test_the_key_in_the_environment_is_not_sent_to_it(
        self, ask: Run, server: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VOLTAGEGPU_API_KEY", "for-voltagegpu-alone")
        assert ask().exit_code == 0
        assert "authorization" not in server.requests[0].lower()

    def test_a_key_in_a_file_is_sent_to_it(self, ask: Run, server: Loopback, folder: Path) -> None:
        (folder / "key").write_text("for-this-machine", "utf-8")
        (folder / "key").chmod(0o600)
        assert ask("--api-key-file", "key").exit_code == 0
        assert "Bearer for-this-machine" in server.requests[0]

    @pytest.mark.parametrize(
        ("sent", "code", "sentence"),
        [
            (answer(b"{}", status="404 Not Found"), 3, "answered 404"),
            (answer(b"<html>", content_type="text/html"), 1, "an HTML page instead of JSON"),
            (answer(b"{}", ("Location", "https://example.org"), status="302 Found"), 1, "redirects are not followed"),
            (answer(b"{}"), 1, "FAILED evidence.fetch"),
        ],
    )
    def test_trouble_ends_in_its_verdict(self, ask: Run, served: list[bytes], sent: bytes, code: int, sentence: str) -> None:
        served[0] = sent
        result = ask()
        assert result.exit_code == code
        assert sentence in " ".join(result.stdout.split())


@pytest.mark.parametrize("provider", ["near", "chutes"])
def test_recorded_answers_are_judged_machine_by_machine(run: Run, folder: Path, provider: str) -> None:
    """Real answers with no collateral of theirs beside them: genuine as far as a quote shows by itself, so undecided."""
    nonce = {"near": test_real_answers.NEAR_NONCE, "chutes": test_real_answers.CHUTES_NONCE}[provider].hex()
    at = {"near": test_real_answers.NEAR_AT, "chutes": test_real_answers.CHUTES_AT}[provider].isoformat()
    (folder / "companion").write_bytes(answers.vector("teep-chutes*/0001_*.body"))
    body = answers.vector("teep-near*/0001_*.body" if provider == "near" else "teep-chutes*/0002_*.body")
    (folder / "answer").write_bytes(body)
    write(folder, provider)
    companion = ("--companion", "companion") if provider == "chutes" else ()
    words = ("--evidence", "answer", "--provider", provider, "--nonce", nonce, "--at", at, "--offline", *companion)
    result = run("verify", *words, "--format", "json")
    assert result.exit_code == 3
    found = [parse_result(json.dumps(part)) for part in json.loads(result.stdout)]
    assert len(found) == (2 if provider == "near" else 4)
    for part in found:
        assert part.check("tdx.quote.signature").status is Status.PASSED
        assert part.check("binding.nonce").status is Status.PASSED
