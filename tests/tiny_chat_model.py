"""A tiny chat model whose answer is the same to all prompts, with known probabilities."""

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

START, END, USER, MODEL = "<|start|>", "<|end|>", "<|user|>", "<|model|>"
TEMPLATE = (
    f"{START}{{% for message in messages %}}{USER}{{{{ message['content'] }}}}{END}{{% endfor %}}"
    f"{{% if add_generation_prompt %}}{MODEL}{{% endif %}}"
)
_WIDTH = 32
# Logarithms of the probabilities of other characters. Those that would make JSON longer, or a list
# empty, are rarer.
_RARE = -20.0
_RARER = {" \t\r\n,": -40.0, "]": -30.0}


def make_chat_model(folder, first, *, do_sample=True):
    """Write a model whose answer is one character of `first`, with this probability, and ends.

    The network has one layer that adds nothing, so the last token alone decides the next one.
    `first` maps characters to probabilities.
    """
    tokenizer = _make_tokenizer()
    ids = tokenizer.get_vocab()
    config = LlamaConfig(
        vocab_size=len(ids),
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=4096,
        bos_token_id=ids[START],
        eos_token_id=ids[END],
        tie_word_embeddings=False,
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    answered = [ids[character] for character in first]
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.zero_()
        # After one of the answers the second direction is active, after all other tokens the first.
        embedding, head = model.model.embed_tokens.weight, model.lm_head.weight
        embedding.zero_()
        embedding[:, 0] = 1
        embedding[answered] = torch.eye(_WIDTH)[1]
        head[:] = _RARE
        for characters, logarithm in _RARER.items():
            head[tokenizer(characters)["input_ids"]] = logarithm
        head[answered, 0] = torch.tensor(np.log([*first.values()]), dtype=torch.float32)
        head[ids[END], 1] = 0
        head /= _WIDTH**0.5  # the norm before it makes the active direction this long
    model.generation_config = GenerationConfig(
        do_sample=do_sample, bos_token_id=ids[START], eos_token_id=ids[END]
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def _make_tokenizer():
    """Make a tokenizer of bytes, and of one pair, because llama.cpp refuses one without."""
    specials = [START, END, USER, MODEL]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {token: number for number, token in enumerate([*specials, *alphabet, "th"])}
    backend = Tokenizer(models.BPE(vocab=ids, merges=[("t", "h")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True) for token in specials])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=START, eos_token=END, pad_token=END
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer
