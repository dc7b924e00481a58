"""Each check of an event log fails alone, and what makes a log believable is sealed and nothing else is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from tests.event_log.logs import (
    BOOT,
    COMPOSE_HASH,
    Boot,
    Record,
    altered,
    booted,
    dstack_log,
    failing,
    judge,
    runtime,
    sealed,
    verified_quote,
)
from voltage_attest.checks.event_log import AUTHENTIC_LOG
from voltage_attest.checks.event_log import EVENT_LOG_CHECKS as REGISTERED
from voltage_attest.crypto import keccak
from voltage_attest.crypto.keccak import keccak_256
from voltage_attest.evidence.event_log import EventType
from voltage_attest.evidence.key_provider import KeyProvider
from voltage_attest.result import Status
from voltage_attest.verify.event_log import EVENT_LOG_CHECKS, EventLogCase, VerifiedEventLog, replay, seal_event_log
from voltage_attest.verify.mr_config import mr_config_id_v1, mr_config_id_v2, mr_config_id_v3

DOCUMENT = json.dumps(
    {
        "app_id": COMPOSE_HASH[:20].hex(),
        "compose_hash": COMPOSE_HASH.hex(),
        "instance_id": "11" * 20,
        "key_provider": "kms",
        "key_provider_id": "aabb",
        "version": 3,
    }
).encode()
V1 = mr_config_id_v1(COMPOSE_HASH)
V2 = mr_config_id_v2(COMPOSE_HASH, COMPOSE_HASH[:20], KeyProvider("kms", b"\xaa\xbb"))
V3 = mr_config_id_v3(DOCUMENT)


def case(
    records: tuple[Record, ...] = BOOT,
    *,
    mr_config_id: bytes = bytes(48),
    mr_config: bytes | None = None,
    compose: bytes | None = None,
) -> EventLogCase:
    """A log that agrees with its quote, and what is given beside it."""
    boot = Boot(dstack_log(records), booted(records, mr_config_id=mr_config_id), compose)
    return replace(boot.case(), mr_config=mr_config)


def with_register(register: int) -> EventLogCase:
    """The quote of another TD in one register."""
    genuine = case()
    assert genuine.quote is not None
    other = altered(genuine.quote.quote.raw, **{f"rtmr{register}": b"\x01" * 48})
    return replace(genuine, quote=verified_quote(other))


FAILING: dict[str, Callable[[], EventLogCase]] = {
    "parse": lambda: replace(case(), text=b"no log"),
    **{f"rtmr{register}": partial(with_register, register) for register in range(4)},
    "runtime": lambda: case((*BOOT, runtime("a:b"))),
    "order": lambda: case((*BOOT, runtime("compose-hash", bytes(32)))),
    "compose": lambda: case(compose=b"compose."),
    "mr_config_id": lambda: case(mr_config_id=mr_config_id_v1(bytes(32))),
}


def test_every_check_is_registered_with_its_function_in_order() -> None:
    assert [check.id for check in REGISTERED] == list(EVENT_LOG_CHECKS)
    assert set(AUTHENTIC_LOG) < set(EVENT_LOG_CHECKS)
    assert [check_id.rpartition(".")[2] for check_id in EVENT_LOG_CHECKS] == list(FAILING)


@pytest.mark.parametrize("name", FAILING)
def test_each_check_fails_alone(name: str) -> None:
    findings = judge(FAILING[name]())
    failed = [finding for finding in findings.values() if finding.status is Status.FAILED]
    assert failing(FAILING[name]()) == {name}
    assert all(finding.expected and finding.actual and finding.reason for finding in failed)


def test_a_genuine_log_passes_them_all() -> None:
    findings = judge(case(mr_config_id=V1, compose=b"compose"))
    assert {finding.status for finding in findings.values()} == {Status.PASSED}


def test_without_a_log_it_is_undecided_and_nothing_else_runs() -> None:
    findings = judge(replace(case(), text=None))
    assert {check_id: finding.status for check_id, finding in findings.items()} == {"tdx.event_log.parse": Status.ERROR}


def test_a_log_that_leaves_a_register_out_does_not_explain_it() -> None:
    boot = Boot(dstack_log([record for record in BOOT if record.register]), booted(BOOT))
    assert failing(boot.case()) == {"rtmr0"}
    assert judge(boot.case())["tdx.event_log.rtmr0"].reason == "the log does not say what was extended into this register"


def test_a_log_without_runtime_events_has_nothing_to_order() -> None:
    records = tuple(record for record in BOOT if record.register < 3)
    findings = judge(case(records, mr_config_id=V1))
    assert {findings[f"tdx.event_log.{name}"].status for name in ("runtime", "order", "compose", "mr_config_id")} == {
        Status.SKIPPED
    }


def test_a_compose_document_for_a_log_without_compose_hash_is_refused() -> None:
    records = tuple(record for record in BOOT if record.register < 3)
    assert failing(case(records, compose=b"compose")) == {"compose"}


def test_replay_starts_from_zero() -> None:
    log = sealed(case()).log
    assert replay(replace(log, events=()), 2) == bytes(48)
    assert replay(replace(log, events=log.of(1)), 1) == hashlib.sha384(bytes(48) + log.of(1)[0].digest).digest()


class TestTheSeal:
    def test_a_log_that_fails_is_not_sealed(self) -> None:
        for name in AUTHENTIC_LOG:
            broken = FAILING[name.rpartition(".")[2]]()
            assert seal_event_log(broken, lambda *ids, name=name: name not in ids) is None

    def test_a_log_without_a_verified_quote_is_not_sealed(self) -> None:
        assert seal_event_log(replace(case(), quote=None), lambda *_: True) is None

    def test_nothing_else_makes_a_verified_log(self) -> None:
        genuine = sealed(case())
        with pytest.raises(TypeError, match=r"made by voltage_attest\.verify"):
            VerifiedEventLog(genuine.log, genuine.report, None)
        with pytest.raises(TypeError):
            replace(genuine, compose=b"another")

    def test_only_a_proven_compose_document_is_handed_on(self) -> None:
        assert sealed(case(compose=b"compose")).compose == b"compose"
        assert sealed(case(compose=b"another")).compose is None
        assert sealed(case()).compose is None

    def test_it_gives_runtime_events_by_name(self) -> None:
        log = sealed(case())
        assert log.payload("compose-hash") == COMPOSE_HASH
        assert log.payload("boot-mr-done") == b""
        assert log.payload("mr-kms") is None
        assert len(log.runtime()) == 9


class TestMrConfigId:
    @pytest.mark.parametrize("value", [V1, V2])
    def test_forms_one_and_two_of_the_measured_application_pass(self, value: bytes) -> None:
        assert judge(case(mr_config_id=value))["tdx.event_log.mr_config_id"].status is Status.PASSED

    def test_form_three_passes_with_its_document(self) -> None:
        findings = judge(case(mr_config_id=V3, mr_config=DOCUMENT))
        assert findings["tdx.event_log.mr_config_id"].status is Status.PASSED

    def test_form_three_without_its_document_is_undecided(self) -> None:
        assert judge(case(mr_config_id=V3))["tdx.event_log.mr_config_id"].status is Status.ERROR

    def test_zero_is_skipped(self) -> None:
        assert judge(case())["tdx.event_log.mr_config_id"].status is Status.SKIPPED

    @pytest.mark.parametrize("value", [V1, V2, V3])
    def test_every_byte_counts(self, value: bytes) -> None:
        for place in range(48):
            other = value[:place] + bytes((value[place] ^ 1,)) + value[place + 1 :]
            assert failing(case(mr_config_id=other, mr_config=DOCUMENT)) == {"mr_config_id"}

    @pytest.mark.parametrize("key", ["app_id", "compose_hash", "instance_id", "key_provider_id"])
    def test_a_document_of_another_application_is_refused(self, key: str) -> None:
        other = json.dumps(json.loads(DOCUMENT) | {key: "ff"}).encode()
        assert failing(case(mr_config_id=mr_config_id_v3(other), mr_config=other)) == {"mr_config_id"}

    @pytest.mark.parametrize(
        "other", [b"", b"7", b"{}", b'{"key_provider":"kms","app_id":7}', DOCUMENT.replace(b"kms", b"tpm")]
    )
    def test_a_document_that_names_nothing_is_refused(self, other: bytes) -> None:
        assert failing(case(mr_config_id=mr_config_id_v3(other), mr_config=other)) == {"mr_config_id"}

    @pytest.mark.parametrize(
        "payload", [b"", b"kms", b'{"id":"aa"}', b'{"name":"other","id":"aa"}', b'{"name":"kms","id":"a"}']
    )
    def test_a_key_provider_that_cannot_be_read_is_refused(self, payload: bytes) -> None:
        records = tuple(replace(record, payload=payload) if record.name == "key-provider" else record for record in BOOT)
        assert failing(case(records, mr_config_id=V2)) == {"mr_config_id"}

    @pytest.mark.parametrize("name", ["app-id", "compose-hash"])
    def test_a_log_that_names_no_application_is_refused(self, name: str) -> None:
        assert failing(case(tuple(record for record in BOOT if record.name != name), mr_config_id=V1)) == {"mr_config_id"}

    def test_the_layouts_are_dstacks(self) -> None:
        """Recomputed here from the parts."""
        preimage = COMPOSE_HASH + COMPOSE_HASH[:20] + b"\x02" + b"\xaa\xbb"
        assert b"\x02" + keccak_256(preimage) + bytes(15) == V2
        assert b"\x03" + hashlib.sha256(b"dstack-mr-config-v3:\0" + DOCUMENT).digest() + bytes(15) == V3


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"testing", "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02"),
    ],
)
def test_keccak_is_that_of_ethereum(data: bytes, digest: str) -> None:
    """Known values: the empty text, "abc", "testing"."""
    assert keccak_256(data).hex() == digest


def test_keccak_differs_from_sha_3_by_its_padding_alone() -> None:
    """With the padding of SHA-3 it is ``hashlib``'s SHA-3, for messages of every length around a block."""
    for size in (0, 1, 7, 8, 134, 135, 136, 137, 271, 272, 273):
        data = bytes(range(256))[:size] + bytes(max(0, size - 256))
        assert keccak._sponge(data, 0x06) == hashlib.sha3_256(data).digest()
        assert keccak_256(data) != hashlib.sha3_256(data).digest()


def test_an_event_of_a_foreign_type_in_rtmr3_is_refused_beside_runtime_events() -> None:
    assert failing(case((*BOOT, Record(3, EventType.IPL, b"compose-hash")))) == {"runtime"}
