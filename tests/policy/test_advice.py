"""What of [gpu], [compliance] and [workload] deserves a look."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.cases.model import policy_text
from tests.policy.gpu_mistakes import SPKI, UEID
from tests.policy.mistakes import TEXT
from voltage_attest.policy import parse_policy
from voltage_attest.policy.advice import Advice, advise

QUIET = f"""{TEXT}
[gpu]
count = 1
chips = ["GH100"]
modes = ["spt"]
min_driver = "570"
min_vbios = "96.00.CF.00.01"
ueids = ["{UEID}"]

[compliance]
require_baa = true
baa_reference = "BAA-2026-014"
baa_valid_until = 2027-06-30
"""
TODAY = date(2026, 11, 24)


def told(text: str, section: str) -> list[Advice]:
    """What is said of the keys of that section."""
    advice = advise(parse_policy(text), today=TODAY, warn_within=timedelta(days=14))
    return [item for item in advice if item.key.startswith(section)]


def test_pinned_gpus_give_nothing_to_remark() -> None:
    assert told(QUIET, "gpu") == told(QUIET, "compliance") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('chips = ["GH100"]', 'boards = ["G520_0280_895"]'),
        ("count = 1", f'count = 1\nnras = "accept"\nnras_intermediates = ["{SPKI}"]'),
        ("count = 1", 'count = 1\ncertificate_hold = "refuse"'),
    ],
)
def test_what_says_enough_is_not_remarked(old: str, new: str) -> None:
    assert told(QUIET.replace(old, new), "gpu") == []


@pytest.mark.parametrize(
    ("old", "new", "key", "urgent", "words"),
    [
        ('chips = ["GH100"]\n', "", "gpu.boards", False, "any NVIDIA GPU that can attest is accepted"),
        ('modes = ["spt"]\n', "", "gpu.modes", False, "no mode is asked for"),
        ('min_driver = "570"\n', "", "gpu.min_driver", False, "no floor"),
        ('min_vbios = "96.00.CF.00.01"\n', "", "gpu.min_vbios", False, "no floor"),
        ("count = 1", 'count = 1\nunsafe_skip_rim = "not yet"', "gpu.unsafe_skip_rim", True, "no reference value): not yet"),
        ("count = 1", 'count = 1\nunsafe_skip_revocation = "why"', "gpu.unsafe_skip_revocation", True, "switched off"),
        ("count = 1", 'count = 1\ncertificate_hold = "accept"', "gpu.certificate_hold", False, "device, driver_rim, vbios_rim"),
        ("count = 1", 'count = 1\nnras_intermediates = ["' + SPKI + '"]', "gpu.nras_intermediates", False, "no effect"),
        ("count = 1", "count = 8", "gpu.ueids", True, "1 named, 8 expected"),
        ('baa_reference = "BAA-2026-014"\nbaa_valid_until = 2027-06-30\n', "", "compliance.require_baa", True, "no gate opens"),
        ("baa_valid_until = 2027-06-30\n", "", "compliance.require_baa", True, "BAA-2026-014 has no last day: no gate opens"),
        ("2027-06-30", "2026-11-23", "compliance.baa_valid_until", True, "BAA-2026-014 ended on 2026-11-23"),
        ("2027-06-30", "2026-11-30", "compliance.baa_valid_until", False, "ends on 2026-11-30, in 6 days"),
    ],
)
def test_what_deserves_a_look_is_named(old: str, new: str, key: str, urgent: bool, words: str) -> None:  # noqa: FBT001
    assert old in QUIET
    (item,) = told(QUIET.replace(old, new), key.partition(".")[0])
    assert (item.key, item.urgent) == (key, urgent)
    assert words in item.text


def test_gpus_without_a_quote_are_remarked() -> None:
    head, _, _ = TEXT.partition("[tdx]")
    (item,) = told(f"{head}[gpu]\ncount = 1\n", "tdx")
    assert "GPUs are judged alone" in item.text


PINNED = policy_text()
WORKLOAD = f"""{PINNED}
[workload]
compose_sha256 = ["{"ab" * 32}"]
"""
REGISTERS = {key: f'{key} = {{ unpinned = "computed later" }}' for key in ("mrtd", "rtmr1", "rtmr2")}


def opened(text: str, *keys: str) -> str:
    """The policy with these registers left open."""
    for key in keys:
        line = next(line for line in text.splitlines() if line.startswith(f"{key} "))
        text = text.replace(line, REGISTERS[key])
    return text


def test_a_workload_on_a_pinned_guest_gives_nothing_to_remark() -> None:
    assert told(WORKLOAD, "workload") == []
    by_events = f'{WORKLOAD}boot_loader = ["{"cd" * 48}"]\nkernel_cmdline = ["ro"]\n'
    assert told(opened(by_events, "rtmr1", "rtmr2"), "workload") == []


@pytest.mark.parametrize("key", ["os_image_hash", "compose_sha256", "image_digests", "sealed_storage", "key_provider"])
@pytest.mark.parametrize("register", REGISTERS)
def test_a_guests_word_about_itself_is_remarked_where_nothing_pins_the_guest(key: str, register: str) -> None:
    values = {"sealed_storage": "true", "key_provider": '["kms"]'}
    text = f"{PINNED}\n[workload]\n{key} = {values.get(key, repr(['ab' * 32]))}\n"
    (advice,) = [item for item in told(opened(text, register), f"workload.{key}") if "own word" in item.text]
    assert f"nothing pins {register}: any other guest can say the same" in advice.text
    assert not advice.urgent


def test_images_without_the_document_that_runs_them_are_remarked() -> None:
    (advice,) = told(f'{PINNED}\n[workload]\nimage_digests = ["{"ab" * 32}"]\n', "workload")
    assert "how the images are run is left open" in advice.text


def test_models_of_an_application_that_is_not_pinned_are_remarked() -> None:
    (advice,) = told(f'{PINNED}\n[workload]\nmodels = {{ small = ["{"ab" * 32}"] }}\n', "workload")
    assert "nothing pins the application" in advice.text


def test_a_model_that_may_be_asked_for_and_has_no_digest_is_urgent() -> None:
    text = f'{WORKLOAD}models = {{ small = ["{"ab" * 32}"] }}\n\n[models]\nallow = ["small", "large"]\n'
    (advice,) = told(text, "workload")
    assert advice.urgent
    assert "lets requests name large" in advice.text
