"""Functions as people write them for FlexAttention, by name.

Each entry of make() is (mask_mod, score_mod). They are plain functions: called with
arrays of NumPy they say what is right, called with expressions they are traced.
"""

import functools

import numpy as np

IMAGE = 8  # tokens of a row of the image of `neighborhood`


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


def and_masks(*masks):
    def both(b, h, q_idx, kv_idx):
        result = True
        for mask in masks:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return both


class Biased:
    """A module with a table and a slope per head."""

    def __init__(self, heads, rng):
        self.slopes = rng.standard_normal(heads).astype(np.float32)
        self.cap = 20.0

    def __call__(self, score, b, h, q_idx, kv_idx):
        return self.soften(score + self.slopes[h] * np.abs(q_idx - kv_idx))

    def soften(self, score):
        return self.cap * np.tanh(score / self.cap)


def make(rng, batch, heads, rows, keys):
    longest = max(rows, keys)
    documents = np.sort(rng.integers(0, 5, longest)).astype(np.int32)
    shuffled = rng.integers(0, 3, (batch, longest))
    prefix = rng.integers(0, keys, batch).astype(np.int32)
    ends = rng.integers(0, keys + 1, (batch, longest))
    flags = rng.random(longest) < 0.5
    few = rng.random((5, 5)) < 0.6
    tree = rng.random((rows, keys)) < 0.4
    slopes = (2.0 ** -np.arange(1, heads + 1)).astype(np.float32)
    table = rng.standard_normal(rows + keys).astype(np.float32)
    head_table = rng.standard_normal((heads, rows + keys)).astype(np.float32)
    half = rng.standard_normal((heads, longest)).astype(np.float16)
    wide = rng.standard_normal(longest)
    wide_float = documents * 0.5
    hashes = rng.integers(2**40, 2**62, 3)[documents % 3] + 2**32 * (documents // 3).astype(np.int64)
    sentinel = np.full(heads, 2**31 - 1)
    some_windows = np.where(np.arange(heads) % 2, 2**31 - 1, 9)
    per_head = rng.integers(1, keys, heads).astype(np.int64)
    width = np.array(7)
    weight = np.array(0.25, np.float32)
    columns = rng.standard_normal((rows, longest)).astype(np.float32).T
    buckets = rng.standard_normal(5).astype(np.float32)
    # Last axes of other strides than 1.
    column, backwards = np.stack([table, -table], 1)[:, 1], slopes[::-1]
    expanded = np.broadcast_to(slopes[:, None], (heads, longest))
    seconds = 1.7e9 + np.cumsum(rng.integers(0, 4, longest)) / 4  # f32 holds every 128th
    window, sinks = 9, 3

    def neighborhood(b, h, q, kv):
        rows_apart = abs(q // IMAGE - kv // IMAGE)
        return (rows_apart <= 2) & (abs(q % IMAGE - kv % IMAGE) <= 2)

    def document_causal(b, h, q, kv):
        return causal(b, h, q, kv) & (documents[q] == documents[kv])

    def speculative(b, h, q, kv):
        # The last keys are drafts, of which a query sees its ancestors.
        return (kv < keys - rows // 2) | tree[q, kv]

    def nothing_late(b, h, q, kv):
        return (kv <= q) & (q < rows // 2)

    def cap(score, b, h, q, kv):
        return 5.0 * np.tanh(score / 5.0)

    masks = {
        "full": None,
        "causal": causal,
        "causal_transposed": lambda b, h, q, kv: kv <= q,
        "anticausal": lambda b, h, q, kv: kv >= q,
        "strict": lambda b, h, q, kv: ~(kv >= q),
        "offset": lambda b, h, q, kv: q + (keys - rows) >= kv,
        "window": lambda b, h, q, kv: (q >= kv) & (q - kv < window),
        "band": lambda b, h, q, kv: abs(q - kv) <= 4,
        "outside_band": lambda b, h, q, kv: ~(abs(kv - q) <= 4),
        "sink_window": lambda b, h, q, kv: (q >= kv) & ((q - kv < window) | (kv < sinks)),
        "prefix_lm": lambda b, h, q, kv: (q >= kv) | (kv < prefix[b]),
        "documents": lambda b, h, q, kv: documents[q] == documents[kv],
        "document_causal": document_causal,
        "float_ids": lambda b, h, q, kv: wide_float[q] == wide_float[kv],
        "documents_batched": lambda b, h, q, kv: shuffled[b, q] == shuffled[b, kv],
        "document_order": lambda b, h, q, kv: documents[q] >= documents[kv],
        "not_document": lambda b, h, q, kv: documents[q] != documents[kv],
        "wide_ids": lambda b, h, q, kv: (q >= kv) & (hashes[q] == hashes[kv]),
        "wide_order": lambda b, h, q, kv: hashes[q] >= hashes[kv],
        "wide_unequal": lambda b, h, q, kv: (hashes[q] != hashes[kv]) | (q - kv < 3),
        "wide_distances": lambda b, h, q, kv: (q >= kv) & ~(hashes[abs(q - kv)] == hashes[kv]),
        "no_window": lambda b, h, q, kv: (q >= kv) & (q - kv < sentinel[h]),
        "seconds": lambda b, h, q, kv: seconds[q] >= seconds[kv],
        "seconds_apart": lambda b, h, q, kv: abs(seconds[q] - seconds[kv]) <= 3.5,
        "minutes": lambda b, h, q, kv: seconds[q] // 5.0 == seconds[kv] // 5.0,
        "blocks": lambda b, h, q, kv: q // 16 == kv // 16,
        "block_causal": lambda b, h, q, kv: q // 16 >= kv // 16,
        "strided": lambda b, h, q, kv: (q - kv) % 4 == 0,
        "dilated": lambda b, h, q, kv: (q >= kv) & ((q - kv) % 3 != 1),
        "negative_divisor": lambda b, h, q, kv: (q // -4 <= kv // -4) & (kv % -3 != -1),
        "neighborhood": neighborhood,
        "speculative_tree": speculative,
        "ends": lambda b, h, q, kv: kv < ends[b, q],
        "key_flags": lambda b, h, q, kv: flags[kv],
        "no_key_flags": lambda b, h, q, kv: ~flags[kv] & (q >= kv),
        "query_flags": lambda b, h, q, kv: flags[q] | (kv <= q),
        "no_query_flags": lambda b, h, q, kv: ~flags[q] & (q >= kv),
        "no_flags": lambda b, h, q, kv: ~flags[q] & ~flags[kv],
        "neither": lambda b, h, q, kv: ~(flags[q] | (q < kv)),
        "where_query_flags": lambda b, h, q, kv: np.where(flags[q], False, q >= kv),
        "only_query_flags": lambda b, h, q, kv: flags[q],
        "query_threshold": lambda b, h, q, kv: (slopes[shuffled[b, q] % heads] > 0.3) & (q >= kv),
        "query_kinds": lambda b, h, q, kv: shuffled[b, q] == h,
        "strided_queries": lambda b, h, q, kv: (q % width == 0) & (q >= kv),
        "strided_queries_of_heads": lambda b, h, q, kv: (q % per_head[h] == 0) & (q >= kv),
        "not_a_head": lambda b, h, q, kv: ~(h == 1) & (q >= kv),
        "heads_differ": lambda b, h, q, kv: np.where(h % 2 == 0, q >= kv, kv >= q),
        "window_per_head": lambda b, h, q, kv: (q >= kv) & (q - kv < per_head[h]),
        "some_heads": lambda b, h, q, kv: (h != 1) & (q >= kv),
        "batches_differ": lambda b, h, q, kv: (b == 0) | (kv < 5),
        "scalar_width": lambda b, h, q, kv: abs(q - kv) <= width,
        "scalar_divisor": lambda b, h, q, kv: q // width == kv // width,
        "distance_flags": lambda b, h, q, kv: flags[abs(q - kv) // 2] | (q == kv),
        "nested_tables": lambda b, h, q, kv: few[documents[q], documents[kv]],
        "products": lambda b, h, q, kv: q * kv % 5 < 3,
        "nested": and_masks(causal, lambda b, h, q, kv: q - kv < window),
        "partial": functools.partial(lambda n, b, h, q, kv: kv < q + n, 3),
        "xor": lambda b, h, q, kv: (q >= kv) ^ (kv % 2 == 0),
        "rows_without_keys": nothing_late,
        "nothing": lambda b, h, q, kv: (q > kv) & (kv > q),
        "no_window_both_ways": lambda b, h, q, kv: abs(q - kv) <= 2**31 - 1,
        "no_window_of_heads": lambda b, h, q, kv: abs(q - kv) <= some_windows[h],
        "clamped": lambda b, h, q, kv: np.clip(q - 5, 0, 20) <= kv,
        "minimum": lambda b, h, q, kv: kv <= np.minimum(q, 11),
        "lookup": lambda b, h, q, kv: documents[kv] < prefix[b],
        "key_position": lambda b, h, q, kv: ends[b, kv] <= q,
        "any_of_sum": lambda b, h, q, kv: ((q > kv) + (kv > 3)) == 1,
        "all_of_product": lambda b, h, q, kv: ((q >= kv) * (kv < 30)) == (kv % 2 == 0),
        "count_of_ints": lambda b, h, q, kv: sum([q >= kv, kv > 3, kv < 40]) >= 2,
        "flags_as_integers": lambda b, h, q, kv: flags.astype(np.int32)[q] + flags.astype(int)[kv] == 1,
        "integers_as_flags": lambda b, h, q, kv: shuffled.astype(bool)[b][kv] & (q >= kv),
        "truncated": lambda b, h, q, kv: wide.astype(np.int32).astype(np.float32)[kv] >= 0.5,
        "scalar_shifts": lambda b, h, q, kv: (abs(q - kv) <= width << 1) & (+width >> 1 <= kv),
        "scalar_methods": lambda b, h, q, kv: q - kv < 2 * width.clip(3, 5),
        "deep": lambda b, h, q, kv: ~((~(q >= kv) | (kv % 3 == 1)) & ~(kv < 2)),
    }
    scores = {
        "alibi": lambda s, b, h, q, kv: s + slopes[h] * (kv - q),
        "alibi_float": lambda s, b, h, q, kv: s - abs(q - kv) * 0.125,
        "soft_cap": cap,
        "relative_bias": lambda s, b, h, q, kv: s + table[q - kv + keys - 1],
        "relative_bias_heads": lambda s, b, h, q, kv: s + head_table[h, kv - q + rows - 1],
        "key_bias": lambda s, b, h, q, kv: s + half[h, kv],
        "query_scale": lambda s, b, h, q, kv: s * wide[q],
        "table_in_steps": lambda s, b, h, q, kv: s + half[h][kv] * weight,
        "distance_bias": lambda s, b, h, q, kv: s + head_table[h, abs(q - kv)],
        "bucketed_bias": lambda s, b, h, q, kv: s + half[h, np.minimum(abs(q - kv) // 3, 7)],
        "mixed_index": lambda s, b, h, q, kv: s * (1 + 0.1 * head_table[h, (3 * q + kv) % rows]),
        "two_tables": lambda s, b, h, q, kv: s + table[abs(q - kv)] * wide[(q + kv) // 2],
        "transposed_table": lambda s, b, h, q, kv: s + columns[kv, q],
        "masked_score": lambda s, b, h, q, kv: np.where(q >= kv, s, -float("inf")),
        "masked_sum": lambda s, b, h, q, kv: s + np.where(q < kv, -np.inf, 0.5 * h),
        "masked_scaled": lambda s, b, h, q, kv: 2.0 * np.where(
            kv < 40, np.where(q < kv, float("-inf"), s), -float("inf")
        ),
        "minus_infinity": lambda s, b, h, q, kv: s - np.inf,
        "rows_minus_infinity": lambda s, b, h, q, kv: np.where(q < 3, s - np.inf, s),
        "minus_where": lambda s, b, h, q, kv: s - np.where((q < kv) | (q < 3), 2 * np.inf, 0.5),
        "heads_scaled": lambda s, b, h, q, kv: np.where(h < 2, s * 2, s),
        "far_is_less": lambda s, b, h, q, kv: s - np.log(1.0 + abs(q - kv)),
        "gaussian": lambda s, b, h, q, kv: s + np.exp(-((q - kv) ** 2) / 50.0),
        "root": lambda s, b, h, q, kv: s / np.sqrt(1.0 + kv % 7),
        "clamped_score": lambda s, b, h, q, kv: np.clip(s, -1.0, 1.5),
        "bool_in_sum": lambda s, b, h, q, kv: s + (q > kv) * 0.75 + (kv % 2),
        "bools_in_sum": lambda s, b, h, q, kv: s + ((q > kv) + (kv > 3)),
        "bools_in_product": lambda s, b, h, q, kv: s + 1.5 * ((q > kv) * flags[kv] + flags[q]),
        "module": Biased(heads, rng),
        "powers": lambda s, b, h, q, kv: s + 2.0 ** (-(h + 1.0)) * (kv - q) + s**2 * 0.1,
        "floor": lambda s, b, h, q, kv: s + np.floor((q - kv) / 3.0),
        "float_compare": lambda s, b, h, q, kv: np.where((q - kv) * 0.5 < 2.0, s, s * 0.5),
        "maximum_index": lambda s, b, h, q, kv: s + np.maximum(q - kv, 3) * 0.1,
        "constant": lambda s, b, h, q, kv: 1.5,
        "steps": lambda s, b, h, q, kv: s + buckets[kv % 5],
        "decay": lambda s, b, h, q, kv: s - 0.01 * (seconds[q] - seconds[kv]),
        "threshold_of_seconds": lambda s, b, h, q, kv: np.where(
            seconds[q] + 0.125 < seconds[kv], s * 0.5, s
        ),
        "query_ramp": lambda s, b, h, q, kv: 0.1 * q,
        "query_alone": lambda s, b, h, q, kv: wide[q],
        "scalar_alone": lambda s, b, h, q, kv: weight,
        # Far from all scores: rounding decides nothing.
        "score_threshold": lambda s, b, h, q, kv: np.where(s > 900.0 * (kv % 2) - 450, s, -np.inf),
        "causal_threshold": lambda s, b, h, q, kv: np.where(
            (s > 900.0 * (kv % 2) - 450) & (q >= kv), s, -np.inf
        ),
        "column": lambda s, b, h, q, kv: s + column[abs(q - kv)] * column[q],
        "transposed_distance": lambda s, b, h, q, kv: s + columns[abs(q - kv) // 2, q % 16],
        "backwards": lambda s, b, h, q, kv: s + backwards[kv % heads] * backwards[h],
        "expanded": lambda s, b, h, q, kv: s + expanded[h, abs(q - kv)],
    }
    entries = {name: (mask, None) for name, mask in masks.items()}
    entries |= {name: (None, score) for name, score in scores.items()}
    padding = np.where(np.arange(longest) < 5, -np.inf, 0.5).astype(np.float32)
    entries["padded_rows"] = (
        lambda b, h, q, kv: padding[kv] + padding[q] > -np.inf,
        lambda s, b, h, q, kv: s + padding[kv] + padding[q],
    )
    # The same by data alone, on one side, on both, and as whole rows of a table.
    entries["padded_rows_by_data"] = (None, entries["padded_rows"][1])
    entries["padded_queries"] = (None, lambda s, b, h, q, kv: s + padding[q])
    holes = np.where(rng.random((heads, rows, keys)) < 0.3, -np.inf, 0.25).astype(np.float32)
    holes[:, ::3] = -np.inf
    holes[:, 1::3, : keys // 2], holes[:, 1::3, keys // 2] = -np.inf, 0.25
    holes[:, 1::6] -= 120  # too little for exp of anything but differences
    holes[:, 2::3, :-1], holes[:, 2::3, -1] = np.finfo(np.float32).min, 0.25
    entries["table_with_holes"] = (None, lambda s, b, h, q, kv: s + holes[h, q, kv])
    entries["log_of_zero"] = (
        masks["causal"], lambda s, b, h, q, kv: s + np.log(np.maximum(kv - 4, 0) * 1.0),
    )
    entries["alibi_window"] = (masks["window"], scores["alibi"])
    entries["cap_documents"] = (masks["document_causal"], cap)
    return entries
