//! What a sequence caches and what a step reads of it, as sums that need no list of layers.

use crate::calc::cache::{entry_bytes, index_bytes, layer_token_bytes};
use crate::calc::load::Split;
use crate::catalog::KvFormat;
use crate::catalog::shape::{Attention, Compressed, Shape};
use crate::units::float;

/// Layers that keep alike: one entry for so many tokens, up to a number of entries.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Bytes of one entry in all these layers.
    bytes: f64,
    /// Tokens that an entry stands for.
    tokens: f64,
    /// The most entries.
    most: f64,
}

impl Span {
    fn all(bytes: f64, tokens: f64) -> Self {
        Self {
            bytes,
            tokens,
            most: f64::INFINITY,
        }
    }

    fn at(self, context: f64) -> f64 {
        self.bytes * (context / self.tokens).min(self.most)
    }
}

/// The cache of one sequence.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    held: Vec<Span>,
    read: Vec<Span>,
    /// Over how many devices tensor parallelism can spread it.
    shards: f64,
}

impl Cache {
    /// The cache of a model in a format.
    pub(super) fn of(shape: &Shape, kv: KvFormat) -> Self {
        let layers = f64::from(shape.layers);
        let token = layer_token_bytes(shape, kv, &Split::SINGLE).as_f64();
        match &shape.attention {
            Attention::Grouped { kv_heads, .. } => {
                let all = vec![Span::all(token * layers, 1.0)];
                Self {
                    held: all.clone(),
                    read: all,
                    shards: float(*kv_heads),
                }
            }
            Attention::Latent { indexer, .. } => {
                let keys = index_bytes(*indexer, kv).as_f64();
                let most = indexer.map_or(f64::INFINITY, |indexer| float(indexer.top_tokens));
                let picked = Span {
                    bytes: (token - keys) * layers,
                    tokens: 1.0,
                    most,
                };
                Self {
                    held: vec![Span::all(token * layers, 1.0)],
                    read: vec![picked, Span::all(keys * layers, 1.0)],
                    shards: 1.0,
                }
            }
            Attention::Compressed(own) => Self::compressed(own, (shape.layers, kv)),
        }
    }

    /// A window in every layer; entries in layers that own them, read by those that share them too.
    fn compressed(own: &Compressed, (layers, kv): (u32, KvFormat)) -> Self {
        let entry = entry_bytes(own.head_size, kv).as_f64();
        let index = index_bytes(Some(own.indexer), kv).as_f64();
        let window = Span {
            bytes: entry * f64::from(layers),
            tokens: 1.0,
            most: float(own.window_tokens),
        };
        let (mut held, mut read) = (vec![window], vec![window]);
        for layer in 0..layers {
            let ratio = f64::from(own.ratio(layer));
            if own.owns_entries(layer) {
                let keys = if own.owns_indexer(layer) { index } else { 0.0 };
                held.push(Span::all(entry + keys, ratio.max(1.0)));
            }
            if own.owns_indexer(layer) {
                read.push(Span::all(index, ratio.max(1.0)));
            }
            if ratio > 0.0 {
                read.push(Span {
                    bytes: entry,
                    tokens: ratio,
                    most: float(own.indexer.top_tokens),
                });
            }
        }
        Self {
            held: merged(held),
            read: merged(read),
            shards: 1.0,
        }
    }

    /// Bytes that one sequence of `context` tokens keeps on each of `tensor` devices.
    pub(super) fn held(&self, context: f64, tensor: f64) -> f64 {
        sum(&self.held, context) / tensor.min(self.shards)
    }

    /// Bytes that a step reads of it.
    pub(super) fn read(&self, context: f64, tensor: f64) -> f64 {
        sum(&self.read, context) / tensor.min(self.shards)
    }
}

fn sum(spans: &[Span], context: f64) -> f64 {
    spans.iter().map(|span| span.at(context.max(0.0))).sum()
}

/// Equal spans as one.
fn merged(spans: Vec<Span>) -> Vec<Span> {
    let mut kinds: Vec<Span> = Vec::new();
    for span in spans {
        let same = |kind: &&mut Span| {
            kind.tokens.total_cmp(&span.tokens).is_eq() && kind.most.total_cmp(&span.most).is_eq()
        };
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.bytes += span.bytes,
            None => kinds.push(span),
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calc::plain;
    use crate::catalog::Catalog;
    use crate::units::Tokens;

    #[test]
    fn what_is_held_is_what_the_memory_calculator_says() {
        let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
        for id in [
            "6.7b",
            "deepseek-v3",
            "deepseek-v3.2",
            "deepseek-v4-flash-0731",
        ] {
            let model = catalog.model(id).expect("a model");
            for kv in [KvFormat::F16, KvFormat::Fp8] {
                let cache = Cache::of(&model.shape, kv);
                for context in [128_u32, 4096, 65_536] {
                    let exact = plain::sequence_bytes(&model.shape, kv, Tokens(context.into()));
                    let ours = cache.held(f64::from(context), 1.0);
                    assert!((ours - exact.as_f64()).abs() < 1.0, "{id} {kv:?} {context}");
                }
            }
        }
    }

    #[test]
    fn sparse_attention_reads_less_than_it_holds() {
        let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
        for id in ["deepseek-v3.2", "deepseek-v4-flash-0731"] {
            let model = catalog.model(id).expect("a model");
            let cache = Cache::of(&model.shape, KvFormat::F16);
            assert!(
                cache.read(131_072.0, 1.0) < 0.6 * cache.held(131_072.0, 1.0),
                "{id}"
            );
        }
    }
}
