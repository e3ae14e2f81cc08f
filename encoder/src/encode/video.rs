//! x264: capped bitrate, closed GOPs, IDR frames where the plan says.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use ffmpeg_next::codec::{self, Flags, encoder, threading};
use ffmpeg_next::util::color;
use ffmpeg_next::{Dictionary, Packet, Rational, frame, picture};

use super::{Job, is_pause};
use crate::cmaf::avc::{ParameterSets, append_access_unit};
use crate::cmaf::{Media, Sample, Track};
use crate::error::EncodeError;
use crate::ladder::Rung;
use crate::piece::PieceWriter;
use crate::timing::FrameRate;

/// What to encode a rung with.
pub(crate) struct VideoTarget<'a> {
    pub(crate) rung: &'a Rung,
    pub(crate) preset: &'a str,
    /// 0 lets the encoder decide.
    pub(crate) threads: usize,
    /// Every how many-th frame of the source it has.
    pub(crate) divisor: u32,
    /// The source's frame that the piece begins with.
    pub(crate) first_frame: u64,
}

impl VideoTarget<'_> {
    /// Decode time of the piece's first sample, in ticks.
    pub(crate) fn first_tick(&self, rate: FrameRate) -> u64 {
        self.first_frame / u64::from(self.divisor) * u64::from(rate.divided(self.divisor).frame_ticks())
    }

    /// The source's frame that is decoded at `ticks`.
    pub(crate) fn frame_at(&self, ticks: u64, rate: FrameRate) -> u64 {
        ticks / u64::from(rate.divided(self.divisor).frame_ticks()) * u64::from(self.divisor)
    }
}

/// The peak that the rate control may reach, as a multiple of the target.
const MAX_RATE: f64 = 1.25;
/// The rate control's buffer, in seconds at the target bitrate.
const BUFFER_S: f64 = 1.5;

/// Encodes the source's frames (`pts` is their number) until the channel closes. They begin where `piece` ends; frames that
/// it has already, and frames between those of its rate, are passed over.
pub(crate) fn encode_video(
    target: &VideoTarget<'_>,
    job: &Job<'_>,
    piece: PieceWriter,
    frames: Receiver<frame::Video>,
) -> Result<(), EncodeError> {
    let rung = target.rung;
    let rate = job.plan.rate().divided(target.divisor);
    let divisor = u64::from(target.divisor);
    let first = target.frame_at(piece.decode_time(), job.plan.rate());
    let mut stream = Stream {
        piece,
        job,
        target,
        sets: ParameterSets::default(),
        decode_shift: None,
        first: (first / divisor) as i64,
        frame_ticks: rate.frame_ticks(),
    };
    let mut opened = None;
    for mut frame in frames {
        if job.is_abandoned() {
            return Err(EncodeError::Cancelled);
        }
        let number = frame.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(0);
        if number < first || !number.is_multiple_of(divisor) {
            continue;
        }
        let encoder = match &mut opened {
            Some(encoder) => encoder,
            // The first frame tells the colours.
            None => opened.insert(open(target, job, &frame)?),
        };
        // The source's own picture types must not reach x264; only the plan's IDR frames may.
        frame.set_kind(if job.plan.is_idr(number) {
            picture::Type::I
        } else {
            picture::Type::None
        });
        frame.set_pts(Some((number / divisor) as i64));
        encoder
            .send_frame(&frame)
            .map_err(|source| failed(rung, source))?;
        drop(frame);
        stream.take_packets(encoder)?;
    }
    if job.is_abandoned() {
        return Err(EncodeError::Cancelled);
    }
    if let Some(mut encoder) = opened {
        encoder.send_eof().map_err(|source| failed(rung, source))?;
        stream.take_packets(&mut encoder)?;
    }
    match stream.piece.track() {
        Some(_) => stream.piece.finish(),
        None => PieceWriter::nothing(job.piece),
    }
}

/// The x264 options, also what a comparison with the `ffmpeg` command must use.
fn options(target: &VideoTarget<'_>, max_gop: u64) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let bps = u64::from(target.rung.bitrate_kbps) * 1000;
    options.set("preset", target.preset);
    options.set("profile", "high");
    options.set("maxrate", &((bps as f64 * MAX_RATE) as u64).to_string());
    options.set("bufsize", &((bps as f64 * BUFFER_S) as u64).to_string());
    options.set("g", &max_gop.to_string());
    options.set("keyint_min", &max_gop.to_string());
    options.set("sc_threshold", "0");
    options.set("forced-idr", "1");
    // Playlists say CLOSED-CAPTIONS=NONE, so none are carried inside the pictures.
    options.set("a53cc", "0");
    options
}

fn open(
    target: &VideoTarget<'_>,
    job: &Job<'_>,
    first: &frame::Video,
) -> Result<encoder::video::Encoder, EncodeError> {
    let rung = target.rung;
    let x264 =
        encoder::find_by_name(CODEC).ok_or_else(|| failed(rung, ffmpeg_next::Error::EncoderNotFound))?;
    let context = codec::context::Context::new_with_codec(x264);
    let mut video = context.encoder().video().map_err(|source| failed(rung, source))?;
    let rate = job.plan.rate().divided(target.divisor);
    video.set_width(rung.width);
    video.set_height(rung.height);
    video.set_format(first.format());
    video.set_time_base(rate.time_base());
    video.set_frame_rate(Some(rate.rational()));
    video.set_aspect_ratio(Rational::new(1, 1));
    video.set_bit_rate(rung.bitrate_kbps as usize * 1000);
    video.set_flags(Flags::CLOSED_GOP);
    let mut threading = threading::Config::kind(threading::Type::Frame);
    threading.count = target.threads;
    video.set_threading(threading);
    video.set_colorspace(first.color_space());
    video.set_color_primaries(first.color_primaries());
    video.set_color_transfer_characteristic(first.color_transfer_characteristic());
    video.set_color_range(match first.color_range() {
        color::Range::JPEG => color::Range::JPEG,
        _ => color::Range::MPEG,
    });
    video
        .open_as_with(
            x264,
            options(target, job.plan.max_gop() / u64::from(target.divisor)),
        )
        .map_err(|source| failed(rung, source))
}

fn failed(rung: &Rung, source: ffmpeg_next::Error) -> EncodeError {
    EncodeError::Encoder {
        rendition: rung.name.clone(),
        codec: CODEC,
        source,
    }
}

/// One rendition on its way from packets to segments.
struct Stream<'a> {
    piece: PieceWriter,
    job: &'a Job<'a>,
    target: &'a VideoTarget<'a>,
    sets: ParameterSets,
    /// Frames that decode times are moved by so that the first picture is decoded when it is shown. Composition offsets
    /// become negative for it, and the first picture is presented at its time on every rung, whatever its reordering.
    decode_shift: Option<i64>,
    /// The frame, at this rendition's rate, that is sent first.
    first: i64,
    frame_ticks: u32,
}

impl Stream<'_> {
    fn take_packets(&mut self, encoder: &mut encoder::video::Encoder) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match encoder.receive_packet(&mut packet) {
                Ok(()) => self.package(&packet)?,
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(failed(self.target.rung, source)),
            }
        }
    }

    fn package(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let name = &self.target.rung.name;
        let wrong = |reason: String| EncodeError::packaging(name, reason);
        let (Some(pts), Some(dts), Some(data)) = (packet.pts(), packet.dts(), packet.data()) else {
            return Err(wrong("a packet without times or bytes".to_owned()));
        };
        let shift = *self.decode_shift.get_or_insert(self.first - dts);
        let frame = u64::try_from(pts).map_err(|_| wrong(format!("a picture at {pts}")))?;
        let source_frame = frame * u64::from(self.target.divisor);
        let planned = self.job.plan.is_idr(source_frame);
        if packet.is_key() && self.job.plan.starts_segment(source_frame) {
            self.piece.cut()?;
        }
        let unit = append_access_unit(data, &mut self.sets, self.piece.data());
        if unit.is_idr != planned {
            return Err(wrong(format!(
                "frame {frame} is {}an IDR frame",
                if planned { "not " } else { "" }
            )));
        }
        if self.piece.track().is_none() || frame == self.first.unsigned_abs() {
            let track = self.track()?;
            self.piece.begin(track)?;
        }
        let offset = (pts - dts - shift) * i64::from(self.frame_ticks);
        self.piece.push(Sample {
            duration: self.frame_ticks,
            size: unit.size as u32,
            composition_offset: i32::try_from(offset)
                .map_err(|_| wrong(format!("frame {frame} is reordered too far")))?,
            is_sync: unit.is_idr,
            is_reference: unit.is_reference,
        });
        self.job
            .done
            .fetch_max(source_frame + u64::from(self.target.divisor), Ordering::Relaxed);
        Ok(())
    }

    fn track(&self) -> Result<Track, EncodeError> {
        let rung = self.target.rung;
        let wrong = |reason: &str| EncodeError::packaging(&rung.name, reason);
        let side = |pixels: u32| u16::try_from(pixels).map_err(|_| wrong("its sides are too long"));
        let (width, height) = (side(rung.width)?, side(rung.height)?);
        let rate = self.job.plan.rate().divided(self.target.divisor);
        Ok(Track {
            timescale: rate.timescale(),
            duration: 0,
            skipped: 0,
            default_sample_ticks: rate.frame_ticks(),
            language: "und".to_owned(),
            media: Media::Video { width, height },
            entry: self
                .sets
                .entry(width, height)
                .ok_or_else(|| wrong("the encoder gave no parameter sets"))?,
        })
    }
}

const CODEC: &str = "libx264";
