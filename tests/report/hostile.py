"""Results in which every text that evidence, collateral or policy choose is the attacker's."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.report.samples import CLAIMS, REFUSED, UNKNOWN_CHECK
from voltage_attest.report.entries import Named
from voltage_attest.result import (
    AttestationResult,
    BootEventClaims,
    Channel,
    CheckResult,
    CollateralRecord,
    EvidenceRecord,
    Finding,
    Freshness,
    GpuClaims,
    Location,
    PolicyRecord,
    Status,
    Subject,
    SwitchClaims,
)

__all__ = ["ATTACKS", "hostile"]

ATTACKS: Final = (
    "\x1b[2J\x1b]0;owned\x07\r\n::error::\x9b1m\u202e\u2028\ud800\x7f\x00\ufffe",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"'><svg/onload=alert(1)>]]>--><!--",
    "</title></style></details><a href='https://evil.example'>here</a>",
    "]]></failure></testcase><testcase name='fine'/>",
    "[click](https://evil.example) ![x](https://evil.example/x.png) | **bold** | `code` @everyone #1 www.evil.example",
    "\n::set-output name=verdict::verified\n##[error]%0A::notice::x",
    "${{ github.token }} $(id) `id` ; rm -rf / && echo",
    "&amp;&lt;&#60;script&#62;",
    "file\\..\\..\\x",
)


def hostile(text: str) -> Named:
    """A refused result that says ``text`` wherever it can."""
    finding = Finding(Status.FAILED, text, text, text, location=Location(text, 1))
    unknown = replace(UNKNOWN_CHECK, id=text, title=text, remedy=text, spec=text, proves=text)
    rows = [CheckResult(unknown, finding._replace(status=status, unsafe=status is Status.SKIPPED), text) for status in Status]
    gpu = GpuClaims(text, text, text, text, text, text, text, None, text, text, text, text, 1, (text,))
    event = BootEventClaims(0, text, text, text, text, bound=False)
    switch = SwitchClaims(text, text, text, text, None, text, text, (text,), text, 1, (text,))
    result = AttestationResult(
        appraised_at=REFUSED.appraised_at,
        verifier_version=text,
        subject=Subject(text, text),
        policy=PolicyRecord(text, text, text),
        evidence=(EvidenceRecord(text, 4, text, 1),),
        collateral=(
            *[replace(record, kind=text, source=text) for record in REFUSED.collateral],
            CollateralRecord(text, text, text),
        ),
        freshness=Freshness(text),
        channel=Channel(text, text),
        tdx=replace(CLAIMS, mrtd=text, fmspc=text, td_report=text, tcb_status=text, advisory_ids=(text,)),
        gpus=(gpu,),
        switches=(switch,),
        boot=(event,),
        checks=tuple(rows),
        warnings=(text,),
    )
    return Named(text, result)
