//! CMAF tracks: init segments and media segments in ISO base media boxes (ISO/IEC 14496-12, 23000-19).
//!
//! The unit is the [`Chunk`] (`moof` + `mdat`); a segment is a list of chunks.

pub(crate) mod aac;
pub(crate) mod avc;
mod init;
mod segment;

pub(crate) use init::{SampleEntry, Track, init_segment};
pub(crate) use segment::{Chunk, Sample, media_segment};

use mp4_atom::Encode;

/// The brands of every file here. `cmf2` says that composition offsets may be negative, so that each track's first
/// picture is at 0 without an edit list.
const BRANDS: [&[u8; 4]; 5] = [b"iso6", b"cmfc", b"cmf2", b"dash", b"hlsf"];

fn encode(atom: &impl Encode, out: &mut Vec<u8>) -> Result<(), String> {
    atom.encode(out).map_err(|error| error.to_string())
}

/// Writes the box `kind` around what `fill` writes.
fn container(
    kind: &[u8; 4],
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out)?;
    let size = u32::try_from(out.len() - start).map_err(|_| format!("box {kind:?} is over 4 GiB"))?;
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&size.to_be_bytes());
    }
    Ok(())
}
