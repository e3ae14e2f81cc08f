//! x264: capped bitrate, closed GOPs, IDR frames where the plan says.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use ffmpeg_next::codec::{self, Flags, encoder, threading};
use ffmpeg_next::util::color;
use ffmpeg_next::{Dictionary, Packet, Rational, frame, picture};

use super::{Job, is_pause};
use crate::cmaf::avc::{ParameterSets, append_access_unit};
use crate::cmaf::{Sample, SampleEntry, Track};
use crate::error::EncodeError;
use crate::index::{Kind, Rendition, Segment};
use crate::ladder::FittedRung;
use crate::packager::Packager;
use crate::timing::FrameRate;

/// What to encode a rung with.
pub(crate) struct VideoTarget<'a> {
    pub(crate) rung: &'a FittedRung,
    /// An x264 preset.
    pub(crate) preset: &'a str,
    /// 0 lets x264 decide.
    pub(crate) threads: usize,
}

/// The peak that the rate control may reach, as a multiple of the target.
const MAX_RATE: f64 = 1.25;
/// The rate control's buffer, in seconds at the target bitrate.
const BUFFER_S: f64 = 1.5;

/// Encodes frames numbered from 0 (`pts` in frames) until the channel closes.
pub(crate) fn encode_video(
    target: &VideoTarget<'_>,
    job: &Job<'_>,
    frames: Receiver<frame::Video>,
) -> Result<Option<Rendition>, EncodeError> {
    let rung = target.rung;
    let rate = job.plan.rate();
    let mut stream = Stream {
        packager: Packager::create(job.output, &rung.name, rate.timescale())?,
        job,
        name: &rung.name,
        sets: ParameterSets::default(),
        decode_shift: None,
        frame_ticks: rate.frame_ticks(),
    };
    let mut opened = None;
    for mut frame in frames {
        if job.is_abandoned() {
            return Err(EncodeError::Cancelled);
        }
        let encoder = match &mut opened {
            Some(encoder) => encoder,
            // The first frame tells the colours.
            None => opened.insert(open(target, job, &frame)?),
        };
        let number = frame.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(0);
        // The source's own picture types must not reach x264; only the plan's IDR frames may.
        let starts = job.plan.starts_segment(number);
        frame.set_kind(if starts {
            picture::Type::I
        } else {
            picture::Type::None
        });
        encoder
            .send_frame(&frame)
            .map_err(|source| failed(rung, source))?;
        drop(frame);
        stream.take_packets(encoder, rung)?;
    }
    let Some(mut encoder) = opened else {
        return Ok(None);
    };
    if job.is_abandoned() {
        return Err(EncodeError::Cancelled);
    }
    encoder.send_eof().map_err(|source| failed(rung, source))?;
    stream.take_packets(&mut encoder, rung)?;
    stream.finish(rung, rate).map(Some)
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
    let rate = job.plan.rate();
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
        .open_as_with(x264, options(target, job.plan.max_gop()))
        .map_err(|source| failed(rung, source))
}

fn failed(rung: &FittedRung, source: ffmpeg_next::Error) -> EncodeError {
    EncodeError::Encoder {
        rendition: rung.name.clone(),
        codec: CODEC,
        source,
    }
}

/// One rendition on its way from packets to segments.
struct Stream<'a> {
    packager: Packager<'a>,
    job: &'a Job<'a>,
    name: &'a str,
    sets: ParameterSets,
    /// Frames that decode times are moved by so that the first is 0. Composition offsets become negative for it,
    /// and the first picture is presented at 0 on every rung, whatever its reordering.
    decode_shift: Option<i64>,
    frame_ticks: u32,
}

impl Stream<'_> {
    fn take_packets(
        &mut self,
        encoder: &mut encoder::video::Encoder,
        rung: &FittedRung,
    ) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match encoder.receive_packet(&mut packet) {
                Ok(()) => self.package(&packet)?,
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(failed(rung, source)),
            }
        }
    }

    fn package(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let wrong = |reason: String| EncodeError::packaging(self.name, reason);
        let (Some(pts), Some(dts), Some(data)) = (packet.pts(), packet.dts(), packet.data()) else {
            return Err(wrong("a packet without times or bytes".to_owned()));
        };
        let shift = *self.decode_shift.get_or_insert(-dts);
        let frame = u64::try_from(pts).map_err(|_| wrong(format!("a picture at {pts}")))?;
        let planned = self.job.plan.starts_segment(frame);
        if packet.is_key() && planned {
            self.packager.cut()?;
        }
        let unit = append_access_unit(data, &mut self.sets, self.packager.data());
        if unit.is_idr != planned {
            return Err(EncodeError::packaging(
                self.name,
                format!(
                    "frame {frame} is {}an IDR frame",
                    if planned { "not " } else { "" }
                ),
            ));
        }
        let offset = (pts - dts - shift) * i64::from(self.frame_ticks);
        self.packager.push(Sample {
            duration: self.frame_ticks,
            size: unit.size as u32,
            composition_offset: i32::try_from(offset).map_err(|_| {
                EncodeError::packaging(self.name, format!("frame {frame} is reordered too far"))
            })?,
            is_sync: unit.is_idr,
            is_reference: unit.is_reference,
        });
        self.job.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn finish(self, rung: &FittedRung, rate: FrameRate) -> Result<Rendition, EncodeError> {
        let missing = || EncodeError::packaging(&rung.name, "the encoder gave no parameter sets");
        let codecs = self.sets.codec_string().ok_or_else(missing)?;
        let avcc = self.sets.avcc().ok_or_else(missing)?;
        let side = |pixels: u32| u16::try_from(pixels).map_err(|_| format!("{pixels} pixels are too many"));
        let segments = self.packager.finish(|segments| {
            Ok(Track {
                timescale: rate.timescale(),
                duration: segments.last().map_or(0, Segment::end),
                skipped: 0,
                default_sample_ticks: rate.frame_ticks(),
                entry: SampleEntry::Avc {
                    width: side(rung.width)?,
                    height: side(rung.height)?,
                    avcc,
                },
            })
        })?;
        Ok(Rendition {
            name: rung.name.clone(),
            kind: Kind::Video {
                width: rung.width,
                height: rung.height,
                rate,
            },
            codecs,
            timescale: rate.timescale(),
            segments,
        })
    }
}

const CODEC: &str = "libx264";
