//! What makes a shape impossible.

use super::{Attention, DraftKind, Engram, FeedForward, Shape, Vision};
use crate::units::count;

/// No dimension of a model comes near it; a larger one is a slip or an attack.
const LARGEST: u64 = 1 << 24;
/// No table of n-grams has as many rows.
const MOST_ROWS: u64 = 1 << 32;
/// No model has as many layers.
const MOST_LAYERS: u64 = 1 << 12;

/// A key and why its value is impossible.
type Fault = (&'static str, String);

impl Shape {
    /// The key that makes the shape impossible, and why, where one does.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.dimensions()
            .into_iter()
            .find_map(|(key, value)| beyond(key, value, LARGEST))
            .or_else(|| self.zero())
            .or_else(|| self.layer_fault())
            .or_else(|| self.attention.fault(self.layers))
            .or_else(|| self.feed_forward.fault())
            .or_else(|| self.engram.as_ref().and_then(Engram::fault))
    }

    fn zero(&self) -> Option<Fault> {
        let needed = [
            ("layers", u64::from(self.layers)),
            ("hidden", self.hidden),
            ("vocabulary", self.vocabulary),
            ("window_tokens", self.window_tokens),
            ("heads", self.attention.heads()),
        ];
        let (key, _) = needed.into_iter().find(|(_, value)| *value == 0)?;
        Some((key, format!("`{key}` must be above 0")))
    }

    fn layer_fault(&self) -> Option<Fault> {
        let layers = [
            ("layers", u64::from(self.layers)),
            ("draft_layers", u64::from(self.draft_layers)),
        ];
        layers
            .into_iter()
            .find_map(|(key, value)| beyond(key, value, MOST_LAYERS))
    }

    fn dimensions(&self) -> Vec<(&'static str, u64)> {
        let mut all = vec![
            ("hidden", self.hidden),
            ("vocabulary", self.vocabulary),
            ("window_tokens", self.window_tokens),
        ];
        all.extend(self.attention.dimensions());
        all.extend(self.feed_forward.dimensions());
        if let Some(hyper) = self.hyper_connections {
            all.push(("streams", hyper.streams));
        }
        if let DraftKind::Block {
            markov_rank,
            experts,
            ..
        } = &self.draft_kind
        {
            all.push(("markov_rank", *markov_rank));
            all.push(("experts", experts.unwrap_or(1)));
        }
        if let Some(engram) = &self.engram {
            all.push(("head_size", engram.head_size));
            all.push(("heads", engram.lookups()));
        }
        if let Some(vision) = &self.vision {
            all.extend(vision.dimensions());
        }
        all
    }
}

fn beyond(key: &'static str, value: u64, most: u64) -> Option<Fault> {
    (value > most).then(|| (key, format!("`{key}` is {value}, which no model has")))
}

impl Attention {
    fn dimensions(&self) -> Vec<(&'static str, u64)> {
        match self {
            Self::Grouped {
                heads,
                kv_heads,
                head_size,
                ..
            } => vec![
                ("heads", *heads),
                ("kv_heads", *kv_heads),
                ("head_size", *head_size),
            ],
            Self::Latent {
                heads,
                query_rank,
                kv_rank,
                nope_size,
                rope_size,
                value_size,
                indexer,
            } => {
                let indexer = indexer.map_or((0, 0), |indexer| (indexer.heads, indexer.head_size));
                vec![
                    ("heads", *heads),
                    ("query_rank", query_rank.unwrap_or(1)),
                    ("kv_rank", *kv_rank),
                    ("nope_size", *nope_size),
                    ("rope_size", *rope_size),
                    ("value_size", *value_size),
                    ("heads", indexer.0),
                    ("head_size", indexer.1),
                ]
            }
            Self::Compressed(own) => vec![
                ("heads", own.heads),
                ("head_size", own.head_size),
                ("query_rank", own.query_rank),
                ("output_groups", own.output_groups),
                ("output_rank", own.output_rank),
                ("window_tokens", own.window_tokens),
                ("heads", own.indexer.heads),
                ("head_size", own.indexer.head_size),
            ],
        }
    }

    fn fault(&self, layers: u32) -> Option<Fault> {
        match self {
            Self::Grouped {
                heads, kv_heads, ..
            } if *kv_heads == 0 || heads % kv_heads != 0 => Some((
                "kv_heads",
                format!("`kv_heads` is {kv_heads}, which does not divide {heads} heads"),
            )),
            Self::Compressed(own) if count(own.ratios.len()) != u64::from(layers) => Some((
                "ratios",
                format!(
                    "`ratios` has {} entries for {layers} layers",
                    own.ratios.len()
                ),
            )),
            Self::Compressed(own) if own.rope_size > own.head_size => Some((
                "rope_size",
                format!(
                    "`rope_size` is {}, more than the head size {}",
                    own.rope_size, own.head_size
                ),
            )),
            Self::Grouped { .. } | Self::Latent { .. } | Self::Compressed(_) => None,
        }
    }
}

impl FeedForward {
    fn dimensions(&self) -> Vec<(&'static str, u64)> {
        match self {
            Self::Dense { intermediate } => vec![("intermediate", *intermediate)],
            Self::Experts {
                dense_intermediate,
                expert_intermediate,
                experts,
                shared_experts,
                ..
            } => vec![
                ("dense_intermediate", *dense_intermediate),
                ("expert_intermediate", *expert_intermediate),
                ("experts", *experts),
                ("shared_experts", *shared_experts),
            ],
        }
    }

    fn fault(&self) -> Option<Fault> {
        match self {
            Self::Experts {
                experts,
                experts_per_token,
                ..
            } if experts_per_token > experts => Some((
                "experts_per_token",
                format!(
                    "`experts_per_token` is {experts_per_token}, more than the {experts} experts"
                ),
            )),
            Self::Dense { .. } | Self::Experts { .. } => None,
        }
    }
}

impl Engram {
    fn fault(&self) -> Option<Fault> {
        if self.layers.len() != self.rows.len() {
            let message = format!(
                "`rows` has {} entries for {} layers",
                self.rows.len(),
                self.layers.len()
            );
            return Some(("rows", message));
        }
        self.rows
            .iter()
            .find_map(|rows| beyond("rows", *rows, MOST_ROWS))
    }
}

impl Vision {
    fn dimensions(&self) -> Vec<(&'static str, u64)> {
        match self {
            Self::Vit {
                layers,
                hidden,
                intermediate,
                patch,
                downsample,
                markers,
            } => vec![
                ("layers", *layers),
                ("hidden", *hidden),
                ("intermediate", *intermediate),
                ("patch", patch.saturating_mul(*patch)),
                ("downsample", downsample.saturating_mul(*downsample)),
                ("markers", *markers),
            ],
            Self::SamClip { sam, clip } => vec![
                ("layers", sam.layers),
                ("hidden", sam.hidden),
                ("image", sam.image.saturating_mul(sam.image)),
                ("patch", sam.patch.saturating_mul(sam.patch)),
                ("window", sam.window),
                ("neck", sam.neck),
                ("channels", sam.channels.iter().copied().max().unwrap_or(0)),
                ("layers", clip.layers),
                ("hidden", clip.hidden),
                ("image", clip.image.saturating_mul(clip.image)),
                ("patch", clip.patch.saturating_mul(clip.patch)),
                ("joined", clip.joined),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(more: &str) -> Shape {
        let text = format!(
            "architecture = 'llama'\nlayers = 2\nhidden = 64\nvocabulary = 100\nwindow_tokens = 128\n\
             feed_forward = {{ kind = 'dense', intermediate = 8 }}\n{more}"
        );
        toml::from_str(&text).expect("the shape parses")
    }

    const GROUPED: &str =
        "attention = { kind = 'grouped', heads = 4, kv_heads = 2, head_size = 16 }";

    #[test]
    fn a_sound_shape_has_no_fault() {
        assert_eq!(shape(GROUPED).fault(), None);
    }

    #[test]
    fn absurd_layers_and_widths_are_named() {
        let mut absurd = shape(GROUPED);
        absurd.layers = 1_000_000;
        assert_eq!(absurd.fault().map(|fault| fault.0), Some("layers"));
        absurd.layers = 2;
        absurd.feed_forward = FeedForward::Dense {
            intermediate: u64::MAX,
        };
        assert_eq!(absurd.fault().map(|fault| fault.0), Some("intermediate"));
    }

    #[test]
    fn every_layer_needs_its_ratio() {
        let short = shape(
            "[attention]\nkind = 'compressed'\nheads = 4\nhead_size = 16\nrope_size = 8\nquery_rank = 8\n\
             output_groups = 2\noutput_rank = 4\nwindow_tokens = 16\nratios = [4]\n\
             indexer = { heads = 2, head_size = 8, top_tokens = 4 }",
        );
        assert_eq!(short.fault().map(|fault| fault.0), Some("ratios"));
    }

    #[test]
    fn a_slip_in_a_key_is_an_error() {
        let slip = format!("{GROUPED}\ndraft_kind = {{ kind = 'joint', copies = true }}");
        let text = format!(
            "architecture = 'llama'\nlayers = 2\nhidden = 64\nvocabulary = 100\nwindow_tokens = 128\n\
             feed_forward = {{ kind = 'dense', intermediate = 8 }}\n{slip}"
        );
        assert!(toml::from_str::<Shape>(&text).is_err());
    }
}
