"""``voltage-attest policy``: what a policy accepts, what in it deserves a look, and what a change of it changes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.parameters import Rfc3339
from voltage_attest.cli.policy_workload import workload_entries
from voltage_attest.cli.terminal import emit, output_width, wants_color
from voltage_attest.cli.verify_inputs import DEFAULT_POLICY
from voltage_attest.cli.verify_sources import present
from voltage_attest.report.plain import Paint, hanging, one_or_many, printable

if TYPE_CHECKING:
    from voltage_attest.policy.advice import Advice
    from voltage_attest.policy.model import ChannelPolicy, GpuPolicy, Pin, Policy, TdxPolicy, Unpinned

__all__ = ["policy"]

_DURATION: Final = re.compile(r"(\d{1,4})([dw])", re.ASCII)
_DAYS: Final = {"d": 1, "w": 7}
_COLUMN: Final = 20


class Days(click.ParamType[timedelta]):
    """A number of days or weeks: 14d, 2w."""

    name = "days"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or end in a usage error."""
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{printable(str(value))!r} is no number of days; write 14d or 2w.", param, ctx)
        return timedelta(days=int(found[1]) * _DAYS[found[2]])


@click.group()
def policy() -> None:
    """Show, check and compare policies.

    Nothing is fetched or verified. Exit codes: 0 done, 1 `check` found something that cannot stay, 2 a file cannot be used.
    """


@policy.command()
@click.argument("file", default=DEFAULT_POLICY)
def show(file: str) -> int:
    """Tell in words what FILE, or voltage-attest.toml, accepts."""
    loaded = _load(file)
    width, paint = output_width(sys.stdout), Paint(wants_color(sys.stdout, os.environ))
    lines = [paint.strong(f"{printable(loaded.name)}, {printable(file)}")]
    for label, text in _entries(loaded):
        lines += hanging(label, text, _COLUMN, width)
    emit("".join(f"{line}\n" for line in lines))
    return Exit.VERIFIED


@policy.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--warn-expiring", metavar="DAYS", type=Days(), default="14d", show_default=True, help="Name what ends within.")
@click.option("--at", type=Rfc3339(), metavar="RFC3339", help="Check for this time, with its zone.  [default: now]")
def check(files: tuple[str, ...], warn_expiring: timedelta, at: datetime | None) -> int:
    """Say what in each FILE deserves a look: what is open, ends soon, has ended, or is switched off.

    FILE is voltage-attest.toml if none is named. Exit codes: 0 usable, whatever is worth a look; 1 one or an exception has
    ended, or a safeguard is switched off; 2 unusable.
    """
    urgent = [_checked(file, warn_expiring, at) for file in files or (DEFAULT_POLICY,)]
    return Exit.REFUSED if any(urgent) else Exit.VERIFIED


def _checked(file: str, warn_expiring: timedelta, at: datetime | None) -> bool:
    """Tell what there is to remark; whether any of it is urgent."""
    from voltage_attest.policy.advice import advise

    loaded = _load(file)
    advice = advise(loaded, today=(at or present()).date(), warn_within=warn_expiring)
    urgent = [item for item in advice if item.urgent]
    lines = [line for item in (*urgent, *(item for item in advice if not item.urgent)) for line in _advice_lines(item)]
    found = f"{one_or_many(len(urgent), 'problem')}, {one_or_many(len(advice) - len(urgent), 'remark')}"
    emit("".join(f"{line}\n" for line in [*lines, f"{printable(file)}: {found if advice else 'nothing to remark'}."]))
    return bool(urgent)


@policy.command()
@click.argument("old")
@click.argument("new")
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def diff(old: str, new: str, form: str) -> int:
    """Say what NEW accepts that OLD did not, and the reverse. What was loosened comes first.

    Each is a file, or REVISION:FILE of the git repository here, such as origin/main:voltage-attest.toml. Changes of comments,
    order and layout are none. Exit codes: 0 compared, different or not; 2 a file cannot be used.
    """
    from voltage_attest.cli.policy_revisions import changes_as_markdown, changes_as_text, policy_of
    from voltage_attest.policy.change import Effect
    from voltage_attest.policy.diff import diff_policies

    before, after = policy_of(old), policy_of(new)
    changes = list(diff_policies(before, after))
    order = (Effect.LOOSENED, Effect.CHANGED, Effect.TIGHTENED)
    changes.sort(key=lambda change: order.index(change.effect))
    if form == "markdown":
        emit(changes_as_markdown(changes, after))
        return Exit.VERIFIED
    lines = changes_as_text(changes, after, width=output_width(sys.stdout), color=wants_color(sys.stdout, os.environ))
    emit("".join(f"{line}\n" for line in lines))
    return Exit.VERIFIED


def _load(file: str) -> Policy:
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.load import load_policy

    try:
        return load_policy(Path(file))
    except PolicyError as error:
        raise CannotUse(f"the policy cannot be used. {error}") from None


def _advice_lines(advice: Advice) -> list[str]:
    paint = Paint(wants_color(sys.stdout, os.environ))
    where = "" if advice.location is None or advice.location.line is None else f" (line {advice.location.line})"
    text = f"{advice.key}{where}: {advice.text}"
    return _told("PROBLEM", paint.bad, text) if advice.urgent else _told("remark", str, text)


def _told(word: str, color: Callable[[str], str], text: str) -> list[str]:
    first, *rest = hanging(word, text, 11, output_width(sys.stdout))
    return [first.replace(word, color(word), 1), *rest]


def _entries(loaded: Policy) -> Iterator[tuple[str, str]]:
    yield "sha256", loaded.sha256
    yield "in force until", "no end" if loaded.valid_until is None else f"{loaded.valid_until}, that UTC day included"
    if loaded.tdx is None:
        yield "quote", "none expected: GPUs are judged alone"
    else:
        yield from _tdx_entries(loaded.tdx)
        yield from workload_entries(loaded.workload)
    if loaded.gpu is None:
        yield "GPUs", "none expected, none judged"
    else:
        yield from _gpu_entries(loaded.gpu)
    yield from _channel_entries(loaded.channel)
    yield from _gate_entries(loaded)
    yield from _unsafe_entries(loaded)


def _tdx_entries(tdx: TdxPolicy) -> Iterator[tuple[str, str]]:
    for key, pin in tdx.pins.items():
        yield f"tdx.{key}", _pin_in_words(pin)
    if tdx.min_tee_tcb_svn is not None:
        yield "tdx.min_tee_tcb_svn", tdx.min_tee_tcb_svn.hex()
    yield from _tcb_entries(tdx)
    yield from _collateral_entries(tdx)


def _pin_in_words(pin: Pin | Unpinned) -> str:
    from voltage_attest.policy.model import Pin

    if isinstance(pin, Pin):
        return " or ".join(value.hex() for value in pin.values)
    return f"open: {pin.reason}"


def _tcb_entries(tdx: TdxPolicy) -> Iterator[tuple[str, str]]:
    rules = tdx.tcb
    yield "TCB accepted", ", ".join(sorted(rules.accept))
    for exception in rules.exceptions:
        advisories = ", ".join(sorted(exception.advisories)) or "no advisory"
        yield "TCB exception", f"{exception.status} with {advisories}, until {exception.until}: {exception.reason}"
    if rules.deny_advisories:
        yield "advisories denied", ", ".join(sorted(rules.deny_advisories))
    floor = rules.min_tcb_evaluation_data_number
    yield "evaluation number", "no floor" if floor is None else f"{floor} or later"


def _collateral_entries(tdx: TdxPolicy) -> Iterator[tuple[str, str]]:
    rules = tdx.collateral
    number = rules.tcb_evaluation_data_number
    issue = f"update {rules.update}" if number is None else f"evaluation data number {number}"
    age = "" if rules.max_age is None else f", at most {_duration(rules.max_age)} old"
    yield "collateral", f"from {', '.join(rules.pccs) or 'Intel PCS'}, {issue}{age}"


def _gpu_entries(gpu: GpuPolicy) -> Iterator[tuple[str, str]]:
    switches = "switches left open" if gpu.switches is None else one_or_many(gpu.switches, "switch", "switches")
    yield "GPUs", f"exactly {gpu.count}, {switches}"
    for key in ("chips", "boards", "modes", "ueids"):
        yield f"gpu.{key}", " or ".join(sorted(getattr(gpu, key) or ())) or "not pinned"
    for key in ("min_driver", "min_vbios"):
        floor = getattr(gpu, key)
        yield f"gpu.{key}", "no floor" if floor is None else f"{floor} or later"
    for index, values in sorted(gpu.measurements.items()):
        yield "gpu.measurements", f"index {index}: {' or '.join(sorted(value.hex() for value in values))}"
    yield "certificate hold", f"accepted in {', '.join(sorted(gpu.accept_hold))}" if gpu.accept_hold else "refused"
    yield "NRAS tokens", gpu.nras
    if gpu.nras_intermediates:
        yield "NRAS signers", f"also {' or '.join(sorted(value.hex() for value in gpu.nras_intermediates))}"


def _channel_entries(channel: ChannelPolicy | None) -> Iterator[tuple[str, str]]:
    if channel is None:
        yield "binding", "none: evidence may be old, or relayed"
        return
    proxy = "" if channel.proxy is None else f", by way of {channel.proxy}"
    yield (
        "binding",
        f"{channel.binding}; an attestation counts for {_duration(channel.max_age)}; WebPKI: {channel.webpki}{proxy}",
    )


def _gate_entries(loaded: Policy) -> Iterator[tuple[str, str]]:
    if loaded.models is not None:
        yield "models", " or ".join(loaded.models.allow)
    if loaded.compliance is not None:
        rules = loaded.compliance
        until = "" if rules.baa_valid_until is None else f", until {rules.baa_valid_until}, that UTC day included"
        yield "BAA", f"{'required' if rules.require_baa else 'not required'}: {rules.baa_reference or 'none named'}{until}"
    if loaded.audit is not None:
        yield "audit log", loaded.audit.path


def _unsafe_entries(loaded: Policy) -> Iterator[tuple[str, str]]:
    for switch in ("unsafe_allow_debug", "unsafe_allow_sept_ve"):
        if loaded.tdx is not None and getattr(loaded.tdx, switch):
            yield "UNSAFE", f"tdx.{switch} = true: a safeguard is switched off"
    for switch in ("unsafe_skip_rim", "unsafe_skip_revocation"):
        reason = None if loaded.gpu is None else getattr(loaded.gpu, switch)
        if reason is not None:
            yield "UNSAFE", f"gpu.{switch}: a safeguard is switched off: {reason}"


def _duration(time: timedelta) -> str:
    """As a policy writes it: 30d, 15m."""
    seconds = int(time.total_seconds())
    size, unit = next((size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")) if seconds % size == 0)
    return f"{seconds // size}{unit}"
