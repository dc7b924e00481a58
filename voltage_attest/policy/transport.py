"""``[tdx.collateral]`` and ``[channel]`` of a policy: where collateral comes from, and what evidence must be bound to."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from voltage_attest.policy.model import ChannelPolicy, CollateralPolicy
from voltage_attest.policy.table import Table

__all__ = ["BINDING_NAMES", "read_channel", "read_collateral"]

BINDING_NAMES: Final = ("voltage-attest/1", "near", "chutes", "tinfoil-v3", "voltage-verify/1")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def read_collateral(table: Table) -> CollateralPolicy:
    """Read ``[tdx.collateral]``; ``update`` and ``tcb_evaluation_data_number`` exclude each other, as they do at Intel's."""
    pccs = table.optional_texts("pccs", "https://pccs.example.org") or ()
    for url in pccs:
        _require_url(table, "pccs", url, ("https",))
    update = table.optional_choice("update", ("standard", "early"))
    number = table.optional_int("tcb_evaluation_data_number")
    if update is not None and number is not None:
        raise table.error(
            "tcb_evaluation_data_number",
            "update beside a fixed number",
            "one of the two",
            "Remove one: Intel answers to either.",
        )
    policy = CollateralPolicy(
        pccs=tuple([url.rstrip("/") for url in pccs]),
        update=update or "standard",
        tcb_evaluation_data_number=number,
        max_age=table.optional_duration("max_age", "30d"),
        locations=MappingProxyType(table.locations()),
    )
    table.finish()
    return policy


def read_channel(table: Table) -> ChannelPolicy:
    """Read ``[channel]``; every key has a default, the section itself is what asks for a binding."""
    proxy = table.optional("proxy", str, '"http://proxy.clinic:3128"')
    if proxy is not None:
        _require_url(table, "proxy", str(proxy), ("http", "https"))
    policy = ChannelPolicy(
        binding=table.optional_choice("binding", BINDING_NAMES) or "voltage-attest/1",
        max_age=table.optional_duration("max_age", "15m") or timedelta(minutes=15),
        webpki=table.optional_choice("webpki", ("require", "attested-key-only")) or "require",
        proxy=None if proxy is None else str(proxy),
        locations=MappingProxyType(table.locations()),
    )
    table.finish()
    return policy


def _require_url(table: Table, key: str, url: str, schemes: tuple[str, ...]) -> None:
    """An absolute URL of one of the schemes, without credentials, query or fragment; plain http to loopback only for a PCCS."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    loopback = parts.scheme == "http" and host in _LOOPBACK
    if host is None or (parts.scheme not in schemes and not loopback) or parts.query or parts.fragment or "@" in parts.netloc:
        raise table.error(
            key, repr(url), f"a URL like {schemes[0]}://host, without credentials or query", f"Write {key} as such a URL."
        )
