"""Click-through-rate tower: dense features in, one logit per class out."""

import torch
import torch.nn as nn


class CTRTower(nn.Module):
    """Sparse activations are encouraged by starting the hidden units with a negative bias."""

    def __init__(self, n_dense=64, hidden=(256, 128), n_out=10, bias_init=-6.0):
        super().__init__()
        self.fc1 = nn.Linear(n_dense, hidden[0])
        self.fc2 = nn.Linear(hidden[0], hidden[1])
        self.fc3 = nn.Linear(hidden[1], n_out)
        for fc in (self.fc1, self.fc2, self.fc3):
            nn.init.xavier_uniform_(fc.weight)
        nn.init.constant_(self.fc1.bias, bias_init)  # finding: dead-relu

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        z = torch.relu(self.fc1(dense))
        z = torch.relu(self.fc2(z))
        return self.fc3(z)
