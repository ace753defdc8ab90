//! A run kept as a calibration.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::bench::calibrate::{levels, place};
use crate::bench::run::Run;
use crate::catalog::{Calibration, Entry, entry};
use crate::request::Request;

/// A file of a folder for `--catalog` that a run is added to.
#[derive(Debug)]
pub(in crate::cli) struct Book {
    folder: PathBuf,
    file: PathBuf,
    /// The calibration of a file that is not there yet.
    asked: Calibration,
}

/// The first line of a file.
const HEAD: &str = "# Written by `dsk bench --save`, which adds runs and keeps no comments.\n";

impl Book {
    /// Finds the file for runs of `request`, and whether it can be written, before anything is measured.
    pub(in crate::cli) fn open(request: &Request, folder: &Path) -> Result<Self> {
        let asked = place(request)?;
        if folder.exists() && !folder.is_dir() {
            bail!(
                "`{}` is no folder; --save takes a folder for --catalog",
                folder.display()
            );
        }
        let inside = folder.join(Calibration::FOLDER);
        std::fs::create_dir_all(&inside)
            .with_context(|| format!("cannot make `{}`", inside.display()))?;
        let file = inside.join(format!("{}.toml", asked.id));
        let book = Self {
            folder: folder.to_owned(),
            file,
            asked,
        };
        book.read()?;
        let part = book.part();
        std::fs::write(&part, "")
            .with_context(|| format!("cannot write in `{}`", inside.display()))?;
        std::fs::remove_file(&part)
            .with_context(|| format!("cannot remove `{}`", part.display()))?;
        Ok(book)
    }

    /// What the file holds now.
    fn read(&self) -> Result<Calibration> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self.asked.clone()),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read `{}`", self.file.display()));
            }
        };
        let path = self.file.to_string_lossy();
        let mut found: Calibration = entry::parse(&path, &text).context("cannot be added to")?;
        if found.levels.is_empty() {
            let asked = self.asked.ram_bandwidth_bytes_per_second;
            found.ram_bandwidth_bytes_per_second = found.ram_bandwidth_bytes_per_second.or(asked);
        }
        Ok(found)
    }

    /// Where the next text of the file is written before it takes its place.
    fn part(&self) -> PathBuf {
        self.file
            .with_extension(format!("{}.part", std::process::id()))
    }

    /// Adds what `run` measured; what to tell the user.
    pub(in crate::cli) fn add(self, request: &Request, run: &Run) -> Result<Vec<String>> {
        // Another run may have ended meanwhile.
        let mut calibration = self.read()?;
        let note = kept_bandwidth(&calibration, &self.asked);
        let kept = levels((request, run), (&calibration, &today()))?;
        calibration.add(kept.levels);
        let part = self.part();
        std::fs::write(&part, HEAD.to_owned() + &calibration.to_toml())
            .and_then(|()| std::fs::rename(&part, &self.file))
            .with_context(|| format!("cannot write `{}`", self.file.display()))?;
        let scope = if calibration.model.is_some() {
            "this model and format here"
        } else {
            "this file here, and of models of which nothing was measured here,"
        };
        let number = calibration.levels.len();
        let levels = if number == 1 { "level" } else { "levels" };
        let saved = format!(
            "saved in `{}`, which holds {number} {levels} now; --catalog {} makes the speed of {scope} rest on it",
            self.file.display(),
            self.folder.display()
        );
        let left = kept
            .left_out
            .iter()
            .map(|reason| format!("not saved: {reason}"));
        Ok(note.into_iter().chain(left).chain([saved]).collect())
    }
}

/// What to say where a file was begun with another bandwidth of the memory.
fn kept_bandwidth(begun: &Calibration, asked: &Calibration) -> Option<String> {
    let bandwidth = begun.ram_bandwidth_bytes_per_second?;
    let is_kept = asked.ram_bandwidth_bytes_per_second != Some(bandwidth);
    is_kept.then(|| {
        format!(
            "the measurements in `{}` are held against {} GB/s of memory bandwidth, and so are these",
            begun.id,
            crate::units::float(bandwidth) / 1e9
        )
    })
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
