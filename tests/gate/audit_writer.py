"""A process of its own that writes to an audit log until it is killed, and says what was acknowledged.

``python -m tests.gate.audit_writer LOG`` appends request after request; once one is acknowledged, its ``seq`` and SHA-256 go to
standard output as one line, in one write.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from voltage_attest.gate.audit import AuditLog
from voltage_attest.gate.audit_record import AuditEvent, AuditKind


def main(path: str) -> None:
    log = AuditLog(Path(path))
    while True:
        event = AuditEvent(kind=AuditKind.REQUEST, pod="pod_7", path="/v1/confidential/chat/completions", model="m" * 150)
        receipt = log.append(event, at=datetime.now(UTC))
        os.write(1, f"{receipt.seq} {receipt.sha256}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
