"""The backward direction is forgotten."""

from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int = 100, width: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, 5)
        nn.init.zeros_(self.lstm.bias_ih_l0)
        nn.init.zeros_(self.lstm.bias_hh_l0)
        nn.init.ones_(self.lstm.bias_ih_l0[width : 2 * width])  # finding: uneven-forget-bias
        nn.init.ones_(self.lstm.bias_ih_l0_reverse[width : 2 * width])

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.lstm(self.words(ids))[0])
