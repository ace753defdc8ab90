//! The server that is measured.

use anyhow::{Result, bail};

/// A server with OpenAI's API.
#[derive(Clone)]
pub(in crate::cli) struct Target {
    /// The API's base, such as `http://localhost:8000/v1`, without a slash at its end.
    pub(in crate::cli) base: String,
    /// The key that it wants.
    key: Option<String>,
}

impl std::fmt::Debug for Target {
    /// Without the key.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Target({})", self.base)
    }
}

impl Target {
    /// The server at `url`; a URL without a path means `/v1` there.
    pub(in crate::cli) fn parse(url: &str, key: Option<String>) -> Result<Self> {
        let trimmed = url.trim().trim_end_matches('/');
        let Some((scheme, rest)) = trimmed.split_once("://") else {
            bail!("`{url}` is no URL; expected one such as http://localhost:8000/v1");
        };
        if !["http", "https"].contains(&scheme.to_lowercase().as_str()) || rest.is_empty() {
            bail!("`{url}` is no URL of http or https, such as http://localhost:8000/v1");
        }
        if scheme.eq_ignore_ascii_case("https") && !cfg!(feature = "https") {
            bail!(
                "this dsk was built without TLS: build it with `--features https` to measure `{url}`"
            );
        }
        if rest.contains('@') {
            bail!(
                "a URL with a password in it would be printed; name the variable that holds the key: --api-key-env NAME"
            );
        }
        if let Some(odd) = rest.chars().find(|letter| !is_of_base(*letter)) {
            bail!(
                "`{url}` holds {odd:?}, which the base of an API does not; such as http://localhost:8000/v1"
            );
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if let Some((_, port)) = authority.rsplit_once(':')
            && !port.ends_with(']')
            && port.parse::<u16>().is_err()
        {
            bail!("`{port}` in `{url}` is no port: 1 to 65535");
        }
        let base = if rest.contains('/') {
            trimmed.to_owned()
        } else {
            format!("{trimmed}/v1")
        };
        Ok(Self { base, key })
    }

    /// The address of `path` below the API's base.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The address of `path` beside the API, where servers keep what is their own.
    pub(super) fn beside(&self, path: &str) -> String {
        format!("{}/{path}", self.base.trim_end_matches("/v1"))
    }

    /// The value of the header that carries the key.
    pub(super) fn authorization(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("Bearer {key}"))
    }

    /// Whether it is this machine, which no proxy stands before.
    pub(super) fn is_local(&self) -> bool {
        let host = self.base.split_once("://").map_or("", |(_, rest)| rest);
        ["localhost", "127.", "[::1]", "0.0.0.0"]
            .iter()
            .any(|name| host.starts_with(name))
    }
}

/// Whether a base may hold the letter: no query, no fragment, no space.
fn is_of_base(letter: char) -> bool {
    !matches!(letter, '?' | '#' | '\\' | '"' | '<' | '>')
        && !letter.is_whitespace()
        && !letter.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_server_means_its_v1() {
        for (url, base) in [
            ("http://localhost:8000", "http://localhost:8000/v1"),
            ("http://localhost:8000/", "http://localhost:8000/v1"),
            ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
            ("http://host/api/v2", "http://host/api/v2"),
            ("http://[::1]:8000", "http://[::1]:8000/v1"),
            ("http://[::1]", "http://[::1]/v1"),
        ] {
            let target = Target::parse(url, None).expect(url);
            assert_eq!(target.base, base);
        }
        let target = Target::parse("http://h:1/v1", None).expect("a target");
        assert_eq!(target.beside("tokenize"), "http://h:1/tokenize");
        assert_eq!(target.at("models"), "http://h:1/v1/models");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for url in [
            "localhost:8000",
            "ftp://h/v1",
            "",
            "http://",
            "http://me:secret@h/v1",
            "http://h/v1?key=secret",
            "http:// h/v1",
            "http://h:99999/v1",
            "http://h:x",
        ] {
            assert!(Target::parse(url, None).is_err(), "{url}");
        }
    }

    #[test]
    fn https_needs_its_feature() {
        let target = Target::parse("https://host/v1", None);
        assert_eq!(target.is_ok(), cfg!(feature = "https"));
    }

    #[test]
    fn the_key_is_not_printed() {
        let target = Target::parse("http://h", Some("secret".to_owned())).expect("a target");
        assert!(!format!("{target:?}").contains("secret"));
    }
}
