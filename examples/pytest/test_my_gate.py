"""A clinic's own tests: its backend sends a note only to a machine that has proven what it is. Copy, and make it yours.

The fixtures come with voltage-attest: ``simulated_pod`` is a real HTTPS server on loopback, ``attestation_policy`` a policy
file that accepts it, ``simulated_pod_ca`` the file of the CA that certified it. Nothing else of the network is used.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from voltage_attest import TrustRoots, Verdict, Verifier, load_policy
from voltage_attest.attest import Attester
from voltage_attest.collateral.http import BoundedClient
from voltage_attest.collateral.service import CollateralService, pccs_endpoint
from voltage_attest.pods import ApiKey
from voltage_attest.pods.client import PodClient
from voltage_attest.testing import ATTESTATION, INFERENCE, Answers, Fault, SimulatedPod

# --- the code under test: yours -------------------------------------------------------------------------------------------


class NothingSentError(Exception):
    """The machine has not proven what it is."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend, and the places that differ between production and a test."""

    pod_id: str
    api_key: str
    policy: Path
    api_base: str
    pccs: str
    tls_ca: Path
    roots: TrustRoots

    def attest(self) -> Verdict:
        """Ask the pod for evidence and Intel for collateral, and judge."""
        with BoundedClient(tls_ca=self.tls_ca) as client:
            pods = PodClient(client, ApiKey(self.api_key), base=self.api_base)
            collateral = CollateralService([pccs_endpoint(self.pccs)], tls_ca=self.tls_ca)
            verifier = Verifier(load_policy(self.policy), roots=self.roots)
            return Attester(verifier, pods, collateral).attest(self.pod_id).result.verdict

    def summarise(self, note: str) -> str:
        """Have a clinical note summarised, if the machine proves itself first."""
        if self.attest() is not Verdict.VERIFIED:
            raise NothingSentError
        host = self.api_base.removeprefix("https://")
        connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=str(self.tls_ca)))
        try:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": note}], "no_log": True})
            headers = {"Authorization": f"Bearer {self.api_key}"}
            connection.request("POST", "/v1/confidential/chat/completions", body, headers)
            return str(json.load(connection.getresponse())["choices"][0]["message"]["content"])
        finally:
            connection.close()


# --- the tests ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def backend(simulated_pod: SimulatedPod, attestation_policy: Path, simulated_pod_ca: Path) -> Backend:
    """Your backend, pointed at the simulated pod."""
    return Backend(
        pod_id=simulated_pod.pod_id,
        api_key=simulated_pod.api_key,
        policy=attestation_policy,
        api_base=simulated_pod.api_base,
        pccs=simulated_pod.pccs_base,
        tls_ca=simulated_pod_ca,
        roots=simulated_pod.roots,
    )


def test_a_proven_machine_gets_the_note(backend: Backend, simulated_pod: SimulatedPod) -> None:
    """The note arrives, and with it the wish that it be logged nowhere."""
    assert backend.summarise("a note")
    request = simulated_pod.received[-1].json()
    assert isinstance(request, dict)
    assert request["no_log"] is True


@pytest.mark.parametrize("fault", [Fault.DEBUG_TD, Fault.OTHER_MRTD, Fault.STALE_NONCE, Fault.REVOKED_PCK, Fault.NO_QUOTE])
def test_a_machine_that_is_not_what_it_claims_gets_nothing(backend: Backend, simulated_pod: SimulatedPod, fault: Fault) -> None:
    """Whatever the machine lacks, no request for inference reaches it."""
    with simulated_pod.faulty(fault), pytest.raises(NothingSentError):
        backend.summarise("a note")
    assert simulated_pod.traffic.requests_below(INFERENCE) == 0


def test_no_answer_is_no_proof(backend: Backend, simulated_pod: SimulatedPod) -> None:
    """Undecided is as closed as refused."""
    with simulated_pod.faulty(Answers(status=404, on=ATTESTATION)), pytest.raises(NothingSentError):
        backend.summarise("a note")
    assert simulated_pod.traffic.requests_below(INFERENCE) == 0
