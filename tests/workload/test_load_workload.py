"""``[workload]``: what loads, and that every mistake names file, key, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from tests.workload.workloads import HEAD, workload
from voltage_attest.errors import PolicyError
from voltage_attest.policy import WorkloadPolicy, parse_policy
from voltage_attest.result import Location

PATH = Path("ward.toml")
A20, A32, B32, A48, B48 = "ab" * 20, "ab" * 32, "cd" * 32, "ab" * 48, "cd" * 48
TEXT = f"""\
compose_sha256 = ["{A32}", "{B32}"]
app_id = ["{A20}"]
os_image_hash = ["{A32}"]
key_provider = ["kms:AABB", "local-sgx"]
image_digests = ["sha256:{A32}", "{B32}"]
sealed_storage = true
forbid_events = ["debug-shell"]
secure_boot = false
boot_loader = ["{A48}"]
partition_table = ["{A48}"]
kernel = ["{A48}", "{B48}"]
initrd = ["{A48}"]
kernel_cmdline = ["ro console=hvc0"]
boot_files = ["{B48}"]

[workload.models]
"meta-llama/Llama-3.1-70B" = ["{A32}"]

[workload.require_events]
storage-fs = ["zfs", "ext4"]
mr-kms = ["hex:{A32}"]
greeting = ["*"]

[workload.events]
rtmr1 = ["{A48}"]
"""
START = HEAD.count("\n") + 2
"""The line of the first key."""


def hexes(*digits: str) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(text) for text in digits)


def refusal(lines: str) -> PolicyError:
    with pytest.raises(PolicyError) as raised:
        parse_policy(f"{HEAD}[workload]\n{lines}", path=PATH)
    assert raised.value.path == PATH
    assert raised.value.remedy
    return raised.value


def test_every_key_is_read() -> None:
    assert workload(TEXT) == WorkloadPolicy(
        compose_sha256=hexes(A32, B32),
        app_id=hexes(A20),
        os_image_hash=hexes(A32),
        key_provider=frozenset({"kms:aabb", "local-sgx"}),
        image_digests=hexes(A32, B32),
        sealed_storage=True,
        models={"meta-llama/Llama-3.1-70B": hexes(A32)},
        require_events={"storage-fs": frozenset({b"zfs", b"ext4"}), "mr-kms": hexes(A32), "greeting": frozenset()},
        forbid_events=frozenset({"debug-shell"}),
        secure_boot=False,
        boot_loader=hexes(A48),
        partition_table=hexes(A48),
        kernel=hexes(A48, B48),
        initrd=hexes(A48),
        kernel_cmdline=frozenset({"ro console=hvc0"}),
        boot_files=hexes(B48),
        events={1: hexes(A48)},
    )


def test_what_is_left_out_is_open() -> None:
    assert workload(f'app_id = ["{A20}"]') == WorkloadPolicy(app_id=hexes(A20))


def test_places_are_remembered() -> None:
    policy = parse_policy(f"{HEAD}[workload]\n{TEXT}", path=PATH).workload
    assert policy is not None
    assert policy.locations["compose_sha256"] == Location("ward.toml", START)
    assert policy.locations["boot_files"] == Location("ward.toml", START + 13)


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ("", "workload", "without a pin"),
        ("compose = []", "workload.compose", "Did you mean compose_sha256?"),
        ("compose_sha256 = []", "workload.compose_sha256", "an empty list"),
        (f'compose_sha256 = "{A32}"', "workload.compose_sha256", "a TOML string"),
        (f'compose_sha256 = ["{A20}"]', "workload.compose_sha256", "64 hex digits"),
        (f'compose_sha256 = ["{A32}", "{A32.upper()}"]', "workload.compose_sha256", "stands twice"),
        (f'app_id = ["{A32}"]', "workload.app_id", "40 hex digits"),
        (f'app_id = ["0x{A20}"]', "workload.app_id", "without 0x"),
        (f'image_digests = ["sha512:{A32}"]', "workload.image_digests", "64 hex digits"),
        ('image_digests = ["alpine:3"]', "workload.image_digests", "64 hex digits"),
        (f'kernel = ["{A32}"]', "workload.kernel", "96 hex digits"),
        ('key_provider = ["kmss"]', "workload.key_provider", "one of none, local-sgx, kms, tpm"),
        ('key_provider = ["kms:"]', "workload.key_provider", "with its id"),
        ('key_provider = ["kms:abc"]', "workload.key_provider", "with its id"),
        ("sealed_storage = false", "workload.sealed_storage", "Remove it"),
        ("sealed_storage = 1", "workload.sealed_storage", "a TOML integer"),
        ('secure_boot = "on"', "workload.secure_boot", "a TOML string"),
        ('kernel_cmdline = [""]', "workload.kernel_cmdline", "strings"),
        ('forbid_events = ["a\\u0007"]', "workload.forbid_events", "without control characters"),
        ('require_events = ["a"]', "workload.require_events", "a value or a list"),
        ("require_events = {}", "workload.require_events", "an empty table"),
        ("require_events = { a = [] }", "workload.require_events.a", "an empty list"),
        ('require_events = { a = ["*", "b"] }', "workload.require_events.a", "alone"),
        ('require_events = { a = ["hex:0"] }', "workload.require_events.a", "hex digits"),
        ('require_events = { a = ["hex:"] }', "workload.require_events.a", "hex digits"),
        ("require_events = { a = true }", "workload.require_events.a", "a TOML boolean"),
        ('models = ["a"]', "workload.models", "a value or a list"),
        ("models = {}", "workload.models", "an empty table"),
        (f'models = {{ "a*" = ["{A32}"] }}', "workload.models.a*", "compared whole"),
        (f'models = {{ a = ["{A20}"] }}', "workload.models.a", "64 hex digits"),
        ("events = {}", "workload.events", "an empty table"),
        ("events = []", "workload.events", "a value or a list"),
        (f'events = {{ rtmr4 = ["{A48}"] }}', "workload.events.rtmr4", "Did you mean rtmr"),
        (f'events = {{ rtmr0 = ["{A32}"] }}', "workload.events.rtmr0", "96 hex digits"),
    ],
)
def test_a_mistake_names_key_and_remedy(line: str, key: str, words: str) -> None:
    error = refusal(line)
    assert error.key == key
    assert words in str(error)
    assert error.line in {START - 1, START}


def test_a_workload_without_a_quote_does_not_load() -> None:
    """There would be nothing to compare the log with."""
    with pytest.raises(PolicyError, match=r"\[workload\] without \[tdx\]"):
        parse_policy(f'schema = "voltage-attest/policy/1"\nname = "x"\n[gpu]\ncount = 1\n[workload]\napp_id = ["{A20}"]')


@settings(max_examples=examples(300))
@given(data=mutated_bytes([f"{HEAD}[workload]\n{TEXT}".encode()]))
def test_mutated_policies_load_or_are_refused(data: bytes) -> None:
    assert_read_or_refused(lambda text: parse_policy(text.decode("utf-8", "replace")), data, PolicyError)
