"""Deep Q-network for stacked 84x84 frames, with a dueling head."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F


class QNetwork(nn.Module):
    def __init__(self, n_actions: int = 6, frames: int = 4):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(frames, 32, 8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.value = nn.Sequential(nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 1))
        self.advantage = nn.Sequential(nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, n_actions))

    def forward(self, x):
        h = self.features(x)
        v, a = self.value(h), self.advantage(h)
        return v + a - a.mean(dim=1, keepdim=True)


class ReplayBuffer:
    def __init__(self, capacity):
        self.capacity = capacity
        self.storage = []

    def push(self, *transition):
        if len(self.storage) >= self.capacity:
            self.storage.pop(0)
        self.storage.append(transition)

    def sample(self, n):
        return [torch.stack(x) for x in zip(*random.sample(self.storage, n))]


def td_loss(online, target, batch, gamma=0.99):
    s, a, r, s2, done = batch
    q = online(s).gather(1, a.long().view(-1, 1)).squeeze(1)
    with torch.no_grad():
        best = online(s2).argmax(1, keepdim=True)
        y = r + gamma * (1 - done) * target(s2).gather(1, best).squeeze(1)
    return F.smooth_l1_loss(q, y)


if __name__ == "__main__":
    online, target = QNetwork(), QNetwork()
    target.load_state_dict(online.state_dict())
