"""Recomputes the bits per byte of exported weights with numpy alone.

Usage: check.py MODEL.safetensors CONTEXT HEADS WINDOWS START [CORPUS.zst]
Needs numpy and zstandard. Shares no code with the engine: the safetensors header, the corpus
and the forward pass are read and written out here from the formulas in training/README.md.
"""

import json
import sys
from pathlib import Path

import numpy
import zstandard


def load(path):
    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", name
        start, end = entry["data_offsets"]
        values = numpy.frombuffer(data[8 + length + start:8 + length + end], "<f4")
        tensors[name] = values.reshape(entry["shape"]).astype(numpy.float64)
    return tensors


def rms(x):
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)


def rotary(x):
    context, dimension = x.shape[-2:]
    half = dimension // 2
    angles = numpy.arange(context)[:, None] * 10000.0 ** (-numpy.arange(half)[None, :] / half)
    cosine, sine = numpy.cos(angles), numpy.sin(angles)
    first, second = x[..., :half], x[..., half:]
    return numpy.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)


def attention(x, layer, weights, heads):
    rows, context, width = x.shape
    split = lambda name: (x @ weights[f"{layer}.attention.{name}"]) \
        .reshape(rows, context, heads, width // heads).transpose(0, 2, 1, 3)
    query, key, value = rotary(rms(split("query"))), rotary(rms(split("key"))), split("value")
    scores = query @ key.transpose(0, 1, 3, 2) / numpy.sqrt(width // heads)
    scores = numpy.where(numpy.tri(context, dtype=bool), scores, -numpy.inf)
    shares = numpy.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    mixed = (shares @ value).transpose(0, 2, 1, 3).reshape(rows, context, width)
    return mixed @ weights[f"{layer}.attention.output"]


def nats(tokens, weights, heads):
    x = weights["embedding"][tokens[:, :-1]]
    depth = sum(name.endswith(".mlp.up") for name in weights)
    for layer in (f"layers.{number}" for number in range(depth)):
        x = x + attention(rms(x), layer, weights, heads)
        hidden = numpy.maximum(rms(x) @ weights[f"{layer}.mlp.up"], 0.0) ** 2
        x = x + hidden @ weights[f"{layer}.mlp.down"]
    logits = rms(x) @ weights["head"]
    logits -= logits.max(-1, keepdims=True)
    chosen = numpy.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
    return (numpy.log(numpy.exp(logits).sum(-1)) - chosen).sum()


def main():
    weights = load(sys.argv[1])
    context, heads, windows, start = map(int, sys.argv[2:6])
    corpus = sys.argv[6] if len(sys.argv) > 6 else Path(__file__).parent / "../data/corpus.zst"
    text = zstandard.ZstdDecompressor().decompress(Path(corpus).read_bytes(), max_output_size=1 << 25)
    total = 0.0
    for first in range(0, windows, 64):
        starts = start + context * numpy.arange(first, min(first + 64, windows))
        tokens = numpy.frombuffer(text, numpy.uint8)[starts[:, None] + numpy.arange(context + 1)]
        total += nats(tokens.astype(numpy.int64), weights, heads)
    print(f"{total / numpy.log(2) / (windows * context):.6f} bits per byte")


main()
