"""What a change of ``[gpu]`` changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from voltage_attest.policy.change import Change, diff_accepted, diff_floor, diff_presence, diff_values
from voltage_attest.policy.gpu import driver_order
from voltage_attest.policy.model import HOLD_CHAINS, GpuPolicy

__all__ = ["diff_gpu"]

_NAMED: Final = ("chips", "boards", "modes", "ueids")
_SKIPS: Final = ("unsafe_skip_rim", "unsafe_skip_revocation")


def diff_gpu(old: GpuPolicy | None, new: GpuPolicy | None) -> Iterator[Change]:
    """Differences of ``[gpu]``; only its coming or going where one has none."""
    if old is None or new is None:
        yield from diff_presence(
            "gpu",
            old=old is not None,
            new=new is not None,
            asked="evidence of GPUs is expected",
            dropped="no evidence of GPUs is expected any more",
        )
        return
    yield from diff_values("gpu.count", old.count, new.count)
    yield from _diff_switches(old.switches, new.switches)
    for key in _NAMED:
        yield from diff_accepted(f"gpu.{key}", _sorted(getattr(old, key)), _sorted(getattr(new, key)))
    yield from _diff_versions(old, new)
    for index in sorted(old.measurements.keys() | new.measurements.keys()):
        before, after = old.measurements.get(index), new.measurements.get(index)
        yield from diff_accepted(f"gpu.measurements.{index}", _hex(before), _hex(after))
    yield from _diff_trust(old, new)


def _diff_switches(old: int | None, new: int | None) -> Iterator[Change]:
    if old is not None and new is not None:
        yield from diff_values("gpu.switches", old, new)
        return
    yield from diff_presence(
        "gpu.switches",
        old=old is not None,
        new=new is not None,
        asked=f"exactly {new} are expected",
        dropped=f"any number is accepted (was {old})",
    )


def _diff_versions(old: GpuPolicy, new: GpuPolicy) -> Iterator[Change]:
    before, after = old.min_driver, new.min_driver
    was, now = (None if text is None else driver_order(text) for text in (before, after))
    if was != now:
        yield from diff_floor("gpu.min_driver", before, after, raised=was is not None and now is not None and now > was)
    before, after = old.min_vbios, new.min_vbios
    yield from diff_floor("gpu.min_vbios", before, after, raised=before is not None and after is not None and after > before)


def _diff_trust(old: GpuPolicy, new: GpuPolicy) -> Iterator[Change]:
    """Revocation, the service's word, and what is left out."""
    for chain in HOLD_CHAINS:
        yield from diff_presence(
            "gpu.certificate_hold",
            old=chain not in old.accept_hold,
            new=chain not in new.accept_hold,
            asked=f"a certificate on hold is refused again in the {_words(chain)} chain",
            dropped=f"a certificate on hold is accepted in the {_words(chain)} chain",
        )
    if "require" in (old.nras, new.nras):
        yield from diff_presence(
            "gpu.nras",
            old=old.nras == "require",
            new=new.nras == "require",
            asked=f"a token of NVIDIA's service is required (was {old.nras})",
            dropped=f"a token of NVIDIA's service is not required any more: {new.nras}",
        )
    else:
        yield from diff_values("gpu.nras", old.nras, new.nras)
    # No pin is looser than one: without these keys the built-in ones still hold, so an addition always accepts more.
    yield from diff_accepted("gpu.nras_intermediates", _hex(old.nras_intermediates) or (), _hex(new.nras_intermediates) or ())
    for key in _SKIPS:
        before, after = getattr(old, key), getattr(new, key)
        if before is None or after is None:
            yield from diff_presence(
                f"gpu.{key}",
                old=before is None,
                new=after is None,
                asked="the safeguard is on again",
                dropped=f"a safeguard is switched off: {after}",
            )
        else:
            yield from diff_values(f"gpu.{key}", repr(before), repr(after))


def _words(chain: str) -> str:
    return {"device": "device's", "driver_rim": "driver RIM's", "vbios_rim": "VBIOS RIM's"}[chain]


def _sorted(values: Collection[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


def _hex(values: Collection[bytes] | None) -> list[str] | None:
    return None if values is None else sorted([value.hex() for value in values])
