//! The doors to what reads bytes and is private, for the targets in `encoder/fuzz` alone.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::cmaf::Chunk;
use crate::error::EncodeError;
use crate::storage::Output;

pub use crate::cmaf::fuzzing as cmaf;
pub use crate::compare::fuzzing as compare;
pub use crate::encode::fuzzing as encode;
pub use crate::jobs::fuzzing as jobs;
pub use crate::live::fuzzing as rtmp;
pub use crate::manifest::fuzzing as manifest;
pub use crate::pictures::fuzzing as pictures;
pub use crate::plan::fuzzing as plan;
pub use crate::protect::fuzzing as protect;
pub use crate::text::fuzzing as text;
pub use crate::ts::fuzzing as ts;

/// A sample and its ticks.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    pub duration: u32,
    pub composition_offset: i32,
    pub is_sync: bool,
    pub data: &'a [u8],
}

pub(crate) fn chunk(decode_time: u64, samples: &[Sample<'_>]) -> Chunk {
    let of = |sample: &Sample<'_>| crate::cmaf::Sample {
        duration: sample.duration,
        size: sample.data.len() as u32,
        composition_offset: sample.composition_offset,
        is_sync: sample.is_sync,
        is_reference: true,
    };
    Chunk {
        sequence: 1,
        decode_time,
        samples: samples.iter().map(of).collect(),
        data: samples.iter().flat_map(|sample| sample.data).copied().collect(),
    }
}

/// What was written, by name.
#[derive(Debug, Default)]
pub struct Files(Mutex<BTreeMap<String, Vec<u8>>>);

impl Files {
    pub fn into_inner(self) -> BTreeMap<String, Vec<u8>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output for Files {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EncodeError> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn write_joined(&self, name: &str, head: &[u8], _body: &Path) -> Result<(), EncodeError> {
        self.write(name, head)
    }

    fn commit(&self) -> Result<(), EncodeError> {
        Ok(())
    }
}
