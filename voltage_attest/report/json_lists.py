"""Claims about several subjects as JSON, and back: ``gpus[]``, ``switches[]`` and ``boot[]`` of the result's claims."""

from __future__ import annotations

from dataclasses import fields

from voltage_attest.report.fields import Fields
from voltage_attest.result import BootEventClaims, GpuClaims, SwitchClaims

__all__ = ["listed_members", "parse_boot_event", "parse_gpu", "parse_switch"]


def listed_members(claims: GpuClaims | SwitchClaims | BootEventClaims) -> dict[str, object]:
    """Every field under its own name; tuples as lists."""
    found = {field.name: getattr(claims, field.name) for field in fields(claims)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def parse_gpu(found: Fields) -> GpuClaims:
    """Read one member of ``claims.gpus``; an :class:`~voltage_attest.errors.InputError` unless it has the schema's shape."""
    claims = GpuClaims(
        device=found.text("device"),
        architecture=found.text("architecture"),
        chip=found.text("chip"),
        board=found.text("board"),
        driver_version=found.text("driver_version"),
        vbios_version=found.text("vbios_version"),
        mode=found.optional_text("mode"),
        protected_pcie=found.optional_flag("protected_pcie"),
        ueid=found.text("ueid"),
        pdi=found.hex("pdi", 8),
        fwid=found.optional_hex("fwid", 48),
        nonce=found.hex("nonce", 32),
        measurements=found.number("measurements"),
        manifests=found.texts("manifests"),
    )
    found.finish()
    return claims


def parse_boot_event(found: Fields) -> BootEventClaims:
    """As :func:`parse_gpu`, of ``claims.boot``."""
    claims = BootEventClaims(
        number=found.number("number"),
        register=found.text("register"),
        digest=found.hex("digest", 48),
        meaning=found.text("meaning"),
        binding=found.text("binding"),
        bound=found.flag("bound"),
    )
    found.finish()
    return claims


def parse_switch(found: Fields) -> SwitchClaims:
    """As :func:`parse_gpu`, of ``claims.switches``."""
    claims = SwitchClaims(
        device=found.text("device"),
        architecture=found.text("architecture"),
        chip=found.text("chip"),
        bios_version=found.text("bios_version"),
        locked=found.optional_flag("locked"),
        ueid=found.text("ueid"),
        pdi=found.hex("pdi", 8),
        gpu_pdis=found.texts("gpu_pdis"),
        nonce=found.hex("nonce", 32),
        measurements=found.number("measurements"),
        manifests=found.texts("manifests"),
    )
    found.finish()
    return claims
