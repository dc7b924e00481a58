"""TCB statuses and security advisories in words: what each means for a clinic, what to do, and who must act.

Statuses are those of Intel PCS v4 and QVL, as :class:`~voltage_attest.tcb_status.TcbStatus` has them. Of advisories, only those
are described here whose subject is certain; any other is named with the address where Intel describes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from voltage_attest.checks import Actor
from voltage_attest.tcb_status import TcbStatus

__all__ = ["ADVISORIES", "TCB_MEANINGS", "Meaning", "advisory_meaning", "advisory_url", "parse_advisory_id"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """A status or an advisory: in a line, what it means for patients' data, what to do, and who must act."""

    name: str
    title: str
    means: str
    what_to_do: str
    actor: Actor


_ASK_FOR_UPDATE: Final = (
    "Do not send data. Ask the provider to update BIOS, microcode and TDX module of this host, or to place the pod on one that "
    "is updated, then verify again. If you must go on meanwhile, write an exception with the advisories, a reason and a last "
    "day."
)
_ASK_FOR_SETTINGS: Final = (
    "Ask the provider which BIOS setting the advisories call for, and to change it. If your review finds that it does not "
    "concern you, write an exception with the advisories, a reason and a last day."
)

TCB_MEANINGS: Final = MappingProxyType(
    {
        meaning.name: meaning
        for meaning in (
            Meaning(
                TcbStatus.UP_TO_DATE,
                "Every security update that Intel lists is in place",
                "Intel knows of no flaw in this processor, its microcode or its TDX module that an update would close and that "
                "is still open on this host.",
                "Nothing. Verify again before the collateral ends, for Intel's list grows.",
                Actor.YOU,
            ),
            Meaning(
                TcbStatus.SW_HARDENING_NEEDED,
                "Updated, but the software in the TD must protect itself",
                "The host has every update. Against the advisories named, updates alone do not help: software inside the "
                "confidential machine must be built or set up to withstand them. Otherwise somebody on the host may read parts "
                "of what it computes, patients' data among them.",
                "Ask whoever builds the pod's image whether it carries the mitigations of the advisories. If it does, accept "
                "them by an exception with the advisories, a reason and a last day.",
                Actor.PROVIDER,
            ),
            Meaning(
                TcbStatus.CONFIGURATION_NEEDED,
                "Updated, but the host's settings leave it exposed",
                "The host has every update, and a setting of its BIOS (such as simultaneous multithreading) keeps one of them "
                "from taking full effect. Somebody on the host may be able to observe what the confidential machine computes.",
                _ASK_FOR_SETTINGS,
                Actor.PROVIDER,
            ),
            Meaning(
                TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
                "Updated, but both settings and the software in the TD must change",
                "The host has every update. Against the advisories named, neither updates nor settings as they are suffice, "
                "and the software inside the confidential machine must protect itself too.",
                f"{_ASK_FOR_SETTINGS} Ask also whoever builds the pod's image whether it carries the mitigations.",
                Actor.PROVIDER,
            ),
            Meaning(
                TcbStatus.OUT_OF_DATE,
                "Security updates are missing",
                "Flaws that are publicly known are open on this host. Somebody who controls it, or shares it, may use them to "
                "read or alter what the confidential machine protects. For patients' data this is as good as unprotected.",
                _ASK_FOR_UPDATE,
                Actor.PROVIDER,
            ),
            Meaning(
                TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
                "Security updates are missing, and the host's settings leave it exposed",
                "Publicly known flaws are open on this host, and a BIOS setting would leave it exposed even when updated.",
                f"{_ASK_FOR_UPDATE} Ask for the BIOS setting as well.",
                Actor.PROVIDER,
            ),
            Meaning(
                TcbStatus.TD_RELAUNCH_ADVISED,
                "The host is updated; this TD was launched before it was",
                "The update took effect for confidential machines that start from now on. This one still runs under the older "
                "TDX module's protection, and with its known flaws.",
                "Stop the pod and start it anew, then verify again. Nothing else needs to change.",
                Actor.YOU,
            ),
            Meaning(
                TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
                "The TD must be launched again, and the host's settings must change",
                "This confidential machine was launched before the host was updated, and a BIOS setting leaves the host "
                "exposed.",
                f"Stop the pod and start it anew. {_ASK_FOR_SETTINGS}",
                Actor.PROVIDER,
            ),
            Meaning(
                TcbStatus.REVOKED,
                "Intel has revoked this TCB: it is known to be broken",
                "Keys of this host, or of its level of software, are compromised. Whoever has them can fake any measurement: "
                "nothing that this host attests is worth anything.",
                "Send nothing, and move to another host. No policy can accept this status. Tell the provider, who must update "
                "or replace the machine.",
                Actor.PROVIDER,
            ),
        )
    }
)
"""By status, as Intel writes it."""

ADVISORIES: Final = MappingProxyType(
    {
        "INTEL-SA-00161": "L1 Terminal Fault (Foreshadow): data in a core's first-level cache may be read by others on it",
        "INTEL-SA-00233": "Microarchitectural Data Sampling (MDS): data in a core's buffers may be read by others on it",
        "INTEL-SA-00289": "Plundervolt: changing the voltage makes an enclave compute wrongly, in ways that give secrets away",
        "INTEL-SA-00320": "Special Register Buffer Data Sampling: random numbers of one core may be read on another",
        "INTEL-SA-00334": "Load Value Injection (LVI): an attacker's values may slip into a victim's computations",
        "INTEL-SA-00615": "Processor MMIO Stale Data: leftovers in a core's buffers may be read by way of device memory",
        "INTEL-SA-00657": "AEPIC leak: stale data of the interrupt controller may show what an enclave computes",
        "INTEL-SA-00828": "Gather Data Sampling (Downfall): vector registers may give away data of others on the same core",
    }
)
"""The subject of those advisories that TCB levels name and that are described beyond doubt (Intel Security Center)."""

_ADVISORY: Final = re.compile(r"INTEL-(SA|DOC)-(\d{5})", re.IGNORECASE)

_UNKNOWN: Final = "a security advisory of Intel's; this version does not describe it"


def parse_advisory_id(text: str) -> str | None:
    """The advisory's id in capitals; None if the text is none (``INTEL-SA-00615``)."""
    return text.upper() if _ADVISORY.fullmatch(text) else None


def advisory_url(advisory_id: str) -> str | None:
    """Where Intel describes it; None for what is no ``INTEL-SA`` number."""
    found = _ADVISORY.fullmatch(advisory_id)
    if found is None or found[1].upper() != "SA":
        return None
    return f"https://www.intel.com/content/www/us/en/security-center/advisory/{advisory_id.lower()}.html"


def advisory_meaning(advisory_id: str) -> Meaning:
    """What an advisory means where a TCB level names it."""
    url = advisory_url(advisory_id)
    read = f"Read {url}. " if url else "Read it at Intel's security center. "
    return Meaning(
        advisory_id,
        ADVISORIES.get(advisory_id.upper(), _UNKNOWN),
        "Intel names it for this host's level of updates: the flaw that it describes is not closed there, or not by updates "
        "alone. Whether patients' data are in reach depends on the flaw, and on what the pod runs.",
        f"{read}An update of the host usually closes it: ask the provider for one. If your review finds that it does not "
        "concern you, name it in an exception with a reason and a last day; to refuse it whatever the status, add it to "
        "deny_advisories.",
        Actor.PROVIDER,
    )
