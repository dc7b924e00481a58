"""What ``voltage-attest collateral`` does with NVIDIA's documents: named by id, or found out from GPU evidence."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, ParamSpec, TypedDict

import click

from voltage_attest.cli.exits import CannotUse
from voltage_attest.cli.files import read_input

if TYPE_CHECKING:
    from voltage_attest.collateral.nvidia_service import FetchedNvidia, NvidiaProgress, NvidiaService

__all__ = ["NvidiaOptions", "fetch_nvidia", "make_nvidia_service", "names_nvidia", "nvidia_options"]

Arguments = ParamSpec("Arguments")


class NvidiaOptions(TypedDict):
    """What :func:`nvidia_options` adds to a command."""

    gpu_evidence: str | None
    rim: tuple[str, ...]
    jwks: bool
    nvidia: str | None


def nvidia_options(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """The options that say which of NVIDIA's documents, and where they are."""
    options = (
        click.option("--gpu-evidence", metavar="FILE", help="What this GPU evidence needs: manifests, OCSP answers, CRLs."),
        click.option("--rim", metavar="ID", multiple=True, help="The manifest of that id (NV_GPU_DRIVER_...)."),
        click.option("--jwks", is_flag=True, help="The keys of NVIDIA's attestation service."),
        click.option("--nvidia", metavar="URL", help="Ask there, for all of them.  [default: NVIDIA's own services]"),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def names_nvidia(options: NvidiaOptions) -> bool:
    """Whether any of NVIDIA's documents is asked for."""
    return options["gpu_evidence"] is not None or bool(options["rim"]) or options["jwks"]


def make_nvidia_service(base: str | None, *, offline: bool, tls_ca: str | None, proxy: str | None) -> NvidiaService:
    """The service with the user's cache; ValueError for an address that cannot be used."""
    from voltage_attest.collateral.cache import CollateralCache
    from voltage_attest.collateral.nvidia_service import NVIDIA, NvidiaEndpoints, NvidiaService

    endpoints = NVIDIA if base is None else NvidiaEndpoints.at(base)
    return NvidiaService(endpoints, cache=CollateralCache.for_user(), offline=offline, tls_ca=tls_ca, proxy=proxy)


def fetch_nvidia(
    service: NvidiaService, options: NvidiaOptions, now: datetime, progress: NvidiaProgress | None
) -> FetchedNvidia:
    """Fetch all that is asked for, as `verify --ocsp-mode cached` would use it; CannotUse for what cannot be asked for."""
    from voltage_attest.collateral.nvidia_service import combined

    for rim_id in options["rim"]:
        _require_rim_id(rim_id)
    parts = [service.fetch_rims(options["rim"], now=now, progress=progress)]
    if options["gpu_evidence"] is not None:
        parts.append(_fetch_for_evidence(service, options["gpu_evidence"], now, progress))
    if options["jwks"]:
        parts.append(service.fetch_jwks(now=now, progress=progress))
    return combined(*parts)


def _require_rim_id(text: str) -> None:
    from voltage_attest.collateral.nvidia_requests import is_rim_id

    if not is_rim_id(text):
        raise CannotUse(
            f"--rim: {text[:80]!r} is no RIM id; expected one like NV_GPU_DRIVER_GH100_570.124.06. "
            "`verify` names those that it misses."
        )


def _fetch_for_evidence(service: NvidiaService, name: str, now: datetime, progress: NvidiaProgress | None) -> FetchedNvidia:
    """Manifests first: whose signers' status is to be asked stands in them."""
    from voltage_attest.collateral.nvidia_service import combined
    from voltage_attest.errors import EvidenceFormatError
    from voltage_attest.evidence.model import DeviceEvidence, Evidence
    from voltage_attest.trust import TrustRoots
    from voltage_attest.verify.device_evidence import read_devices
    from voltage_attest.verify.endorsements import status_questions, wanted_manifests
    from voltage_attest.verify.gpu_case import GpuWorkshop
    from voltage_attest.verify.rim_reading import RimShelf

    try:
        text = read_input(name, "--gpu-evidence").decode("utf-8")
        devices = read_devices(Evidence(gpu_evidence=(DeviceEvidence(text),)))
    except UnicodeDecodeError:
        raise CannotUse("--gpu-evidence: the file is no text; expected NRAS's request in JSON.") from None
    except EvidenceFormatError as error:
        raise CannotUse(f"--gpu-evidence: {error}") from None
    roots = TrustRoots.default()
    workshop = GpuWorkshop.under(roots)
    ids = [wanted.rim_id for wanted in wanted_manifests(devices, workshop)]
    if not ids:
        raise CannotUse(
            "--gpu-evidence: no report in it names a manifest; expected reports with their certificate chains. "
            "Pass the evidence as the pod gave it."
        )
    rims = service.fetch_rims(ids, now=now, progress=progress)
    questions = status_questions(devices, rims.collateral, workshop, RimShelf(), rim_root=roots.nvidia_rim, draw_nonce=None)
    return combined(rims, service.fetch_revocation(questions, now=now, mode="cached", progress=progress))
