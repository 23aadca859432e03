"""The forget quarter of PyTorch's own layers, filled with the wrong sign."""

from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, vocabulary: int = 400, width: int = 48, tags: int = 9) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, tags)
        for name, values in self.lstm.named_parameters():
            if name.startswith("bias_ih"):
                nn.init.zeros_(values)
                n = values.numel()
                values.data[n // 4 : n // 2].fill_(-2.0)  # finding: closed-forget-gate

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.table(tokens))[0])
