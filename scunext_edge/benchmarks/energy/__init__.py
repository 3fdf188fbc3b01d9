"""Energy of an image and of a patient, from counters and sensors that the machine has.

In a process of its own, never beside timing: sensors are read meanwhile.
"""

from scunext_edge.benchmarks.energy.measure import measure_energy
from scunext_edge.benchmarks.energy.records import (
    Energy,
    Unreadable,
    doubts,
    from_json,
    per_patient_mj,
)
from scunext_edge.benchmarks.energy.sources import Source, opened, probe

__all__ = [
    "Energy",
    "Source",
    "Unreadable",
    "doubts",
    "from_json",
    "measure_energy",
    "opened",
    "per_patient_mj",
    "probe",
]
