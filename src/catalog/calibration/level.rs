//! What one number of clients measured.

use serde::Deserialize;

/// Measured times over predicted ones with so many clients.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Clients at once.
    pub concurrency: u64,
    /// Tokens of each prompt, as asked.
    pub input_tokens: u64,
    /// Tokens of each answer, as asked.
    pub output_tokens: u64,
    /// The user's own model that was measured, where its calibration stands for every model.
    #[serde(default)]
    pub model: Option<String>,
    /// Its format.
    #[serde(default)]
    pub format: Option<String>,
    /// Measured time per output token over the predicted one; none where one of them is not known.
    #[serde(default)]
    pub output_token_scale: Option<f64>,
    /// Measured time to the first token over the predicted one; none where one of them is not known.
    #[serde(default)]
    pub first_token_scale: Option<f64>,
    /// Requests that were answered.
    pub rows: u64,
    /// The day: `YYYY-MM-DD`.
    pub date: String,
    /// What measured it.
    pub source: String,
}

impl Level {
    /// Whether both measured the same clients, lengths and model.
    #[must_use]
    pub fn is_same_question(&self, other: &Self) -> bool {
        let question = |level: &Self| {
            (
                level.concurrency,
                level.input_tokens,
                level.output_tokens,
                level.model.clone(),
                level.format.clone(),
            )
        };
        question(self) == question(other)
    }

    /// What its keys contradict.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.concurrency == 0 {
            return Err("`concurrency` must be above 0".to_owned());
        }
        let scales = [self.output_token_scale, self.first_token_scale];
        if scales.iter().all(Option::is_none) {
            return Err(
                "`level`: `output_token_scale` or `first_token_scale` is missing".to_owned(),
            );
        }
        check_scales(scales)
    }
}

/// Refuses scales of nothing: per output token, then to the first token.
pub(super) fn check_scales(scales: [Option<f64>; 2]) -> Result<(), String> {
    for (key, scale) in ["output_token_scale", "first_token_scale"]
        .into_iter()
        .zip(scales)
    {
        if scale.is_some_and(|scale| !is_positive(scale)) {
            return Err(format!("`{key}` must be above 0"));
        }
    }
    Ok(())
}

/// Whether a scale can be one.
pub(super) fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}
