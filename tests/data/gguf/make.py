"""Writes the headers in this folder with the gguf package (PyPI, 0.19.0): real widths, few layers, no data.

A test gives each file the length that `lengths.toml` has, so that it is as long as with its data.
"""
import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf import GGUFWriter, quant_shape_to_byte_shape
from gguf.constants import GGML_QUANT_SIZES

HERE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).parent
LENGTHS = []


class File:
    def __init__(self, name, arch, file_type):
        self.name, self.arch = name, arch
        self.writer = GGUFWriter(HERE / f"{name}.gguf", arch)
        self.writer.add_name(f"Test of {arch}")
        self.writer.add_file_type(file_type)
        self.bytes = 0

    def keys(self, **keys):
        for key, value in keys.items():
            key = f"{self.arch}.{key.replace('__', '.')}"
            if isinstance(value, list):
                self.writer.add_array(key, value)
            elif isinstance(value, str):
                self.writer.add_string(key, value)
            elif isinstance(value, float):
                self.writer.add_float32(key, value)
            else:
                self.writer.add_uint32(key, value)

    def tokens(self, number):
        self.writer.add_tokenizer_model("gpt2")
        self.writer.add_token_list([f"t{i}" for i in range(number)])

    def tensor(self, name, *rows_last, type=Q.Q8_0):
        """`rows_last`: as GGUF lists lengths, the row first."""
        shape = tuple(reversed(rows_last))
        block, size = GGML_QUANT_SIZES[type]
        nbytes = int(np.prod([int(n) for n in shape])) // block * size
        packed = quant_shape_to_byte_shape(shape, type)
        self.writer.add_tensor_info(name, packed, np.dtype(np.uint8), nbytes, raw_dtype=type)
        self.bytes += -(-nbytes // 32) * 32

    def vector(self, name, length):
        self.tensor(name, length, type=Q.F32)

    def close(self):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_ti_data_to_file()
        self.writer.close()
        path = HERE / f"{self.name}.gguf"
        header = -(-path.stat().st_size // 32) * 32
        LENGTHS.append(f"{self.name} = {header + self.bytes}\n")


def ends(f, hidden, vocabulary, tied=False):
    f.tensor("token_embd.weight", hidden, vocabulary)
    f.vector("output_norm.weight", hidden)
    if not tied:
        f.tensor("output.weight", hidden, vocabulary)


def dense(f, i, hidden, inner):
    f.vector(f"blk.{i}.ffn_norm.weight", hidden)
    f.tensor(f"blk.{i}.ffn_gate.weight", hidden, inner)
    f.tensor(f"blk.{i}.ffn_up.weight", hidden, inner)
    f.tensor(f"blk.{i}.ffn_down.weight", inner, hidden)


def experts(f, i, hidden, inner, number, shared, bias):
    f.vector(f"blk.{i}.ffn_norm.weight", hidden)
    f.tensor(f"blk.{i}.ffn_gate_inp.weight", hidden, number, type=Q.F32)
    if bias:
        f.vector(f"blk.{i}.exp_probs_b.bias", number)
    for kind, row, rows in (("gate", hidden, inner), ("up", hidden, inner), ("down", inner, hidden)):
        f.tensor(f"blk.{i}.ffn_{kind}_exps.weight", row, rows, number)
    wide = inner * shared
    for kind, row, rows in (("gate", hidden, wide), ("up", hidden, wide), ("down", wide, hidden)):
        f.tensor(f"blk.{i}.ffn_{kind}_shexp.weight", row, rows)


def grouped(f, i, hidden, heads, kv, size, bias=False, norm=False):
    f.vector(f"blk.{i}.attn_norm.weight", hidden)
    for kind, rows in (("q", heads * size), ("k", kv * size), ("v", kv * size)):
        f.tensor(f"blk.{i}.attn_{kind}.weight", hidden, rows)
        if bias:
            f.vector(f"blk.{i}.attn_{kind}.bias", rows)
    if norm:
        f.vector(f"blk.{i}.attn_q_norm.weight", size)
        f.vector(f"blk.{i}.attn_k_norm.weight", size)
    f.tensor(f"blk.{i}.attn_output.weight", heads * size, hidden)


def latent(f, i, hidden, heads, q_rank, rank, nope, rope, value, fused=False):
    f.vector(f"blk.{i}.attn_norm.weight", hidden)
    if q_rank:
        f.tensor(f"blk.{i}.attn_q_a.weight", hidden, q_rank)
        f.vector(f"blk.{i}.attn_q_a_norm.weight", q_rank)
        f.tensor(f"blk.{i}.attn_q_b.weight", q_rank, heads * (nope + rope))
    else:
        f.tensor(f"blk.{i}.attn_q.weight", hidden, heads * (nope + rope))
    f.tensor(f"blk.{i}.attn_kv_a_mqa.weight", hidden, rank + rope)
    f.vector(f"blk.{i}.attn_kv_a_norm.weight", rank)
    if fused:
        f.tensor(f"blk.{i}.attn_kv_b.weight", rank, heads * (nope + value))
    else:
        f.tensor(f"blk.{i}.attn_k_b.weight", nope, rank, heads)
        f.tensor(f"blk.{i}.attn_v_b.weight", rank, value, heads)
    f.tensor(f"blk.{i}.attn_output.weight", heads * value, hidden)


def common(f, layers, hidden, window, heads, kv):
    f.keys(block_count=layers, context_length=window, embedding_length=hidden, attention__head_count=heads, attention__head_count_kv=kv)


f = File("llama", "llama", 7)  # the widths of DeepSeek-R1-Distill-Llama-8B
common(f, 2, 4096, 131072, 32, 8)
f.keys(feed_forward_length=14336, vocab_size=128256)
f.tokens(50)
f.vector("rope_freqs.weight", 64)
ends(f, 4096, 128256)
for i in range(2):
    grouped(f, i, 4096, 32, 8, 128)
    dense(f, i, 4096, 14336)
f.close()

f = File("qwen2", "qwen2", 7)  # Qwen2.5-0.5B's: the head is the embedding
common(f, 3, 896, 32768, 14, 2)
f.keys(feed_forward_length=4864)
ends(f, 896, 151936, tied=True)
for i in range(3):
    grouped(f, i, 896, 14, 2, 64, bias=True)
    dense(f, i, 896, 4864)
f.close()

f = File("qwen3", "qwen3", 7)  # DeepSeek-R1-0528-Qwen3-8B's
common(f, 2, 4096, 131072, 32, [8, 8])
f.keys(feed_forward_length=[12288, 12288], attention__key_length=128, attention__value_length=128)
f.keys(rope__scaling__type="yarn", rope__scaling__factor=4.0, rope__scaling__original_context_length=32768)
ends(f, 4096, 151936)
for i in range(2):
    grouped(f, i, 4096, 32, 8, 128, norm=True)
    dense(f, i, 4096, 12288)
f.close()

f = File("deepseek", "deepseek", 7)  # deepseek-moe-16b's
common(f, 3, 2048, 4096, 16, 16)
f.keys(feed_forward_length=10944, leading_dense_block_count=1, expert_feed_forward_length=1408, expert_count=64, expert_used_count=6, expert_shared_count=2)
ends(f, 2048, 102400)
for i in range(3):
    grouped(f, i, 2048, 16, 16, 128)
    dense(f, i, 2048, 10944) if i < 1 else experts(f, i, 2048, 1408, 64, 2, False)
f.close()

for name, fused in (("deepseek2-lite", False), ("deepseek2-lite-multi-head", True)):  # DeepSeek-V2-Lite's
    f = File(name, "deepseek2", 7)
    common(f, 3, 2048, 163840, 16, 16 if fused else 1)
    f.keys(feed_forward_length=10944, leading_dense_block_count=1, expert_feed_forward_length=1408, expert_count=64, expert_used_count=6, expert_shared_count=2)
    f.keys(attention__kv_lora_rank=512, rope__dimension_count=64)
    if fused:
        f.keys(attention__key_length=192, attention__value_length=128)
    else:
        f.keys(attention__key_length=576, attention__value_length=512, attention__key_length_mla=192, attention__value_length_mla=128)
    ends(f, 2048, 102400)
    for i in range(3):
        latent(f, i, 2048, 16, None, 512, 128, 64, 128, fused)
        dense(f, i, 2048, 10944) if i < 1 else experts(f, i, 2048, 1408, 64, 2, False)
    f.close()

f = File("deepseek2", "deepseek2", 7)  # DeepSeek-V3's
common(f, 5, 7168, 163840, 128, 1)
f.keys(feed_forward_length=18432, leading_dense_block_count=3, expert_feed_forward_length=2048, expert_count=256, expert_used_count=8, expert_shared_count=1)
f.keys(attention__q_lora_rank=1536, attention__kv_lora_rank=512, rope__dimension_count=64, attention__key_length=576, attention__value_length=512, attention__key_length_mla=192, attention__value_length_mla=128)
ends(f, 7168, 129280)
for i in range(5):
    latent(f, i, 7168, 128, 1536, 512, 128, 64, 128)
    dense(f, i, 7168, 18432) if i < 3 else experts(f, i, 7168, 2048, 256, 1, True)
f.close()

f = File("deepseek32", "deepseek32", 7)  # DeepSeek-V3.2's, with its draft layer
common(f, 5, 7168, 163840, 128, 1)
f.keys(feed_forward_length=18432, leading_dense_block_count=3, expert_feed_forward_length=2048, expert_count=256, expert_used_count=8, expert_shared_count=1, nextn_predict_layers=1)
f.keys(attention__q_lora_rank=1536, attention__kv_lora_rank=512, rope__dimension_count=64, attention__key_length=576, attention__value_length=512, attention__key_length_mla=192, attention__value_length_mla=128)
f.keys(attention__indexer__head_count=64, attention__indexer__key_length=128, attention__indexer__top_k=2048)
ends(f, 7168, 129280)
for i in range(5):
    latent(f, i, 7168, 128, 1536, 512, 128, 64, 128)
    f.vector(f"blk.{i}.indexer.k_norm.weight", 128)
    f.vector(f"blk.{i}.indexer.k_norm.bias", 128)
    f.tensor(f"blk.{i}.indexer.proj.weight", 7168, 64)
    f.tensor(f"blk.{i}.indexer.attn_k.weight", 7168, 128)
    f.tensor(f"blk.{i}.indexer.attn_q_b.weight", 1536, 64 * 128)
    dense(f, i, 7168, 18432) if i < 3 else experts(f, i, 7168, 2048, 256, 1, True)
f.tensor("blk.4.nextn.eh_proj.weight", 2 * 7168, 7168)
f.vector("blk.4.nextn.enorm.weight", 7168)
f.vector("blk.4.nextn.hnorm.weight", 7168)
f.tensor("blk.4.nextn.embed_tokens.weight", 7168, 129280)
f.tensor("blk.4.nextn.shared_head_head.weight", 7168, 129280)
f.vector("blk.4.nextn.shared_head_norm.weight", 7168)
f.close()

f = File("deepseek4", "deepseek4", 38)  # DeepSeek-V4-Flash's, as the converter writes it
common(f, 5, 4096, 1048576, 64, 1)
ratios = [0, 0, 4, 128, 4]
f.keys(attention__key_length=512, attention__value_length=512, rope__dimension_count=64, attention__q_lora_rank=1024, attention__sliding_window=128)
f.keys(attention__indexer__head_count=64, attention__indexer__key_length=128, attention__indexer__top_k=512, attention__output_group_count=8, attention__output_lora_rank=1024, attention__compress_ratios=ratios)
f.keys(hyper_connection__count=4, hash_layer_count=3, expert_feed_forward_length=2048, expert_count=256, expert_used_count=6, expert_shared_count=1)
h, b = 4096, Q.BF16
f.tensor("token_embd.weight", h, 129280, type=b)
f.vector("output_norm.weight", h)
f.tensor("output.weight", h, 129280, type=b)
f.tensor("output_hc_fn.weight", 4 * h, 4, type=Q.F32)
f.vector("output_hc_base.weight", 4)
f.vector("output_hc_scale.weight", 1)
for i, ratio in enumerate(ratios):
    p = f"blk.{i}."
    f.vector(p + "attn_norm.weight", h)
    f.vector(p + "attn_sinks.weight", 64)
    f.tensor(p + "attn_q_a.weight", h, 1024)
    f.vector(p + "attn_q_a_norm.weight", 1024)
    f.tensor(p + "attn_q_b.weight", 1024, 64 * 512)
    f.tensor(p + "attn_kv.weight", h, 512)
    f.vector(p + "attn_kv_norm.weight", 512)
    f.tensor(p + "attn_output_a.weight", 64 * 512 // 8, 1024 * 8)
    f.tensor(p + "attn_output_b.weight", 8 * 1024, h)
    for half in ("attn", "ffn"):
        f.tensor(p + f"hc_{half}_fn.weight", 4 * h, 24, type=Q.F32)
        f.vector(p + f"hc_{half}_base.weight", 24)
        f.vector(p + f"hc_{half}_scale.weight", 3)
    if ratio:
        wide = 1024 if ratio == 4 else 512
        f.tensor(p + "attn_compressor_kv.weight", h, wide, type=b)
        f.tensor(p + "attn_compressor_gate.weight", h, wide, type=b)
        f.tensor(p + "attn_compressor_ape.weight", wide, ratio, type=Q.F32)
        f.vector(p + "attn_compressor_norm.weight", 512)
    if ratio == 4:
        f.tensor(p + "indexer.proj.weight", h, 64, type=b)
        f.tensor(p + "indexer.attn_q_b.weight", 1024, 64 * 128)
        f.tensor(p + "indexer_compressor_kv.weight", h, 256, type=b)
        f.tensor(p + "indexer_compressor_gate.weight", h, 256, type=b)
        f.tensor(p + "indexer_compressor_ape.weight", 256, ratio, type=Q.F32)
        f.vector(p + "indexer_compressor_norm.weight", 128)
    f.vector(p + "ffn_norm.weight", h)
    f.tensor(p + "ffn_gate_inp.weight", h, 256, type=Q.F32)
    if i < 3:
        f.tensor(p + "ffn_gate_tid2eid.weight", 6, 129280, type=Q.I32)
    else:
        f.vector(p + "exp_probs_b.bias", 256)
    for kind, row, rows in (("gate", h, 2048), ("up", h, 2048), ("down", 2048, h)):
        f.tensor(p + f"ffn_{kind}_exps.weight", row, rows, 256, type=Q.MXFP4)
        f.tensor(p + f"ffn_{kind}_shexp.weight", row, rows)
f.close()

(HERE / "lengths.toml").write_text("# Bytes of each file with its data.\n" + "".join(LENGTHS))
