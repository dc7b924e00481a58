"""``voltage-attest inspect`` of what is NVIDIA's: recognised by content, shown in full, believed in nothing."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given

from tests.cases.devices import GPU, NONCE, group
from tests.cases.model import NVIDIA
from tests.cli.conftest import Run
from tests.gpu.real_devices import H100, H100_NONCE
from tests.support.mutations import mutated_bytes
from tests.support.real_evidence import REPOSITORY, VOLTAGE_VERIFY
from voltage_attest.cli.inspect_recognise import inspect_bytes
from voltage_attest.cli.inspect_tree import render_tree_json, render_tree_text
from voltage_attest.errors import InputError
from voltage_attest.evidence.nras_request import nras_request
from voltage_attest.testing import OcspError, OcspFields, OcspStatus, RimKind
from voltage_attest.testing.nvidia.collateral import ocsp_request
from voltage_attest.testing.nvidia.ocsp import ocsp_error

SAMPLES: Final = REPOSITORY / "fixtures" / "real" / "nv-local-gpu-verifier-2.7.3" / "samples"
REQUEST: Final = nras_request([H100], H100_NONCE)
SWITCH: Final = group().switches[0]
RIM: Final = NVIDIA.rim(RimKind.DRIVER, GPU)
ANSWER: Final = json.dumps({"id": "NV_GPU_DRIVER_GH100_590.12", "rim": base64.b64encode(RIM).decode()}).encode()
OCSP: Final = NVIDIA.ocsp_answer(ocsp_request(NVIDIA.provisioner()), OcspFields(status=OcspStatus.HOLD))

FILES: Final[dict[str, tuple[str, bytes]]] = {
    "NVIDIA's sample report, as it ships": ("gpu-report", (SAMPLES / "hopperAttestationReport.txt").read_bytes()),
    "report, raw": ("gpu-report", H100.report),
    "report in hex": ("gpu-report", H100.report.hex().encode()),
    "report in base64": ("gpu-report", base64.b64encode(H100.report)),
    "report of a switch": ("switch-report", SWITCH.report(NONCE)),
    "request": ("gpu-evidence", REQUEST),
    "list of devices": ("gpu-evidence", json.dumps([json.loads(REQUEST)["evidence_list"][0] | {"arch": "HOPPER"}]).encode()),
    "real manifest": ("nvidia-rim", (SAMPLES / "Driver_RIM_test_no_gpu.swidtag").read_bytes()),
    "manifest": ("nvidia-rim", RIM),
    "manifest as the service sends it": ("nvidia-rim", ANSWER),
    "real tokens": ("nvidia-nras", (VOLTAGE_VERIFY / "nras_ppcie_8xh100_2026-09-10.json").read_bytes()),
    "tokens": ("nvidia-nras", NVIDIA.token(group().switches, NONCE).encode()),
    "real keys": ("nvidia-jwks", (VOLTAGE_VERIFY / "nras_jwks_2026-09-12.json").read_bytes()),
    "OCSP answer": ("nvidia-ocsp", OCSP),
    "OCSP error": ("nvidia-ocsp", ocsp_error(OcspError.TRY_LATER)),
}


def text_of(data: bytes) -> str:
    found = inspect_bytes(data)
    assert found is not None
    return render_tree_text(found, "file", len(data), "00" * 32)


@pytest.mark.parametrize("name", FILES)
def test_it_is_recognised_by_content_and_drawn_in_both_forms(run: Run, folder: Path, name: str) -> None:
    kind, data = FILES[name]
    (folder / "file").write_bytes(data)
    text, document = run("inspect", "file"), run("inspect", "file", "--format", "json")
    assert (text.exit_code, document.exit_code) == (0, 0)
    assert json.loads(document.stdout)["kind"] == kind
    assert text.stdout


def test_a_report_shows_what_policies_name() -> None:
    text = text_of(H100.report)
    for shown in (H100_NONCE.hex(), "550.90.07", "96.00.9F.00.01", "1010_0200_882"):
        assert shown in text


def test_a_request_shows_its_devices_and_their_certificates() -> None:
    text = text_of(REQUEST)
    for shown in ("HOPPER", "GH100 A01 GSP FMC LF", "NVIDIA Device Identity CA"):
        assert shown in text


def test_a_switch_shows_the_gpus_it_names() -> None:
    text = text_of(SWITCH.report(NONCE))
    assert all(gpu.pdi.hex() in text for gpu in group().gpus)


def test_a_manifest_shows_its_values_and_that_nobody_proved_its_signer() -> None:
    text = text_of(RIM)
    golden = NVIDIA.rim_fields(RimKind.DRIVER, GPU).golden
    assert all(value.hex() in text for value in golden[23])
    assert "nothing says that NVIDIA issued that" in " ".join(text.split())


def test_a_manifest_whose_signature_does_not_fit_shows_none_of_its_values() -> None:
    altered = RIM.replace(b'colloquialVersion="590.12"', b'colloquialVersion="590.13"')
    text = text_of(altered)
    assert "590.13" in text
    assert NVIDIA.rim_fields(RimKind.DRIVER, GPU).golden[23][0].hex() not in text


def test_tokens_show_their_claims_and_that_no_signature_was_verified(run: Run, folder: Path) -> None:
    (folder / "file").write_bytes(FILES["real tokens"][1])
    result = run("inspect", "file")
    assert "x-nvidia-overall-att-result" in result.stdout
    assert "GPU-7" in result.stdout
    assert "No signature was verified" in " ".join(result.output.split())
    assert "NV-Attestation-SDK" not in result.output


def test_an_ocsp_answer_shows_status_and_reason() -> None:
    text = text_of(OCSP)
    assert re.search(r"certificate_status +revoked\n", text)
    assert "certificateHold" in text
    assert f"{NVIDIA.provisioner().serial:x}" in text


@pytest.mark.parametrize("name", FILES)
def test_what_is_cut_is_an_error_and_no_crash(run: Run, folder: Path, name: str) -> None:
    (folder / "file").write_bytes(FILES[name][1][: len(FILES[name][1]) // 2])
    assert run("inspect", "file").exit_code == 2


@given(mutated_bytes([data for _, data in FILES.values() if len(data) < 30_000]))
def test_no_altered_file_crashes_it(data: bytes) -> None:
    try:
        found = inspect_bytes(data)
    except InputError:
        return
    if found is not None:
        render_tree_text(found, "file", len(data), "00" * 32)
        render_tree_json(found, len(data), "00" * 32)
