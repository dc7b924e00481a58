"""The hostile twin: under the pod's name, with a valid certificate and another key. It never receives a byte of HTTP.

Rows are what is tried, columns the four kinds of clients; ``pytest tests/gate/test_matrix.py -v`` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.gate.world import Caller, Kind, Scene, calling
from voltage_attest.errors import GateRefused
from voltage_attest.gate import AttestationGate
from voltage_attest.testing import ATTESTATION, INFERENCE, Answers, CutConnection, Fault, Redirects


@dataclass(frozen=True, slots=True)
class Trial:
    """One case with one kind of client."""

    scene: Scene
    gate: AttestationGate
    caller: Caller

    def post(self) -> None:
        """A request that is answered."""
        status, _ = self.caller.request("POST", self.scene.url)
        assert status == 200

    def refused(self, *, check: str | None = None, found: str = "") -> None:
        """A request that is refused, for this check or with these words."""
        with pytest.raises(GateRefused) as caught:
            self.caller.request("POST", self.scene.url)
        if check is not None:
            assert check in caught.value.failed_checks
        assert found in str(caught.value)


Case = Callable[[Trial], None]
CASES: list[Case] = []


def case(function: Case) -> Case:
    CASES.append(function)
    return function


@case
def twin_behind_the_name(trial: Trial) -> None:
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(found=trial.scene.twin.spki_sha256.hex())
    assert trial.gate.status().attestations == 2  # the first, and one fresh one for the key that was met


@case
def name_switched_after_attestation(trial: Trial) -> None:
    trial.gate.open()
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(found="no attestation proves")


@case
def name_switched_between_requests(trial: Trial) -> None:
    trial.post()
    trial.scene.door.divert_to(trial.scene.twin)
    trial.post()  # the connection to the attested pod is kept
    trial.scene.door.drop_connections()
    trial.refused(found="no attestation proves")
    trial.scene.door.divert_to(trial.scene.pod)
    trial.post()
    assert trial.scene.inferences == 3


@case
def stale_nonce(trial: Trial) -> None:
    trial.scene.pod.set_faults(Fault.STALE_NONCE)
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(check="binding.nonce")


@case
def replayed_quote(trial: Trial) -> None:
    trial.scene.pod.set_faults(Fault.REPLAYED_QUOTE)
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(check="binding.report_data")


@case
def relayed_evidence_of_another_machine(trial: Trial) -> None:
    trial.scene.pod.set_faults(Fault.RELAYED_EVIDENCE)
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(found="no attestation proves")


@case
def other_mrtd(trial: Trial) -> None:
    trial.scene.pod.set_faults(Fault.OTHER_MRTD)
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(check="tdx.policy.mrtd")


@case
def debug_td(trial: Trial) -> None:
    trial.scene.pod.set_faults(Fault.DEBUG_TD)
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(check="tdx.td.debug")


@case
def an_opinion_without_a_quote(trial: Trial) -> None:
    trial.scene.pod.set_faults(Fault.NO_QUOTE)
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(check="evidence.quote_present")


@case
def attestation_unreachable(trial: Trial) -> None:
    trial.scene.pod.set_faults(Answers(status=403, on=ATTESTATION))
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(check="evidence.fetch", found="undecided")


@case
def lapsed_attestation(trial: Trial) -> None:
    trial.post()
    trial.scene.clock.advance(timedelta(minutes=15).total_seconds())
    trial.scene.pod.set_faults(Fault.DEBUG_TD)
    trial.refused(check="tdx.td.debug")
    trial.scene.door.divert_to(trial.scene.twin)
    trial.refused(check="tdx.td.debug")
    assert trial.scene.inferences == 1  # nor did the kept connection to the pod carry another request


@case
def rotated_key(trial: Trial) -> None:
    trial.post()
    trial.scene.pod.rotate_key()
    trial.scene.door.drop_connections()
    trial.post()
    assert trial.gate.status().attestations == 2
    trial.scene.door.divert_to(trial.scene.twin)
    trial.scene.door.drop_connections()
    trial.refused(found="no attestation proves")


@case
def redirect_to_the_twin(trial: Trial) -> None:
    trial.scene.pod.set_faults(Redirects(to=trial.scene.twin.base, on=INFERENCE))
    trial.refused(found="redirect")


@case
def redirect_that_the_caller_would_follow(trial: Trial) -> None:
    trial.scene.pod.set_faults(Redirects(to=trial.scene.twin.base, on=INFERENCE))
    with pytest.raises(GateRefused, match="redirect"):
        trial.caller.request("POST", trial.scene.url, follow=True)


@case
def connection_reset_and_retry(trial: Trial) -> None:
    trial.post()
    trial.scene.pod.set_faults(CutConnection(after=-1, on=INFERENCE))
    trial.scene.door.divert_to(trial.scene.twin)
    with pytest.raises(Exception, match=r"(?i)disconnected"):
        trial.caller.request("POST", trial.scene.url)
    trial.refused(found="no attestation proves")


@case
def another_origin(trial: Trial) -> None:
    with pytest.raises(GateRefused, match="another origin"):
        trial.caller.request("POST", f"{trial.scene.twin.base}/v1/confidential/chat/completions")


@case
def plain_text(trial: Trial) -> None:
    trial.scene.door.divert_to(trial.scene.twin)
    with pytest.raises(GateRefused, match="plain text"):
        trial.caller.request("POST", trial.scene.url.replace("https", "http"))


@case
def websocket_upgrade(trial: Trial) -> None:
    trial.scene.door.divert_to(trial.scene.twin)
    with pytest.raises(GateRefused, match="websocket"):
        trial.caller.request("GET", trial.scene.url, headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    with pytest.raises(GateRefused, match="websocket"):
        trial.caller.request("GET", trial.scene.url.replace("https", "wss"))


@case
def another_name_in_the_host_header(trial: Trial) -> None:
    with pytest.raises(GateRefused, match="another host"):
        trial.caller.request("POST", trial.scene.url, headers={"Host": "elsewhere.example"})


@case
def closed_gate(trial: Trial) -> None:
    trial.post()
    trial.gate.close()
    trial.refused(found="it was closed")
    assert trial.scene.inferences == 1


@pytest.mark.parametrize("tried", CASES, ids=lambda tried: tried.__name__)
def test_the_twin_receives_no_byte(scene: Scene, kind: Kind, tried: Case) -> None:
    gate = scene.gate(pace=scene.clock.pace())
    with calling(kind, gate) as caller:
        tried(Trial(scene, gate, caller))
    scene.twin.close()  # whatever is on its way is counted now
    assert scene.twin.traffic.application_bytes == 0
    assert not scene.twin.received


PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def test_a_proxy_in_the_environment_receives_nothing(scene: Scene, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{scene.twin.port}")
    monkeypatch.setenv("NO_PROXY", "")
    with calling(kind, scene.gate()) as caller:
        assert caller.request("POST", scene.url)[0] == 200
    assert scene.twin.traffic.connections == 0


def test_credentials_of_the_environment_are_not_sent(
    scene: Scene, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login nurse password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with calling(kind, scene.gate(), key=None) as caller:
        assert caller.request("POST", scene.url)[0] == 401
    assert all("authorization" not in request.headers for request in scene.pod.received if request.path.startswith(INFERENCE))


def test_a_ca_in_the_environment_is_not_trusted(scene: Scene, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(scene.ca))
    gate = scene.gate(tls_ca=False)
    with calling(kind, gate) as caller, pytest.raises(Exception, match=r"(?i)certificate verify failed"):
        caller.request("POST", scene.url)
    assert scene.inferences == 0
