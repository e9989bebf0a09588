#!/usr/bin/env python3
"""Writes cascades with random masks, maps and addresses.

usage: random_masks.py COUNT SEED

Each function has an einsum with a union of one to four sets over six ranks and
three symbols, and a view with a random address, all with nested floordiv, mod
and ceildiv. Every line is legal: it parses, verifies and must round-trip.
"""

import random
import sys

RANKS = ["b", "h", "p", "m1", "m0", "e"]
SYMBOLS = ["len", "off", "w"]
COMPARISONS = [">=", "==", "<=", "<", ">"]
DIVISORS = [1, 2, 3, 5, 16, 64, 672]


class Masks:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def atom(self, names, depth):
        pick = self.random.random()
        if depth == 0 or pick < 0.4:
            return self.random.choice(names)
        inner = self.sum(names, depth - 1)
        if pick < 0.55:
            return f"({inner}) * {self.random.randint(-9, 64)}"
        if pick < 0.6:
            return f"-({inner})"
        if pick < 0.65:
            return str(self.random.randint(0, 4000))
        word = self.random.choice(["floordiv", "mod", "ceildiv"])
        return f"({inner}) {word} {self.random.choice(DIVISORS)}"

    def term(self, names, depth):
        text = self.atom(names, depth)
        if self.random.random() < 0.3:
            return f"({text}) * {self.random.choice([-64, -3, -1, 0, 2, 16, 64])}"
        return text

    def sum(self, names, depth):
        text = self.term(names, depth)
        for _ in range(self.random.randint(0, 3)):
            text += self.random.choice([" + ", " - "]) + self.term(names, depth)
        return text

    def constraint(self, names):
        right = self.random.choice(["0", self.sum(names, 2)])
        return f"{self.sum(names, 3)} {self.random.choice(COMPARISONS)} {right}"

    def union(self, names):
        return " or ".join(
            "(" + " and ".join(self.constraint(names) for _ in range(self.random.randint(1, 3))) + ")"
            for _ in range(self.random.randint(1, 4))
        )

    def function(self, number):
        axes = ["b", "m"]
        return f"""func.func @mask{number}(%q: tensor<?x?x?x?xf16>, %s: tensor<?x?xf16>,
    %len: tensor<?xi32>, %off: tensor<?x?xi32>, %w: index, %n: index) -> tensor<?x?x?x?x?xf32> {{
  %v = attn.view (b, m) symbols(len = %len[{self.sum(axes, 2)}], w = %w)
       where {self.union(axes + ["len", "w"])}
       of %s[{self.sum(axes + ["len", "w"], 2)}, {self.sum(axes + ["len"], 2)}]
       : (tensor<?x?xf16>, tensor<?xi32>, index) -> tensor<?x?xf16>
  %o = attn.cascade ranks(b, h, p to %n, m1 to %n, m0 to %n, e) -> tensor<?x?x?x?x?xf32> {{
    %x = attn.einsum %q[b, m1 * 64 + m0, h, e], %v[{self.sum(RANKS, 2)}, {self.sum(RANKS, 1)}]
         -> [b, h, p, m1, m0] reduce add(e)
         symbols(len = %len[b], off = %off[b, {self.sum(RANKS, 1)}], w = %w)
         where {self.union(RANKS + SYMBOLS)}
         : (tensor<?x?x?x?xf16>, tensor<?x?xf16>, tensor<?xi32>, tensor<?x?xi32>, index)
           -> tensor<?x?x?x?x?xf32>
    attn.yield %x : tensor<?x?x?x?x?xf32>
  }}
  return %o : tensor<?x?x?x?x?xf32>
}}"""


masks = Masks(int(sys.argv[2]))
for number in range(int(sys.argv[1])):
    print(masks.function(number))
