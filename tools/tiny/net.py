# net.py - the network of the bundled model, in torch, as the trainer uses it.
#
# A llama: RMSNorm before each block, rotary positions on interleaved pairs (x0,x1), (x2,x3), ...,
# grouped-query attention, SwiGLU, no biases, the output projection tied to the embedding.
# Tensor shapes and names map one to one onto the tensors export.py writes.

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPE = dict(dim=192, layers=6, heads=6, kv_heads=3, ffn=512, vocab=2048, ctx=512,
             eps=1e-5, theta=100000.0)


class RMSNorm(torch.autograd.Function):
    """x / rms(x) * w, with its gradient written out: half the passes of the automatic one."""

    @staticmethod
    def forward(ctx, x, w, eps):
        r = torch.rsqrt((x * x).mean(-1, keepdim=True) + eps)
        n = x * r
        ctx.save_for_backward(n, r, w)
        return n * w

    @staticmethod
    def backward(ctx, dy):
        n, r, w = ctx.saved_tensors
        p = dy * n
        dw = p.view(-1, p.shape[-1]).sum(0)
        mean = (p.view(-1, p.shape[-1]) @ w).view(r.shape) / p.shape[-1]
        return torch.addcmul(dy * w, n, mean, value=-1).mul_(r), dw, None


class Product(torch.autograd.Function):
    """x @ w.T, with bfloat16 factors and float32 results: twice as fast where the processor has
    instructions for it."""

    @staticmethod
    def forward(ctx, x, w):
        x, w = x.bfloat16(), w.bfloat16()
        ctx.save_for_backward(x, w)
        return torch.matmul(x, w.transpose(-1, -2)).float()

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dy = dy.bfloat16()
        if w.dim() == 2:
            dw = dy.reshape(-1, dy.shape[-1]).t() @ x.reshape(-1, x.shape[-1])
        else:
            dw = torch.bmm(dy.transpose(1, 2), x)
        return torch.matmul(dy, w).float(), dw.float()


class Linear(nn.Linear):
    def forward(self, x):
        return Product.apply(x, self.weight)


class Norm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return RMSNorm.apply(x, self.weight, self.eps)


def rope_table(ctx, head_dim, theta):
    freq = theta ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angle = torch.arange(ctx).float()[:, None] * freq[None, :]
    return torch.polar(torch.ones_like(angle), angle)


def rope(x, turn):
    """x: (batch, time, heads, head_dim); rotate each pair (x[2i], x[2i+1])."""
    pairs = torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turn[:, None, :]).flatten(-2)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        d, self.h, self.kv = s["dim"], s["heads"], s["kv_heads"]
        self.hd = d // self.h
        self.attn_norm = Norm(d, s["eps"])
        self.q = Linear(d, d, bias=False)
        self.k = Linear(d, self.kv * self.hd, bias=False)
        self.v = Linear(d, self.kv * self.hd, bias=False)
        self.o = Linear(d, d, bias=False)
        self.ffn_norm = Norm(d, s["eps"])
        self.gate = Linear(d, s["ffn"], bias=False)
        self.up = Linear(d, s["ffn"], bias=False)
        self.down = Linear(s["ffn"], d, bias=False)

    def forward(self, x, turn, mask):
        n, t, d = x.shape
        y = self.attn_norm(x)
        q = rope(self.q(y).view(n, t, self.h, self.hd), turn).transpose(1, 2)
        k = rope(self.k(y).view(n, t, self.kv, self.hd), turn).transpose(1, 2)
        v = self.v(y).view(n, t, self.kv, self.hd).transpose(1, 2)
        g = self.h // self.kv                       # query heads h*g .. h*g+g-1 share kv head h
        q = q.reshape(n * self.kv, g * t, self.hd)
        k = k.reshape(n * self.kv, t, self.hd)
        v = v.reshape(n * self.kv, t, self.hd)
        score = Product.apply(q, k) * (1.0 / math.sqrt(self.hd))
        score = score.view(n * self.kv, g, t, t) + mask
        score = torch.softmax(score, -1).view(n * self.kv, g * t, t)
        out = Product.apply(score, v.transpose(1, 2))
        out = out.view(n, self.h, t, self.hd).transpose(1, 2).reshape(n, t, d)
        x = x + self.o(out)
        y = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Net(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = s = dict(shape)
        self.embed = nn.Embedding(s["vocab"], s["dim"])
        self.blocks = nn.ModuleList(Block(s) for _ in range(s["layers"]))
        self.norm = Norm(s["dim"], s["eps"])
        self.register_buffer("turn", rope_table(s["ctx"], s["dim"] // s["heads"], s["theta"]),
                             persistent=False)
        mask = torch.full((s["ctx"], s["ctx"]), float("-inf")).triu(1)
        self.register_buffer("mask", mask, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                # each block starts out adding nothing, so what token it is stays easy to see
                nn.init.normal_(p, 0.0, 0.05 if "embed" in name else 0.7 * p.shape[1] ** -0.5)
                if name.endswith("o.weight") or name.endswith("down.weight"):
                    nn.init.zeros_(p)

    def hidden(self, ids):
        t = ids.shape[1]
        x = self.embed(ids)
        turn, mask = self.turn[:t], self.mask[:t, :t]
        for block in self.blocks:
            x = block(x, turn, mask)
        return self.norm(x)

    def forward(self, ids):
        return F.linear(self.hidden(ids), self.embed.weight)
