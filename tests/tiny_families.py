"""Tiny random checkpoints of many families of transformers, each with its own kind of tokenizer."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

# Pieces, beside single characters, of which Unigram tokenizers put labels together.
PIECES = ["▁cook", "▁sail", "▁train", "ing", "s"]
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
}
T5_SIZE = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint.

    Attributes
    ----------
    config : str
        The class of its configuration.
    pretrained : str
        The class of the model as it is published, before it is fine-tuned here.
    finetuned : str
        The class of what a teacher makes of it.
    tokenizer : callable
        Makes its tokenizer from a list of words.
    settings : dict
        Of the configuration.
    """

    config: str
    pretrained: str
    finetuned: str
    tokenizer: Callable[[list[str]], Any]
    settings: dict

    def write(self, folder, texts):
        """Write a checkpoint of random weights whose tokenizer knows the words of some texts."""
        tokenizer = self.tokenizer(sorted({word for text in texts for word in text.split()}))
        specials = {
            f"{name}_token_id": getattr(tokenizer, f"{name}_token_id")
            for name in ("pad", "bos", "eos", "cls", "sep")
        }
        config = getattr(transformers, self.config)(
            vocab_size=len(tokenizer), **specials | self.settings
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = getattr(transformers, self.pretrained)(config)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)


def word_pieces(name, *specials):
    def make(words):
        letters = sorted({letter for word in words for letter in word})
        pieces = [*specials, *words, *(f"##{letter}" for letter in letters)]
        return getattr(transformers, name)({piece: n for n, piece in enumerate(pieces)})

    return make


def unigram(name, *specials, **settings):
    def make(words):
        letters = sorted({letter for word in words for letter in word})
        pieces = dict.fromkeys(specials, 0.0)
        pieces |= {f"▁{word}": -2.0 for word in words}
        pieces |= dict.fromkeys(PIECES, -3.0)
        pieces |= {letter: -9.0 for letter in ["▁", *letters] if letter not in pieces}
        return getattr(transformers, name)([*pieces.items()], **settings)

    return make


def byte_level(name, *specials):
    def make(words):
        return getattr(transformers, name)(*byte_pairs(words, specials))

    return make


def metaspace(name, *specials):
    def make(words):
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
        every_byte = [f"<0x{number:02X}>" for number in range(256)]
        trainer = trainers.BpeTrainer(special_tokens=[*specials, *every_byte], show_progress=False)
        return getattr(transformers, name)(*learned_pairs(backend, trainer, words))

    return make


def byte_pairs(words, specials):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        special_tokens=[*specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    return learned_pairs(backend, trainer, words)


def learned_pairs(backend, trainer, words):
    backend.train_from_iterator([f"{word} {word}" for word in words], trainer)
    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def byte_level_between_marks(words):
    """Make a byte-level tokenizer with BERT's special tokens, as ModernBERT has it."""
    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    vocabulary, merges = byte_pairs(words, specials)
    backend = Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    names = {f"{name[1:-1].lower()}_token": name for name in specials}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **names)


BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
T5 = unigram("T5Tokenizer", "<pad>", "</s>", "<unk>", extra_ids=0)

FAMILIES = {
    "bert": Family(
        "BertConfig",
        "BertModel",
        "BertForSequenceClassification",
        word_pieces("BertTokenizer", *BERT),
        SMALL,
    ),
    "roberta": Family(
        "RobertaConfig",
        "RobertaModel",
        "RobertaForSequenceClassification",
        byte_level("RobertaTokenizer", *ROBERTA),
        SMALL | {"num_hidden_layers": 2},
    ),
    "distilroberta": Family(
        "RobertaConfig",
        "RobertaForMaskedLM",
        "RobertaForSequenceClassification",
        byte_level("RobertaTokenizer", *ROBERTA),
        SMALL,
    ),
    "distilbert": Family(
        "DistilBertConfig",
        "DistilBertModel",
        "DistilBertForSequenceClassification",
        word_pieces("BertTokenizer", *BERT),
        {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 64},
    ),
    "albert": Family(
        "AlbertConfig",
        "AlbertModel",
        "AlbertForSequenceClassification",
        unigram("AlbertTokenizer", "<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"),
        SMALL | {"embedding_size": 8, "num_hidden_layers": 2},
    ),
    "deberta-v2": Family(
        "DebertaV2Config",
        "DebertaV2Model",
        "DebertaV2ForSequenceClassification",
        unigram("DebertaV2Tokenizer", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
        SMALL
        | {
            "relative_attention": True,
            "position_buckets": 8,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "type_vocab_size": 0,
        },
    ),
    "electra": Family(
        "ElectraConfig",
        "ElectraForPreTraining",
        "ElectraForSequenceClassification",
        word_pieces("BertTokenizer", *BERT),
        SMALL | {"embedding_size": 16, "hidden_size": 32},
    ),
    "modernbert": Family(
        "ModernBertConfig",
        "ModernBertModel",
        "ModernBertForSequenceClassification",
        byte_level_between_marks,
        SMALL | {"num_hidden_layers": 2, "local_attention": 8},
    ),
    "mpnet": Family(
        "MPNetConfig",
        "MPNetModel",
        "MPNetForSequenceClassification",
        word_pieces("MPNetTokenizer", "<s>", "<pad>", "</s>", "[UNK]", "<mask>"),
        SMALL,
    ),
    "xlm-roberta": Family(
        "XLMRobertaConfig",
        "XLMRobertaModel",
        "XLMRobertaForSequenceClassification",
        unigram("XLMRobertaTokenizer", *ROBERTA),
        SMALL,
    ),
    "t5": Family(
        "T5Config",
        "T5Model",
        "T5ForSequenceClassification",
        T5,
        T5_SIZE | {"decoder_start_token_id": 0},
    ),
    "t5-text-to-text": Family(
        "T5Config",
        "T5ForConditionalGeneration",
        "T5ForConditionalGeneration",
        T5,
        T5_SIZE | {"decoder_start_token_id": 0},
    ),
    "gpt2": Family(
        "GPT2Config",
        "GPT2LMHeadModel",
        "GPT2ForSequenceClassification",
        byte_level("GPT2Tokenizer", "<|endoftext|>"),
        {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64},
    ),
    "xlnet": Family(
        "XLNetConfig",
        "XLNetModel",
        "XLNetForSequenceClassification",
        unigram("XLNetTokenizer", "<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"),
        {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32},
    ),
    "llama": Family(
        "LlamaConfig",
        "LlamaForCausalLM",
        "LlamaForSequenceClassification",
        metaspace("LlamaTokenizer", "<unk>", "<s>", "</s>"),
        SMALL,
    ),
}


# Natural language inference, for zero-shot teachers.
NLI_OUTPUTS = ["contradiction", "neutral", "entailment"]
NLI_LABELS = ["trains", "cooking", "very old sailing"]
NLI_TEMPLATE = "it was about {} ."


BART = Family(
    "BartConfig",
    "BartForSequenceClassification",
    "BartForSequenceClassification",
    byte_level("RobertaTokenizer", *ROBERTA),
    {
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 64,
        "init_std": 0.1,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": None,
    },
)


def write_nli(folder, texts, family="bert", outputs=NLI_OUTPUTS, **settings):
    """Write a random model of natural language inference."""
    kind = BART if family == "bart" else FAMILIES[family]
    names = {
        "id2label": dict(enumerate(outputs)),
        "label2id": {name: output for output, name in enumerate(outputs)},
    }
    kind = replace(kind, pretrained=kind.finetuned, settings=kind.settings | names | settings)
    return kind.write(folder, [*texts, *NLI_LABELS, NLI_TEMPLATE, "it was not"])
