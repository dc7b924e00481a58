"""Where evidence comes from: the VoltageGPU API, other providers' answers, live or from a file. Nothing here is believed.

Reading (:func:`parse_answer`) needs no network; fetching is in :mod:`voltage_attest.pods.client` and loads httpx.
"""

from __future__ import annotations

from voltage_attest.pods.credentials import ApiKey, find_api_key, read_api_key_file
from voltage_attest.pods.providers import PROVIDERS, Provider, parse_answer

__all__ = ["PROVIDERS", "ApiKey", "Provider", "find_api_key", "parse_answer", "read_api_key_file"]
