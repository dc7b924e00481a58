"""NVIDIA's own manifests: genuine ones verify, altered ones are refused by the check for that, old ones by their dates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.real_evidence import REPOSITORY
from voltage_attest.checks.gpu import AUTHENTIC_DEVICE
from voltage_attest.checks.rim import RIM_CHECKS
from voltage_attest.collateral.rim import driver_rim_id, parse_rim_file, vbios_rim_id
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.result import Finding, Status
from voltage_attest.trust import TrustRoots
from voltage_attest.verify.rim import RIM_FUNCTIONS, ReportedDevice, RimCase
from voltage_attest.verify.rim_reading import Rim
from voltage_attest.verify.unreadable import Unreadable, given

VECTORS = REPOSITORY.parent / "shared" / "vectors" / "gpu"
FIXTURES = REPOSITORY / "fixtures" / "real" / "nv-local-gpu-verifier-2.7.3"
SAMPLES = sorted((FIXTURES / "samples").glob("*.swidtag"))

ALTERED = {
    "NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml",
    "NV_GPU_DRIVER_GH100_570.124.03_expired.xml",
    "neg_incorrect_signature_driver_rim.xml",
    "bios_rim_invalid_signature.xml",
    "bios_rim_measurement_mismatch.xml",
}
"""NVIDIA's test files whose content or signature was changed after signing."""
DEBUG_ROOT = "neg_incorrect_cert_chain_driver_rim.xml"
RECORDED = sorted([*VECTORS.glob("*/*.xml"), *VECTORS.glob("*/*.swidtag")])
GENUINE = [path for path in RECORDED if path.name not in ALTERED | {DEBUG_ROOT}]
NO_VECTORS = pytest.mark.skipif(not RECORDED, reason="../shared/vectors is not beside this repository")

SAMPLE = FIXTURES / "samples" / "hopperAttestationReport.txt"
SAMPLE_ELSEWHERE = VECTORS / "nvtrust-h100-test-no-gpu" / "report.hex.txt"


def rim(path: Path) -> Rim:
    return Rim(parse_rim_file(path.read_bytes()))


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """Run on each file; skipped with its reason where there is none."""
    chosen = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in paths]
    absent = pytest.mark.skip(reason="../shared/vectors is not beside this repository")
    return pytest.mark.parametrize("path", chosen or [pytest.param(VECTORS, id="absent", marks=absent)])


def case(one: Rim, at: datetime | None = None) -> RimCase:
    """A device that reports what this manifest says, by default judged while its signer is in date.

    A GPU's manifest stands for both of its manifests, so that its measurements contradict themselves. An altered manifest,
    which says nothing that could be read, is judged as a switch's.
    """
    at = at or given(one.chain)[0].not_before + timedelta(hours=1)
    if one.refused is not None:
        return RimCase(ReportedDevice("LS10", "", None, {}), None, one, TrustRoots.default().nvidia_rim, at)
    content = given(one.content)
    measured = {golden.index + 1: golden.alternatives[-1] for golden in content.measurements}
    device = ReportedDevice(content.product, content.version, None, measured)
    if content.edition == "SWITCH":
        return RimCase(device, None, one, TrustRoots.default().nvidia_rim, at)
    return RimCase(replace(device, driver_version=content.version), one, one, TrustRoots.default().nvidia_rim, at)


def run(subject: RimCase) -> dict[str, Finding]:
    """Make the checks whose prerequisites passed."""
    findings: dict[str, Finding] = {}
    for check in RIM_CHECKS:
        needed = [findings.get(name) for name in check.requires if name not in AUTHENTIC_DEVICE]
        if all(found is not None and found.status in {Status.PASSED, Status.SKIPPED} for found in needed):
            findings[check.id] = RIM_FUNCTIONS[check.id](subject)
    return findings


def failures(subject: RimCase) -> dict[str, str]:
    return {name: str(found.actual) for name, found in run(subject).items() if found.status.closes_gate}


@each([*SAMPLES, *GENUINE])
def test_a_genuine_manifest_verifies_under_the_pinned_root(path: Path) -> None:
    one = rim(path)
    assert one.why_chain_fails(TrustRoots.default().nvidia_rim) is None
    assert one.refused is None
    content = given(one.content)
    assert content.product in {"GH100", "LS10"}
    assert len(content.measurements) in {12, 21, 22, 31}
    assert given(one.chain)[-1].der == TrustRoots.default().nvidia_rim


@each([*SAMPLES, *GENUINE])
def test_after_its_signer_expired_a_genuine_manifest_is_refused_by_that_check_alone(path: Path) -> None:
    one = rim(path)
    assert set(failures(case(one))) - {"gpu.measurements"} == set()
    expired = case(one, one.valid_until + timedelta(seconds=1))
    assert set(failures(expired)) - {"gpu.measurements"} == {"gpu.rim.chain_validity"}


@each([path for path in RECORDED if path.name in ALTERED])
def test_an_altered_manifest_is_refused_by_its_signature_alone(path: Path) -> None:
    assert list(failures(case(rim(path)))) == ["gpu.rim.signature"]


@each([path for path in RECORDED if path.name == DEBUG_ROOT])
def test_a_manifest_under_the_debug_root_is_refused_by_its_chain_alone(path: Path) -> None:
    """Its signature holds, with a signer that NVIDIA's debug root vouches for."""
    one = rim(path)
    assert one.refused is None
    found = failures(case(one))
    assert list(found) == ["gpu.rim.chain"]
    assert "the last certificate ('NVIDIA CoRIM L1 Root CA Debug Only') is not the pinned root" in found["gpu.rim.chain"]


@NO_VECTORS
def test_the_switchs_manifest_passes_all_checks() -> None:
    one = rim(VECTORS / "asdk-switch-ls10" / "bios_rim.xml")
    findings = run(case(one, datetime(2026, 11, 24, tzinfo=UTC)))
    assert findings["gpu.measurements"].actual == "31 of 31 (31 switch BIOS)"
    assert {found.status for found in findings.values()} == {Status.PASSED, Status.SKIPPED}


@NO_VECTORS
def test_a_real_switch_matches_its_manifest() -> None:
    """31 of 31, with the sample report of the same release."""
    folder = VECTORS / "asdk-switch-ls10"
    measured = measurements(read_report(folder / "report.hex.txt"))
    device = ReportedDevice("LS10", "96.10.55.00.01", None, measured)
    subject = RimCase(
        device, None, rim(folder / "bios_rim.xml"), TrustRoots.default().nvidia_rim, datetime(2026, 11, 24, tzinfo=UTC)
    )
    assert failures(subject) == {}


def read_report(path: Path) -> bytes:
    text = path.read_text("ascii")
    digits = re.sub(r"0x|[\s,]", "", text)
    return bytes.fromhex(digits) if re.fullmatch(r"[0-9a-fA-F]+", digits) else strict_base64(text.encode(), "report")


def measurements(report: bytes) -> dict[int, bytes]:
    """SPDM index to value: request of 37 bytes, response header of 8, then blocks of 55."""
    response = report[37:]
    count, size = response[4], int.from_bytes(response[5:8], "little")
    assert size == 55 * count
    blocks = [response[8 + start : 8 + start + 55] for start in range(0, size, 55)]
    return {block[0]: block[7:] for block in blocks}


@dataclass(frozen=True, slots=True)
class Sample:
    """The H100 of NVIDIA's sample report, with the manifests that NVIDIA's service has for it."""

    device: ReportedDevice
    driver: Rim
    vbios: Rim

    def at(self, moment: datetime) -> RimCase:
        return RimCase(self.device, self.driver, self.vbios, TrustRoots.default().nvidia_rim, moment)


@pytest.fixture(scope="module")
def sample() -> Sample:
    path = SAMPLE if SAMPLE.is_file() else SAMPLE_ELSEWHERE
    if not (RECORDED and path.is_file()):
        pytest.skip("../shared/vectors is not beside this repository")
    report = read_report(path)
    vbios_version, driver_version = "96.00.9F.00.01", "550.90.07"
    assert driver_version.encode() in report
    folder = VECTORS / "museop-rims"
    driver = rim(folder / f"{driver_rim_id('GH100', driver_version)}.swidtag")
    vbios = rim(folder / f"{vbios_rim_id('1010', '0200', '882', vbios_version)}.swidtag")
    return Sample(ReportedDevice("GH100", vbios_version, driver_version, measurements(report)), driver, vbios)


FIRST = datetime(2026, 1, 7, tzinfo=UTC)
LAST = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_h100_sample_measures_33_of_33(sample: Sample) -> None:
    findings = run(sample.at(datetime(2026, 3, 1, tzinfo=UTC)))
    assert {name: found.status for name, found in findings.items()} == dict.fromkeys(RIM_FUNCTIONS, Status.PASSED)
    assert findings["gpu.measurements"].actual == "33 of 33 (21 driver, 12 VBIOS)"


@pytest.mark.parametrize(("moment", "name"), [(FIRST - timedelta(days=1), "VBIOS"), (LAST + timedelta(days=1), "driver")])
def test_outside_its_signers_dates_the_sample_fails_by_validity_alone(sample: Sample, moment: datetime, name: str) -> None:
    findings = run(sample.at(moment))
    failed = [found for found in findings.values() if found.status.closes_gate]
    assert failed == [findings["gpu.rim.chain_validity"]]
    assert str(failed[0].reason).startswith(f"{name} RIM: HCC RIM L4 Signer ")


def test_every_measurement_of_the_sample_counts(sample: Sample) -> None:
    """One bit of any listed value changed refuses, and names index and manifest; unlisted ones do not matter."""
    listed = {
        golden.index: name
        for name, one in (("driver", sample.driver), ("VBIOS", sample.vbios))
        for golden in given(one.content).measurements
    }
    assert len(listed) == 33
    for index, value in sample.device.measurements.items():
        altered = {**sample.device.measurements, index: bytes((value[0] ^ 1,)) + value[1:]}
        subject = replace(sample, device=replace(sample.device, measurements=altered)).at(FIRST + timedelta(days=30))
        finding = RIM_FUNCTIONS["gpu.measurements"](subject)
        if index - 1 in listed:
            assert finding.status is Status.FAILED
            assert f"index {index - 1} of the {listed[index - 1]} RIM" in str(finding.reason)
        else:
            assert finding.status is Status.PASSED


def test_the_sample_does_not_match_the_manifests_shipped_beside_it(sample: Sample) -> None:
    """Those of the same package are for other versions: each is refused by its identity check."""
    driver = rim(FIXTURES / "samples" / "Driver_RIM_test_no_gpu.swidtag")
    vbios = rim(FIXTURES / "samples" / "1010_0200_882_96005E0001_test_no_gpu.swidtag")
    subject = replace(sample, driver=driver, vbios=vbios).at(datetime(2024, 6, 1, tzinfo=UTC))
    assert failures(subject) == {"gpu.rim.driver": "GPU GH100 545.00", "gpu.rim.vbios": "GPU GH100 96.00.5E.00.01"}


def test_the_pinned_root_is_the_one_that_nvidias_verifier_ships() -> None:
    shipped = (FIXTURES / "certs" / "verifier_RIM_root.pem").read_bytes()
    body = b"".join(line for line in shipped.splitlines() if not line.startswith(b"-----"))
    assert strict_base64(body, "root") == TrustRoots.default().nvidia_rim


@NO_VECTORS
def test_every_recorded_manifest_is_accounted_for() -> None:
    assert len(RECORDED) == 37
    assert {path.name for path in RECORDED} >= ALTERED | {DEBUG_ROOT}
    assert not any(isinstance(rim(path).xml, Unreadable) for path in RECORDED)
