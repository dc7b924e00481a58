"""What ``verify`` reads about GPUs: reports with their chains, manifests, and tokens of NVIDIA's attestation service."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypedDict

import click

from voltage_attest.cli.exits import CannotUse
from voltage_attest.cli.files import read_input

if TYPE_CHECKING:
    from voltage_attest.collateral.nvidia import NvidiaCollateral
    from voltage_attest.collateral.nvidia_fetched import FetchedNvidia
    from voltage_attest.collateral.nvidia_service import OcspMode
    from voltage_attest.evidence.model import DeviceEvidence, Evidence

__all__ = ["DeviceFiles", "device_options", "device_stdin", "read_nvidia", "replaced_by", "with_devices"]

Arguments = ParamSpec("Arguments")


class DeviceFiles(TypedDict):
    """What :func:`device_options` adds to a command."""

    gpu_evidence: tuple[str, ...]
    gpu_chain: str | None
    rim: tuple[str, ...]
    nras: tuple[str, ...]
    jwks: tuple[str, ...]
    ocsp_mode: OcspMode
    nvidia_base: str | None


def device_options(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Add the options of :class:`DeviceFiles`."""
    options = (
        click.option(
            "--gpu-evidence",
            metavar="FILE",
            multiple=True,
            help="Reports of GPUs or switches: NRAS's request in JSON, or one raw report with --gpu-chain.",
        ),
        click.option("--gpu-chain", metavar="FILE", help="PEM chain of a raw report, leaf first."),
        click.option(
            "--rim", metavar="FILE", multiple=True, help="NVIDIA's reference manifest.  [default: cache, then network]"
        ),
        click.option("--nras", metavar="FILE", multiple=True, help="An answer of NVIDIA's attestation service."),
        click.option("--jwks", metavar="FILE", multiple=True, help="Keys of that service, from the days of its answer."),
        click.option(
            "--ocsp-mode",
            type=click.Choice(["online", "cached", "off"]),
            default="online",
            show_default=True,
            help="Ask NVIDIA about revocation with a nonce, or take answers of the last day, or CRLs alone.",
        ),
        click.option("--nvidia-base", metavar="URL", help="Ask there in place of all of NVIDIA's services."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def device_stdin(files: DeviceFiles) -> dict[str, str | None]:
    """The options that name standard input, for the rule that only one may."""
    several = {"gpu_evidence": files["gpu_evidence"], "rim": files["rim"], "nras": files["nras"], "jwks": files["jwks"]}
    return {name: "-" if "-" in names else None for name, names in several.items()} | {"gpu_chain": files["gpu_chain"]}


def with_devices(evidence: Evidence, files: DeviceFiles) -> Evidence:
    """``evidence`` with the devices of the files that are named; CannotUse where a file cannot be read."""
    if not files["gpu_evidence"]:
        return evidence
    from dataclasses import replace

    from voltage_attest.errors import EvidenceFormatError
    from voltage_attest.evidence.nras_request import parse_nras_request

    gpus: list[DeviceEvidence] = []
    switches: list[DeviceEvidence] = []
    for name in files["gpu_evidence"]:
        device = _read(name, files["gpu_chain"])
        try:
            about_switches = parse_nras_request(device.json.encode()).items[0].architecture.is_switch
        except EvidenceFormatError:
            about_switches = False
        (switches if about_switches else gpus).append(device)
    return replace(
        evidence,
        gpu_evidence=(*evidence.gpu_evidence, *gpus),
        switch_evidence=(*evidence.switch_evidence, *switches),
    )


def read_nvidia(files: DeviceFiles) -> NvidiaCollateral | None:
    """NVIDIA's documents in files; None where none is named. CannotUse where a manifest is in neither of its forms."""
    from voltage_attest.collateral.nvidia import NrasAnswer, NvidiaCollateral
    from voltage_attest.collateral.rim import parse_rim_file
    from voltage_attest.errors import CollateralFormatError

    if not (files["rim"] or files["nras"] or files["jwks"]):
        return None
    try:
        rims = tuple([parse_rim_file(read_input(name, "--rim")) for name in files["rim"]])
    except CollateralFormatError as error:
        raise CannotUse(f"--rim: {error}") from None
    return NvidiaCollateral(
        rims=rims,
        nras=tuple([NrasAnswer(read_input(name, "--nras")) for name in files["nras"]]),
        jwks=tuple([read_input(name, "--jwks") for name in files["jwks"]]),
    )


def replaced_by(kept: FetchedNvidia, files: DeviceFiles | None) -> FetchedNvidia:
    """What a bundle kept, with the kinds of documents that are named as files in place of its own."""
    from dataclasses import replace

    at_hand = None if files is None else read_nvidia(files)
    if at_hand is None:
        return kept
    own = kept.collateral
    rims, nras, jwks = at_hand.rims or own.rims, at_hand.nras or own.nras, at_hand.jwks or own.jwks
    return replace(kept, collateral=replace(own, rims=rims, nras=nras, jwks=jwks))


def _read(name: str, chain: str | None) -> DeviceEvidence:
    """One file: JSON as it stands, or a report put into the same frame with its chain."""
    from voltage_attest.evidence.model import DeviceEvidence

    data = read_input(name, "--gpu-evidence")
    if data.lstrip()[:1] in {b"{", b"["}:
        if chain is not None:
            raise CannotUse("--gpu-chain goes with a raw report: --gpu-evidence holds JSON, which brings its own chains.")
        try:
            return DeviceEvidence(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise CannotUse(f"--gpu-evidence: byte {error.start} of {name} is not UTF-8. Pass the JSON unchanged.") from None
    if chain is None:
        raise CannotUse(
            f"--gpu-evidence: {name} is not JSON; expected NRAS's request, or a report with its certificates in --gpu-chain."
        )
    return _framed(data, read_input(chain, "--gpu-chain"))


def _framed(data: bytes, chain: bytes) -> DeviceEvidence:
    """A report in NRAS's frame, under the architecture that its chain names; the checks tell whether that is true."""
    from voltage_attest.errors import EvidenceFormatError
    from voltage_attest.evidence.gpu_report import Architecture, decode_report_bytes
    from voltage_attest.evidence.model import DeviceEvidence
    from voltage_attest.verify.gpu_case import chain_chip

    chip = chain_chip(chain)
    architecture = Architecture.LS10 if chip == "LS_10" else Architecture.BLACKWELL if chip[:2] == "GB" else Architecture.HOPPER
    try:
        report = decode_report_bytes(data)
    except EvidenceFormatError as error:
        raise CannotUse(f"--gpu-evidence: {error}") from None
    member = {"evidence": base64.b64encode(report).decode(), "certificate": base64.b64encode(chain).decode()}
    return DeviceEvidence(json.dumps({"arch": architecture.value, "evidence_list": [member]}))
