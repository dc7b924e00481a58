"""What ``pin`` proposes from a log: facts only, in TOML that loads, and that the log itself meets."""

from __future__ import annotations

import hashlib

import pytest

from tests.event_log.logs import BOOT, Boot, booted, ccel, cos, dstack_log, fixture, near, needs_vectors, sealed
from tests.workload.test_compose_images import PINNED, document
from tests.workload.test_workload import booted_log
from tests.workload.workloads import failing, workload
from voltage_attest.appraise.observed_workload import observed_workload
from voltage_attest.policy import WorkloadPolicy
from voltage_attest.policy.write_workload import workload_section
from voltage_attest.verify.event_log import VerifiedEventLog


def lines_of(log: VerifiedEventLog) -> str:
    policy = observed_workload(log)
    assert policy is not None
    empty, section, *lines = workload_section(policy)
    assert (empty, section) == ("", "[workload]")
    text = "\n".join(lines)
    assert workload(text) == WorkloadPolicy(**{name: getattr(policy, name) for name in policy.__slots__})
    return text


def real(role: str) -> Boot:
    if role == "cos":
        return cos()
    return fixture("dstack-verifier-fixture-tdx-v4") if role == "fixture" else near(role)


@needs_vectors
@pytest.mark.parametrize("role", ["cos", "gateway", "model", "fixture"])
def test_a_real_log_meets_what_is_proposed_from_it(role: str) -> None:
    log = sealed(real(role).case())
    assert failing(log, lines_of(log)) == set()
    assert ("image_digests" in lines_of(log)) == (role in {"gateway", "model"})


@needs_vectors
def test_another_real_log_does_not() -> None:
    gateway, model = sealed(near("gateway").case()), sealed(near("model").case())
    assert {"compose", "images", "app_id", "os_image"} <= failing(gateway, lines_of(model))


def test_what_cannot_be_written_is_left_out() -> None:
    log = booted_log(app_id=b"short", key_provider=b'{"name":"own"}')
    assert lines_of(log) == f'compose_sha256 = ["{hashlib.sha256(b"compose").hexdigest()}"]'
    assert "key_provider" not in lines_of(booted_log(key_provider=b"no json"))


@pytest.mark.parametrize("compose", ["services:\n  a:\n    image: alpine\n  b:\n    image: " + PINNED, "services: x"])
def test_images_are_proposed_all_or_not_at_all(compose: str) -> None:
    text = document(compose + "\n")
    assert "image_digests" not in lines_of(booted_log(compose=text, compose_hash=hashlib.sha256(text).digest()))


def test_a_log_that_binds_nothing_proposes_nothing() -> None:
    firmware = [record for record in BOOT if record.register < 3]
    assert observed_workload(sealed(Boot(ccel(firmware), booted(firmware)).case())) is None
    assert workload_section(WorkloadPolicy()) == []
    assert observed_workload(sealed(Boot(dstack_log(BOOT), booted(BOOT)).case())) is not None
