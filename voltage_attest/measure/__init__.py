"""What a TD's registers will hold, computed from the artefacts it is made of, so that nobody has to trust a first boot.

* :mod:`~voltage_attest.measure.tdvf`: MRTD from a virtual firmware image
* :mod:`~voltage_attest.measure.linux`: RTMR1 and RTMR2 from kernel, initrd and command line of a direct boot
* :mod:`~voltage_attest.measure.dstack`: RTMR3 from a dstack compose document

Pure functions of bytes. What is computed here is compared with nothing: it goes into a policy, which somebody reviews.
"""

from __future__ import annotations

from voltage_attest.measure.dstack import DstackApplication, measure_dstack
from voltage_attest.measure.linux import DirectBoot, measure_direct_boot
from voltage_attest.measure.registers import Measurement
from voltage_attest.measure.tdvf import PageOrder, measure_mrtd

__all__ = [
    "DirectBoot",
    "DstackApplication",
    "Measurement",
    "PageOrder",
    "measure_direct_boot",
    "measure_dstack",
    "measure_mrtd",
]
