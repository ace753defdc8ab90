//! Quantities as people type them.

use super::args::Target;
use crate::calc::load::{LayerSplit, MOST_LAYER_DEVICES};

/// Tokens: `4096`, `32k`, `1m`; k and m are 1024s.
pub(super) fn tokens(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_lowercase();
    let (digits, factor) = if let Some(rest) = lower.strip_suffix('k') {
        (rest, 1 << 10)
    } else if let Some(rest) = lower.strip_suffix('m') {
        (rest, 1 << 20)
    } else {
        (lower.as_str(), 1)
    };
    let expected = || "expected a number of tokens such as 4096, 32k or 1m".to_owned();
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_ascii_digit()) {
        return Err(expected());
    }
    let tokens = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    match tokens {
        Some(0) => Err("must be at least 1".to_owned()),
        Some(tokens) if tokens <= crate::request::MOST_TOKENS => Ok(tokens),
        _ => Err(format!(
            "is more than the {} tokens that are calculated at most",
            crate::request::MOST_TOKENS
        )),
    }
}

/// Tokens, or none at all.
pub(super) fn tokens_or_none(text: &str) -> Result<u64, String> {
    if text.trim() == "0" {
        return Ok(0);
    }
    tokens(text)
}

/// Proportions of devices: `40,22`.
pub(super) fn layer_split(text: &str) -> Result<LayerSplit, String> {
    let parts: Result<Vec<u32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let parts = parts.map_err(|_| "expected whole numbers such as 40,22".to_owned())?;
    LayerSplit::of(&parts)
        .ok_or_else(|| format!("expected 1 to {MOST_LAYER_DEVICES} numbers, not all of them 0"))
}

/// A count of at least 1.
pub(super) fn positive(text: &str) -> Result<u64, String> {
    match text.trim().parse::<u64>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) if number <= crate::request::MOST_TOKENS => Ok(number),
        Ok(_) => Err(format!("is more than {}", crate::request::MOST_TOKENS)),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// Gigabytes: `12`, `12gb`, `24GiB`, `7.5`.
pub(super) fn gigabytes(text: &str) -> Result<f64, String> {
    let lower = text.trim().to_lowercase();
    let digits = lower
        .trim_end_matches("gib")
        .trim_end_matches("gb")
        .trim_end_matches('g')
        .trim();
    match digits.parse::<f64>() {
        Ok(size) if size.is_finite() && size > 0.0 => Ok(size),
        Ok(_) => Err("must be above 0".to_owned()),
        Err(_) => Err("expected gigabytes such as 12".to_owned()),
    }
}

/// A share between 0 and 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0 and at most 1, such as 0.9".to_owned()),
    }
}

/// A percentage between 0 and 100.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("expected per cent, 0 to 100".to_owned()),
    }
}

/// Whole milliseconds: `120`, `120ms`, `0.2s`.
pub(super) fn milliseconds(text: &str) -> Result<u64, String> {
    seconds(text).map(|time| crate::units::whole((time * 1000.0).round()))
}

/// Seconds: `30` and `30ms` are 0.03, `0.2s` is 0.2.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let lower = text.trim().to_lowercase();
    let (digits, factor) = if let Some(rest) = lower.strip_suffix("ms") {
        (rest, 1000.0)
    } else if let Some(rest) = lower.strip_suffix('s') {
        (rest, 1.0)
    } else {
        (lower.as_str(), 1000.0)
    };
    match digits.trim().parse::<f64>() {
        Ok(time) if time.is_finite() && time > 0.0 => Ok(time / factor),
        _ => Err("expected a time such as 120ms".to_owned()),
    }
}

/// Gbit/s: `400`, `400gbps`, `3.2tbps`.
pub(super) fn gigabits(text: &str) -> Result<f64, String> {
    let lower = text.trim().to_lowercase();
    let (digits, factor) = match lower.strip_suffix("tbps") {
        Some(rest) => (rest, 1000.0),
        None => (lower.trim_end_matches("gbps"), 1.0),
    };
    match digits.trim().parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate * factor),
        _ => Err("expected Gbit/s such as 400".to_owned()),
    }
}

/// Demands in one word: `ttft<500ms,tpot<30ms,concurrency=64`.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let mut target = Target::default();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, value) = part
            .split_once(['<', '='])
            .ok_or_else(|| format!("`{part}` lacks a limit; expected such as ttft<500ms"))?;
        let value = value.trim_start_matches('=');
        match name.trim().to_lowercase().as_str() {
            "ttft" => target.first_token = Some(seconds(value)?),
            "tpot" => target.output_token = Some(seconds(value)?),
            "concurrency" => target.concurrency = Some(positive(value)?),
            other => {
                return Err(format!(
                    "`{other}` is no demand; expected ttft, tpot or concurrency"
                ));
            }
        }
    }
    if target.first_token.is_none() && target.output_token.is_none() {
        return Err("expected ttft or tpot, such as ttft<500ms,tpot<30ms".to_owned());
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_and_m_are_1024s() {
        assert_eq!(tokens("32k"), Ok(32_768));
        assert_eq!(tokens("1M"), Ok(1 << 20));
        assert_eq!(tokens("4096"), Ok(4096));
    }

    #[test]
    fn a_bare_time_is_in_milliseconds() {
        assert_eq!(seconds("30"), Ok(0.03));
        assert_eq!(seconds("2.5 ms"), Ok(0.0025));
        assert_eq!(seconds("0.5S"), Ok(0.5));
        assert_eq!(milliseconds("0.2s"), Ok(200));
        for text in ["0", "-1ms", "", "ms", "nan", "inf", "1m"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_names_its_demands() {
        let found = target("ttft<500ms, tpot<=0.03s,concurrency=64");
        let expected = Target {
            first_token: Some(0.5),
            output_token: Some(0.03),
            concurrency: Some(64),
        };
        assert_eq!(found, Ok(expected));
        for text in ["", "ttft", "ttft<0", "speed<3", "concurrency=64", "tpot<x"] {
            assert!(target(text).is_err(), "{text}");
        }
        assert_eq!(gigabits("3.2Tbps"), Ok(3200.0));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "0",
            "-1",
            "",
            "k",
            "1e30",
            "999999999999999999999999999999",
            "32kk",
            "17179869184m",
        ] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
