"""REPORT → text, in the format that was asked for.

Read in this order: `place` (paths as they are printed), `summary` (the closing lines), `text` and `page` (for people), `hunk`
and `changes` (fixes as suggestions and patches), then one file for each kind of machine: `data`, `github`, `review`, `gitlab`,
`junit`, `rdjson`, `sarif`. `formats` is the table of them all.
"""
