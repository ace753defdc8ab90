//! The catalog: facts as TOML files, embedded in the program and replaceable from a folder.

pub mod shape;
