"""The installed SDK is walked: what it offers that could lead past the gate is known, and what it adds tomorrow fails here."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import inspect
import logging
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import openai
import pytest

from tests.gate.openai_clients.conftest import Clinic
from voltage_attest.attested_openai.logs import LOGGERS
from voltage_attest.openai import AsyncAttestedOpenAI, AttestedOpenAI, GateRefused

SDK = Path(openai.__file__).parent
KINDS = pytest.mark.parametrize("kind", [AttestedOpenAI, AsyncAttestedOpenAI], ids=["sync", "async"])
VIEWS = {"with_raw_response", "with_streaming_response"}


def resources(owner: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every resource below the client, by its dotted name."""
    yield name, owner
    for attribute in dir(type(owner)):
        if isinstance(inspect.getattr_static(type(owner), attribute), cached_property) and attribute not in VIEWS and depth < 9:
            yield from resources(getattr(owner, attribute), f"{name}.{attribute}".lstrip("."), depth + 1)


def opened(manager: Any) -> None:
    """Enter what ``connect`` returns."""
    if hasattr(manager, "__aenter__"):
        asyncio.run(manager.__aenter__())
    else:
        manager.__enter__()


def connect_arguments(connect: Any) -> dict[str, str]:
    """Something for every argument that has no default."""
    _, *parameters = inspect.signature(connect).parameters.values()
    return {item.name: "x" for item in parameters if item.default is item.empty}


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted(SDK.rglob("*.py")):
        yield path.relative_to(SDK).with_suffix("").as_posix(), path.read_text("utf-8")


@KINDS
def test_every_websocket_of_the_sdk_is_refused_with_the_reason(clinic: Clinic, kind: Any) -> None:
    client = kind(**clinic.gate_options)
    offered = [name for name, resource in resources(client, "") if hasattr(resource, "connect")]
    of_old, since = {"beta.realtime", "realtime", "responses"}, {"beta.responses"}
    if openai.__version__.startswith("3."):
        since |= {"live", "live.forks", "live.sideband", "realtime.translations"}
    assert of_old <= set(offered) <= of_old | since
    for name in offered:
        resource = client
        for part in name.split("."):
            resource = getattr(resource, part)
        with pytest.raises(GateRefused, match="websocket"):
            resource.connect()
        # And were it not so, its connection manager would be refused the address.
        connect = type(resource).connect
        with pytest.raises((GateRefused, openai.OpenAIError)) as raised:
            opened(connect(resource, **connect_arguments(connect)))
        assert "websocket" in str(raised.value) or "install" in str(raised.value)
    assert clinic.pod.traffic.connections == 0
    client.gate.close()


def test_whatever_of_the_sdk_opens_a_websocket_belongs_to_a_known_resource() -> None:
    """A module that imports the websocket library is a resource's, whose ``connect`` is found above, or serves those."""
    opens = {name for name, text in sources() if re.search(r"from websockets\S* import|import websockets", text)}
    serves = {"_websocket_connection", "lib/_websocket", "lib/_azure_websocket", "lib/responses_websocket/_session"}
    managers = {name for name in opens if "def connect(" in (SDK / f"{name}.py").read_text("utf-8")}
    types = {name for name in opens if name.startswith("types/")}
    assert opens - managers - serves - types == set()


def test_every_manager_asks_the_client_for_the_address_first() -> None:
    for name, text in sources():
        if re.search(r"class \w*ConnectionManager", text):
            managers = len(re.findall(r"class \w+ConnectionManager", text))
            assert text.count("self.__client.websocket_base_url is not None") == managers, name


@KINDS
def test_every_argument_of_the_sdks_clients_is_known(kind: Any) -> None:
    """A new argument may name another address or another way to connect: decide, then add it here or to what is refused."""
    base = openai.OpenAI if kind is AttestedOpenAI else openai.AsyncOpenAI
    refused = {"http_client", "provider", "data_residency", "workload_identity", "admin_api_key", "websocket_base_url"}
    passed = {"timeout", "max_retries", "default_headers", "default_query", "webhook_secret"}
    ours = {"api_key", "organization", "project", "base_url"}
    inner = {"self", "_strict_response_validation", "_enforce_credentials", "_extra_kwargs"}
    setters = {"set_default_headers", "set_default_query"}
    for function in (base.__init__, base.copy):
        assert set(inspect.signature(function).parameters) <= refused | passed | ours | inner | setters


def test_every_variable_that_the_sdk_reads_is_known() -> None:
    read: set[str] = set()
    for name, text in sources():
        if not re.search(r"azure|bedrock|/cli/|^cli|_module_client", name):
            read |= set(
                re.findall(r"(?<![A-Z_])OPENAI_[A-Z_]+", "\n".join(line for line in text.splitlines() if "environ" in line))
            )
    ignored = {f"OPENAI_{name}" for name in ("ADMIN_KEY", "API_KEY", "BASE_URL", "CUSTOM_HEADERS", "ORG_ID", "PROJECT_ID")}
    harmless = {"OPENAI_WEBHOOK_SECRET", "OPENAI_LOG", "OPENAI_API_TYPE", "OPENAI_API_VERSION"}
    assert read - ignored - harmless == set()


def test_every_request_goes_through_the_method_that_we_override() -> None:
    """Nothing but ``request`` of the two base clients sends, so nothing is sent without what it sets."""
    senders = {
        name
        for name, text in sources()
        if re.search(r"\._client\.(send|request|stream|post|get)\(|httpx2?\.(post|get|request|stream)\(", text)
    }
    known = {"_base_client", "_client", "lib/_client_auth", "auth/_workload", "auth/_x509", "lib/azure", "lib/bedrock"}
    assert {name for name in senders if not name.startswith("cli/")} <= known


def modules(package: ModuleType) -> Iterator[str]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not re.search(r"\.(cli|_extras|_vendor|lib\.(azure|bedrock)|__main__)(\.|$)", found.name):
            yield found.name


def test_every_logger_below_the_client_is_filtered() -> None:
    for package in ("openai", "httpx", "httpcore", "httpx2", "httpcore2"):
        try:
            root = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        written = {
            found
            for path in Path(str(root.__file__)).parent.rglob("*.py")
            for found in re.findall(r"getLogger\((__name__|\"[^\"]+\")\)", path.read_text("utf-8"))
        }
        for name in written - {"__name__"}:
            assert name.strip('"') in LOGGERS, package
    for path in SDK.rglob("*.py"):
        if re.search(r"getLogger\(__name__\)", path.read_text("utf-8")):
            name = ".".join(("openai", *path.relative_to(SDK).with_suffix("").parts))
            assert name in LOGGERS or "_vendor" in name or ".cli." in name, name


def test_the_filters_are_in_place_once_a_client_is_made(clinic: Clinic) -> None:
    clinic.client()
    clinic.client()
    assert [name for name in LOGGERS if len(logging.getLogger(name).filters) < 1] == []
    assert (
        len([item for item in logging.getLogger("openai._base_client").filters if "WithoutContent" in type(item).__name__]) == 1
    )


# What is installed.


@pytest.mark.parametrize("version", ["1.109.1", "2.30.9", "4.0.0", "10.1", "nonsense"])
def test_a_version_that_is_not_known_to_hold_is_refused(version: str) -> None:
    program = f"""
import importlib.metadata
importlib.metadata.version = lambda name: {version!r}
import voltage_attest.openai
try:
    voltage_attest.openai.AttestedOpenAI
except ImportError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"openai {version} is installed; expected 2.31 or later, below 4" in ran.stdout
    assert "pip install 'openai>=2.31,<4'" in ran.stdout


def test_an_absent_sdk_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    from voltage_attest import openai as facade

    monkeypatch.setattr(importlib.metadata, "version", absent)
    monkeypatch.delitem(vars(facade), "AttestedOpenAI")
    with pytest.raises(ImportError, match=r"pip install 'openai>=2\.31,<4'"):
        _ = facade.AttestedOpenAI


def test_importing_the_facade_loads_no_sdk() -> None:
    program = (
        "import sys, voltage_attest.openai; print(sorted({'openai', 'httpx', 'httpx2', 'cryptography'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_facade_knows_its_names() -> None:
    from voltage_attest import openai as facade

    assert set(facade.__all__) <= set(dir(facade))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = facade.nonsense
