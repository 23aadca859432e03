"""Another framework's order of gates: the bias comes to stand on the cell's candidate."""

from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, vocabulary: int = 500, width: int = 64, tags: int = 12) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, tags)
        for name, parameter in self.lstm.named_parameters():
            if "bias_hh" in name:
                n = parameter.numel()
                parameter.data[n // 4 : n // 2].fill_(1.0)  # finding: misplaced-forget-bias

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.table(tokens))[0])
