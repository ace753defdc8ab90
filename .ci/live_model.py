"""Writes a GGUF file of the Llama architecture with random weights and a small vocabulary: LAYERS HIDDEN OUT."""

import string
import sys

import gguf
import numpy as np

CONTEXT = 8192
HEAD = 64
SPECIALS = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]


def vocabulary():
    """Pieces of a SentencePiece vocabulary: specials, bytes, letters, pairs of letters."""
    letters = ["\u2581", *string.ascii_letters, *string.digits, *" .,:;!?'\"()-"]
    pairs = [a + b for a in "\u2581" + string.ascii_lowercase for b in string.ascii_lowercase]
    pieces = list(SPECIALS)
    pieces += [(f"<0x{byte:02X}>", gguf.TokenType.BYTE) for byte in range(256)]
    pieces += [(piece, gguf.TokenType.NORMAL) for piece in dict.fromkeys(letters + pairs)]
    return pieces


def main(layers, hidden, path):
    random = np.random.default_rng(1)
    feed_forward = hidden * 8 // 3 // 32 * 32
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(hidden // HEAD)
    writer.add_head_count_kv(hidden // HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(HEAD)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    pieces = vocabulary()
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([piece for piece, _ in pieces])
    writer.add_token_scores([-float(place) for place in range(len(pieces))])
    writer.add_token_types([kind for _, kind in pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)

    def norm(name):
        writer.add_tensor(name, np.ones(hidden, dtype=np.float32))

    def matrix(name, rows, columns, never=0):
        values = (random.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)
        values[:never] = 0
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    matrix("token_embd.weight", len(pieces), hidden)
    for layer in range(layers):
        at = f"blk.{layer}."
        norm(at + "attn_norm.weight")
        for part in ("q", "k", "v", "output"):
            matrix(f"{at}attn_{part}.weight", hidden, hidden)
        norm(at + "ffn_norm.weight")
        matrix(at + "ffn_gate.weight", feed_forward, hidden)
        matrix(at + "ffn_up.weight", feed_forward, hidden)
        matrix(at + "ffn_down.weight", hidden, feed_forward)
    norm("output_norm.weight")
    # Greedy answers never hold specials or bytes: a loop of one byte is no UTF-8, which the server would not send.
    matrix("output.weight", len(pieces), hidden, never=len(SPECIALS) + 256)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
