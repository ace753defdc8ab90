//! A user's own files: what real headers say, and how strangers' files end.

mod build;
mod configs;
mod folders;
mod gguf;
mod hostile;

use std::fs;
use std::path::{Path, PathBuf};

use dsk::files::{FileModel, open};

/// An empty folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("files")
        .join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("an old folder goes");
    }
    fs::create_dir_all(&folder).expect("a new folder");
    folder
}

/// What `path` describes.
fn opened(path: &Path) -> FileModel {
    match open(path) {
        Ok(Some(model)) => model,
        Ok(None) => panic!("{} is not there", path.display()),
        Err(error) => panic!("{error}"),
    }
}

/// The one line that `path` ends in.
fn refused(path: &Path) -> String {
    let message = open(path).expect_err("it must be refused").to_string();
    assert!(!message.chars().any(char::is_control), "{message}");
    message
}
