"""What models bear: where a warning is due and most models of which the same is found train nevertheless, in the study of docs/fixes.md.

An unsafe fix of such a finding is shown, and made only where somebody selects its rule by name: a model that trains is not edited.
Errors are never tolerated.
"""

from __future__ import annotations

FEW = 20  # layers: decay or growth of a warning's size trains in most nets with fewer, and in none with more
UNHURT = 1.0  # relative change of a layer by a new adapter, below which all of the probes but one of 24 train
MEASURING = ("INI1", "INI2", "INI3", "INI4", "INI6")  # codes of rules that measure: signal, gradient, activations, sums, rank
