//! CMAF tracks: init segments and media segments in ISO base media boxes (ISO/IEC 14496-12, 23000-19).
//!
//! The unit is the [`Chunk`] (`moof` + `mdat`); a segment is a list of chunks.

pub(crate) mod aac;
mod av1;
mod avc;
mod bits;
pub(crate) mod bitstream;
pub(crate) mod colour;
mod dolby;
pub(crate) mod entry;
mod flac;
#[cfg(fuzzing)]
#[path = "../fuzzing/cmaf.rs"]
pub mod fuzzing;
mod hevc;
mod init;
mod nal;
pub(crate) mod opus;
mod prft;
mod rate;
mod read;
mod segment;
mod sidx;
mod vp9;

pub(crate) use bitstream::Bitstream;
pub(crate) use entry::{Bitrate, Picture, SampleEntry, set_bitrate};
pub(crate) use init::{Media, Protected, Track, init_segment};
pub(crate) use prft::append_prft;
pub(crate) use rate::RateMeter;
pub(crate) use read::{Fragments, Header, read_header};
pub(crate) use segment::{Chunk, Sample, media_segment, write_chunk};
pub(crate) use sidx::sidx;

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

/// Writes the full box `kind` (ISO/IEC 14496-12 §4.2.2) around what `fill` writes.
fn full_box(
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    container(kind, out, |out| {
        out.extend_from_slice(&((u32::from(version) << 24) | flags).to_be_bytes());
        fill(out)
    })
}
