"""The study behind docs/fixes.md: do repaired nets train?

`calibration` repairs the nets of `tests.calibration` as `initlint check --fix --unsafe-fixes` does and trains them as they were
trained (→ repaired.jsonl); `deep` repairs two very deep examples and trains them before and after (→ curves.csv, `drawing` →
docs/curves/*.svg); `page` writes the table of docs/fixes.md from these records and from the rules' cases.
"""
