"""A service that forks, as gunicorn and celery do: ``python forking.py ORIGIN API_BASE KEY POLICY CA ROOT POD_ID WHEN``.

It opens a gate, sends a request, forks three children (``WHEN``: ``idle``, or ``attesting`` while an attestation is under way),
and each process sends requests. A line of JSON each tells what came of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from voltage_attest.gate import AttestationGate, attested_http_client
from voltage_attest.trust import TrustRoots

BODY = {"model": "m", "messages": [{"role": "user", "content": "x"}], "confidential": True, "no_log": True}
CHILDREN = 3


def main() -> None:
    """Be the service."""
    origin, api_base, key, policy, ca, root, pod_id, when = sys.argv[1:]
    gate = AttestationGate(
        pod_id,
        policy,
        key,
        api_base,
        api_base,
        TrustRoots.from_pem(intel=Path(root).read_bytes()),
        ca,
        origin=origin,
        cache=None,
    )
    client = attested_http_client(gate, headers={"Authorization": f"Bearer {key}"})

    def send(who: str) -> None:
        status = client.post(f"{gate.base_url}/chat/completions", json=BODY).status_code
        told = {"who": who, "status": status, "attestations": gate.status().attestations}
        os.write(1, (json.dumps(told) + "\n").encode())

    waiting = None
    if when == "idle":
        send("parent")
    else:
        waiting = threading.Thread(target=send, args=("parent",))
        waiting.start()
        while not gate.status().is_attesting:
            time.sleep(0.001)
    children = []
    for number in range(CHILDREN):
        child = os.fork()
        if not child:
            send(f"child {number}")
            send(f"child {number}")
            client.close()
            gate.close()
            os._exit(0)
        children.append(child)
    failures = [os.waitpid(child, 0)[1] for child in children]
    if waiting is not None:
        waiting.join()
    send("parent")
    client.close()
    gate.close()
    sys.exit(any(failures))


if __name__ == "__main__":
    main()
