"""initlint: a linter for the numbers a neural network starts from."""
