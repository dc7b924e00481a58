"""What a change of a policy changes: each is told under its key, as loosened, tightened or neither."""

from __future__ import annotations

import pytest

from tests.policy.gpu_mistakes import DIGEST, GPU_TEXT, OTHER, SPKI, UEID
from tests.policy.mistakes import MRTD, TEXT
from voltage_attest.policy import parse_policy
from voltage_attest.policy.change import Effect
from voltage_attest.policy.diff import diff_policies

HEAD = TEXT.partition("[tdx]")[0]
UEID_2 = "478176379286082186618948445787393647364802107249"
OPEN = GPU_TEXT.partition("chips")[0]
"""[gpu] with its count alone."""
COMPLIANT = f"{OPEN}[compliance]\nrequire_baa = true\n"
CHANNEL = f"{TEXT}[channel]\n"

CHANGES = {
    # old, new, key, words; each is a loosening, and its reverse a tightening
    "chips": (GPU_TEXT.replace(', "GB100"', ""), GPU_TEXT, "gpu.chips", "also accepts GB100"),
    "boards open": (f'{OPEN}boards = ["G520_0280_895"]', OPEN, "gpu.boards", "no longer pinned (was G520_0280_895)"),
    "modes": (f'{OPEN}modes = ["ppcie"]', f'{OPEN}modes = ["ppcie", "spt"]', "gpu.modes", "also accepts spt"),
    "ueids": (GPU_TEXT, GPU_TEXT.replace(f'"{UEID}"', f'"{UEID}", "{UEID_2}"'), "gpu.ueids", f"also accepts {UEID_2}"),
    "switches": (GPU_TEXT, GPU_TEXT.replace("switches = 4\n", ""), "gpu.switches", "any number is accepted (was 4)"),
    "driver": (GPU_TEXT, GPU_TEXT.replace("570.00", "57.9"), "gpu.min_driver", "floor 57.9 (was 570.00)"),
    "driver open": (GPU_TEXT, GPU_TEXT.replace('min_driver = "570.00"\n', ""), "gpu.min_driver", "floor none (was 570.00)"),
    "vbios": (GPU_TEXT, GPU_TEXT.replace("96.00.cf", "96.00.9f"), "gpu.min_vbios", "floor 96.00.9F.00.01 (was 96.00.CF.00.01)"),
    "digest": (GPU_TEXT.replace(f', "{OTHER}"', ""), GPU_TEXT, "gpu.measurements.35", f"also accepts {OTHER}"),
    "index": (GPU_TEXT, GPU_TEXT.replace(f'0 = ["{DIGEST}"], ', ""), "gpu.measurements.0", f"no longer pinned (was {DIGEST})"),
    "hold": (
        GPU_TEXT.replace('driver_rim = "accept", ', ""),
        GPU_TEXT,
        "gpu.certificate_hold",
        "a certificate on hold is accepted in the driver RIM's chain",
    ),
    "required": (
        GPU_TEXT.replace('nras = "accept"', 'nras = "require"'),
        GPU_TEXT,
        "gpu.nras",
        "not required any more: accept",
    ),
    "intermediate": (OPEN, f'{OPEN}nras_intermediates = ["{SPKI}"]', "gpu.nras_intermediates", f"also accepts {SPKI}"),
    "skip rim": (OPEN, f'{OPEN}unsafe_skip_rim = "why"', "gpu.unsafe_skip_rim", "a safeguard is switched off: why"),
    "skip revocation": (
        OPEN,
        f'{OPEN}unsafe_skip_revocation = "why"',
        "gpu.unsafe_skip_revocation",
        "a safeguard is switched off: why",
    ),
    "no GPUs": (f"{TEXT}[gpu]\ncount = 8\n", TEXT, "gpu", "no evidence of GPUs is expected any more"),
    "no quote": (f"{TEXT}[gpu]\ncount = 8\n", f"{HEAD}[gpu]\ncount = 8\n", "tdx", "no quote is expected any more"),
    "models": (GPU_TEXT, GPU_TEXT.replace("allow = [", 'allow = ["tiny", '), "models.allow", "also accepts tiny"),
    "all models": (f'{OPEN}[models]\nallow = ["tiny"]', OPEN, "models.allow", "no longer pinned (was tiny)"),
    "no BAA": (
        COMPLIANT,
        COMPLIANT.replace("true", "false"),
        "compliance.require_baa",
        "no agreement (BAA) is required any more",
    ),
    "no compliance": (COMPLIANT, OPEN, "compliance.require_baa", "no agreement (BAA) is required any more"),
    "longer BAA": (
        GPU_TEXT,
        GPU_TEXT.replace("2027-06-30", "2028-06-30"),
        "compliance.baa_valid_until",
        "the agreement counts until 2028-06-30 (was 2027-06-30)",
    ),
    # [tdx] and [channel]
    "mrtd": (TEXT, TEXT.replace(f'mrtd = ["{MRTD}"', f'mrtd = ["{OTHER}", "{MRTD}"'), "tdx.mrtd", f"also accepts {OTHER}"),
    "mrtd open": (
        TEXT,
        TEXT.replace(f'mrtd = ["{MRTD}"]', 'mrtd = { unpinned = "later" }'),
        "tdx.mrtd",
        f"no longer pinned (was {MRTD}): later",
    ),
    "debug": (
        TEXT,
        TEXT.replace("[tdx.tcb]", "unsafe_allow_debug = true\n[tdx.tcb]"),
        "tdx.unsafe_allow_debug",
        "switched off",
    ),
    "svn": (TEXT, TEXT.replace('"0501', '"0500'), "tdx.min_tee_tcb_svn", "floor 0500"),
    "status": (TEXT.replace(', "SWHardeningNeeded"', ""), TEXT, "tdx.tcb.accept", "also accepts the status SWHardeningNeeded"),
    "advisory": (TEXT, TEXT.replace("deny_advisories", "#"), "tdx.tcb.deny_advisories", "no longer denies INTEL-SA-01192"),
    "number": (TEXT, TEXT.replace("= 17", "= 16"), "tdx.tcb.min_tcb_evaluation_data_number", "floor 16 (was 17)"),
    "exception": (TEXT.partition("[[")[0], TEXT.rpartition("[[")[0], "tdx.tcb.exception", "excepts OutOfDate with"),
    "until": (TEXT, TEXT.replace("2027-03-31", "2027-04-01"), "valid_until", "in force until 2027-04-01 (was 2027-03-31)"),
    "endless": (TEXT, TEXT.replace("valid_until = 2027-03-31\n", ""), "valid_until", "in force until ever (was 2027-03-31)"),
    "collateral": (
        f'{TEXT}[tdx.collateral]\nmax_age = "30d"',
        f"{TEXT}[tdx.collateral]\n",
        "tdx.collateral.max_age",
        "at most any age old (was 30 days, 0:00:00)",
    ),
    "channel": (CHANNEL, TEXT, "channel", "evidence need not be bound to nonce and key any more"),
    "max age": (CHANNEL, f'{CHANNEL}max_age = "1h"', "channel.max_age", "at most 1:00:00 old (was 0:15:00)"),
    "webpki": (CHANNEL, f'{CHANNEL}webpki = "attested-key-only"', "channel.webpki", "attested-key-only (was require)"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_loosening_is_told_as_one_and_its_reverse_as_a_tightening(name: str) -> None:
    old, new, key, words = CHANGES[name]
    assert old != new
    (change,) = diff_policies(parse_policy(old), parse_policy(new))
    assert (change.key, change.effect) == (key, Effect.LOOSENED)
    assert words in change.text
    (reverse,) = diff_policies(parse_policy(new), parse_policy(old))
    assert (reverse.key, reverse.effect) == (key, Effect.TIGHTENED)


@pytest.mark.parametrize(
    ("old", "new", "key", "text"),
    [
        ("count = 8", "count = 4", "gpu.count", "from 8 to 4"),
        ("switches = 4", "switches = 6", "gpu.switches", "from 4 to 6"),
        ('nras = "accept"', "", "gpu.nras", "from accept to off"),
        (
            "NVIDIA has no",
            "There is no",
            "gpu.unsafe_skip_rim",
            "from 'NVIDIA has no manifest yet' to 'There is no manifest yet'",
        ),
        ("BAA-2026-014", "BAA-2027-001", "compliance.baa_reference", "from BAA-2026-014 to BAA-2027-001"),
        ("baa_valid_until = 2027-06-30", "", "compliance.baa_valid_until", "from 2027-06-30 to no day"),
        ("audit/volt", "log/volt", "audit.path", "from audit/voltage-attest.jsonl to log/voltage-attest.jsonl"),
        ('"ward"', '"ward 2"', "name", "from ward to ward 2"),
    ],
)
def test_what_is_neither_looser_nor_stricter_is_told_as_changed(old: str, new: str, key: str, text: str) -> None:
    (change,) = diff_policies(parse_policy(GPU_TEXT), parse_policy(GPU_TEXT.replace(old, new)))
    assert (change.key, change.effect, change.text) == (key, Effect.CHANGED, text)


def test_another_reason_for_an_opening_is_told_as_changed() -> None:
    (change,) = diff_policies(parse_policy(TEXT), parse_policy(TEXT.replace("differs per host", "varies")))
    assert (change.effect, change.text) == (Effect.CHANGED, "from open, 'differs per host' to open, 'varies'")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"GH100", "GB100"', '"GB100", "GH100"'),
        ("96.00.cf", "96.00.CF"),
        ('"570.00"', '"570"'),
        ('{ driver_rim = "accept", device = "refuse" }', '{ driver_rim = "accept" }'),
        (OTHER, OTHER.upper()),
    ],
)
def test_another_way_to_write_the_same_is_no_change(old: str, new: str) -> None:
    assert old in GPU_TEXT
    assert diff_policies(parse_policy(GPU_TEXT), parse_policy(GPU_TEXT.replace(old, new))) == ()
