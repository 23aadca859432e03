"""What the cheap look sees: every model, and little else."""

import pytest

from initlint.source.scan import scan, scan_text

MODELS = [
    pytest.param("from torch import nn\nclass Net(nn.Module): pass", ["Net"], id="a module"),
    pytest.param("import torch\nclass Net(torch.nn.Module): pass", ["Net"], id="a module by its full name"),
    pytest.param("from torch.nn import Module as M\nclass Net(M): pass", ["Net"], id="a module under another name"),
    pytest.param("from torch.nn import *\nclass Net(Module): pass", ["Net"], id="a star import"),
    pytest.param("from .layers import Block\nclass Net(Block):\n  def forward(self, x): pass", ["Net"], id="a foreign parent"),
    pytest.param("import lightning as L\nclass Net(L.LightningModule): pass", ["Net"], id="lightning"),
    pytest.param(
        "from torch import nn\nclass A(nn.Module): pass\nclass B(A): pass", ["A", "B"], id="a parent of the same file"
    ),
    pytest.param("from torch import nn\nclass Net(nn.Module, Generic[T]): pass", ["Net"], id="one parent of several"),
    pytest.param("import torch\nif torch.cuda:\n  class Net(torch.nn.Module): pass", ["Net"], id="under a condition"),
    pytest.param("from torch import nn\nmodel = nn.Sequential(nn.Linear(2, 2))", ["model"], id="an instance"),
    pytest.param("from torch import nn\nmodel: nn.Module = nn.Linear(2, 2)", ["model"], id="an annotated instance"),
    pytest.param("from torch import nn\na, b = nn.Linear(2, 2), 3", ["a", "b"], id="instances at once"),
    pytest.param("import timm\nmodel = timm.create_model('vit')", ["model"], id="an instance of a library"),
    pytest.param("import torch\nmodel = build().to('cpu')", ["model"], id="an instance behind a method"),
    pytest.param("from transformers import GPT2LMHeadModel\ndef build(): return GPT2LMHeadModel(c)", ["build"], id="a factory"),
    pytest.param(
        "import torch\ndef build(n=3, *, m=4):\n  net = make()\n  return net", ["build"], id="a factory with defaults"
    ),
    pytest.param("from torch import nn\ndef build() -> nn.Module:\n  return NETS['a']", ["build"], id="a factory from a table"),
    pytest.param("from peft import get_peft_model\ndef f():\n  return get_peft_model(b, c)", ["f"], id="an adapted model"),
    pytest.param("# torch\nclass Head(metaclass=M, **options): pass", ["Head"], id="options nobody can see"),
]
OTHERS = [
    pytest.param("import os\nclass Net(Base): pass", id="no word of PyTorch"),
    pytest.param("import torch\nclass Data(torch.utils.data.Dataset): pass", id="a dataset"),
    pytest.param("from torch.utils.data import Dataset\nclass Data(Dataset): pass", id="an imported dataset"),
    pytest.param("import torch\nclass F(torch.autograd.Function):\n  def forward(ctx, x): pass", id="an autograd function"),
    pytest.param("import torch\nclass Config: width = 3", id="a class without parents"),
    pytest.param("import torch\nfrom enum import Enum\nclass Kind(str, Enum): A = 'a'", id="an enum"),
    pytest.param("import torch\nclass Plain: pass\nclass Other(Plain): pass", id="a plain parent of the same file"),
    pytest.param("import torch\nfrom dataclasses import dataclass\n@dataclass\nclass C: x: int = 1", id="a dataclass"),
    pytest.param("import torch\ndef size(net): return net.size()", id="a function that needs arguments"),
    pytest.param("import torch\ndef pi() -> float: return f()", id="a function that returns a number"),
    pytest.param("import torch\ndef go() -> None: return f()", id="a function that returns nothing"),
    pytest.param("import torch\ndef device(): return torch.device('cpu')", id="a function that returns a device"),
    pytest.param("import torch\nx = torch.zeros(3)", id="a tensor"),
    pytest.param("import torch\nimport logging\nlog = logging.getLogger(__name__)", id="a logger"),
    pytest.param("import torch\nimport numpy as np\nx = np.arange(3)", id="an array"),
    pytest.param("import torch\nx = 3\ny = len('abc')", id="constants"),
    pytest.param("from torch import nn\nif __name__ == '__main__':\n  model = nn.Linear(2, 2)", id="the main block"),
    pytest.param("from torch import nn\ndef main():\n  model = nn.Linear(2, 2)\n  model(x)", id="a script"),
]


@pytest.mark.parametrize(("text", "names"), MODELS)
def test_what_may_be_a_model_is_a_candidate(text, names):
    assert [candidate.name for candidate in scan_text("a.py", text).candidates] == names


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_surely_none_is_left_alone(text):
    assert not scan_text("a.py", text).may_define_models


def test_a_named_file_is_searched_without_a_word_of_pytorch():
    text = "from mine import Net\nmodel = Net()"
    assert not scan_text("a.py", text).may_define_models
    assert scan_text("a.py", text, named=True).may_define_models


@pytest.mark.parametrize(
    ("content", "message", "line", "column", "mentions_torch"),
    [
        pytest.param(b"import torch\nx = (\n", "'(' was never closed", 2, 5, True, id="an open bracket"),
        pytest.param("import torch\ngröße = = 3\n".encode(), "invalid syntax", 2, 9, True, id="a column behind an umlaut"),
        pytest.param(b"# coding: nonsense\nimport torch", "unknown encoding", 1, 1, False, id="an unknown encoding"),
        pytest.param(b"import torch\n# \xff\n", "not text", 1, 1, False, id="bytes that are no UTF-8"),
        pytest.param(b"import torch\n\0\n", "null byte", 1, 1, True, id="a null byte"),
    ],
)
def test_a_fault_has_its_place(tmp_path, content, message, line, column, mentions_torch):
    file = tmp_path / "a.py"
    file.write_bytes(content)
    looked = scan(str(file), named=True)
    assert looked.problem is not None
    assert message in looked.problem.message
    assert (looked.problem.line, looked.problem.column, looked.mentions_torch) == (line, column, mentions_torch)


def test_a_syntax_error_in_a_file_without_torch_is_not_looked_for():
    assert scan_text("a.py", "x = (").problem is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(b"\xef\xbb\xbfimport torch\r\n", "import torch\n", id="a byte-order mark, other line ends"),
        pytest.param("# coding: latin-1\nö = 1\n".encode("latin-1"), "# coding: latin-1\nö = 1\n", id="a coding comment"),
        pytest.param(b"", "", id="an empty file"),
    ],
)
def test_encodings_are_read_as_python_does(tmp_path, content, text):
    file = tmp_path / "a.py"
    file.write_bytes(content)
    assert scan(str(file)).text == text


@pytest.mark.parametrize(("name", "message"), [("missing.py", "there is no such file"), ("", "this is a folder")])
def test_what_cannot_be_read_says_so(tmp_path, name, message):
    problem = scan(str(tmp_path / name)).problem
    assert problem is not None
    assert message in problem.message
