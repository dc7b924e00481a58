"""What the tests of fetching share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collateral_fetch.clients import Clockwork, Getter, get_async, get_sync
from tests.collateral_fetch.fetching import Fetcher, fetch_async, fetch_sync
from tests.collateral_fetch.nvidia_fetching import NvidiaFetcher
from voltage_attest.testing.tls import TlsIdentity, WebAuthority


@pytest.fixture(params=[get_sync, get_async], ids=["sync", "async"])
def get(request: pytest.FixtureRequest) -> Getter:
    """A ``get`` through each of the two clients."""
    getter: Getter = request.param
    return getter


@pytest.fixture
def clockwork() -> Clockwork:
    return Clockwork()


@pytest.fixture(scope="session")
def authority() -> WebAuthority:
    return WebAuthority.create()


@pytest.fixture(scope="session")
def identity(authority: WebAuthority) -> TlsIdentity:
    """A server of that CA on 127.0.0.1, TLS 1.3 only."""
    return authority.issue("127.0.0.1")


@pytest.fixture(scope="session")
def ca_file(authority: WebAuthority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(authority.ca_pem)
    return path


@pytest.fixture(params=[fetch_sync, fetch_async], ids=["sync", "async"])
def fetch(request: pytest.FixtureRequest) -> Fetcher:
    """A fetch through each of the two shells of the service."""
    fetcher: Fetcher = request.param
    return fetcher


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def nvidia(request: pytest.FixtureRequest) -> NvidiaFetcher:
    """Fetches from NVIDIA through each of the two shells of the service."""
    return NvidiaFetcher(request.param)
