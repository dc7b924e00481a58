"""The room's door: names load late, and httpx2 is only needed by those who ask for its clients."""

from __future__ import annotations

import subprocess
import sys

import pytest

import voltage_attest.gate as room


def test_every_name_is_there() -> None:
    for name in room.__all__:
        if "httpx2" not in name:
            assert getattr(room, name) is not None
    assert set(room.__all__) <= set(dir(room))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = room.Nonsense


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_room_loads_no_library() -> None:
    program = "import sys, voltage_attest.gate; print(sorted({'httpx', 'httpx2', 'cryptography', 'ssl'} & set(sys.modules)))"
    assert run(program) == "[]"


def test_httpx_clients_do_not_need_httpx2() -> None:
    program = "import sys; sys.modules['httpx2'] = None\nfrom voltage_attest.gate import attested_http_client; print('fine')"
    assert run(program) == "fine"


def test_without_httpx2_its_clients_say_what_to_install() -> None:
    program = """
import sys
sys.modules["httpx2"] = None
try:
    from voltage_attest.gate import attested_httpx2_client
except ImportError as error:
    print(error)
"""
    assert "pip install httpx2" in run(program)
