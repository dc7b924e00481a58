"""The connection: TLS 1.3, WebPKI unless the policy trusts the key alone, proxies by name only, several instances by name."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.gate.relay import ConnectProxy
from tests.gate.world import PHI, Kind, Scene, calling
from voltage_attest.errors import GateRefused, TrustRootError
from voltage_attest.gate.model import EventKind
from voltage_attest.gate.pin import Pinned, pinned_context
from voltage_attest.testing import ATTESTATION, SimulatedPod

CHANNEL = 'binding = "voltage-attest/1"\n'


def test_a_connect_proxy_sees_tls_only(scene: Scene, kind: Kind) -> None:
    with ConnectProxy() as proxy:
        gate = scene.gate(channel=f'{CHANNEL}proxy = "{proxy.url}"')
        with calling(kind, gate) as caller:
            assert caller.request("POST", scene.url)[0] == 200
    assert {head.split()[0] for head in proxy.heads} == {b"CONNECT"}
    assert any(f":{scene.door.port} ".encode() in head for head in proxy.heads)
    assert PHI.encode() not in proxy.passed
    assert b"simulated-key" not in b"".join(proxy.heads) + proxy.passed


def test_the_twin_behind_a_connect_proxy_receives_no_byte(scene: Scene, kind: Kind) -> None:
    with ConnectProxy() as proxy:
        gate = scene.gate(channel=f'{CHANNEL}proxy = "{proxy.url}"')
        scene.door.divert_to(scene.twin)
        with calling(kind, gate) as caller, pytest.raises(GateRefused, match="no attestation proves"):
            caller.request("POST", scene.url)
    scene.twin.close()
    assert scene.twin.traffic.application_bytes == 0


@pytest.mark.parametrize("is_twin", [False, True])
def test_an_https_proxy_is_not_taken_for_the_pod_nor_the_twin_behind_it(scene: Scene, kind: Kind, *, is_twin: bool) -> None:
    attesting = scene.gate()
    with ConnectProxy(scene.pod.authority.issue("localhost").context) as proxy:
        gate = scene.gate(channel=f'{CHANNEL}proxy = "{proxy.url}"', ask=attesting.open)
        scene.door.divert_to(scene.twin if is_twin else scene.pod)
        with calling(kind, gate) as caller:
            if is_twin:
                with pytest.raises(GateRefused, match="no attestation proves"):
                    caller.request("POST", scene.url)
            else:
                assert caller.request("POST", scene.url)[0] == 200
    scene.twin.close()
    assert scene.twin.traffic.application_bytes == 0
    assert PHI.encode() not in proxy.passed


def test_a_certificate_of_an_unknown_ca_is_refused_by_webpki(scene: Scene, kind: Kind) -> None:
    gate = scene.gate(tls_ca=False)
    with calling(kind, gate) as caller, pytest.raises(Exception, match="certificate verify failed"):
        caller.request("POST", scene.url)
    assert scene.inferences == 0


def test_attested_key_only_trusts_the_key_and_nothing_but_the_key(scene: Scene, kind: Kind) -> None:
    gate = scene.gate(channel=f'{CHANNEL}webpki = "attested-key-only"', tls_ca=False)
    with calling(kind, gate) as caller:
        assert caller.request("POST", scene.url)[0] == 200
        scene.door.divert_to(scene.twin)
        scene.door.drop_connections()
        with pytest.raises(GateRefused, match="no attestation proves"):
            caller.request("POST", scene.url)
    scene.twin.close()
    assert scene.twin.traffic.application_bytes == 0


def test_a_host_name_that_the_certificate_does_not_have_is_refused(scene: Scene, kind: Kind) -> None:
    with ConnectProxy(scene.pod.authority.issue("elsewhere.example").context) as elsewhere:
        gate = scene.gate(origin=elsewhere.url)
        with calling(kind, gate) as caller, pytest.raises(Exception, match=r"(?i)mismatch|not valid for"):
            caller.request("POST", f"{elsewhere.url}/v1/confidential/models")
    assert not elsewhere.heads


def test_tls_1_2_is_refused(scene: Scene, kind: Kind) -> None:
    """The context is the client's: a server that speaks TLS 1.2 at most is not spoken to."""
    context = scene.pod.authority.issue("localhost").context
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with ConnectProxy(context) as old:
        gate = scene.gate(origin=old.url)
        with calling(kind, gate) as caller, pytest.raises(Exception, match=r"(?i)protocol"):
            caller.request("POST", f"{old.url}/v1/confidential/models")
    assert not old.heads


def test_several_instances_behind_one_name_are_each_attested_once(scene: Scene, kind: Kind) -> None:
    with (
        SimulatedPod(authority=scene.pod.authority, intel=scene.pod.machine.intel) as second,
        SimulatedPod(authority=scene.pod.authority) as api,
    ):
        api.divert_to(scene.pod)
        gate = scene.gate(api_base=api.base, pace=scene.clock.pace())
        with calling(kind, gate) as caller:
            for round_trip in range(3):
                for instance in (scene.pod, second):
                    api.divert_to(instance)
                    scene.door.divert_to(instance)
                    scene.door.drop_connections()
                    assert caller.request("POST", scene.url)[0] == 200, round_trip
        assert set(gate.status().keys) == {scene.pod.spki_sha256.hex(), second.spki_sha256.hex()}
        assert gate.status().attestations == 2
        assert second.traffic.requests_below("/v1/confidential/") == 3


def test_an_instance_whose_evidence_does_not_come_is_refused_after_one_fresh_attestation(scene: Scene, kind: Kind) -> None:
    with SimulatedPod(authority=scene.pod.authority, intel=scene.pod.machine.intel) as second:
        gate = scene.gate(pace=scene.clock.pace())
        gate.open()
        scene.door.divert_to(second)
        with calling(kind, gate) as caller, pytest.raises(GateRefused, match="no attestation proves"):
            caller.request("POST", scene.url)
        assert gate.status().attestations == 2
        assert scene.count(EventKind.STRANGER) == 1
        second.close()
        assert second.traffic.application_bytes == 0


def test_a_stranger_is_not_reason_to_attest_over_and_over(scene: Scene, kind: Kind) -> None:
    from voltage_attest.gate import Lifecycle

    gate = scene.gate(pace=scene.clock.pace(), lifecycle=Lifecycle())
    gate.open()
    scene.door.divert_to(scene.twin)
    with calling(kind, gate) as caller:
        for _ in range(10):
            with pytest.raises(GateRefused, match="no attestation proves"):
                caller.request("POST", scene.url)
    assert scene.pod.traffic.requests_below(ATTESTATION) == 2


def test_tls_secrets_are_not_written_where_the_environment_says(
    scene: Scene, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(secrets))
    gate = scene.gate(ask=scene.gate().open)
    gate.open()
    before = (
        secrets.read_text() if secrets.exists() else ""
    )  # the attestation's own client may write: what it fetches is public
    with calling(kind, gate) as caller:
        assert caller.request("POST", scene.url)[0] == 200
    after = secrets.read_text()
    assert after.count("CLIENT_TRAFFIC_SECRET_0") == before.count("CLIENT_TRAFFIC_SECRET_0")


def test_a_ca_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrustRootError):
        pinned_context(lambda _: None, Pinned(), webpki=True, tls_ca=tmp_path / "absent.pem")


def test_asyncio_s_own_tls_is_pinned_as_well(scene: Scene) -> None:
    """Not httpx's way, but the context's promise: whoever uses it meets the pin, and the connection does not come about."""

    def judge(key: str) -> None:
        raise GateRefused(f"not {key}", expected="another", remedy="None.")

    context = pinned_context(judge, Pinned(), webpki=True, tls_ca=scene.ca)

    async def connect() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with asyncio.timeout(20):
            await asyncio.open_connection("localhost", scene.twin.port, ssl=context)

    with pytest.raises(Exception, match=r".*"):
        asyncio.run(connect())
    scene.twin.close()
    assert scene.twin.traffic.application_bytes == 0
