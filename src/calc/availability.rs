//! Whether the weights of a model can be had in a format.

use super::accuracy::is_native;
use crate::catalog::format::Storage;
use crate::catalog::variant::Match;
use crate::catalog::{Allocator, Engine, Format, Model, Origin};

/// How the weights of a model in a format are come by, the easiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Availability {
    /// They can be downloaded, or are the user's own, and the engine loads them as they are.
    Ready,
    /// They are made of a published checkpoint first.
    Made,
    /// Nobody published a model of this size.
    Paper,
}

impl Availability {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Made => "made",
            Self::Paper => "paper",
        }
    }
}

/// How the weights of `model` in `format`, whose checkpoint is in `native`, are come by for `engine`.
#[must_use]
pub fn availability(
    model: &Model,
    (format, native): (&Format, &Format),
    engine: Option<&Engine>,
) -> Availability {
    let checkpoint = model.checkpoint.as_ref();
    if checkpoint.is_some_and(|weights| weights.matching == Match::Nearest) {
        return Availability::Paper;
    }
    let own = is_native(model, format, engine);
    let loaded = match &format.storage {
        Storage::Gguf { .. } if model.origin == Origin::File => own,
        Storage::Gguf { mix } => {
            is_published(mix) && checkpoint.is_some_and(|weights| weights.gguf.is_some())
        }
        Storage::Native {} => own,
        // From 16 bits an engine makes other 16 bits, and some formats, while it loads.
        Storage::Plain {} => own || is_plain(native),
        Storage::Scaled(_) => own || is_plain(native) && made_while_loading(format, engine),
    };
    if loaded {
        Availability::Ready
    } else {
        Availability::Made
    }
}

fn is_plain(format: &Format) -> bool {
    match format.storage {
        Storage::Plain {} => true,
        Storage::Native {} | Storage::Scaled(_) | Storage::Gguf { .. } => false,
    }
}

/// Whether the engine quantizes while it loads: a command that makes the format leaves no folder behind then.
fn made_while_loading(format: &Format, engine: Option<&Engine>) -> bool {
    let by_torch = engine.is_some_and(|engine| engine.allocator == Allocator::Transformers);
    by_torch || format.make.is_some() && format.makes.is_none()
}

/// Whether those who publish conversions usually offer the mix: K-quants and `Q8_0`, which need no importance matrix.
#[must_use]
pub fn is_published(mix: &str) -> bool {
    mix == "Q8_0" || (mix.starts_with('Q') && mix.contains("_K"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::find::find;

    #[test]
    fn weights_are_ready_made_or_on_paper() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let formats = catalog.formats().expect("formats");
        let of = |name: &str, format: &str, engine: &str| {
            let model = catalog.model(name).expect("a model");
            let native = find(formats, &model.native).expect("a format");
            let format = find(formats, format).expect("a format");
            let engine = find(catalog.engines().expect("engines"), engine).expect("an engine");
            availability(&model, (format, native), Some(engine))
        };
        assert_eq!(of("33b", "bf16", "vllm"), Availability::Ready);
        assert_eq!(of("33b", "fp8", "vllm"), Availability::Ready);
        assert_eq!(of("33b", "nvfp4", "vllm"), Availability::Made);
        assert_eq!(of("v3", "fp8-block", "vllm"), Availability::Ready);
        assert_eq!(of("v3", "mxfp4", "vllm"), Availability::Made);
        assert_eq!(of("6.7b", "q4_k_m", "llama.cpp"), Availability::Ready);
        assert_eq!(of("6.7b", "iq4_nl", "llama.cpp"), Availability::Made);
        assert_eq!(
            of("v4-flash", "gguf-native", "llama.cpp"),
            Availability::Made
        );
        assert_eq!(of("13b", "bf16", "vllm"), Availability::Paper);
    }
}
