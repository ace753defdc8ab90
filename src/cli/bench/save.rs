//! A run kept as a calibration.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::bench::calibrate::calibration as made;
use crate::bench::run::Run;
use crate::catalog::Calibration;
use crate::catalog::Entry;
use crate::request::Request;

/// Writes the calibration into a folder for `--catalog`; what to tell the user.
pub(in crate::cli) fn calibration(request: &Request, run: &Run, folder: &Path) -> Result<String> {
    let calibration = made(request, run, &today())?;
    let inside = folder.join(Calibration::FOLDER);
    std::fs::create_dir_all(&inside)
        .with_context(|| format!("cannot make `{}`", inside.display()))?;
    let file = inside.join(format!("{}.toml", calibration.id));
    std::fs::write(&file, calibration.to_toml())
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    let scope = if calibration.model.is_some() {
        "this model and format here"
    } else {
        "every model here, because the catalog does not know this file"
    };
    Ok(format!(
        "saved as `{}`; --catalog {} makes the speed of {scope} rest on it",
        file.display(),
        folder.display()
    ))
}

/// The day in UTC: `YYYY-MM-DD`.
fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 says nothing; the first day it can show stands for it.
    day(since.map_or(0, |since| since.as_secs() / 86_400))
}

/// The day so many days after 1970-01-01 in the Gregorian calendar, counted in eras of 400 years from 0000-03-01.
fn day(days: u64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `date -u -d @SECONDS +%F`.
    #[test]
    fn days_are_dates() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_478_400, "2026-11-24"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(day(seconds / 86_400), date);
        }
    }
}
