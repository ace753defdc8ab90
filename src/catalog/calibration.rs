//! What was measured on a machine, held against what was predicted: `calibrations/<id>.toml` of a catalog folder.
//!
//! ```toml
//! id = "vllm-h200-coder-6.7b-bf16"       # equal to the file's name
//! engine = "vllm"                        # an engine of the catalog
//! gpu = "h200-sxm"                       # a device of the catalog
//! model = "deepseek-coder-6.7b"          # a variant or release; absent: holds for every model
//! format = "bf16"                        # a weight format; absent: for every format
//! devices = 1                            # how many devices; absent: for any number
//! output_token_scale = 1.08              # measured time per output token / predicted, the median of what was run
//! first_token_scale = 0.93               # measured time to the first token / predicted
//! output_token_range = [0.95, 1.06]      # measured / (predicted x scale), 10th to 90th percentile; may be absent
//! first_token_range = [0.8, 1.3]         # the same; may be absent
//! rows = 12                              # how many measurements
//! date = "2026-11-24"
//! source = "dsk bench, http://localhost:8000/v1, concurrency 1, 8, 32"
//! ```
//!
//! The most particular calibration that fits a question applies: one of the model and format before one of the
//! model, before one of the device alone.

use serde::Deserialize;

use super::entry::Entry;

/// Measured times over predicted ones on one machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The id, equal to the file's name.
    pub id: String,
    /// The engine that ran.
    pub engine: String,
    /// The device it ran on.
    pub gpu: String,
    /// The model; none where the scale is meant for every model.
    #[serde(default)]
    pub model: Option<String>,
    /// The weight format; none where the scale is meant for every format.
    #[serde(default)]
    pub format: Option<String>,
    /// How many devices; none where the scale is meant for any number.
    #[serde(default)]
    pub devices: Option<u64>,
    /// Measured time per output token over the predicted one.
    pub output_token_scale: f64,
    /// Measured time to the first token over the predicted one.
    pub first_token_scale: f64,
    /// Measured over predicted and scaled, from the 10th to the 90th percentile.
    #[serde(default)]
    pub output_token_range: Option<[f64; 2]>,
    /// The same for the time to the first token.
    #[serde(default)]
    pub first_token_range: Option<[f64; 2]>,
    /// How many measurements.
    pub rows: u64,
    /// The day they were made: `YYYY-MM-DD`.
    pub date: String,
    /// What measured them.
    pub source: String,
}

/// What a calibration is looked up for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The engine's id.
    pub engine: &'a str,
    /// The device's id.
    pub gpu: &'a str,
    /// The model's id.
    pub model: &'a str,
    /// The weight format's id.
    pub format: &'a str,
    /// How many devices.
    pub devices: u64,
}

impl Calibration {
    /// The text of its file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let word = |text: &str| serde_json::Value::from(text).to_string();
        let pair = |[low, high]: [f64; 2]| format!("[{low:?}, {high:?}]");
        let lines = [
            Some(format!("id = {}", word(&self.id))),
            Some(format!("engine = {}", word(&self.engine))),
            Some(format!("gpu = {}", word(&self.gpu))),
            self.model
                .as_deref()
                .map(|model| format!("model = {}", word(model))),
            self.format
                .as_deref()
                .map(|format| format!("format = {}", word(format))),
            self.devices.map(|devices| format!("devices = {devices}")),
            Some(format!(
                "output_token_scale = {:?}",
                self.output_token_scale
            )),
            Some(format!("first_token_scale = {:?}", self.first_token_scale)),
            self.output_token_range
                .map(|range| format!("output_token_range = {}", pair(range))),
            self.first_token_range
                .map(|range| format!("first_token_range = {}", pair(range))),
            Some(format!("rows = {}", self.rows)),
            Some(format!("date = {}", word(&self.date))),
            Some(format!("source = {}", word(&self.source))),
        ];
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        lines.join("\n") + "\n"
    }

    /// How particular it is, if it holds for `place`.
    fn closeness(&self, place: Place<'_>) -> Option<u8> {
        if self.engine != place.engine || self.gpu != place.gpu {
            return None;
        }
        let named = [
            self.model.as_ref().map(|model| model == place.model),
            self.format.as_ref().map(|format| format == place.format),
            self.devices.map(|devices| devices == place.devices),
        ];
        if named.contains(&Some(false)) {
            return None;
        }
        let worth = [4, 2, 1];
        Some(
            named
                .iter()
                .zip(worth)
                .map(|(name, worth)| if name.is_some() { worth } else { 0 })
                .sum(),
        )
    }
}

/// The most particular of `all` that holds for `place`; the last of equals.
#[must_use]
pub fn closest<'c>(all: &'c [Calibration], place: Place<'_>) -> Option<&'c Calibration> {
    all.iter()
        .filter_map(|calibration| Some((calibration.closeness(place)?, calibration)))
        .max_by_key(|(closeness, _)| *closeness)
        .map(|(_, calibration)| calibration)
}

impl Entry for Calibration {
    const KIND: &'static str = "calibration";
    const FOLDER: &'static str = "calibrations";

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn check(&self) -> Result<(), String> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        for (key, scale) in [
            ("output_token_scale", self.output_token_scale),
            ("first_token_scale", self.first_token_scale),
        ] {
            if !positive(scale) {
                return Err(format!("`{key}` must be above 0"));
            }
        }
        for (key, range) in [
            ("output_token_range", self.output_token_range),
            ("first_token_range", self.first_token_range),
        ] {
            if range.is_some_and(|[low, high]| !positive(low) || !positive(high) || low > high) {
                return Err(format!(
                    "`{key}` must be two numbers above 0, the lower first"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::entry;

    const TEXT: &str = r#"
id = "here"
engine = "vllm"
gpu = "h200-sxm"
output_token_scale = 1.08
first_token_scale = 0.93
rows = 12
date = "2026-11-24"
source = "dsk bench"
"#;

    fn parse(more: &str) -> Result<Calibration, String> {
        entry::parse("here.toml", &format!("{TEXT}{more}")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_most_particular_applies() {
        let device = parse("").expect("a calibration");
        let model = parse("model = \"deepseek-v3\"\n").expect("a calibration");
        let all = [model.clone(), device.clone()];
        let place = |model, gpu| Place {
            engine: "vllm",
            gpu,
            model,
            format: "bf16",
            devices: 8,
        };
        assert_eq!(
            closest(&all, place("deepseek-v3", "h200-sxm")),
            Some(&model)
        );
        assert_eq!(
            closest(&all, place("deepseek-r1", "h200-sxm")),
            Some(&device)
        );
        assert_eq!(closest(&all, place("deepseek-r1", "b200")), None);
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut calibration = parse("output_token_range = [0.9, 1.1]\n").expect("a calibration");
        calibration.devices = Some(2);
        calibration.source = "a \"server\" at C:\\x\n".to_owned();
        let text = calibration.to_toml();
        assert_eq!(
            entry::parse::<Calibration>("here.toml", &text).ok(),
            Some(calibration)
        );
    }

    #[test]
    fn a_scale_of_nothing_is_refused() {
        let fault = parse("output_token_range = [1.1, 0.9]\n").expect_err("a fault");
        assert!(fault.contains("output_token_range"), "{fault}");
    }
}
