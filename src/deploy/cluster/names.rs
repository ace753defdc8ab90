//! What a deployment is called, and what it fetches.

use crate::calc::estimate::weights;
use crate::catalog::Catalog;
use crate::catalog::find::find;
use crate::error::{Error, Result};
use crate::request::Request;
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

/// The longest label of RFC 1123, which a namespace is.
const LONGEST_LABEL: usize = 63;

/// Refuses what is no name of `what`, a namespace or an installation.
pub(super) fn checked(what: &str, text: &str) -> Result<()> {
    if is_label(text) {
        return Ok(());
    }
    Err(Error::Unanswerable(format!(
        "`{}` cannot be {what}: lower-case letters, digits and `-` between them, {LONGEST_LABEL} at most",
        text.escape_debug()
    )))
}

/// Whether `text` is a label of RFC 1123.
fn is_label(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    text.len() <= LONGEST_LABEL
        && text.starts_with(plain)
        && text.ends_with(plain)
        && text.chars().all(|letter| plain(letter) || letter == '-')
}

/// Bytes of the checkpoint that is fetched: the repository's own, or one that is ready in the plan's format.
///
/// # Errors
/// When the catalog is wrong.
pub(super) fn download(catalog: &Catalog, request: &Request) -> Result<Bytes> {
    let model = &request.model;
    let ready = model.ready(&request.format.id).is_some() && request.format.id != model.native;
    let format = if ready {
        &request.format
    } else {
        find(catalog.formats()?, &model.native)?
    };
    weights(model, format, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Asked;

    #[test]
    fn names_are_dns_labels() {
        assert_eq!(label("1.3b"), "dsk-1-3b");
        for hostile in ["", "---", "\n", "$(x)", "\u{e9}", &"a/".repeat(100), "1e3"] {
            let name = label(hostile);
            assert!(is_label(&name) && name.len() <= LONGEST, "{name}");
        }
        let long = "a".repeat(64);
        for wrong in ["", "a-", "A", "a b", "a\nb", "-a", "\u{e9}", &long] {
            assert!(checked("a namespace", wrong).is_err(), "{wrong}");
        }
        for right in ["team-a", "2024-team", "1", &long[1..]] {
            assert!(checked("a namespace", right).is_ok(), "{right}");
        }
    }

    /// 688,574,839,360 tensor bytes in DeepSeek-V3's files (tests/data/models.toml); in AWQ it is another repository's.
    #[test]
    fn the_download_is_the_repositorys() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let bytes = |format: Option<&str>| {
            let model = catalog.model("v3").expect("a model");
            let asked = Asked {
                format: format.map(str::to_owned),
                engine: Some("vllm".to_owned()),
                ..Asked::default()
            };
            let request = Request::resolve(&catalog, model, None, &asked).expect("a question");
            download(&catalog, &request).expect("bytes")
        };
        assert_eq!(bytes(None), Bytes(688_574_839_360));
        assert!(bytes(Some("awq")) < Bytes(400_000_000_000));
    }
}
