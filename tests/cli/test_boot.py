"""Boot logs on the command line: read beside a quote, pinned from, and shown with what is proven of them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from click.testing import Result
from hypothesis import given

from tests.cases.boot_cases import BOOTED, COMPOSE, Booted
from tests.cases.model import INTEL, PLATFORM
from tests.cli.conftest import API_KEY, Run
from tests.event_log.logs import (
    BOOT,
    NEAR_ANSWER,
    acpi_table,
    ccel,
    cos,
    dstack_log,
    fixture,
    needs_vectors,
    registers,
    runtime,
)
from tests.support.mutations import mutated_bytes
from tests.workload.test_real_boots import FORGED, RealBoot, compose_of, real
from tests.workload.workloads import HEAD
from voltage_attest.cli import verify_sources
from voltage_attest.cli.inspect_recognise import inspect_bytes
from voltage_attest.cli.inspect_tree import render_tree_json, render_tree_text
from voltage_attest.errors import InputError
from voltage_attest.policy import load_policy
from voltage_attest.testing import APPRAISED_AT, SimulatedPod, TdReportFields

LOG = dstack_log(BOOTED.records)
AT = f"{APPRAISED_AT:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def booted(run: Run, folder: Path) -> Run:
    """Run ``verify`` or ``pin`` on a fake machine's quote, with a log and a compose document."""
    (folder / "quote").write_bytes(BOOTED.quote)
    (folder / "collateral").write_bytes(INTEL.collateral(PLATFORM).to_json())
    (folder / "root.pem").write_bytes(INTEL.root_pem)
    (folder / "log.json").write_bytes(LOG)
    (folder / "compose.json").write_bytes(COMPOSE)
    (folder / "policy.toml").write_text(BOOTED.case().policy, "utf-8")

    def invoke(*words: str | Path) -> Result:
        given = ("--quote", "quote", "--collateral", "collateral", "--trust-root", "root.pem", *words)
        return run("verify", *given, "--at", AT, "--policy", "policy.toml")

    return invoke


class TestVerify:
    def test_a_log_and_a_document_beside_a_quote_are_judged(self, booted: Run) -> None:
        assert booted("--event-log", "log.json", "--compose", "compose.json", "-q").exit_code == 0

    def test_without_the_log_it_is_undecided(self, booted: Run) -> None:
        result = booted("-q")
        assert (result.exit_code, "tdx.event_log.parse" in result.stdout) == (3, True)

    @pytest.mark.parametrize(
        ("name", "check"), [("log.json", "tdx.event_log.rtmr3"), ("compose.json", "tdx.event_log.compose")]
    )
    def test_a_changed_file_is_refused(self, booted: Run, folder: Path, name: str, check: str) -> None:
        changed = dstack_log((*BOOTED.records, runtime("more"))) if name == "log.json" else COMPOSE + b"\n"
        (folder / name).write_bytes(changed)
        result = booted("--event-log", "log.json", "--compose", "compose.json", "-q")
        assert (result.exit_code, check in result.stdout) == (1, True)

    @pytest.mark.parametrize("log", [b"no log", b"\xff" * 9, b"", b"[1]", b"\0" * 64])
    def test_a_log_that_is_none_is_refused(self, booted: Run, folder: Path, log: bytes) -> None:
        (folder / "log.json").write_bytes(log)
        result = booted("--event-log", "log.json", "-q")
        assert (result.exit_code, "tdx.event_log.parse failed" in result.stdout) == (1, True)

    def test_a_log_of_64_mib_ends_in_a_clear_refusal(self, booted: Run, folder: Path) -> None:
        (folder / "log.json").write_bytes(b"[" + b'{"imr":0},' * (64 * 1024 * 1024 // 10))
        result = booted("--event-log", "log.json", "-v")
        assert result.exit_code == 1
        assert "at most 8388608" in result.stdout

    def test_a_document_that_is_no_text_is_a_usage_error(self, booted: Run, folder: Path) -> None:
        (folder / "compose.json").write_bytes(b"{\xff}")
        result = booted("--event-log", "log.json", "--compose", "compose.json")
        assert (result.exit_code, "--compose: byte 1 of compose.json is not UTF-8" in result.stderr) == (2, True)

    @pytest.mark.parametrize("option", ["--event-log", "--compose"])
    def test_they_go_with_a_quote_alone(self, run: Run, option: str) -> None:
        result = run("verify", "--bundle", "bundle", option, "file")
        assert (result.exit_code, f"{option} does not go with --bundle" in result.stderr) == (2, True)


@needs_vectors
class TestRealEvidence:
    @staticmethod
    def files(folder: Path, boot: RealBoot, workload: str) -> tuple[str | Path, ...]:
        (folder / "quote").write_bytes(boot.boot.quote.raw)
        (folder / "log").write_bytes(boot.boot.text)
        (folder / "collateral").write_bytes(boot.collateral)
        (folder / "policy.toml").write_text(f"{HEAD}[workload]\n{workload}\n", "utf-8")
        given: tuple[str | Path, ...] = ("--quote", "quote", "--event-log", "log", "--collateral", "collateral")
        if boot.boot.compose is not None:
            (folder / "compose").write_bytes(boot.boot.compose)
            given = (*given, "--compose", "compose")
        return ("verify", *given, "--policy", "policy.toml", "--at", f"{boot.at:%Y-%m-%dT%H:%M:%SZ}")

    @pytest.mark.parametrize(
        ("name", "workload"), [("model", "sealed_storage = true"), ("fixture", 'key_provider = ["local-sgx"]')]
    )
    def test_a_dstack_guest_verifies(self, run: Run, folder: Path, name: str, workload: str) -> None:
        assert run(*self.files(folder, real(name), workload), "-q").exit_code == 0

    def test_a_recorded_near_answer_is_judged_machine_by_machine(self, run: Run, folder: Path) -> None:
        """The model's TD verifies. The gateway's platform is of a family of which these documents do not speak."""
        words = self.files(folder, real("model"), f'compose_sha256 = ["{hashlib.sha256(compose_of("model")).hexdigest()}"]')
        rest = words[words.index("--policy") :]
        answer = ("verify", "--evidence", NEAR_ANSWER, "--provider", "near", "--collateral", "collateral", "--format", "json")
        result = run(*answer, *rest)
        gateway, model = json.loads(result.stdout)
        assert result.exit_code == 1
        assert (gateway["verdict"], model["verdict"]) == ("refused", "verified")
        failed = {row["id"] for row in gateway["checks"] if row["status"] == "failed"}
        assert failed == {"tdx.tcb_info.fmspc", "workload.compose"}

    def test_a_raw_ccel_verifies(self, run: Run, folder: Path) -> None:
        result = run(*self.files(folder, real("cos"), "secure_boot = false"))
        assert result.exit_code == 0
        assert "43 events replay to the quote's registers" in " ".join(result.stdout.split())


class TestPin:
    @pytest.fixture
    def pod(self) -> Iterator[SimulatedPod]:
        """A pod whose answers carry a boot log."""
        td = TdReportFields(**registers(BOOTED.records))
        with SimulatedPod(pod_id="pod_7", api_key=API_KEY, td=td, attestation_extra={"event_log": json.loads(LOG)}) as running:
            yield running

    def test_a_pod_is_pinned_by_what_runs_in_it(self, live: Run, folder: Path) -> None:
        (folder / "voltage-attest.toml").unlink()
        pinned = live("pin", "pod_7", "--workload")
        assert pinned.exit_code == 0
        policy = load_policy(folder / "voltage-attest.toml")
        assert policy.workload is not None
        assert policy.workload.compose_sha256 == frozenset({hashlib.sha256(COMPOSE).digest()})
        assert 'rtmr3 = { unpinned = "differs per instance' in (folder / "voltage-attest.toml").read_text("utf-8")
        assert live("verify", "pod_7", "-q").exit_code == 0

    def test_another_instance_of_the_application_is_accepted_and_another_application_is_not(
        self, live: Run, folder: Path, pod: SimulatedPod
    ) -> None:
        (folder / "voltage-attest.toml").unlink()
        live("pin", "pod_7", "--workload")
        for name, code in (("instance-id", 0), ("compose-hash", 1)):
            records = [r if r.name != name else runtime(name, b"\x22" * len(r.payload)) for r in BOOTED.records]
            log = {"event_log": json.loads(dstack_log(records))}
            pod.machine = replace(pod.machine, td=TdReportFields(**registers(records)), extra=log)
            result = live("verify", "pod_7", "-q")
            assert (result.exit_code, "workload.compose failed" in result.stdout) == (code, bool(code))

    def test_a_log_that_does_not_replay_is_not_pinned(self, live: Run, folder: Path, pod: SimulatedPod) -> None:
        (folder / "voltage-attest.toml").unlink()
        pod.machine.extra["event_log"] = json.loads(dstack_log((*BOOTED.records, runtime("more"))))
        result = live("pin", "pod_7", "--workload")
        assert (result.exit_code, "tdx.event_log.rtmr3" in result.stdout) == (1, True)
        assert not (folder / "voltage-attest.toml").exists()

    @pytest.mark.parametrize(
        "words", [("--add",), ("--event-log", "log"), ("--compose", "compose")], ids=["--add", "--event-log", "--compose"]
    )
    def test_what_has_no_meaning_together_is_refused(self, run: Run, words: tuple[str, ...]) -> None:
        result = run("pin", "pod_7", "--workload", *words)
        assert (result.exit_code, words[0] in result.stderr) == (2, True)

    def test_a_log_that_binds_nothing_pins_nothing(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        firmware = [record for record in BOOT if record.register < 3]
        boot = Booted(records=tuple(firmware))
        monkeypatch.setattr(verify_sources, "present", lambda: APPRAISED_AT)
        for name, data in {
            "quote": boot.quote,
            "log": ccel(firmware),
            "collateral": INTEL.collateral(PLATFORM).to_json(),
            "root.pem": INTEL.root_pem,
        }.items():
            (folder / name).write_bytes(data)
        words = ("--quote", "quote", "--event-log", "log", "--collateral", "collateral", "--trust-root", "root.pem")
        result = run("pin", *words, "--workload", "-o", "pinned.toml")
        assert (result.exit_code, "binds nothing that could be pinned" in result.stderr) == (2, True)
        assert not (folder / "pinned.toml").exists()


@needs_vectors
class TestPinRealEvidence:
    def test_a_quote_in_a_file_is_pinned_by_its_log(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        boot = real("model")
        monkeypatch.setattr(verify_sources, "present", lambda: boot.at)
        words = TestRealEvidence.files(folder, boot, "sealed_storage = true")[1:-4]
        result = run("pin", *words, "--workload", "-o", "pinned.toml")
        assert result.exit_code == 0, result.output
        text = (folder / "pinned.toml").read_text("utf-8")
        assert "[workload]" in text
        assert "image_digests" in text
        at = ("--at", f"{boot.at:%Y-%m-%dT%H:%M:%SZ}")
        assert run("verify", *words, "--policy", "pinned.toml", *at, "-q").exit_code == 0


FILES: Final[dict[str, Callable[[], bytes]]] = {
    "raw CCEL": lambda: ccel(BOOTED.records[:6]),
    "CCEL in hex": lambda: ccel(BOOTED.records[:6]).hex().encode(),
    "CCEL in base64": lambda: base64.b64encode(ccel(BOOTED.records[:6])),
    "dstack's JSON": lambda: LOG,
    "dstack's JSON, stripped": lambda: dstack_log(BOOTED.records, strip=True),
}


class TestInspect:
    @pytest.mark.parametrize("name", FILES)
    def test_a_log_is_recognised_by_content_and_drawn_in_both_forms(self, run: Run, folder: Path, name: str) -> None:
        (folder / "file").write_bytes(FILES[name]())
        text, document = run("inspect", "file"), run("inspect", "file", "--format", "json")
        assert (text.exit_code, document.exit_code) == (0, 0)
        found = json.loads(document.stdout)
        assert (found["kind"], found["verified"]) == ("event-log", False)
        assert found["content"]["replay"]["rtmr1"] == registers(BOOTED.records)["rtmr1"].hex()
        assert registers(BOOTED.records)["rtmr1"].hex() in text.stdout

    def test_forged_words_are_claims_in_both_forms(self) -> None:
        events = json.loads(LOG)
        forged = [event if event["imr"] == 3 else {**event, "event": FORGED, "event_payload": "6b"} for event in events]
        found = inspect_bytes(json.dumps(forged).encode())
        assert found is not None
        for line in render_tree_text(found, "file", 1, "00").splitlines():
            assert not line.startswith(("RTMR0", "RTMR1", "RTMR2")) or "  said to be " in line
        for event in json.loads(render_tree_json(found, 1, "00"))["content"]["events"]:
            if event["register"] != "RTMR3":
                assert event["claimed"]["name"] == FORGED
                assert (event["name"], event["measured"], event["binding"]) == (None, None, "none")
                assert event["meaning"].startswith("said to be ")

    def test_what_is_bound_is_shown_as_it_was_measured(self) -> None:
        found = inspect_bytes(LOG)
        assert found is not None
        events = json.loads(render_tree_json(found, 1, "00"))["content"]["events"]
        compose = next(event for event in events if event["name"] == "compose-hash")
        assert (compose["binding"], compose["measured"]) == ("event", compose["claimed"]["payload"])

    @pytest.mark.parametrize("log", [b'[{"imr":9}]', ccel(BOOTED.records)[:100]])
    def test_a_malformed_log_says_what_is_wrong(self, run: Run, folder: Path, log: bytes) -> None:
        (folder / "file").write_bytes(log)
        result = run("inspect", "file")
        assert (result.exit_code, "file cannot be shown: " in result.stderr) == (2, True)

    @given(mutated_bytes([ccel(BOOTED.records[:6]), LOG]))
    def test_mutated_logs_are_shown_or_refused(self, data: bytes) -> None:
        try:
            found = inspect_bytes(data)
        except InputError:
            return
        if found is not None:
            assert render_tree_text(found, "file", len(data), "00").isascii()

    @needs_vectors
    def test_real_logs_are_shown(self) -> None:
        for data, count in (
            (cos().text, 43),
            (acpi_table() + cos().text, 43),
            (fixture("dstack-verifier-fixture-tdx-v4").text, 28),
        ):
            found = inspect_bytes(data)
            assert found is not None
            assert len(json.loads(render_tree_json(found, 1, "00"))["content"]["events"]) == count
