"""A Llama-shaped model of transformers whose attention is a function of ours."""

import torch
from transformers import AttentionInterface, AttentionMaskInterface, LlamaConfig, LlamaForCausalLM

NAME = "paged_cascade"
VOCABULARY, KV_HEADS = 512, 2


def paged_attention(module, query, key, value, mask, scaling, cache=None, step=None, **_):
    """query [1, Hq, tokens, D], key and value [1, Hkv, tokens, D] -> [1, tokens, Hq, D].

    `cache` and `step` are handed through by the model, as all options are that it
    does not know.
    """
    q, k, v = (t[0].transpose(0, 1) for t in (query, key, value))
    return cache.attend(module.layer_idx, q, k, v, scaling, step)[None], None


def register():
    AttentionInterface.register(NAME, paged_attention)
    # Which keys a query sees stands in the cascade: no mask is made.
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)


def make_model(head_dim, layers=4, seed=0, spread=0.05):
    """Random weights: 8 query heads.

    They are wide enough (`spread`) that texts vary, and draft tokens fail at times.
    """
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=512, head_dim=head_dim,
        num_hidden_layers=layers, num_attention_heads=8, num_key_value_heads=KV_HEADS,
        max_position_embeddings=4096, initializer_range=spread,
    )
    return LlamaForCausalLM(config).eval()


def attend_with(model, name):
    if model.config._attn_implementation != name:
        model.set_attn_implementation(name)


@torch.inference_mode()
def logits_of(model, tokens, positions, rows, cache, step):
    """Logits [rows, vocabulary] of some rows of packed tokens."""
    attend_with(model, NAME)
    out = model(
        input_ids=torch.tensor([tokens]), position_ids=torch.tensor([positions]),
        use_cache=False, logits_to_keep=torch.tensor(rows), cache=cache, step=step,
    )
    return out.logits[0]


@torch.inference_mode()
def eager_choices(model, tokens):
    """What transformers' own eager attention would choose behind each token.

    The logits [tokens, vocabulary] of a whole text in one pass, without a cache.
    """
    attend_with(model, "eager")
    return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
