"""The built-in rules: one folder each, found by walking this package (see `initlint.lint.load`)."""
