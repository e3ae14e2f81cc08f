//! Plans of encodings, and what lies beside pieces.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::collections::BTreeMap;

use super::Plan;
use crate::error::EncodeError;
use crate::fuzzing::Files;
use crate::measure;
use crate::pertitle;
use crate::storage::Record;

/// A plan that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned(Plan);

impl Planned {
    pub fn read(json: &[u8]) -> Result<Self, String> {
        Plan::parse(json).map(Self)
    }

    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("texts and numbers")
    }

    /// The frames at which chunks begin and end.
    pub fn spans(&self) -> Vec<(u64, Option<u64>)> {
        self.0.spans().map(|span| (span.start, span.end)).collect()
    }

    /// Names of renditions, and of how many pieces each is.
    pub fn renditions(&self) -> Vec<(String, usize)> {
        let named = self.0.renditions();
        named.map(|(name, _, pieces)| (name.to_owned(), pieces)).collect()
    }

    pub fn total_frames(&self) -> Option<u64> {
        self.0.total_frames()
    }

    /// Where a segment begins, in frames and in ticks of the video's timescale.
    pub fn segment(&self, index: u64) -> (u64, u64) {
        let idr = &self.0.idr;
        let timescale = idr.rate().timescale();
        (idr.segment_start(index), idr.boundary_ticks(index, timescale))
    }

    pub fn segment_of(&self, frame: u64) -> u64 {
        self.0.idr.segment_of(frame)
    }

    pub fn is_start(&self, frame: u64) -> bool {
        let idr = &self.0.idr;
        assert!(!idr.starts_segment(frame) || idr.is_idr(frame));
        idr.starts_segment(frame)
    }

    pub fn max_gop(&self) -> u64 {
        self.0.idr.max_gop()
    }

    /// The report's files, if the ladder was made for the film.
    pub fn report(&self) -> Result<BTreeMap<String, Vec<u8>>, EncodeError> {
        let files = Files::default();
        if let Some(report) = &self.0.per_title {
            pertitle::write(&files, report)?;
        }
        Ok(files.into_inner())
    }
}

/// How many segments were measured, of what lies beside a piece.
pub fn measured(json: &[u8]) -> Result<usize, String> {
    measure::read_measured(json).map(|measured| measured.len())
}

/// The objects of an output, by the note in it.
pub fn record(json: &[u8]) -> Option<Vec<String>> {
    let record = Record::parse(json)?;
    assert_eq!(
        Record::parse(&record.to_json().expect("texts")).as_ref(),
        Some(&record)
    );
    Some(record.files)
}
