//! What was measured on a machine, held against what was predicted: `calibrations/<id>.toml` of a catalog folder.
//!
//! ```toml
//! id = "vllm-h200-coder-6.7b-bf16"       # equal to the file's name
//! engine = "vllm"                        # an engine of the catalog
//! gpu = "h200-sxm"                       # a device of the catalog; `cpu`: a processor that it does not know
//! model = "deepseek-coder-6.7b"          # a variant or release; absent: holds for every model
//! format = "bf16"                        # a weight format; absent: for every format
//! devices = 1                            # how many devices; absent: for any number
//! ram_bandwidth_bytes_per_second = 80000000000  # of a processor: what was predicted with; counts instead of any other
//! source = "dsk bench --save"
//!
//! [[level]]                              # what so many clients measured; of one question, the last one holds
//! concurrency = 8                        # clients at once
//! input_tokens = 512                     # of each prompt
//! output_tokens = 128                    # of each answer
//! model = "my-file"                      # the user's file that was measured, where the catalog does not know it
//! format = "q4_k_m"                      # and its format
//! output_token_scale = 1.08              # measured time per output token / predicted; may be absent
//! first_token_scale = 0.93               # measured time to the first token / predicted; may be absent
//! rows = 80                              # requests that were answered
//! date = "2026-11-24"
//! source = "dsk bench, coder at http://localhost:8000/v1"
//! ```
//!
//! Written by hand, one scale may stand for every number of clients; it holds where there is no level:
//!
//! ```toml
//! output_token_scale = 1.08              # at least one of the two
//! first_token_scale = 0.93
//! output_token_range = [0.95, 1.06]      # measured / (predicted x scale), 10th to 90th percentile; may be absent
//! first_token_range = [0.8, 1.3]         # the same; may be absent
//! rows = 12                              # how many measurements
//! date = "2026-11-24"
//! ```
//!
//! The most particular calibration that fits a question applies: one of the model and format before one of the
//! model, before one of the device alone.

mod level;
mod write;

use serde::Deserialize;

use super::entry::Entry;

pub use level::Level;

/// The device of a processor that the catalog does not know.
pub const ANY_PROCESSOR: &str = "cpu";

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
    /// Bytes per second of a processor's memory that the predictions counted with; none where the question's count.
    #[serde(default)]
    pub ram_bandwidth_bytes_per_second: Option<u64>,
    /// Measured time per output token over the predicted one, for every number of clients.
    #[serde(default)]
    pub output_token_scale: Option<f64>,
    /// Measured time to the first token over the predicted one, for every number of clients.
    #[serde(default)]
    pub first_token_scale: Option<f64>,
    /// Measured over predicted and scaled, from the 10th to the 90th percentile.
    #[serde(default)]
    pub output_token_range: Option<[f64; 2]>,
    /// The same for the time to the first token.
    #[serde(default)]
    pub first_token_range: Option<[f64; 2]>,
    /// How many measurements, where there are no levels to say so.
    #[serde(default)]
    pub rows: Option<u64>,
    /// The day they were made, `YYYY-MM-DD`, where there are no levels to say so.
    #[serde(default)]
    pub date: Option<String>,
    /// What measured them.
    pub source: String,
    /// What each number of clients measured.
    #[serde(default, rename = "level")]
    pub levels: Vec<Level>,
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
    /// Adds levels; one of a question that was measured before takes the older one's place.
    pub fn add(&mut self, levels: Vec<Level>) {
        for level in levels {
            self.levels.retain(|older| !older.is_same_question(&level));
            self.levels.push(level);
        }
    }

    /// The levels that hold for a model in a format, the last one of each question: its own, else those of every model.
    #[must_use]
    pub fn levels_for(&self, model: &str, format: &str) -> Vec<&Level> {
        let last = self.levels.iter().enumerate().filter(|(place, level)| {
            let later = self.levels.iter().skip(place + 1);
            !later.into_iter().any(|later| later.is_same_question(level))
        });
        let (own, others): (Vec<&Level>, Vec<&Level>) = last
            .map(|(_, level)| level)
            .partition(|level| self.is_of(level, (model, format)));
        if own.is_empty() { others } else { own }
    }

    /// Whether `level` is of that model and format, and not of another that stands for every model.
    #[must_use]
    pub fn is_of(&self, level: &Level, (model, format): (&str, &str)) -> bool {
        let of_file = level.model.as_deref() == Some(model)
            && level.format.as_deref().is_none_or(|own| own == format);
        self.model.is_some() || of_file
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
        let scales = [self.output_token_scale, self.first_token_scale];
        level::check_scales(scales)?;
        let has_scale = scales.iter().any(Option::is_some);
        if !has_scale && self.levels.is_empty() {
            return Err(
                "`output_token_scale`, `first_token_scale` or a `[[level]]` is missing".to_owned(),
            );
        }
        for (key, is_missing) in [("rows", self.rows.is_none()), ("date", self.date.is_none())] {
            if has_scale && is_missing {
                return Err(format!("`{key}` is missing beside a scale"));
            }
        }
        if self.ram_bandwidth_bytes_per_second == Some(0) {
            return Err("`ram_bandwidth_bytes_per_second` must be above 0".to_owned());
        }
        for (key, range) in [
            ("output_token_range", self.output_token_range),
            ("first_token_range", self.first_token_range),
        ] {
            let positive = level::is_positive;
            if range.is_some_and(|[low, high]| !positive(low) || !positive(high) || low > high) {
                return Err(format!(
                    "`{key}` must be two numbers above 0, the lower first"
                ));
            }
        }
        self.levels.iter().try_for_each(Level::check)
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
        calibration.add(vec![level(8, 2.0), level(1, 1.5)]);
        let text = calibration.to_toml();
        assert_eq!(
            entry::parse::<Calibration>("here.toml", &text).ok(),
            Some(calibration)
        );
    }

    fn level(concurrency: u64, scale: f64) -> Level {
        Level {
            concurrency,
            input_tokens: 512,
            output_tokens: 128,
            model: None,
            format: Some("q4_k_m".to_owned()),
            output_token_scale: Some(scale),
            first_token_scale: None,
            rows: 10,
            date: "2026-11-24".to_owned(),
            source: "dsk bench".to_owned(),
        }
    }

    #[test]
    fn the_newest_of_one_question_holds_and_others_stay() {
        let mut calibration = parse("").expect("a calibration");
        calibration.add(vec![level(1, 1.0), level(8, 3.0)]);
        calibration.add(vec![level(1, 2.0)]);
        let scales = |levels: Vec<&Level>| -> Vec<(u64, Option<f64>)> {
            let pair = |level: &&Level| (level.concurrency, level.output_token_scale);
            levels.iter().map(pair).collect()
        };
        let kept = [(8, Some(3.0)), (1, Some(2.0))];
        assert_eq!(scales(calibration.levels_for("x", "y")), kept);
        // A file to which levels were only ever appended means the same.
        calibration.levels.insert(0, level(1, 9.0));
        assert_eq!(scales(calibration.levels_for("x", "y")), kept);
    }

    #[test]
    fn a_users_own_file_comes_before_others() {
        let mut calibration = parse("").expect("a calibration");
        let of = |name: &str, scale| Level {
            model: Some(name.to_owned()),
            ..level(1, scale)
        };
        calibration.add(vec![of("one", 1.0), of("other", 2.0)]);
        assert_eq!(calibration.levels.len(), 2);
        assert_eq!(
            calibration.levels_for("other", "q4_k_m"),
            [&of("other", 2.0)]
        );
        assert_eq!(calibration.levels_for("third", "q4_k_m").len(), 2);
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let bare = TEXT
            .replace("output_token_scale = 1.08", "")
            .replace("first_token_scale = 0.93", "");
        let read = |text: &str| entry::parse::<Calibration>("here.toml", text);
        assert!(read(&bare).is_err());
        let undated = TEXT.replace("date = \"2026-11-24\"", "");
        assert!(read(&undated).is_err());
        let lone = TEXT.replace("first_token_scale = 0.93", "");
        assert!(read(&lone).is_ok(), "one of the two is enough");
        let none = "[[level]]\nconcurrency = 1\ninput_tokens = 1\noutput_tokens = 1\nrows = 1\ndate = \"x\"\nsource = \"x\"\n";
        assert!(
            read(&format!("{TEXT}{none}")).is_err(),
            "a level without a scale"
        );
    }

    #[test]
    fn a_scale_of_nothing_is_refused() {
        let fault = parse("output_token_range = [1.1, 0.9]\n").expect_err("a fault");
        assert!(fault.contains("output_token_range"), "{fault}");
    }
}
