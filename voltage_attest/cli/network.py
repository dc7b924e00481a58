"""The options that say where evidence and collateral come from, and the attester made of them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypedDict

import click

from voltage_attest.cli.exits import CannotUse
from voltage_attest.cli.progress import fetch_progress
from voltage_attest.cli.verify_devices import DeviceFiles, read_nvidia
from voltage_attest.cli.verify_inputs import make_verifier
from voltage_attest.report.plain import printable

if TYPE_CHECKING:
    from voltage_attest.attest import Attester
    from voltage_attest.collateral.intel import IntelCollateral
    from voltage_attest.pods import ApiKey
    from voltage_attest.policy.model import Policy
    from voltage_attest.trust import TrustRoots

__all__ = ["Network", "find_key", "network_options", "opened_attester", "require_key", "require_pod_id", "warn"]

Arguments = ParamSpec("Arguments")


class Network(TypedDict):
    """What :func:`network_options` adds to a command."""

    api_base: str | None
    api_key_file: str | None
    pccs: tuple[str, ...]
    tls_ca: str | None
    proxy: str | None
    no_cache: bool
    offline: bool


def network_options(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Add the options of :class:`Network`."""
    options = (
        click.option("--api-base", metavar="URL", help="The pod's API.  [default: https://api.voltagegpu.com]"),
        click.option(
            "--api-key-file", metavar="FILE", help="Read the API key there, else in VOLTAGEGPU_API_KEY or VOLT_API_KEY."
        ),
        click.option(
            "--pccs", metavar="URL", multiple=True, help="Ask there for collateral.  [default: the policy's, or Intel]"
        ),
        click.option("--tls-ca", metavar="FILE", help="PEM file of CAs trusted for TLS besides the public ones."),
        click.option("--proxy", metavar="URL", help="HTTP proxy.  [default: the policy's; the environment's is not used]"),
        click.option("--no-cache", is_flag=True, help="Fetch collateral anew, and keep none."),
        click.option("--offline", is_flag=True, help="Use files and the cache alone, never the network."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def find_key(file: str | None, *, environment: bool = True) -> ApiKey | None:
    """The API key from the file, else from the environment if it may be looked for there; CannotUse if it is no key."""
    from voltage_attest.pods import find_api_key

    try:
        key = find_api_key(None if file is None else Path(file), os.environ if environment else {})
    except OSError as error:
        raise CannotUse(f"--api-key-file: {file} cannot be read ({error.strerror}). Check name and permissions.") from None
    except ValueError as error:
        raise CannotUse(str(error)) from None
    for text in () if key is None else key.warnings:
        warn(text)
    return key


def require_key(file: str | None) -> ApiKey:
    """As :func:`find_key`; CannotUse where there is none."""
    key = find_key(file)
    if key is None:
        raise CannotUse(
            "a pod is asked with an API key, and there is none: set VOLTAGEGPU_API_KEY, or name a file that holds it with "
            "--api-key-file. It is never taken from the command line, where every user of this machine could read it."
        )
    return key


def require_pod_id(pod_id: str) -> None:
    """CannotUse where it could mean another path of the API."""
    from voltage_attest.errors import EvidenceFormatError
    from voltage_attest.pods.voltagegpu import attestation_path

    try:
        attestation_path(pod_id, bytes(32))
    except EvidenceFormatError as error:
        raise CannotUse(f"POD_ID: {error}") from None


@contextmanager
def opened_attester(
    policy: Policy,
    roots: TrustRoots | None,
    network: Network,
    *,
    key: ApiKey | None = None,
    collateral: IntelCollateral | None = None,
    quiet: bool,
    devices: DeviceFiles | None = None,
) -> Iterator[Attester]:
    """The attester, with its progress on a terminal; CannotUse where an address or a file cannot be used.

    ``key`` is what pods are asked with. Without it, evidence at hand is judged. ``collateral`` at hand is not asked for.
    """
    from voltage_attest.attest import open_attester
    from voltage_attest.errors import TrustRootError

    make_verifier(policy, roots)
    with ExitStack() as stack:
        progress = stack.enter_context(fetch_progress(quiet=quiet))
        try:
            attester = open_attester(
                policy,
                api_key=key,
                api_base=network["api_base"],
                pccs=network["pccs"],
                roots=roots,
                tls_ca=network["tls_ca"],
                cache=None if network["no_cache"] else "user",
                collateral=collateral,
                offline=network["offline"],
                proxy=network["proxy"],
                progress=progress,
                nvidia=None if devices is None else read_nvidia(devices),
                nvidia_base=None if devices is None else devices["nvidia_base"],
                ocsp_mode="online" if devices is None else devices["ocsp_mode"],
            )
            opened = stack.enter_context(attester)
        except TrustRootError as error:
            raise CannotUse(f"--tls-ca: {error}") from None
        except ValueError as error:
            raise CannotUse(str(error)) from None
        yield opened


def warn(text: str) -> None:
    """Say on standard error what the user should know."""
    click.echo(f"warning: {printable(text)}", err=True)
