"""The study behind the rules' thresholds: small nets trained on real data, and what initlint says of their sources.

`nets` (with `plain`, `sequences`, `adapters`) writes readable sources from fixed seeds; `training` → runs.csv, what each net
learns at six settings on two data sets; `labels` turns runs into trains, needs special care, fails; `findings` →
findings.json, what initlint says of the sources; `study` holds one against the other, in halves split by a hash →
docs/calibration.md.
"""
