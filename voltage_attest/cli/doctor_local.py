"""What can be seen without a network: versions, roots, policy, key, proxy settings, cache, audit log."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from voltage_attest._version import __version__
from voltage_attest.cli.doctor_model import Level, Observation, Surroundings
from voltage_attest.report.plain import one_or_many, utc

__all__ = ["LOCAL_SIGHTS"]

_LIBRARIES: Final = ("cryptography", "httpx", "click", "rich", "PyJWT", "lxml", "signxml", "platformdirs", "tomlkit", "openai")
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_CA_BUNDLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SOON: Final = timedelta(days=14)
_LEAST_SPACE: Final = 256 * 1024 * 1024


def see_versions(_around: Surroundings) -> Iterator[Observation]:
    """This program, Python, and what both stand on."""
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    yield Observation("version", Level.GOOD, f"voltage-attest {__version__}, Python {platform.python_version()}, {system}")
    yield Observation("version", Level.GOOD, f"TLS by {ssl.OPENSSL_VERSION}")
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} absent")
    yield Observation("version", Level.GOOD, ", ".join(found))
    encoding = sys.stdout.encoding or "unknown"
    if encoding.lower().replace("-", "") != "utf8":
        yield Observation(
            "version", Level.NOTE, f"standard output is {encoding}: what it lacks is escaped", "Set PYTHONUTF8=1."
        )


def see_roots(_around: Surroundings) -> Iterator[Observation]:
    """The pinned roots, compared with their hashes."""
    from voltage_attest.errors import TrustRootError
    from voltage_attest.trust import TrustRoots, known_issuing_certificates

    try:
        TrustRoots.default()
        known_issuing_certificates()
    except TrustRootError as error:
        yield Observation("roots", Level.PROBLEM, f"{error.found}; expected {error.expected}", error.remedy)
    else:
        yield Observation("roots", Level.GOOD, "Intel's and NVIDIA's pinned roots are unaltered")


def see_policy(around: Surroundings) -> Iterator[Observation]:
    """Whether it loads, and what in it ends or is switched off."""
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.advice import advise
    from voltage_attest.policy.load import load_policy

    if around.policy is None:
        try:
            load_policy(Path(around.policy_name))
        except PolicyError as error:
            yield Observation("policy", Level.PROBLEM, f"{error.found}; expected {error.expected}", error.remedy)
        return
    yield Observation("policy", Level.GOOD, f"{around.policy_name} loads, sha256 {around.policy.sha256}")
    advice = advise(around.policy, today=around.now.date(), warn_within=_SOON)
    for item in advice:
        if item.urgent:
            yield Observation("policy", Level.PROBLEM, f"{item.key}: {item.text}", "Review the policy, and renew or remove it.")
    others = sum(not item.urgent for item in advice)
    if others:
        text = f"{one_or_many(others, 'remark')} on what is open or ends soon"
        yield Observation("policy", Level.NOTE, text, f"Run `voltage-attest policy check {around.policy_name}`.")


def see_key(around: Surroundings) -> Iterator[Observation]:
    """Whether there is an API key, and who else may read it. Never the key."""
    from voltage_attest.pods import find_api_key

    file = around.network["api_key_file"]
    try:
        key = find_api_key(None if file is None else Path(file), around.environment)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        yield Observation("API key", Level.PROBLEM, f"it cannot be used: {why}", "Write the key alone into a file of your own.")
        return
    if key is None:
        remedy = "Set VOLTAGEGPU_API_KEY, or name a file with --api-key-file."
        yield Observation("API key", Level.NOTE, "there is none: no pod can be asked, bundles can be judged", remedy)
        return
    yield Observation("API key", Level.GOOD, f"there is one, from {key.source}")
    for warning in key.warnings:
        yield Observation("API key", Level.PROBLEM, warning, "Make the file yours alone.")


def see_proxies(around: Surroundings) -> Iterator[Observation]:
    """The environment's proxies and CAs are not used: that surprises people, and explains most time-outs in hospitals."""
    channel = None if around.policy is None else around.policy.channel
    used = around.network["proxy"] or (None if channel is None else channel.proxy)
    yield Observation("proxy", Level.GOOD, "one is named by option or policy" if used else "none: connections are direct")
    ignored = [name for name in _PROXIES if around.environment.get(name)]
    if ignored and not used:
        remedy = 'If there is no other way out, name it with --proxy, or in the policy as [channel] proxy = "http://...".'
        yield Observation("proxy", Level.NOTE, f"set in the environment, and not used: {', '.join(ignored)}", remedy)
    ignored = [name for name in _CA_BUNDLES if around.environment.get(name)]
    if ignored and not around.network["tls_ca"]:
        remedy = "If the network inspects TLS, name the company's CA with --tls-ca."
        yield Observation("proxy", Level.NOTE, f"set in the environment, and not used: {', '.join(ignored)}", remedy)


def see_cache(around: Surroundings) -> Iterator[Observation]:
    """Where it is, whether it may be used, and what is in it."""
    from voltage_attest.collateral.cache import CollateralCache
    from voltage_attest.collateral.cache_upkeep import EntryState, list_cache

    cache = CollateralCache.for_user()
    warnings: list[str] = []
    entries = list_cache(cache, now=around.now, warn=warnings.append)
    for warning in dict.fromkeys(warnings):
        remedy = "Make folder and files yours alone, or remove them: they are fetched again."
        yield Observation("cache", Level.PROBLEM, warning, remedy)
    states = Counter(entry.state for entry in entries)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "empty"
    useless = states[EntryState.EXPIRED] + states[EntryState.UNREADABLE]
    level, remedy = (Level.NOTE, "Run `voltage-attest collateral prune`.") if useless else (Level.GOOD, "")
    yield Observation("cache", level, f"{cache.directory}: {told}", remedy)
    ahead = [entry.issued for entry in entries if entry.issued is not None and entry.issued > around.now + timedelta(minutes=5)]
    if ahead:
        text = f"a document in the cache was issued {utc(max(ahead))}, later than this machine's clock says it is"
        yield Observation("clock", Level.PROBLEM, text, "Set the clock: every window is judged by it.")


def see_audit_log(around: Surroundings) -> Iterator[Observation]:
    """Whether it is what was written to it, and whether there is room for more."""
    if around.policy is None or around.policy.audit is None:
        yield Observation("audit log", Level.GOOD, "the policy names none")
        return
    path = Path(around.policy.audit.path)
    folder = path.parent
    if not folder.is_dir():
        yield Observation(
            "audit log", Level.PROBLEM, f"its folder {folder} does not exist", "Make the folder: no gate opens without."
        )
        return
    free = shutil.disk_usage(folder).free
    if free < _LEAST_SPACE:
        text = f"{free // 1024 // 1024} MiB are left on its disk"
        yield Observation("audit log", Level.PROBLEM, text, "Make room: a record that cannot be written shuts the gate.")
    if not path.exists():
        yield Observation("audit log", Level.GOOD, f"{path} has not been begun")
        return
    yield from _read_log(path)


def _read_log(path: Path) -> Iterator[Observation]:
    from voltage_attest.errors import AuditError
    from voltage_attest.gate.audit_verify import verify_audit_log

    try:
        report = verify_audit_log(path)
    except AuditError as error:
        yield Observation("audit log", Level.PROBLEM, error.found, error.remedy)
        return
    for fault in report.faults:
        yield Observation("audit log", Level.PROBLEM, fault, "Keep the file as it is, and find out who wrote to it.")
    for note in report.notes:
        yield Observation("audit log", Level.NOTE, note, "Nothing, if a program or machine stopped hard at that time.")
    if not report.records and path.stat().st_size:
        yield Observation("audit log", Level.PROBLEM, f"{path} holds no record", "Name another file: a gate begins its own.")
        return
    if not report.sealed:
        text = "its key is not at hand: the chain alone was looked at"
        yield Observation("audit log", Level.NOTE, text, "Run `voltage-attest audit verify --key FILE` where the key is.")
    if report.is_intact:
        yield Observation("audit log", Level.GOOD, f"{path}: {one_or_many(report.records, 'record')}, intact")


LOCAL_SIGHTS: Final = (see_versions, see_roots, see_policy, see_key, see_proxies, see_cache, see_audit_log)
"""In the order in which they are shown."""
