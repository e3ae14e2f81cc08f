//! Prepares HLS and DASH ladders with FFmpeg.
//!
//! [`vod::encode`] turns one media file into a folder, or a place in an object store, that any static web server or CDN can
//! serve: H.264, H.265, AV1 or VP9 and AAC or Opus in one set of CMAF segments, with HLS playlists and a DASH manifest that both
//! point to them. [`remux::package`] does the same with files that are encoded already. [`split`] shares one encoding among
//! workers, [`jobs`] does many, [`compare`] says how good encodings are beside their source. [`sample::write`] makes a clip to try it with. The binary `headgate-encode` is a thin shell around
//! them.
//!
//! ```no_run
//! use encoder::vod::{VodOptions, encode};
//!
//! let mut options = VodOptions::new("film.mp4", "public");
//! options.id = Some("film".to_owned());
//! options.ladder = "720p:2500k,360p:600k".parse()?;
//! let summary = encode(&options, &mut |_| {})?;
//! assert_eq!(summary.hls.to_string(), "public/videos/film/hls/master.m3u8");
//! # Ok::<(), encoder::EncodeError>(())
//! ```
//!
//! # Two stages
//!
//! ```text
//! source ──▶ demux, decode ──▶ graph: turn, constant rate, split ─┬▶ scale ─▶ queue ─▶ encoder ─▶ piece   1080p
//! (our own      (once)          one IDR plan for all              ├▶ scale ─▶ queue ─▶ encoder ─▶ piece    720p
//! file handle)      │                                             └▶ a small picture twice a second ─▶ thumbnails, poster
//!                   ├─▶ resample, fill gaps ─▶ queue ─▶ encoder ─▶ piece   audio
//!                   └─▶ subtitles ─▶ cues
//!
//! pieces ──▶ encrypt, box, index ──▶ CMAF segments or single files, MPEG-TS ──▶ media playlists, MPD, multivariant playlist
//! ```
//!
//! The first stage *encodes*: each rendition grows as a piece, a clear fragmented file with one chunk a segment, in a work
//! folder. The second *packages*: it reads pieces a segment at a time and writes what is asked for. So what a crash interrupts
//! goes on after the last whole segment, workers' pieces are joined, and files that others encoded are packaged, all by the same
//! second stage; playlists are the same however the pieces came to be.
//!
//! - The source is opened through our own file handle, with no protocol allowed and only formats that hold their media
//!   themselves: a crafted file cannot make FFmpeg read other files or the network.
//! - It is decoded once. One filter graph turns it as its display matrix says, makes the frame rate constant and scales
//!   for every rung; a broadcast stream's time jumps are closed; sound gets silence where it has gaps.
//! - Picture and sound are normalised to one origin: presentation time 0 is the earlier of the two, and the other is
//!   filled up to it.
//! - Bounded queues feed one thread per encoder, so memory does not grow with the video.
//! - One plan says which frames are IDR frames, on every rung. Sound is cut at the frames nearest to them.
//! - The packager writes its own boxes. Video decode times start at 0 and composition offsets may be negative, so that
//!   the first picture is at 0 on every rung without an edit list; sound has an edit list for the encoder's priming.
//! - H.265, AV1 and VP9 keep more than 8 bits and HDR with how it was mastered; H.264 gets 8 bits of SDR, tone-mapped
//!   where the source is HDR. Interlaced pictures are found by what is in them where their flags may lie.
//! - What a manifest declares is measured on the segments that were written.
//!
//! # The output
//!
//! ```text
//! <out>/                       or <out>/videos/<id>/ with an id
//!   hls/master.m3u8            multivariant playlist
//!   hls/<rendition>.m3u8       media playlists; sound is in groups of its own
//!   hls/<rendition>.iframes.m3u8  I-frame playlists
//!   dash/manifest.mpd          static MPD
//!   segments.json              size of every segment, for players that plan ahead; both manifests refer to it
//!   <rendition>/init.mp4       ftyp, moov
//!   <rendition>/<n>.m4s        styp, moof, mdat; n counts from 1
//!   <rendition>/<n>.ts         with [`vod::Packaging::hls_ts`]: the same in MPEG-TS, for HLS
//!   <rendition>.mp4            with [`vod::Packaging::single_file`], in place of the folder: ftyp, moov, sidx, moof, mdat, …
//!   text-<language>/<n>.vtt    subtitles for HLS; text-<language>.vtt for DASH
//!   thumbnails/<n>.jpg         sprite sheets; thumbnails.vtt, an image playlist and the MPD name their tiles
//!   poster.jpg  poster-640.jpg the most telling picture
//! ```
//!
//! A folder is first written under a hidden name beside `<out>` and renamed when it is whole; in an object store the multivariant
//! playlist comes last.
//!
//! # Encryption
//!
//! With [`protect::ProtectOptions`] in [`vod::Packaging`] every sample is encrypted as it is packaged (`cenc` or `cbcs`), and
//! playlists, MPD and init segments name the keys for the systems that are asked for. Keys come from a [`protect::KeyPlan`], given
//! or made; they may differ by track type or resolution and change over time, and the beginning may stay clear.
//!
//! # FFmpeg
//!
//! FFmpeg's own messages are silenced for the whole process, since each failure is returned as an [`EncodeError`];
//! set `HEADGATE_FFMPEG_LOG=1` to see them.

mod account;
mod analysis;
mod cmaf;
pub mod compare;
mod decode;
mod encode;
mod error;
mod extras;
#[cfg(fuzzing)]
pub mod fuzzing;
mod graph;
mod index;
pub mod jobs;
pub mod ladder;
pub mod live;
mod manifest;
mod measure;
mod medium;
mod packager;
pub mod pertitle;
mod pictures;
mod piece;
mod pipeline;
mod plan;
pub mod protect;
mod quality;
pub mod remux;
pub mod sample;
mod source;
pub mod split;
pub mod storage;
mod text;
mod timing;
mod ts;
mod ts_packager;
pub mod view;
pub mod vod;
mod work;

pub use error::{EncodeError, explain};

/// Starts FFmpeg's libraries.
fn init_ffmpeg() {
    use ffmpeg_next::util::log::{Level, set_level};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // The texts of its errors.
        ffmpeg_next::util::error::register_all();
        let is_wanted = std::env::var_os("HEADGATE_FFMPEG_LOG").is_some();
        set_level(if is_wanted { Level::Info } else { Level::Fatal });
    });
}
