"""Diagonal state-space sequence model (S4D), kernel by Vandermonde product, convolution by FFT."""

import math

import torch
import torch.nn as nn


class S4DKernel(nn.Module):
    def __init__(self, d_model, N=64, dt_min=0.001, dt_max=0.1):
        super().__init__()
        H = d_model
        log_dt = torch.rand(H) * (math.log(dt_max) - math.log(dt_min)) + math.log(dt_min)
        self.log_dt = nn.Parameter(log_dt)
        C = torch.randn(H, N // 2, 2) * math.sqrt(0.5)
        self.C = nn.Parameter(C)
        self.log_A_real = nn.Parameter(torch.log(0.5 * torch.ones(H, N // 2)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(N // 2).float().repeat(H, 1))

    def forward(self, L):
        dt = torch.exp(self.log_dt)  # (H)
        a_re = -torch.exp(self.log_A_real)  # (H N)
        a_im = self.A_imag
        t = torch.arange(L, device=dt.device)
        # K(t) = 2 Re sum_n C_n (exp(dt A_n) - 1)/A_n exp(t dt A_n)
        decay = torch.exp((a_re * dt[:, None])[..., None] * t)
        phase = (a_im * dt[:, None])[..., None] * t
        e_re = torch.exp(a_re * dt[:, None]) * torch.cos(a_im * dt[:, None]) - 1
        e_im = torch.exp(a_re * dt[:, None]) * torch.sin(a_im * dt[:, None])
        norm = a_re**2 + a_im**2
        b_re, b_im = (e_re * a_re + e_im * a_im) / norm, (e_im * a_re - e_re * a_im) / norm
        c_re = self.C[..., 0] * b_re - self.C[..., 1] * b_im
        c_im = self.C[..., 0] * b_im + self.C[..., 1] * b_re
        return 2 * (decay * (c_re[..., None] * torch.cos(phase) - c_im[..., None] * torch.sin(phase))).sum(1)


class S4D(nn.Module):
    def __init__(self, d_model, d_state=64, dropout=0.0):
        super().__init__()
        self.D = nn.Parameter(torch.randn(d_model))
        self.kernel = S4DKernel(d_model, N=d_state)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.output_linear = nn.Sequential(nn.Conv1d(d_model, 2 * d_model, kernel_size=1), nn.GLU(dim=-2))

    def forward(self, u):
        L = u.size(-1)
        k = self.kernel(L)  # (H L)
        k_f = torch.fft.rfft(k, n=2 * L)
        u_f = torch.fft.rfft(u, n=2 * L)
        y = torch.fft.irfft(u_f * k_f, n=2 * L)[..., :L]
        y = y + u * self.D.unsqueeze(-1)
        return self.output_linear(self.dropout(self.activation(y)))


class S4Model(nn.Module):
    def __init__(self, d_input=8, d_output=10, d_model=128, n_layers=4, dropout=0.1):
        super().__init__()
        self.encoder = nn.Linear(d_input, d_model)
        self.s4_layers = nn.ModuleList([S4D(d_model, dropout=dropout) for _ in range(n_layers)])
        self.norms = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(n_layers)])
        self.decoder = nn.Linear(d_model, d_output)

    def forward(self, x):
        """Input x is shape (B, L, d_input)"""
        x = self.encoder(x).transpose(-1, -2)
        for layer, norm in zip(self.s4_layers, self.norms):
            z = layer(x)
            x = norm((z + x).transpose(-1, -2)).transpose(-1, -2)
        return self.decoder(x.transpose(-1, -2).mean(dim=1))
