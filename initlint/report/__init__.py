"""REPORT → text, in the format that was asked for.

Read in this order: `place` (paths as they are printed), `summary` (the closing lines), `text` (for people), then one file for
each kind of machine: `data`, `github`, `gitlab`, `junit`. `formats` is the table of them all.
"""
