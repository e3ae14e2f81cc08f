//! The segment index box (ISO/IEC 14496-12 §8.16.3).

use mp4_atom::{SegmentReference, Sidx};

use super::encode;
use super::init::TRACK_ID;
use crate::index::Segment;

/// The `sidx` box of a single file whose `segments` follow it at once.
pub(crate) fn sidx(timescale: u32, segments: &[Segment]) -> Result<Vec<u8>, String> {
    let reference = |segment: &Segment| -> Result<SegmentReference, String> {
        let too_long = |_| format!("segment {} is too long for an index", segment.number);
        Ok(SegmentReference {
            reference_type: false,
            referenced_size: u32::try_from(segment.bytes).map_err(too_long)?,
            subsegment_duration: u32::try_from(segment.duration).map_err(too_long)?,
            starts_with_sap: true,
            sap_type: 1,
            sap_delta_time: 0,
        })
    };
    let sidx = Sidx {
        reference_id: TRACK_ID,
        timescale,
        earliest_presentation_time: segments.first().map_or(0, |segment| segment.start),
        first_offset: 0,
        references: segments.iter().map(reference).collect::<Result<_, _>>()?,
    };
    let mut out = Vec::new();
    encode(&sidx, &mut out)?;
    Ok(out)
}
