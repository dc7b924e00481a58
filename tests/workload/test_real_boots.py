"""Real boots through the whole verifier: pinned by what runs in them, refused for one byte, and believed no further than bound.

The quotes are those of a recorded NEAR answer, of dstack's verifier and of Google's Container-Optimized OS. For all but one of
them Intel's documents of the right time are at hand, so they verify from root to container; only the policy is made up.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import pytest

from tests.event_log.logs import SHARED, Boot, cos, fixture, near, needs_vectors
from tests.workload.workloads import HEAD
from voltage_attest.evidence.compose import parse_compose
from voltage_attest.evidence.event_log import sha384
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy import parse_policy
from voltage_attest.report import render_json, render_text
from voltage_attest.report.entries import Named
from voltage_attest.report.formats import render_report
from voltage_attest.result import AttestationResult, Status
from voltage_attest.verifier import Verifier

pytestmark = needs_vectors

FORGED = "a kernel that somebody reviewed"


@dataclass(frozen=True)
class RealBoot:
    """A boot, a folder of the vectors with Intel's documents for its platform, and a time at which they hold."""

    boot: Boot
    folder: str
    at: datetime
    undecidable: frozenset[str] = frozenset()
    """What these documents refuse: the gateway's PCK certificate is younger than they are."""

    @property
    def evidence(self) -> Evidence:
        text, compose = self.boot.text, self.boot.compose
        log = text.decode() if text.lstrip()[:1] == b"[" else base64.b64encode(text).decode()
        info = None if compose is None else json.dumps({"tcb_info": {"app_compose": compose.decode()}}).encode()
        return Evidence(
            quote=self.boot.quote.raw,
            event_log=log,
            binding_inputs=() if info is None else (("dstack_info", info),),
        )

    @property
    def collateral(self) -> bytes:
        return (SHARED / "tdx" / self.folder / "collateral.json").read_bytes()

    def judged(self, workload: str, evidence: Evidence | None = None) -> AttestationResult:
        verifier = Verifier(parse_policy(f"{HEAD}[workload]\n{workload}\n"))
        return verifier.examine(evidence or self.evidence, self.collateral, at=self.at)

    def refused_by(self, workload: str, evidence: Evidence | None = None) -> set[str]:
        """The checks that fail besides those that fail for any policy; none may be undecided."""
        result = self.judged(workload, evidence)
        assert not result.by_status()[Status.ERROR]
        failed = {row.id for row in result.by_status()[Status.FAILED]}
        assert failed >= self.undecidable
        return failed - self.undecidable


@cache
def real(name: str) -> RealBoot:
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    if name == "cos":
        return RealBoot(cos(), "gotdx-cos113-ccel-tdx-v4-00806f", datetime(2025, 2, 20, tzinfo=UTC))
    if name == "fixture":
        return RealBoot(fixture("dstack-verifier-fixture-tdx-v4"), "dstack-verifier-fixture-tdx-v4", summer)
    if name == "model":
        return RealBoot(near("model"), "dstack-verifier-fixture-tdx-v4", summer)
    older = datetime(2025, 7, 1, tzinfo=UTC)
    return RealBoot(near("gateway"), "dstack-examples-rtmr3-tdx-v4-b0c06f", older, frozenset({"tdx.pck.validity"}))


def compose_of(name: str) -> bytes:
    compose = real(name).boot.compose
    assert compose is not None
    return compose


def pinned(compose: bytes) -> str:
    return f'compose_sha256 = ["{hashlib.sha256(compose).hexdigest()}"]'


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes((data[middle] ^ 1,)) + data[middle + 1 :]


@pytest.mark.parametrize("name", ["gateway", "model"])
class TestAPinnedComposeFile:
    def test_it_accepts_the_real_evidence(self, name: str) -> None:
        """The model's TD verifies in full; the gateway's as far as documents that are older than its certificate reach."""
        result = real(name).judged(pinned(compose_of(name)))
        assert result.verdict == ("verified" if name == "model" else "refused")
        assert {row.id for row in result.by_status()[Status.FAILED]} == real(name).undecidable
        assert not result.by_status()[Status.ERROR]
        assert not result.by_status()[Status.NOT_RUN]
        passed = {row.id for row in result.by_status()[Status.PASSED]}
        assert passed >= {"workload.compose", "tdx.event_log.compose", *[f"tdx.event_log.rtmr{number}" for number in range(4)]}

    def test_it_refuses_it_with_one_byte_of_the_file_changed(self, name: str) -> None:
        assert real(name).refused_by(pinned(flipped(compose_of(name)))) == {"workload.compose"}

    def test_a_document_of_which_one_byte_was_changed_is_refused(self, name: str) -> None:
        info = json.dumps({"tcb_info": {"app_compose": compose_of(name).replace(b"image", b"imagf", 1).decode()}}).encode()
        evidence = replace(real(name).evidence, binding_inputs=(("dstack_info", info),))
        assert real(name).refused_by(pinned(compose_of(name)), evidence) == {"tdx.event_log.compose"}

    def test_its_images_are_accepted_and_one_fewer_is_refused(self, name: str) -> None:
        digests = sorted({(image.digest or b"").hex() for image in parse_compose(compose_of(name)).images})
        assert real(name).refused_by(f"image_digests = {json.dumps(digests)}") == set()
        assert real(name).refused_by(f"image_digests = {json.dumps([*digests[1:], 'ab' * 32])}") == {"workload.images"}


def test_the_compose_file_of_another_real_td_is_refused() -> None:
    assert real("model").refused_by(pinned(compose_of("gateway"))) == {"workload.compose"}


@pytest.mark.parametrize("name", ["model", "fixture", "cos"])
def test_a_real_boot_verifies_from_intels_root_to_its_last_event(name: str) -> None:
    result = real(name).judged('forbid_events = ["debug-shell"]')
    assert result.verdict == "verified"
    assert len(result.boot) == {"model": 30, "fixture": 28, "cos": 43}[name]


def test_the_boot_of_a_real_container_optimized_os_is_pinned_by_digests_and_command_line() -> None:
    """What only claims to be something is pinned by digest; Secure Boot is off in this one."""
    events = parse_event_log(real("cos").boot.text).events
    digests = sorted({event.digest.hex() for event in events if event.register in {1, 2}})
    measured = next(event.measured for event in events if event.payload.startswith(b"kernel_cmdline: "))
    assert measured is not None
    files, line = f"secure_boot = false\nboot_files = {json.dumps(digests)}", measured.decode()
    assert real("cos").refused_by(f"{files}\nkernel_cmdline = {json.dumps([line])}") == set()
    assert real("cos").refused_by(f"{files}\nkernel_cmdline = {json.dumps([f'{line} '])}") == {"workload.kernel_cmdline"}
    assert real("cos").refused_by("secure_boot = true") == {"workload.secure_boot"}


class TestTamperedLogs:
    """Of the model's TD: 20 events of firmware and kernel, then runtime events."""

    WORKLOAD = 'key_provider = ["kms"]'

    def events(self) -> list[dict[str, object]]:
        log = real("model").evidence.event_log
        assert log is not None
        found: list[dict[str, object]] = json.loads(log)
        return found

    def refused_by(self, events: list[dict[str, object]]) -> set[str]:
        evidence = replace(real("model").evidence, event_log=json.dumps(events))
        return real("model").refused_by(self.WORKLOAD, evidence)

    def test_untouched_it_is_accepted(self) -> None:
        assert self.refused_by(self.events()) == set()

    @pytest.mark.parametrize("number", range(30))
    def test_an_event_changed_dropped_or_doubled_is_refused_by_its_register(self, number: int) -> None:
        events = self.events()
        check = f"tdx.event_log.rtmr{events[number]['imr']}"
        runtime = events[number]["imr"] == 3
        changed = {**events[number], "digest": sha384(b"other").hex()}
        assert self.refused_by([*events[:number], changed, *events[number + 1 :]]) == {check}
        assert self.refused_by([*events[:number], *events[number + 1 :]]) == {check}
        assert self.refused_by([*events[: number + 1], *events[number:]]) == {check}
        moved = [*events[:number], *events[number + 1 :], {**events[number], "imr": 0 if runtime else 3}]
        assert check in self.refused_by(moved)

    def test_events_that_change_places_are_refused(self) -> None:
        events = self.events()
        for register in range(4):
            first, second = [place for place, event in enumerate(events) if event["imr"] == register][:2]
            swapped = list(events)
            swapped[first], swapped[second] = events[second], events[first]
            assert self.refused_by(swapped) == {f"tdx.event_log.rtmr{register}"}

    def test_a_runtime_event_with_another_name_or_payload_is_refused(self) -> None:
        events = self.events()
        for number, event in enumerate(events):
            if event["imr"] == 3:
                for key, value in (("event", FORGED), ("event_payload", "00")):
                    forged = [*events[:number], {**event, key: value}, *events[number + 1 :]]
                    assert self.refused_by(forged) == {"tdx.event_log.runtime"}

    def test_other_names_and_payloads_of_firmware_and_kernel_replay_and_are_never_shown_as_facts(self) -> None:
        forged = [
            event if event["imr"] == 3 else {**event, "event": FORGED, "event_payload": FORGED.encode().hex()}
            for event in self.events()
        ]
        evidence = replace(real("model").evidence, event_log=json.dumps(forged))
        result = real("model").judged(self.WORKLOAD, evidence)
        assert result.verdict == "verified"
        lines = [line for line in render_text(result, verbose=True, width=500).splitlines() if FORGED in line]
        assert len(lines) == 20
        assert all(
            re.fullmatch(r"  RTMR[012] +\d+  said to be .* \[digest only: name and payload are claims\]", line)
            for line in lines
        )
        cells = [cell for cell in re.findall(r">([^<]*)<", render_report("html", [Named("model", result)])) if FORGED in cell]
        assert len(cells) == 20
        assert all(cell.startswith("said to be ") for cell in cells)
        for event in result.boot[:20]:
            assert event.meaning.startswith("said to be ")
            assert not event.bound
        shown = [event for event in json.loads(render_json(result))["claims"]["boot"] if FORGED in event["meaning"]]
        assert len(shown) == 20
        assert all(event["meaning"].startswith("said to be ") and not event["bound"] for event in shown)

    def test_forged_words_meet_no_pin(self) -> None:
        """Digests are looked up, never words: a pin of what the forged words would be the digest of fails."""
        forged = [
            event if event["imr"] == 3 else {**event, "event": FORGED, "event_payload": FORGED.encode().hex()}
            for event in self.events()
        ]
        evidence = replace(real("model").evidence, event_log=json.dumps(forged))
        for key in ("kernel", "initrd", "boot_loader"):
            digest = sha384(FORGED.encode()).hex()
            assert real("model").refused_by(f'{key} = ["{digest}"]', evidence) == {f"workload.{key}"}
        assert real("model").refused_by(f'kernel_cmdline = ["{FORGED}"]', evidence) == {"workload.kernel_cmdline"}
