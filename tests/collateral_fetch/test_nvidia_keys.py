"""The keys and the tokens of NRAS, and where secrets go: to whom they are for, and into no text."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.collateral_fetch.fake_nvidia import (
    CRL_PATH,
    DRIVER,
    NONCE,
    FakeNvidia,
    jwks,
    question,
)
from tests.collateral_fetch.fake_pcs import AT, Wire
from tests.collateral_fetch.nvidia_fetching import NvidiaFetcher, cached, nvidia_over, reason
from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.collateral.nvidia_service import combined


def test_the_keys_of_nras_are_kept_while_the_newest_is_current(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport, cache=tmp_path / "cache")
    assert nvidia.jwks(service).collateral.jwks == (jwks(),)
    assert cached(nvidia.jwks(service)) == [("nvidia-jwks", True)]
    assert cached(nvidia.jwks(service, now=AT + timedelta(days=2))) == [("nvidia-jwks", False)]


def test_a_key_that_the_cached_set_lacks_is_asked_for_and_one_that_it_has_is_not(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    service = nvidia_over(FakeNvidia().transport, cache=tmp_path / "cache")
    nvidia.jwks(service)
    newer = FakeNvidia({"/.well-known/jwks.json": Wire(jwks("kid-1", "kid-2"))})
    service = nvidia_over(newer.transport, cache=tmp_path / "cache")
    nvidia.jwks(service, ["kid-1"], now=AT + timedelta(days=400))
    assert newer.asked == []
    for _ in range(2):
        assert nvidia.jwks(service, ["kid-2", "kid-1"]).collateral.jwks == (jwks("kid-1", "kid-2"),)
    assert len(newer.asked) == 1


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"keys":[]}', b'{"keys":1}', b'{"keys":[1],"keys":[2]}', b"\xff"])
def test_keys_of_another_shape_are_absent(nvidia: NvidiaFetcher, body: bytes) -> None:
    fetched = nvidia.jwks(nvidia_over(FakeNvidia({"/.well-known/jwks.json": Wire(body)}).transport))
    assert "sent no usable answer for NVIDIA's attestation keys" in reason(fetched, "jwks")


@pytest.mark.parametrize("body", [b'{"keys":[1,{},{"x5c":[]},{"x5c":[1]},{"x5c":["\\u00ff"]},{"kid":2,"x5c":["AAAA"]}]}'])
def test_keys_without_dates_are_handed_on_and_not_kept(nvidia: NvidiaFetcher, tmp_path: Path, body: bytes) -> None:
    fake = FakeNvidia({"/.well-known/jwks.json": Wire(body)})
    assert nvidia.jwks(nvidia_over(fake.transport, cache=tmp_path / "cache")).collateral.jwks == (body,)
    assert not (tmp_path / "cache").exists()


def test_nras_is_asked_by_post_and_nothing_of_it_is_kept(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport, cache=tmp_path / "cache", api_key="5ec3e7-key")
    fetched = nvidia.nras(service, b'{"nonce":"5ec3e7"}')
    assert fake.asked == [("POST", "https://nras.attestation.nvidia.com/v4/attest/gpu", b'{"nonce":"5ec3e7"}')]
    assert fake.headers[0]["content-type"] == "application/json"
    assert fake.headers[0]["authorization"] == "Bearer 5ec3e7-key"
    assert fetched.collateral.nras == (NrasAnswer(b'[["JWT","a.b.c"],{"GPU-0":"d.e.f"}]'),)
    assert not (tmp_path / "cache").exists()


def test_nras_knows_switches_and_its_older_interface() -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport)
    service.request_nras("switch", b"{}", now=AT)
    service.request_nras("gpu", b"{}", now=AT, api="v3")
    assert [url.removeprefix("https://nras.attestation.nvidia.com") for _, url, _ in fake.asked] == [
        "/v4/attest/switch",
        "/v3/attest/gpu",
    ]


def test_the_key_goes_to_the_services_that_know_keys_and_nowhere_else(nvidia: NvidiaFetcher) -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport, api_key="5ec3e7-key")
    nvidia.revocation(service, question())
    nvidia.jwks(service)
    assert not any("authorization" in headers for headers in fake.headers)
    nvidia.rims(service, DRIVER)
    assert fake.headers[-1]["authorization"] == "Bearer 5ec3e7-key"


def test_neither_key_nor_nonce_nor_body_is_in_any_text(
    nvidia: NvidiaFetcher, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    down = FakeNvidia(dict.fromkeys(["/", "/v4/attest/gpu", f"/v1/rim/{DRIVER}", CRL_PATH], Wire(status=500)))
    for fake in (FakeNvidia(), down):
        service = nvidia_over(fake.transport, api_key="5ec3e7-key")
        fetched = combined(
            nvidia.rims(service, DRIVER),
            nvidia.revocation(service, question(1, NONCE), mode="online"),
            nvidia.nras(service, b'{"nonce":"5ec3e7"}'),
        )
        said = [
            repr(service),
            repr(service._asker),
            repr(fetched.failures),
            repr(fetched.sources),
            repr(fetched.collateral.absences),
            caplog.text,
            *capsys.readouterr(),
        ]
        assert not any("5ec3e7" in text.lower() for text in said)


def test_a_malformed_key_is_a_value_error_that_does_not_repeat_it(nvidia: NvidiaFetcher) -> None:
    with pytest.raises(ValueError, match="the header Authorization cannot be sent") as caught:
        nvidia.rims(nvidia_over(FakeNvidia().transport, api_key="5ec3e7\nX: y"), DRIVER)
    assert "5ec3e7" not in str(caught.value)
