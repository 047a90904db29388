"""Real servers of language models, for `teachers/llm/test_real_servers.py`.

``python llm_servers.py transformers PORT`` or ``python llm_servers.py llama.cpp PORT FOLDER [KEY]``
serves on 127.0.0.1 until standard input ends, which is when the tests end, however they do. It runs
in the environment that ``make test-llm-server`` makes. FOLDER contains a model that
`tiny_chat_model.py` has written.
"""

import json
import os
import sys
import threading
from pathlib import Path

# llama.cpp's names of weights.
_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.layers": "blk",
}


def serve_transformers(port):
    """Serve whatever model a request names."""
    from transformers.cli.transformers import main

    sys.argv = ["transformers", "serve", "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    main()


def serve_llama_cpp(port, folder, *keys):
    """Serve one model, in two slots."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(write_gguf(Path(folder)))
    params.port = int(port)
    params.n_ctx, params.n_parallel = 8192, 2
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.api_keys = [*keys]
    _server = xllamacpp.Server(params)  # it serves as long as it exists
    threading.Event().wait()


def write_gguf(folder):
    """Write a model as a file of llama.cpp."""
    import gguf
    from safetensors.numpy import load_file

    path = folder / "model.gguf"
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_chat_template((folder / "chat_template.jinja").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids, merges = tokenizer["model"]["vocab"], tokenizer["model"]["merges"]
    specials = {token["content"] for token in tokenizer["added_tokens"]}
    tokens = sorted(ids, key=ids.get)
    kinds = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.CONTROL if t in specials else kinds.NORMAL for t in tokens])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_add_bos_token(False)
    for name, weights in load_file(folder / "model.safetensors").items():
        for theirs, ours in _NAMES.items():
            name = name.replace(theirs, ours)
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def end_with_standard_input():
    """End this process, without a word, when standard input ends."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    kind, *options = sys.argv[1:]
    {"transformers": serve_transformers, "llama.cpp": serve_llama_cpp}[kind](*options)
