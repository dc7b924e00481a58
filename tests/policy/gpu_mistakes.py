"""A policy with every key beside [tdx] and [channel], and the mistakes one can make in it: one edit each."""

from __future__ import annotations

from tests.policy.mistakes import Mistake

__all__ = ["DIGEST", "GPU_MISTAKES", "GPU_TEXT", "OTHER", "SPKI", "UEID"]

DIGEST, OTHER, SPKI = "ab" * 48, "cd" * 48, "ef" * 32
UEID = "565888639228313941879929021577334543402330561796"
GPU_TEXT = f'''\
schema = "voltage-attest/policy/1"
name = "ward"

[gpu]
count = 8
chips = ["GH100", "GB100"]
boards = ["G520_0280_895"]
switches = 4
modes = ["ppcie"]
min_driver = "570.00"
min_vbios = "96.00.cf.00.01"
ueids = ["{UEID}"]
measurements = {{ 0 = ["{DIGEST}"], 35 = ["{DIGEST}", "{OTHER}"] }}
certificate_hold = {{ driver_rim = "accept", device = "refuse" }}
nras = "accept"
nras_intermediates = ["{SPKI}"]
unsafe_skip_rim = "NVIDIA has no manifest yet"
unsafe_skip_revocation = "no network in the ward"

[models]
allow = ["meta-llama/Llama-3.1-70B-Instruct-TEE"]

[compliance]
require_baa = true
baa_reference = "BAA-2026-014"
baa_valid_until = 2027-06-30

[audit]
path = "audit/voltage-attest.jsonl"
'''

_MEASUREMENTS = f'measurements = {{ 0 = ["{DIGEST}"], 35 = ["{DIGEST}", "{OTHER}"] }}'
_HOLD = '{ driver_rim = "accept", device = "refuse" }'
_BAA = 'require_baa = true\nbaa_reference = "BAA-2026-014"'

GPU_MISTAKES = {
    # unknown keys, with the nearest known one
    "board": Mistake("boards =", "board =", "gpu.board", 7, ("unknown key 'board'", "Did you mean boards?")),
    "skip": Mistake("unsafe_skip_rim", "unsafe_skip_rims", "gpu.unsafe_skip_rims", 17, ("Did you mean unsafe_skip_rim?",)),
    "section": Mistake("[models]", "[model]", "model", 20, ("unknown key 'model'", "Did you mean models?")),
    "gpus": Mistake("[gpu]", "[gpus]", "gpus", 4, ("unknown key 'gpus'", "Did you mean gpu?")),
    "allowed": Mistake("allow =", "allowed =", "models.allowed", 21, ("Did you mean allow?",)),
    "baa": Mistake("baa_reference", "baa_ref", "compliance.baa_ref", 25, ("unknown key 'baa_ref'",)),
    "file": Mistake("path =", "file =", "audit.file", 29, ("unknown key 'file'",)),
    "chain": Mistake("driver_rim", "driver", "gpu.certificate_hold.driver", 14, ("Did you mean driver_rim?",)),
    # missing
    "no count": Mistake("count = 8\n", "", "gpu", 4, ("gpu.count is missing", "count = 8")),
    "no models": Mistake('allow = ["meta-llama/Llama-3.1-70B-Instruct-TEE"]\n', "", "models", 20, ("models.allow is missing",)),
    "no require": Mistake("require_baa = true\n", "", "compliance", 23, ("compliance.require_baa is missing",)),
    "no path": Mistake('path = "audit/voltage-attest.jsonl"\n', "", "audit", 28, ("audit.path is missing",)),
    # numbers
    "count 0": Mistake("count = 8", "count = 0", "gpu.count", 5, ("0", "from 1 to 64")),
    "count 65": Mistake("count = 8", "count = 65", "gpu.count", 5, ("65", "from 1 to 64")),
    "count -1": Mistake("count = 8", "count = -1", "gpu.count", 5, ("0 or more",)),
    "count true": Mistake("count = 8", "count = true", "gpu.count", 5, ("a TOML boolean",)),
    "switches 65": Mistake("switches = 4", "switches = 65", "gpu.switches", 8, ("from 0 to 64",)),
    # values that could never match
    "product": Mistake('"GB100"', '"H200"', "gpu.chips", 6, ("'H200'", "GH100 is H100 and H200")),
    "switch chip": Mistake('"GB100"', '"LS_10"', "gpu.chips", 6, ("'LS_10'",)),
    "short board": Mistake('"G520_0280_895"', '"G520"', "gpu.boards", 7, ("'G520'", "by underscores")),
    "mode": Mistake('"ppcie"', '"pcie"', "gpu.modes", 9, ("'pcie'", 'Did you mean "ppcie"?')),
    "mode in another case": Mistake('"ppcie"', '"PPCIE"', "gpu.modes", 9, ("one of ppcie, spt, mpt",)),
    "driver": Mistake('"570.00"', '"r570"', "gpu.min_driver", 10, ("'r570'", "a version like 570.00")),
    "driver of five": Mistake('"570.00"', '"570.0.0.0.0"', "gpu.min_driver", 10, ("a version like 570.00",)),
    "driver number": Mistake('"570.00"', "570", "gpu.min_driver", 10, ("a TOML integer", 'min_driver = "570.00"')),
    "short vbios": Mistake('"96.00.cf.00.01"', '"96.00"', "gpu.min_vbios", 11, ("'96.00'", "96.00.74.00.01")),
    "hex ueid": Mistake(UEID, "0x4809ab", "gpu.ueids", 12, ("'0x4809ab'", "in decimal")),
    "ueid with zero": Mistake(UEID, "04809", "gpu.ueids", 12, ("in decimal",)),
    "long ueid": Mistake(UEID, "1" * 50, "gpu.ueids", 12, ("in decimal",)),
    "index 64": Mistake(" 35 =", " 64 =", "gpu.measurements.64", 13, ("'64'", "from 0 to 63")),
    "index 035": Mistake(" 35 =", " 035 =", "gpu.measurements.035", 13, ("'035'", "SPDM indexes less one")),
    "index name": Mistake(" 35 =", " nvdec0 =", "gpu.measurements.nvdec0", 13, ("'nvdec0'",)),
    "short digest": Mistake(f'0 = ["{DIGEST}"]', '0 = ["abab"]', "gpu.measurements.0", 13, ("96 hex digits (48 bytes)",)),
    "short spki": Mistake(SPKI, SPKI[2:], "gpu.nras_intermediates", 16, ("64 hex digits (32 bytes)",)),
    "pattern": Mistake("meta-llama/Llama-3.1-70B-Instruct-TEE", "meta-llama/*", "models.allow", 21, ("compared whole",)),
    "blank": Mistake('["meta', '[" meta', "models.allow", 21, ("compared whole",)),
    # empty and doubled
    "no chips": Mistake('["GH100", "GB100"]', "[]", "gpu.chips", 6, ("an empty list",)),
    "no ueids": Mistake(f'["{UEID}"]', "[]", "gpu.ueids", 12, ("an empty list",)),
    "no measurements": Mistake(_MEASUREMENTS, "measurements = {}", "gpu.measurements", 13, ("an empty table",)),
    "no digests": Mistake(f'0 = ["{DIGEST}"]', "0 = []", "gpu.measurements.0", 13, ("an empty list",)),
    "no hold": Mistake(_HOLD, "{}", "gpu.certificate_hold", 14, ("an empty table",)),
    "doubled chip": Mistake('"GB100"', '"GH100"', "gpu.chips", 6, ("stands twice",)),
    "doubled digest": Mistake(OTHER, DIGEST.upper(), "gpu.measurements.35", 13, ("stands twice",)),
    "no reason": Mistake('"NVIDIA has no manifest yet"', '" "', "gpu.unsafe_skip_rim", 17, ("an empty string",)),
    "no reference": Mistake('"BAA-2026-014"', '""', "compliance.baa_reference", 25, ("an empty string",)),
    "nowhere": Mistake('"audit/voltage-attest.jsonl"', '""', "audit.path", 29, ("an empty string",)),
    "NUL": Mistake("audit/voltage", "audit\\u0000voltage", "audit.path", 29, ("a path with a NUL",)),
    # types
    "skip true": Mistake('"no network in the ward"', "true", "gpu.unsafe_skip_revocation", 18, ("a TOML boolean", '"why"')),
    "measurements list": Mistake(_MEASUREMENTS, "measurements = [1]", "gpu.measurements", 13, ("a list", "{ 35 = [")),
    "hold true": Mistake(_HOLD, "true", "gpu.certificate_hold", 14, ("a TOML boolean",)),
    "hold word": Mistake('"accept", device', '"accepted", device', "gpu.certificate_hold.driver_rim", 14, ('mean "accept"?',)),
    "nras word": Mistake('nras = "accept"', 'nras = "on"', "gpu.nras", 15, ("one of off, accept, require",)),
    "baa date": Mistake("2027-06-30", '"2027-06-30"', "compliance.baa_valid_until", 26, ("a TOML string",)),
    # contradictions
    "switches without ppcie": Mistake('["ppcie"]', '["spt", "mpt"]', "gpu.modes", 9, ("4 switches", "Add ppcie")),
    "end of nothing": Mistake(
        _BAA, "require_baa = true", "compliance.baa_valid_until", 25, ("not named", "Name the agreement.")
    ),
    "channel alone": Mistake("[models]", "[channel]\n[models]", "channel", 20, ("[channel] without [tdx]", "Add [tdx]")),
}
