//! stub
use super::{load::Load, memory::Memory};
/// stub
pub fn memory(_: &Load<'_>) -> crate::error::Result<Memory> {
    Err(crate::error::Error::Unanswerable("stub".into()))
}
