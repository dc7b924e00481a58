"""What a gated client takes from its caller, and what it does not take from the environment.

The SDK reads OPENAI_API_KEY, OPENAI_ADMIN_KEY, OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_BASE_URL and OPENAI_CUSTOM_HEADERS.
They are about an account at OpenAI: a pod that is handed them learns secrets that are not its business, and a base URL or a
header from there may lead elsewhere. All are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from openai import Omit

from voltage_attest.attested_openai.errors import GateRefused, of_sdk
from voltage_attest.gate.gate import AttestationGate
from voltage_attest.pods.credentials import find_api_key
from voltage_attest.policy import Policy
from voltage_attest.trust import TrustRoots

__all__ = [
    "GateArguments",
    "key_or_environment",
    "refuse_arguments",
    "require_origin",
    "restored",
    "sdk_arguments",
]

_REFUSED: Final = {
    "http_client": "the connections are the gate's, which checks the attested key on each; a proxy is named in [channel]",
    "provider": "a provider sends requests to its own address with its own credentials",
    "data_residency": "it names an address of OpenAI",
    "workload_identity": "it exchanges credentials over connections that are not gated",
    "admin_api_key": "it is a key to an account at OpenAI, which a pod must not see",
    "websocket_base_url": "websockets are refused",
}
_STANDARD: Final = {"Accept": "application/json", "Content-Type": "application/json"}


class _Ignored(Omit):
    """Takes the place of a header of OPENAI_CUSTOM_HEADERS."""


@dataclass(frozen=True, slots=True)
class GateArguments:
    """What makes a gate, where none is given. ``api_key`` is the gate's too if it is a text."""

    pod_id: str | None
    policy: Policy | Path | str | None
    api_key: object
    api_base: str | None
    pccs: str | Sequence[str] | None
    roots: TrustRoots | None
    tls_ca: Path | str | None
    base_url: str | None

    def gate(self, given: AttestationGate | None) -> AttestationGate:
        """The gate that is given, or one made for the pod; TypeError where both or neither is named."""
        if given is not None:
            made_with = ("pod_id", "policy", "api_base", "pccs", "roots", "tls_ca")
            both = [item.name for item in fields(self) if item.name in made_with and getattr(self, item.name) is not None]
            if both:
                raise TypeError(
                    f"{', '.join(both)}: the gate has been made already; pass these to AttestationGate, or no gate."
                )
            return given
        if self.pod_id is None or self.policy is None:
            raise TypeError("pass a gate, or pod_id and policy to make one.")
        return AttestationGate(
            self.pod_id,
            self.policy,
            self.api_key if isinstance(self.api_key, str) else None,
            self.api_base,
            self.pccs,
            self.roots,
            self.tls_ca,
            origin=self.base_url,
        )


def refuse_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The other arguments; GateRefused where one of the SDK's is given that leads past the gate. None stands for not given."""
    for name, reason in _REFUSED.items():
        value = given.get(name)
        if value is not None and type(value).__name__ != "NotGiven":
            raise GateRefused(
                f"the argument {name}",
                expected="a client whose every byte goes through the gate",
                remedy=f"Leave it away: {reason}.",
            )
    return {name: value for name, value in given.items() if name not in _REFUSED}


def require_origin(base_url: object, gate: AttestationGate) -> str:
    """The base URL, or the gate's own; GateRefused if it is of another origin."""
    if base_url is None or type(base_url).__name__ == "NotGiven":
        return gate.base_url
    refusal = gate.refusal_of_url(str(base_url))
    if refusal is not None:
        raise of_sdk(refusal)
    return str(base_url)


def key_or_environment(api_key: Any) -> Any:
    """The key, or what yields it, as given; else from VOLTAGEGPU_API_KEY or VOLT_API_KEY; ValueError where neither is set."""
    if api_key is not None:
        return api_key
    found = find_api_key(None, os.environ)  # noqa: TID251 - the key of the caller's environment, by contract
    if found is None:
        raise ValueError("there is no API key: pass api_key, or set VOLTAGEGPU_API_KEY or VOLT_API_KEY.")
    return found.reveal()


def sdk_arguments(others: Mapping[str, Any]) -> dict[str, Any]:
    """The other arguments as the SDK takes them: none that it would fill from the environment is left to it."""
    ignored: dict[str, object] = {}
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n"):  # noqa: TID251 - read to be ignored
        name, colon, _ = line.partition(":")
        if colon:
            ignored[name.strip()] = _Ignored()
    own = {name: value for name, value in (others.get("default_headers") or {}).items() if not isinstance(value, _Ignored)}
    return {**{name: value for name, value in others.items() if name not in _REFUSED}, "default_headers": {**ignored, **own}}


def restored(headers: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The client's default headers, with the SDK's own value wherever a header of the environment had taken its place."""
    standard = {**_STANDARD, **own}
    return {
        name: standard[name] if isinstance(value, _Ignored) else value
        for name, value in headers.items()
        if not isinstance(value, _Ignored) or name in standard
    }
