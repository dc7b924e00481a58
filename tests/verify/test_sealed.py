"""Only verification makes what appraisal takes."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import pkgutil

import pytest

import voltage_attest
from tests.support.simulation import INTEL, PLATFORM, ROOTS
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID, parse_pck_extension
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.verify import types

QUOTE = parse_quote(PLATFORM.quote())
PCK = parse_pck_extension(load_certificate(PLATFORM.leaf.der, "leaf").extensions.values.get(PCK_EXTENSION_OID) or b"")


@pytest.mark.parametrize(
    "seal", [None, object(), True, types._Seal(), types._Seal], ids=["none", "object", "true", "other", "class"]
)
def test_a_verified_quote_cannot_be_made_with_another_seal(seal: object) -> None:
    """Not with None, not with a look-alike of the same class."""
    arguments = {field.name: None for field in dataclasses.fields(types.VerifiedQuote)}
    with pytest.raises(TypeError, match=r"made by voltage_attest\.verify"):
        types.VerifiedQuote(**{**arguments, "quote": QUOTE, "pck": PCK, "seal": seal})  # type: ignore[arg-type]


def test_the_seal_is_held_by_the_verify_room_alone() -> None:
    """No other module of the package has it as an attribute."""
    holders = set()
    for module in pkgutil.walk_packages(voltage_attest.__path__, "voltage_attest."):
        if module.name.endswith("__main__"):
            continue
        loaded = importlib.import_module(module.name)
        holders |= {module.name for value in vars(loaded).values() if value is types.SEAL}
    rooms = ("types", "tdx", "gpu_case", "gpu", "event_log")
    assert holders == {f"voltage_attest.verify.{room}" for room in rooms}


def test_a_copied_seal_opens_nothing() -> None:
    """The seal is compared by identity, so a copy is none."""
    assert copy.copy(types.SEAL) is not types.SEAL


def test_the_simulators_root_is_not_the_pinned_one() -> None:
    """The roots that these tests verify under say that they replace Intel's."""
    assert ROOTS.replaced == ("intel",)
    assert ROOTS.intel == INTEL.root.der


def test_a_verified_quote_cannot_be_changed_after_the_fact() -> None:
    """``dataclasses.replace`` carries the seal over: other content must not travel under it."""
    fields = dict.fromkeys(field.name for field in dataclasses.fields(types.VerifiedQuote))
    verified = types.VerifiedQuote(**{**fields, "quote": QUOTE, "pck": PCK, "seal": types.SEAL})  # type: ignore[arg-type]
    other = QUOTE._replace(td_report=dataclasses.replace(QUOTE.td_report, mrtd=bytes(48)))
    with pytest.raises(TypeError):
        dataclasses.replace(verified, quote=other)
