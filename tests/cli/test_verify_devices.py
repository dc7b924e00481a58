"""``voltage-attest verify`` of GPUs: from files, offline; from a pod with NVIDIA's services; and from what was kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import Result

from tests.cases.devices import device_policy
from tests.cli.conftest import API_KEY, Run
from tests.gpu.real_devices import H100, H100_NONCE, VECTORS, needs_vectors
from tests.support.real_evidence import REPOSITORY, VOLTAGE_VERIFY
from voltage_attest.evidence.nras_request import nras_request
from voltage_attest.report import parse_result
from voltage_attest.result import Status
from voltage_attest.testing import H200_GPU, NVIDIA, Fault, SimulatedPod

SAMPLES: Final = REPOSITORY / "fixtures" / "real" / "nv-local-gpu-verifier-2.7.3" / "samples"
REPORT, CHAIN = SAMPLES / "hopperAttestationReport.txt", SAMPLES / "hopperCertChain.txt"
MUSEOP: Final = VECTORS / "museop-rims"
RIMS: Final = tuple(
    MUSEOP / f"{rim_id}.swidtag" for rim_id in ("NV_GPU_DRIVER_GH100_550.90.07", "NV_GPU_VBIOS_1010_0200_882_96009F0001")
)
UNASKED: Final = {"unsafe_skip_revocation": '"offline, in a test"'}
UNCOMPARED: Final = UNASKED | {"unsafe_skip_rim": '"no manifests, in a test"'}
IN_WINDOW: Final = "2026-03-01T00:00:00Z"


def words_of(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def judge(run: Run, folder: Path) -> Run:
    """Run ``verify`` on the sample H100, offline, by a policy with these lines in ``[gpu]``."""

    def invoke(*words: str | Path, keys: dict[str, str] | None = None, at: str = IN_WINDOW, raw: bool = True) -> Result:
        (folder / "voltage-attest.toml").write_text(device_policy(UNASKED if keys is None else keys), "utf-8")
        named = ("--gpu-evidence", REPORT, "--gpu-chain", CHAIN) if raw else ()
        return run("verify", *named, "--offline", "--at", at, *words)

    return invoke


def with_rims(*words: str | Path) -> tuple[str | Path, ...]:
    return ("--rim", RIMS[0], "--rim", RIMS[1], *words)


@needs_vectors
class TestTheSampleH100:
    def test_is_verified_offline_with_33_of_33_measurements(self, judge: Run) -> None:
        result = judge(*with_rims("--nonce", H100_NONCE.hex(), "-v"))
        assert result.exit_code == 0
        assert result.stdout.startswith("VERIFIED, WITH RESERVATIONS: ")
        assert "33 of 33 (21 driver, 12 VBIOS)" in result.stdout

    @pytest.mark.parametrize("words", [(), ("-q",), ("--format", "json")], ids=["text", "one line", "json"])
    def test_says_loudly_that_revocation_was_left_out(self, judge: Run, words: tuple[str, ...]) -> None:
        assert "unsafe_skip_revocation" in judge(*with_rims(*words)).output

    def test_its_rows_and_claims_are_in_the_json(self, judge: Run) -> None:
        result = parse_result(judge(*with_rims("--nonce", H100_NONCE.hex(), "--format", "json")).stdout)
        assert result.check("gpu.measurements", "gpu[0]").status is Status.PASSED
        assert result.check("binding.gpu_nonce").status is Status.PASSED
        assert [(gpu.chip, gpu.driver_version) for gpu in result.gpus] == [("GH100", "550.90.07")]

    @pytest.mark.parametrize("at", ["2026-01-06T00:00:00Z", "2026-06-02T00:00:00Z"])
    def test_is_refused_where_a_signer_of_its_manifests_is_out_of_date(self, judge: Run, at: str) -> None:
        result = judge(*with_rims(), at=at)
        assert result.exit_code == 1
        assert "gpu.rim.chain_validity" in result.stdout

    def test_is_undecided_without_its_manifests_and_names_them(self, judge: Run) -> None:
        result = judge()
        assert result.exit_code == 3
        assert "NV_GPU_DRIVER_GH100_550.90.07" in words_of(result.output)

    def test_is_undecided_where_nobody_may_be_asked_about_revocation(self, judge: Run) -> None:
        result = judge(*with_rims("--format", "json"), keys={})
        assert result.exit_code == 3
        errors = {row.id for row in parse_result(result.stdout).by_status()[Status.ERROR]}
        assert errors == {"gpu.revocation", "gpu.rim.revocation"}

    def test_is_refused_for_another_nonce(self, judge: Run) -> None:
        result = judge(*with_rims("--nonce", "00" * 32))
        assert result.exit_code == 1
        assert "FAILED     binding.gpu_nonce" in result.stdout

    def test_is_refused_under_nvidias_altered_manifests(self, judge: Run) -> None:
        altered = VECTORS / "asdk-rims" / "neg_incorrect_cert_chain_driver_rim.xml"
        assert judge("--rim", altered, "--rim", RIMS[1]).exit_code == 3  # it is for a GB100: not found for this device

    def test_a_bundle_of_it_is_judged_alike(self, judge: Run, run: Run) -> None:
        first = judge(*with_rims("--save-bundle", "kept.json", "--format", "json"))
        again = run("verify", "--bundle", "kept.json", "--at", IN_WINDOW, "--format", "json")
        assert (first.exit_code, again.exit_code) == (0, 0)
        ours, theirs = (parse_result(result.stdout) for result in (first, again))
        assert [(row.id, row.device, row.status) for row in ours.checks] == [
            (row.id, row.device, row.status) for row in theirs.checks
        ]


class TestFiles:
    def test_nras_request_and_raw_report_come_to_the_same(self, judge: Run, folder: Path) -> None:
        (folder / "request.json").write_bytes(nras_request([H100], H100_NONCE))
        found = [
            parse_result(result.stdout).checks
            for result in (
                judge("--format", "json", keys=UNCOMPARED),
                judge("--gpu-evidence", "request.json", "--format", "json", keys=UNCOMPARED, raw=False),
            )
        ]
        assert found[0] == found[1]

    def test_one_altered_bit_of_the_report_is_refused(self, judge: Run, folder: Path) -> None:
        (folder / "altered").write_bytes(H100.report[:1000] + bytes((H100.report[1000] ^ 1,)) + H100.report[1001:])
        result = judge("--gpu-evidence", "altered", "--gpu-chain", CHAIN, keys=UNCOMPARED, raw=False)
        assert result.exit_code == 1
        assert "gpu.report.signature" in result.stdout

    def test_standard_input_may_be_one_of_them(self, run: Run, folder: Path) -> None:
        (folder / "voltage-attest.toml").write_text(device_policy(UNCOMPARED), "utf-8")
        words = ("verify", "--gpu-evidence", "-", "--gpu-chain", CHAIN, "--offline", "--at", IN_WINDOW, "-q")
        assert run(*words, stdin=REPORT.read_bytes()).exit_code == 0

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--gpu-evidence", REPORT), "is not JSON; expected NRAS's request, or a report with its certificates"),
            (("--gpu-evidence", "request.json", "--gpu-chain", CHAIN), "--gpu-chain goes with a raw report"),
            (("--gpu-evidence", "no such file"), "cannot be read"),
            (("--gpu-evidence", REPORT, "--gpu-chain", CHAIN, "--rim", REPORT), "--rim: "),
            (("--gpu-evidence", "words", "--gpu-chain", CHAIN), "--gpu-evidence: "),
            (("--gpu-chain", CHAIN), "Name one thing to verify"),
            (("--gpu-evidence", "request.json", "--bundle", "x"), "exclude each other"),
            (("--gpu-evidence", "latin1.json"), "is not UTF-8"),
        ],
    )
    def test_what_cannot_be_used_is_a_usage_error(
        self, judge: Run, folder: Path, words: tuple[str | Path, ...], sentence: str
    ) -> None:
        (folder / "request.json").write_bytes(nras_request([H100], H100_NONCE))
        (folder / "words").write_text("no report at all", "utf-8")
        (folder / "latin1.json").write_bytes(b'{"\xe9"}')
        result = judge(*words, raw=False)
        assert result.exit_code == 2
        assert sentence in words_of(result.stderr)

    def test_evidence_that_is_malformed_json_is_refused_not_a_crash(self, judge: Run, folder: Path) -> None:
        (folder / "broken.json").write_text('{"arch": "HOPPER"', "utf-8")
        result = judge("--gpu-evidence", "broken.json", keys=UNCOMPARED, raw=False)
        assert result.exit_code == 1
        assert "gpu.evidence.parse" in result.stdout

    def test_a_policy_without_gpu_leaves_it_unjudged_and_says_so(self, verify: Run) -> None:
        result = verify("--gpu-evidence", REPORT, "--gpu-chain", CHAIN, "-v")
        assert result.exit_code == 0
        assert "evidence of GPUs is there and not judged" in words_of(result.output)


class TestTokens:
    ACCEPT: Final = UNCOMPARED | {"nras": '"accept"'}

    def rows(self, judge: Run, *words: str | Path) -> dict[str, Status]:
        result = judge(*words, "--format", "json", keys=self.ACCEPT, at="2026-11-24T00:00:00Z")
        return {row.id: row.status for row in parse_result(result.stdout).checks if row.device == "nras[0]"}

    def test_the_vendors_tokens_verify_with_the_keys_of_those_days(self, judge: Run) -> None:
        """They are of the vendor's eight GPUs, not of this H100: nonce and set of devices say so, and nothing else does."""
        answer, keys = (VOLTAGE_VERIFY / f"nras_{name}.json" for name in ("ppcie_8xh100_2026-09-10", "jwks_2026-09-12"))
        found = self.rows(judge, "--nras", answer, "--jwks", keys)
        wrong = {name for name, status in found.items() if status is not Status.PASSED}
        assert wrong == {"nras.nonce", "nras.ueids"}

    def test_without_the_keys_they_are_undecided(self, judge: Run) -> None:
        found = self.rows(judge, "--nras", VOLTAGE_VERIFY / "nras_ppcie_8xh100_2026-09-10.json")
        assert found["nras.jwks"] is Status.ERROR

    def test_the_key_of_the_h200_is_in_no_set_at_hand(self, judge: Run) -> None:
        sets = [VOLTAGE_VERIFY / f"nras_jwks_{day}.json" for day in ("2026-09-12", "2026-10-22_two_intermediates")]
        words = [word for file in sets for word in ("--jwks", file)]
        assert self.rows(judge, "--nras", VOLTAGE_VERIFY / "nras_h200_2026-09-04.json", *words)["nras.key"] is Status.ERROR


@pytest.fixture
def node() -> Iterator[SimulatedPod]:
    with SimulatedPod(pod_id="pod_8", api_key=API_KEY, gpus=8, switches=4, gpu=H200_GPU) as running:
        yield running


@pytest.fixture
def ask(run: Run, folder: Path, node: SimulatedPod, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command about the pod, its vendors and its roots."""
    nvidia = node.nvidia
    roots = {
        "intel": node.root_pem,
        "nvidia-device": nvidia.root_pem,
        "nvidia-rim": nvidia.rim_root_pem,
        "nras": nvidia.nras_pem,
    }
    for role, pem in roots.items():
        (folder / role).write_bytes(pem)
    (folder / "ca.pem").write_bytes(node.ca_pem)
    (folder / "voltage-attest.toml").write_text(node.policy_toml(), "utf-8")
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", API_KEY)

    def invoke(*words: str | Path, live: bool = True) -> Result:
        trusted = [word for role in roots for word in ("--trust-root", f"{role}={role}")]
        network = ("--pccs", node.pccs_base, "--nvidia-base", node.nvidia_base, "--tls-ca", "ca.pem")
        asked = ("pod_8", "--api-base", node.api_base) if live else ()
        result = run("verify", *asked, *words, *network, *trusted)
        assert API_KEY not in result.output
        return result

    return invoke


def test_a_node_of_twelve_devices_is_verified_and_stays_readable(ask: Run) -> None:
    result = ask()
    assert result.exit_code == 0
    assert result.stdout.startswith("VERIFIED")
    lines = result.stdout.splitlines()
    devices = [*[f"gpu[{number}]" for number in range(8)], *[f"switch[{number}]" for number in range(4)]]
    assert [sum(name in line for line in lines) for name in devices] == [1] * 12


@pytest.mark.parametrize(
    ("fault", "code", "check"),
    [
        (Fault.GPU_MEASUREMENT_CHANGED, 1, "gpu.measurements"),
        (Fault.GPU_WRONG_NONCE, 1, "binding.gpu_nonce"),
        (Fault.GPU_REVOKED, 1, "gpu.revocation"),
        (Fault.SWITCH_FOREIGN, 1, "gpu.topology"),
        (Fault.GPU_RIM_MISSING, 3, "gpu.rim.parse"),
        (Fault.OCSP_DOWN, 3, "gpu.revocation"),
    ],
    ids=str,
)
def test_faults_are_exit_codes_and_name_their_check(ask: Run, node: SimulatedPod, fault: Fault, code: int, check: str) -> None:
    with node.faulty(fault):
        result = ask()
    assert result.exit_code == code
    assert check in result.stdout


def test_a_kept_bundle_is_judged_without_the_network(ask: Run, node: SimulatedPod) -> None:
    first = json.loads(ask("--save-bundle", "kept.json", "--format", "json").stdout)
    since = len(node.received)
    again = ask("--bundle", "kept.json", "--at", first["appraised_at"], "--format", "json", live=False)
    assert again.exit_code == 0
    assert node.received[since:] == ()
    rows = [
        [(row["id"], row.get("device"), row["status"]) for row in found["checks"]]
        for found in (first, json.loads(again.stdout))
    ]
    assert rows[0] == rows[1]


def test_in_mode_cached_a_second_run_asks_nvidia_nothing(ask: Run, node: SimulatedPod) -> None:
    assert ask("--ocsp-mode", "cached").exit_code == 0
    since = len(node.received)
    assert ask("--ocsp-mode", "cached").exit_code == 0
    assert [request.path for request in node.received[since:] if request.path.startswith(NVIDIA) or request.path == "/"] == []


def test_in_mode_off_lists_alone_do_not_reach_every_certificate(ask: Run, node: SimulatedPod) -> None:
    result = ask("--ocsp-mode", "off")
    assert result.exit_code == 3
    assert "gpu.revocation" in result.stdout
    assert [request for request in node.received if request.method == "POST"] == []
