"""Commands that need no model answer at once: they never import torch."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "sympy", "numpy", "networkx", "libcst")
FOLDERS = {"plain.py": "x = 1\n", "broken.py": "import torch\nx = (\n", "empty.py": "# torch\n"}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["--version"], id="version"),
        pytest.param(["check", "--help"], id="help of check"),
        pytest.param(["verify", "--help"], id="help of verify"),
        pytest.param(["rule", "INI101"], id="a rule"),
        pytest.param(["rule", "--all", "--output-format", "json"], id="all rules"),
        pytest.param(["check", "."], id="a folder without models"),
        pytest.param(["check", "--select", "NOPE"], id="a wrong option"),
    ],
)
def test_heavy_packages_are_not_imported(tmp_path, arguments):
    for name, text in FOLDERS.items():
        (tmp_path / name).write_text(text)
    program = (
        "import sys\n"
        "from initlint.cli import main\n"
        "try:\n    main(sys.argv[1:], prog_name='initlint')\n"
        "except SystemExit:\n    pass\n"
        f"print('imported:', [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "imported: []"


def test_importing_the_package_imports_nothing_heavy():
    program = f"import sys, initlint, initlint.lint.run; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
