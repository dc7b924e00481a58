"""What a reviewer is told of a changed ``[workload]``: what it now accepts that it did not, and the reverse."""

from __future__ import annotations

import pytest

from tests.workload.workloads import workload
from voltage_attest.policy import WorkloadPolicy
from voltage_attest.policy.change import Effect
from voltage_attest.policy.diff_workload import diff_workload

A, B, A48, B48 = "ab" * 32, "cd" * 32, "ab" * 48, "cd" * 48
BASE = f'app_id = ["{"00" * 20}"]\n'


def changes(old: str, new: str) -> list[tuple[str, Effect]]:
    found = diff_workload(workload(BASE + old), workload(BASE + new))
    return [(change.key.removeprefix("workload."), change.effect) for change in found]


@pytest.mark.parametrize(
    ("key", "looser", "stricter"),
    [
        ("compose_sha256", "", f'compose_sha256 = ["{A}"]'),
        ("compose_sha256", f'compose_sha256 = ["{A}", "{B}"]', f'compose_sha256 = ["{A}"]'),
        ("image_digests", f'image_digests = ["{A}", "{B}"]', f'image_digests = ["{B}"]'),
        ("key_provider", 'key_provider = ["kms", "tpm"]', 'key_provider = ["kms"]'),
        ("kernel_cmdline", "", 'kernel_cmdline = ["ro"]'),
        ("kernel", f'kernel = ["{A48}", "{B48}"]', f'kernel = ["{A48}"]'),
        ("boot_files", f'boot_files = ["{A48}"]', ""),
        ("sealed_storage", "", "sealed_storage = true"),
        ("forbid_events", "", 'forbid_events = ["debug"]'),
        ("models.m", f'models = {{ m = ["{A}", "{B}"] }}', f'models = {{ m = ["{A}"] }}'),
        ("require_events.e", "", 'require_events = { e = ["*"] }'),
        ("require_events.e", 'require_events = { e = ["*"] }', 'require_events = { e = ["x"] }'),
        ("events.rtmr1", f'events = {{ rtmr1 = ["{A48}", "{B48}"] }}', f'events = {{ rtmr1 = ["{A48}"] }}'),
    ],
)
def test_a_stricter_rule_is_told_from_a_looser_one(key: str, looser: str, stricter: str) -> None:
    assert changes(looser, stricter) == [(key, Effect.TIGHTENED)]
    assert changes(stricter, looser) == [(key, Effect.LOOSENED)]
    assert changes(stricter, stricter) == []


def test_another_state_of_secure_boot_is_neither() -> None:
    assert changes("secure_boot = true", "secure_boot = false") == [("secure_boot", Effect.CHANGED)]


def test_the_section_itself_comes_and_goes() -> None:
    policy: WorkloadPolicy = workload(BASE)
    assert [change.effect for change in diff_workload(None, policy)] == [Effect.TIGHTENED]
    assert [change.effect for change in diff_workload(policy, None)] == [Effect.LOOSENED]
    assert list(diff_workload(None, None)) == []
