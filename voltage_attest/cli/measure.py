"""``voltage-attest measure``: expected registers from what a TD is made of, so that nobody has to trust a first boot."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.files import read_input, require_one_stdin
from voltage_attest.cli.terminal import emit, wants_color
from voltage_attest.report.plain import Paint, printable

if TYPE_CHECKING:
    from voltage_attest.measure import DstackApplication, Measurement

__all__ = ["MEASUREMENT_SCHEMA", "measure"]

MEASUREMENT_SCHEMA: Final = "voltage-attest/measurement/1"

_MAX_FILE: Final = 1024 * 1024 * 1024
"""Bytes read of a kernel or an initrd."""
_ORDERS: Final = ("single-pass", "two-pass")
_SIZE: Final = re.compile(r"([1-9][0-9]{0,15})([KMGT]?)i?B?")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_TEXTS: Final = ("key-provider", "storage-fs")
_EVENTS: Final = ("instance-id", "app-id", "rootfs-hash", "mr-kms", "os-image-hash", *_TEXTS)
"""What the guest measures besides the compose document: bytes, and for two of them text."""
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")


class _Options(TypedDict):
    """Everything on the command line."""

    firmware: str | None
    page_order: str | None
    kernel: str | None
    initrd: str | None
    cmdline: str | None
    memory: str | None
    unpatched: bool
    compose: str | None
    event: tuple[str, ...]
    preimage: str
    form: str


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was computed: MRTD by page order, registers, and what a policy pins of a compose document."""

    mrtd: tuple[tuple[str, bytes], ...] = ()
    registers: tuple[Measurement, ...] = ()
    application: DstackApplication | None = None
    missing: tuple[str, ...] = ()


@click.command()
@click.option("--firmware", metavar="FILE", help="The virtual firmware, code and variables in one, such as OVMF.fd: MRTD.")
@click.option("--page-order", type=click.Choice(_ORDERS), help="How the hypervisor adds its pages.  [default: both]")
@click.option("--kernel", metavar="FILE", help="The kernel that the firmware starts directly: RTMR1 and RTMR2.")
@click.option("--initrd", metavar="FILE", help="Its initrd.")
@click.option("--cmdline", metavar="TEXT", help="Its command line.")
@click.option("--memory", metavar="SIZE", help="The TD's memory, such as 8G: QEMU places the initrd by it.")
@click.option("--unpatched", is_flag=True, help="The kernel is handed over as it is: QEMU writes nothing into it.")
@click.option("--compose", metavar="FILE", help="dstack's app-compose document, byte for byte: its hash, app id and RTMR3.")
@click.option(
    "--event",
    metavar="NAME=PAYLOAD",
    multiple=True,
    help="What else dstack's guest measures, in hex, key-provider and storage-fs as text. RTMR3 needs instance-id (empty for "
    "none) and key-provider.",
)
@click.option("--preimage", type=click.Choice(["1", "2"]), default="1", show_default=True, help="How dstack hashes events.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def measure(**options: Unpack[_Options]) -> int:
    """Compute what a TD's registers will hold from its firmware, kernel or compose document, for your policy.

    Nothing is verified or asked. What is computed is as true as the files are: take them from their publisher. Exit codes:
    0 computed, 2 a file is not what it should be.
    """
    from voltage_attest.errors import InputError

    _refuse_contradictions(options)
    try:
        measured = _measure(options)
    except InputError as error:
        raise CannotUse(str(error)) from None
    if options["form"] == "json":
        emit(json.dumps(_as_object(measured), indent=2) + "\n")
    else:
        emit("".join(f"{line}\n" for line in _lines(measured, Paint(wants_color(sys.stdout, os.environ)))))
    return Exit.VERIFIED


def _refuse_contradictions(options: _Options) -> None:
    if options["firmware"] is None and options["kernel"] is None and options["compose"] is None:
        raise click.UsageError("Name what is to be measured: --firmware, --kernel, --compose, or several of them.")
    needs = {"page_order": "firmware", "initrd": "kernel", "cmdline": "kernel", "memory": "kernel", "event": "compose"}
    given = dict(options)
    for name, other in needs.items():
        if given[name] not in {None, ()} and given[other] is None:
            raise click.UsageError(f"--{name.replace('_', '-')} says nothing without --{other} FILE.")
    if options["unpatched"] == (options["memory"] is not None) and options["kernel"] is not None:
        raise click.UsageError(
            "--kernel goes with --memory SIZE, for QEMU writes into the kernel where its initrd lies, or with --unpatched."
        )
    require_one_stdin(
        firmware=options["firmware"], kernel=options["kernel"], initrd=options["initrd"], compose=options["compose"]
    )


def _measure(options: _Options) -> _Measured:
    from voltage_attest.measure import measure_dstack

    application, missing = _application(options)
    registers = [] if options["kernel"] is None else list(_direct_boot(options["kernel"], options))
    if application is not None and not missing:
        registers.append(measure_dstack(application))
    return _Measured(_mrtd(options), tuple(registers), application, missing)


def _mrtd(options: _Options) -> tuple[tuple[str, bytes], ...]:
    from voltage_attest.measure import PageOrder, measure_mrtd
    from voltage_attest.measure.tdvf import MAX_IMAGE_SIZE

    if options["firmware"] is None:
        return ()
    image = read_input(options["firmware"], "--firmware", limit=MAX_IMAGE_SIZE)
    orders = _ORDERS if options["page_order"] is None else (options["page_order"],)
    return tuple([(order, measure_mrtd(image, PageOrder(order))) for order in orders])


def _direct_boot(kernel: str, options: _Options) -> tuple[Measurement, Measurement]:
    from voltage_attest.measure import DirectBoot, measure_direct_boot

    initrd = None if options["initrd"] is None else _read_large(options["initrd"], "--initrd")
    boot = DirectBoot(
        _read_large(kernel, "--kernel"),
        initrd,
        _encoded(options["cmdline"] or "", "--cmdline").decode("utf-8"),
        0 if options["memory"] is None else _size(options["memory"]),
        patched=not options["unpatched"],
    )
    return measure_direct_boot(boot)


def _read_large(name: str, option: str) -> bytes:
    data = read_input(name, option, limit=_MAX_FILE)
    if len(data) > _MAX_FILE:
        raise CannotUse(f"{option}: {name} has more than {_MAX_FILE} bytes. Name the kernel or initrd itself, no disk image.")
    return data


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise CannotUse(f"--memory: {text[:40]!r} is no size; expected bytes, or a number with K, M, G or T, such as 8G.")
    return int(match[1]) * _UNITS[match[2]]


def _application(options: _Options) -> tuple[DstackApplication | None, tuple[str, ...]]:
    """The application, and which events RTMR3 still needs."""
    from voltage_attest.errors import EvidenceFormatError
    from voltage_attest.evidence.compose import MAX_COMPOSE_SIZE
    from voltage_attest.evidence.json_text import parse_json
    from voltage_attest.measure import DstackApplication

    if options["compose"] is None:
        return None, ()
    compose = read_input(options["compose"], "--compose", limit=MAX_COMPOSE_SIZE)
    try:
        parse_json(compose, "the file", limit=MAX_COMPOSE_SIZE).as_object()
    except EvidenceFormatError as error:
        raise CannotUse(f"--compose: {error.found}; expected dstack's app-compose document, JSON as it was deployed.") from None
    events = dict(_events(options["event"]))
    storage = events.get("storage-fs")
    application = DstackApplication(
        compose=compose,
        instance_id=events.get("instance-id", b""),
        key_provider=events.get("key-provider", b""),
        app_id=events.get("app-id"),
        rootfs_hash=events.get("rootfs-hash"),
        mr_kms=events.get("mr-kms"),
        os_image_hash=events.get("os-image-hash"),
        storage_fs=None if storage is None else storage.decode("utf-8"),
        preimage_version=int(options["preimage"]),
    )
    return application, tuple([name for name in ("instance-id", "key-provider") if name not in events])


def _events(given: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for text in given:
        name, equals, payload = text.partition("=")
        if not equals or name not in _EVENTS:
            raise CannotUse(
                f"--event: {text[:80]!r} names none of these; expected NAME=PAYLOAD with {', '.join(_EVENTS)}. They stand in "
                "the log that `voltage-attest inspect` shows."
            )
        if name in seen:
            raise CannotUse(f"--event {name} is given twice. The guest measures it once.")
        seen.add(name)
        yield name, _payload(name, payload)


def _payload(name: str, text: str) -> bytes:
    if name in _TEXTS:
        return _encoded(text, f"--event {name}")
    digits = text.removeprefix("hex:")
    if not _HEX.fullmatch(digits):
        raise CannotUse(f"--event {name}: {text[:80]!r} is no hex; expected two digits a byte, as `inspect` shows them.")
    return bytes.fromhex(digits)


def _encoded(text: str, option: str) -> bytes:
    """UTF-8, as it is measured; the command line may have held bytes that are none."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotUse(f"{option}: not UTF-8; expected text as the guest has it. Check the terminal's encoding.") from None


def _lines(measured: _Measured, paint: Paint) -> Iterator[str]:
    for order, value in measured.mrtd:
        yield f"{paint.strong('MRTD')}   {value.hex()}  (pages {order})"
    for register in measured.registers:
        yield f"{paint.strong(f'RTMR{register.register}')}  {register.value.hex()}"
        width = max(len(name) for name, _ in register.events)
        for name, digest in register.events:
            yield f"       {printable(name):<{width}}  {digest.hex()}"
    if measured.missing:
        yield f"RTMR3 is not computed: it needs {' and '.join(f'--event {name}=...' for name in measured.missing)}."
    yield from ("", *_policy_lines(measured))


def _policy_lines(measured: _Measured) -> Iterator[str]:
    """What goes into a policy; RTMR3 differs per instance, so its events stand for it."""
    yield "# For your policy: computed from these files. They are as trustworthy as where you have them from."
    registers = [register for register in measured.registers if register.register != 3]
    if measured.mrtd or registers:
        yield "[tdx]"
    if measured.mrtd:
        accepted = ", ".join([f'"{value.hex()}"' for _, value in measured.mrtd])
        yield f"mrtd = [{accepted}]"
    for register in registers:
        yield f'rtmr{register.register} = ["{register.value.hex()}"]'
    if measured.application is not None:
        yield "[workload]"
        for key, value in _identity(measured.application).items():
            yield f'{key} = ["{value.hex()}"]'


def _identity(application: DstackApplication) -> dict[str, bytes]:
    events = dict(application.events())
    return {"compose_sha256": events["compose-hash"], "app_id": events["app-id"]}


def _as_object(measured: _Measured) -> dict[str, object]:
    identity = {} if measured.application is None else _identity(measured.application)
    return {
        "schema": MEASUREMENT_SCHEMA,
        "mrtd": {order: value.hex() for order, value in measured.mrtd},
        "registers": [
            {
                "register": f"rtmr{register.register}",
                "value": register.value.hex(),
                "events": [{"name": name, "digest": digest.hex()} for name, digest in register.events],
            }
            for register in measured.registers
        ],
        **{key: value.hex() for key, value in identity.items()},
        "missing_events": list(measured.missing),
    }
