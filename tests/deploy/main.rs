//! What `dsk deploy` writes: flags that the engines know, the plan's own figures, words that stay words.

mod flags;
mod modelfile;
mod plan;
mod question;
mod quoting;
#[cfg(feature = "validators")]
mod shells;
