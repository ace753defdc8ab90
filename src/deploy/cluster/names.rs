//! What a deployment is called, and what it fetches.

use crate::calc::estimate::weights;
use crate::catalog::find::find;
use crate::catalog::{Catalog, Model};
use crate::error::{Error, Result};
use crate::units::Bytes;

/// The longest name: a pod of a set adds numbers, and all of it must fit into 63 characters.
const LONGEST: usize = 40;

/// `text` as the name of everything that is made: letters, digits and dashes, beginning with a letter.
pub(super) fn label(text: &str) -> String {
    let mut label = String::from("dsk-");
    for letter in text.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => label.push(letter),
            _ if label.ends_with('-') => {}
            _ => label.push('-'),
        }
    }
    label.truncate(LONGEST);
    label.trim_end_matches('-').to_owned()
}

/// Refuses what is no name of a namespace.
pub(super) fn checked(namespace: &str) -> Result<()> {
    if is_label(namespace) {
        return Ok(());
    }
    Err(Error::Unanswerable(format!(
        "`{}` cannot be a namespace: lower-case letters, digits and `-`, beginning with a letter, {LONGEST} at most",
        namespace.escape_debug()
    )))
}

fn is_label(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    text.len() <= LONGEST
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.ends_with(plain)
        && text.chars().all(|letter| plain(letter) || letter == '-')
}

/// Bytes of the checkpoint that is fetched: the repository's own.
///
/// # Errors
/// When the catalog is wrong.
pub(super) fn download(catalog: &Catalog, model: &Model) -> Result<Bytes> {
    let published = match &model.checkpoint {
        Some(repository) => catalog.model(&repository.release)?,
        None => model.clone(),
    };
    let native = find(catalog.formats()?, &published.native)?;
    weights(&published, native, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        assert_eq!(label("1.3b"), "dsk-1-3b");
        for hostile in ["", "---", "\n", "$(x)", "\u{e9}", &"a/".repeat(100), "1e3"] {
            assert!(is_label(&label(hostile)), "{}", label(hostile));
        }
        for wrong in ["", "1a", "a-", "A", "a b", "a\nb", "-a"] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
        assert!(checked("team-a").is_ok());
    }

    /// 688,574,839,360 tensor bytes in DeepSeek-V3's files (tests/data/models.toml); 13b is served by the 14B.
    #[test]
    fn the_download_is_the_repositorys() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let bytes = |model: &str| {
            let model = catalog.model(model).expect("a model");
            download(&catalog, &model).expect("bytes")
        };
        assert_eq!(bytes("v3"), Bytes(688_574_839_360));
        assert_eq!(bytes("13b"), bytes("deepseek-r1-distill-qwen-14b"));
    }
}
