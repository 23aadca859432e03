"""`python -m initlint` is `initlint`."""

from initlint.cli import main

if __name__ == "__main__":
    main()
