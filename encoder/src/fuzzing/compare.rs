//! What is compared.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::path::{Path, PathBuf};

use super::found;
use crate::error::EncodeError;

/// A rendition's name, its files, and the bytes of them at which segments begin.
pub type Found = (Option<String>, Vec<PathBuf>, Vec<u64>);

pub fn find(path: &Path) -> Result<Vec<Found>, EncodeError> {
    let found = found::find(path)?;
    let of = |found: found::Found| (found.rendition, found.medium.parts, found.cuts);
    Ok(found.into_iter().map(of).collect())
}
