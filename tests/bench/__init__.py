"""Time and memory of whole checks, measured on the machine at hand: `python -m tests.bench`."""
