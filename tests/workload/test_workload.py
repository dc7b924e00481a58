"""Pins of the application: real NEAR evidence is accepted and refused by them, and each refuses alone what it is there for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from tests.event_log.logs import BOOT, Boot, Record, booted, dstack_log, fixture, judge, near, needs_vectors, runtime, sealed
from tests.event_log.logs import failing as log_failing
from tests.workload.test_compose_images import PINNED, document
from tests.workload.workloads import appraise, failing
from voltage_attest.appraise.workload import MODEL_EVENT, WORKLOAD_APPRAISAL
from voltage_attest.checks.event_log import AUTHENTIC_LOG
from voltage_attest.checks.workload import WORKLOAD_CHECKS
from voltage_attest.evidence.compose import parse_compose
from voltage_attest.evidence.event_log import EventType
from voltage_attest.result import Status
from voltage_attest.verify.event_log import VerifiedEventLog

DOCUMENT = document(f"services:\n  web:\n    image: {PINNED}\n  db:\n    image: {PINNED}\n")
HASH = hashlib.sha256(DOCUMENT).digest()
DIGEST = "ab" * 32
OTHER = "cd" * 32
REQUIRED = "[workload.require_events]\n"
MODEL = "meta-llama/Llama-3.1-70B"


def records(*further: Record, **payloads: bytes) -> tuple[Record, ...]:
    """The small boot with other payloads, under names with underscores, and further events after it."""
    given = {name.replace("_", "-"): payload for name, payload in payloads.items()}
    return (*[replace(record, payload=given.get(record.name, record.payload)) for record in BOOT], *further)


def booted_log(*further: Record, compose: bytes | None = None, **payloads: bytes) -> VerifiedEventLog:
    found = records(*further, **payloads)
    return sealed(Boot(dstack_log(found), booted(found), compose).case())


def model(name: str, digest: str) -> Record:
    return runtime(MODEL_EVENT, f"{name} sha256:{digest}".encode())


def images_of(compose: bytes | None) -> str:
    return json.dumps(sorted({(image.digest or b"").hex() for image in parse_compose(compose or b"").images}))


def test_every_check_is_registered_with_its_function_in_order() -> None:
    assert [check.id for check in WORKLOAD_CHECKS] == list(WORKLOAD_APPRAISAL)
    assert all(set(AUTHENTIC_LOG) <= set(check.requires) for check in WORKLOAD_CHECKS)


def test_what_is_not_pinned_is_skipped() -> None:
    findings = appraise(booted_log(), f'app_id = ["{"00" * 20}"]')
    assert {name for name, finding in findings.items() if finding.status is not Status.SKIPPED} == {"app_id"}
    assert findings["compose"].actual == hashlib.sha256(b"compose").hexdigest()
    assert findings["key_provider"].actual == "kms:aabb"


@needs_vectors
@pytest.mark.parametrize("role", ["gateway", "model"])
class TestOnRealEvidence:
    def test_the_pinned_compose_file_is_accepted(self, role: str) -> None:
        boot = near(role)
        digest = hashlib.sha256(boot.compose or b"").hexdigest()
        finding = appraise(sealed(boot.case()), f'compose_sha256 = ["{digest}"]')["compose"]
        assert (finding.status, finding.actual) == (Status.PASSED, digest)

    def test_one_byte_changed_in_the_pinned_file_is_refused(self, role: str) -> None:
        """The policy pins a file of which one byte differs from what runs."""
        boot = near(role)
        changed = bytearray(boot.compose or b"")
        changed[len(changed) // 2] ^= 1
        assert failing(sealed(boot.case()), f'compose_sha256 = ["{hashlib.sha256(changed).hexdigest()}"]') == {"compose"}

    def test_one_byte_changed_in_the_given_file_is_refused(self, role: str) -> None:
        """The pod hands over a file of which one byte differs from what it measured: it is not proven, and names no images."""
        boot = near(role)
        changed = bytearray(boot.compose or b"")
        changed[len(changed) // 2] ^= 1
        case = replace(boot, compose=bytes(changed)).case()
        assert log_failing(case) == {"compose"}
        finding = appraise(sealed(case), f"image_digests = {images_of(boot.compose)}")["images"]
        assert finding.status is Status.ERROR

    def test_its_images_are_accepted_and_one_fewer_is_refused(self, role: str) -> None:
        boot = near(role)
        log, listed = sealed(boot.case()), json.loads(images_of(boot.compose))
        assert failing(log, f"image_digests = {json.dumps(listed)}") == set()
        for left_out in listed:
            fewer = json.dumps([digest for digest in listed if digest != left_out])
            assert failing(log, f"image_digests = {fewer}") == {"images"}

    def test_its_key_provider_image_hash_and_identity_are_accepted(self, role: str) -> None:
        boot = near(role)
        log = sealed(boot.case())
        identity, image = (log.payload("app-id") or b"").hex(), (log.payload("os-image-hash") or b"").hex()
        lines = f'key_provider = ["kms"]\napp_id = ["{identity}"]\nos_image_hash = ["{image}"]\n{REQUIRED}mr-kms = ["*"]'
        assert failing(log, lines) == set()
        full = appraise(log, lines)["key_provider"].actual
        assert failing(log, f'key_provider = ["{full}"]') == set()
        assert failing(log, f'key_provider = ["{full}00"]') == {"key_provider"}


@needs_vectors
def test_sealed_storage_is_measured_by_the_model_and_not_by_the_gateway() -> None:
    """The gateway's older guest measures no storage-fs."""
    assert failing(sealed(near("model").case()), "sealed_storage = true") == set()
    finding = appraise(sealed(near("gateway").case()), "sealed_storage = true")["sealed_storage"]
    assert (finding.status, finding.actual) == (Status.FAILED, "without a storage-fs event")


@needs_vectors
def test_an_application_event_of_a_real_log_can_be_required_and_forbidden() -> None:
    log = sealed(fixture("dstack-verifier-fixture-tdx-v4").case())
    payload = log.runtime("LIUM_MINER_HOTKEY")[0].payload.decode()
    assert failing(log, f'{REQUIRED}LIUM_MINER_HOTKEY = ["{payload}"]') == set()
    assert failing(log, f'{REQUIRED}LIUM_MINER_HOTKEY = ["{payload}x"]') == {"require_events"}
    assert failing(log, 'forbid_events = ["LIUM_MINER_HOTKEY"]') == {"forbid_events"}


class TestEachPinRefusesAlone:
    @pytest.mark.parametrize(
        ("check", "right", "wrong"),
        [
            ("compose", f'compose_sha256 = ["{HASH.hex()}", "{OTHER}"]', f'compose_sha256 = ["{OTHER}"]'),
            ("app_id", f'app_id = ["{BOOT[6].payload.hex()}"]', f'app_id = ["{"00" * 20}"]'),
            ("os_image", f'os_image_hash = ["{DIGEST}"]', f'os_image_hash = ["{OTHER}"]'),
            ("key_provider", 'key_provider = ["kms"]', 'key_provider = ["local-sgx"]'),
            ("key_provider", 'key_provider = ["kms:aabb"]', 'key_provider = ["kms:aabbcc"]'),
            ("images", f'image_digests = ["{DIGEST}"]', f'image_digests = ["{OTHER}"]'),
            (
                "require_events",
                f'{REQUIRED}storage-fs = ["zfs"]',
                f'{REQUIRED}storage-fs = ["ext4"]',
            ),
            ("require_events", f'{REQUIRED}greeting = ["*"]', f'{REQUIRED}farewell = ["*"]'),
            ("forbid_events", 'forbid_events = ["debug"]', 'forbid_events = ["debug", "greeting"]'),
        ],
    )
    def test_a_pin(self, check: str, right: str, wrong: str) -> None:
        place = next(place for place, record in enumerate(BOOT) if record.name == "key-provider")
        base = records(compose_hash=HASH)
        found = (*base[:place], runtime("os-image-hash", bytes.fromhex(DIGEST)), *base[place:])
        log = sealed(Boot(dstack_log(found), booted(found), DOCUMENT).case())
        assert appraise(log, right)[check].status is Status.PASSED
        assert failing(log, right) == set()
        assert failing(log, wrong) == {check}

    def test_what_was_not_measured_meets_no_pin(self) -> None:
        finding = appraise(booted_log(), f'os_image_hash = ["{DIGEST}"]')["os_image"]
        assert (finding.status, finding.actual) == (Status.FAILED, "no os-image-hash event")

    def test_images_without_the_document_are_undecided(self) -> None:
        assert appraise(booted_log(), f'image_digests = ["{DIGEST}"]')["images"].status is Status.ERROR

    @pytest.mark.parametrize("line", ["image: alpine:3", f"image: {PINNED}\n    build: ."])
    def test_an_image_that_can_be_moved_or_built_is_refused(self, line: str) -> None:
        compose = document(f"services:\n  web:\n    {line}\n")
        log = booted_log(compose=compose, compose_hash=hashlib.sha256(compose).digest())
        assert failing(log, f'image_digests = ["{DIGEST}"]') == {"images"}

    @pytest.mark.parametrize("payload", [b"", b"{}", b'{"name":"none"}', b'{"name":"tpm","id":"00"}'])
    def test_another_or_unreadable_key_provider_is_refused(self, payload: bytes) -> None:
        assert failing(booted_log(key_provider=payload), 'key_provider = ["kms"]') == {"key_provider"}

    @pytest.mark.parametrize(
        ("payloads", "missing"),
        [
            ({"key_provider": b'{"name":"none","id":""}'}, "a key provider other than none, a rootfs-hash"),
            ({"storage_fs": b""}, "a storage-fs event, a rootfs-hash"),
            ({}, "a rootfs-hash or os-image-hash event"),
        ],
    )
    def test_storage_that_is_not_sealed_is_refused(self, payloads: dict[str, bytes], missing: str) -> None:
        finding = appraise(booted_log(**payloads), "sealed_storage = true")["sealed_storage"]
        assert finding.status is Status.FAILED
        assert missing in (finding.actual or "")

    def test_every_payload_under_a_required_name_must_be_accepted(self) -> None:
        log = booted_log(runtime("greeting", b"goodbye"))
        assert failing(log, f'{REQUIRED}greeting = ["hello"]') == {"require_events"}
        assert failing(log, f'{REQUIRED}greeting = ["hello", "goodbye"]') == set()


class TestModels:
    LINES = f'[workload.models]\n"{MODEL}" = ["{DIGEST}"]\nsmall = ["{OTHER}"]\n'

    def test_the_model_that_is_asked_for_passes(self) -> None:
        log = booted_log(model(MODEL, DIGEST), model("small", OTHER))
        assert appraise(log, self.LINES, model=MODEL)["models"].status is Status.PASSED
        assert appraise(log, self.LINES)["models"].actual == f"{MODEL}, small"

    def test_a_model_that_was_not_measured_is_refused(self) -> None:
        assert failing(booted_log(model("small", OTHER)), self.LINES, model=MODEL) == {"models"}
        assert failing(booted_log(), self.LINES) == {"models"}

    @pytest.mark.parametrize(
        "further",
        [
            (model(MODEL, OTHER),),
            (model(MODEL, DIGEST), model("foreign", OTHER)),
            (model(MODEL, DIGEST), model(MODEL, DIGEST)),
            (runtime(MODEL_EVENT, b"\xff\xfe"),),
            (runtime(MODEL_EVENT, f"{MODEL} {DIGEST}".encode()),),
            (runtime(MODEL_EVENT, f"{MODEL} sha256:{DIGEST}\n".encode()),),
        ],
        ids=["other digest", "foreign model", "twice", "no text", "no algorithm", "line break"],
    )
    def test_another_model_is_refused(self, further: tuple[Record, ...]) -> None:
        assert failing(booted_log(*further), self.LINES, model=MODEL) == {"models"}

    def test_models_that_are_not_pinned_are_counted(self) -> None:
        finding = appraise(booted_log(model(MODEL, DIGEST)), 'key_provider = ["kms"]')["models"]
        assert (finding.status, finding.actual) == (Status.SKIPPED, "1 measured")


def test_an_event_whose_name_is_only_claimed_could_be_a_forbidden_one() -> None:
    """A log without runtime events may have others in RTMR3: their names say nothing."""
    found = (*[record for record in BOOT if record.register < 3], Record(3, EventType.IPL, b"harmless"))
    case = Boot(dstack_log(found), booted(found)).case()
    assert judge(case)["tdx.event_log.runtime"].status is Status.SKIPPED
    assert failing(sealed(case), 'forbid_events = ["debug"]') == {"forbid_events"}
