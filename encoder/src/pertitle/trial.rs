//! Trial encodings in memory: frames in, sizes and quality out.

use std::collections::VecDeque;
use std::sync::Arc;

use ffmpeg_next::codec::{self, decoder, encoder, threading};
use ffmpeg_next::{Packet, Rational, frame, picture};

use crate::cmaf::colour::Colour;
use crate::encode::{Keyframes, VideoTarget, is_pause, open_video};
use crate::error::EncodeError;
use crate::graph::{Named, VideoShape, Wired};
use crate::ladder::Rung;
use crate::quality::{Meter, Method};
use crate::timing::FrameRate;

/// How trials are made.
#[derive(Clone, Copy)]
pub(super) struct Lab<'a> {
    pub(super) preset: &'a str,
    pub(super) rate: FrameRate,
    /// IDR frames are at the start of a stretch, and this many frames apart.
    pub(super) gop_frames: u64,
    pub(super) colour: Colour,
    /// What quality is measured by, of every how many-th frame; none to measure sizes alone.
    pub(super) measure: Option<(Method, u64)>,
}

/// One rung's encoder and, behind it, a decoder and a meter. One thread, so that results are the same every time.
pub(super) struct Trial<'a> {
    lab: Lab<'a>,
    rung: &'a Rung,
    encoder: Option<encoder::video::Encoder>,
    decoder: Option<decoder::Video>,
    /// To the rung's size.
    down: Scaler,
    /// To the size of the frames that came in.
    up: Scaler,
    /// To 8 bits.
    plain: Scaler,
    meter: Option<Meter>,
    /// Frames whose quality is to be measured, until they come out of the decoder.
    waiting: VecDeque<(i64, Arc<Shown>)>,
    sent: i64,
    in_stretch: u64,
    outcome: Outcome,
}

/// A picture of the source, at the display's size.
pub(super) struct Shown {
    pub(super) frame: frame::Video,
    /// Known where quality is measured.
    pub(super) motion: f32,
}

/// What a trial found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// Bytes of each frame, in order of presentation.
    pub(super) bytes: Vec<u64>,
    /// Frames that were measured, and their quality.
    pub(super) quality: Vec<(u64, f64)>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(lab: Lab<'a>, rung: &'a Rung) -> Self {
        Self {
            lab,
            rung,
            encoder: None,
            decoder: None,
            down: Scaler::default(),
            up: Scaler::default(),
            plain: Scaler::default(),
            meter: None,
            waiting: VecDeque::new(),
            sent: 0,
            in_stretch: 0,
            outcome: Outcome::default(),
        }
    }

    /// Encodes the frames of a stretch after those before.
    pub(super) fn encode(&mut self, stretch: &[Arc<Shown>]) -> Result<(), EncodeError> {
        self.in_stretch = 0;
        stretch.iter().try_for_each(|shown| self.push(shown))
    }

    /// What was found of all stretches.
    pub(super) fn finish(mut self) -> Result<Outcome, EncodeError> {
        self.drain()?;
        if let Some(meter) = self.meter {
            self.outcome.quality = meter.finish()?;
        }
        Ok(self.outcome)
    }

    fn push(&mut self, shown: &Arc<Shown>) -> Result<(), EncodeError> {
        let frame = &shown.frame;
        let (width, height) = (self.rung.width, self.rung.height);
        let position = self.in_stretch;
        let is_idr = position.is_multiple_of(self.lab.gop_frames.max(1));
        self.in_stretch += 1;
        let keyframes = Keyframes {
            max_gop: self.lab.gop_frames,
            is_regular: false,
        };
        let mut scaled = self.down.scale(frame, width, height, frame.format().name())?;
        scaled.set_pts(Some(self.sent));
        scaled.set_kind(match is_idr {
            true => picture::Type::I,
            false => picture::Type::None,
        });
        if self.encoder.is_none() {
            self.open(&scaled, keyframes)?;
        }
        if let Some((method, stride)) = self.lab.measure {
            let meter = match &mut self.meter {
                Some(meter) => meter,
                None => self
                    .meter
                    .insert(Meter::new(method, frame.width(), frame.height(), stride)?),
            };
            if meter.wants(position) {
                self.waiting.push_back((self.sent, Arc::clone(shown)));
            }
        }
        self.sent += 1;
        self.outcome.bytes.push(0);
        if let Some(encoder) = &mut self.encoder {
            encoder
                .send_frame(&scaled)
                .map_err(|source| failed(self.rung, source))?;
        }
        self.take_packets()
    }

    fn open(&mut self, first: &frame::Video, keyframes: Keyframes) -> Result<(), EncodeError> {
        let target = VideoTarget {
            rung: self.rung,
            preset: self.lab.preset,
            threads: 1,
            divisor: 1,
            first_frame: 0,
            source_colour: self.lab.colour,
        };
        let colour = Colour::of_frame(first)
            .or_mastered_as(&self.lab.colour)
            .as_encoded();
        let encoder = open_video(&target, &colour, keyframes, self.lab.rate, first)?;
        if self.lab.measure.is_some() {
            let codec = decoder::find(encoder.id());
            let codec = codec.ok_or_else(|| failed(self.rung, ffmpeg_next::Error::DecoderNotFound))?;
            let mut context = codec::context::Context::new_with_codec(codec);
            let mut threading = threading::Config::kind(threading::Type::Slice);
            threading.count = 1;
            context.set_threading(threading);
            let opened = context.decoder().open_as(codec).and_then(|opened| opened.video());
            self.decoder = Some(opened.map_err(|source| failed(self.rung, source))?);
        }
        self.encoder = Some(encoder);
        Ok(())
    }

    /// Ends the encoder and the decoder, and takes what they still have.
    fn drain(&mut self) -> Result<(), EncodeError> {
        if let Some(encoder) = &mut self.encoder {
            encoder.send_eof().map_err(|source| failed(self.rung, source))?;
        }
        self.take_packets()?;
        if let Some(decoder) = &mut self.decoder {
            decoder.send_eof().map_err(|source| failed(self.rung, source))?;
        }
        self.take_pictures()?;
        self.encoder = None;
        self.decoder = None;
        Ok(())
    }

    fn take_packets(&mut self) -> Result<(), EncodeError> {
        loop {
            let Some(encoder) = &mut self.encoder else {
                return Ok(());
            };
            let mut packet = Packet::empty();
            match encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(failed(self.rung, source)),
            }
            let index = packet.pts().and_then(|pts| usize::try_from(pts).ok());
            if let Some(bytes) = index.and_then(|index| self.outcome.bytes.get_mut(index)) {
                *bytes += packet.size() as u64;
            }
            if let Some(decoder) = &mut self.decoder {
                decoder
                    .send_packet(&packet)
                    .map_err(|source| failed(self.rung, source))?;
                self.take_pictures()?;
            }
        }
    }

    fn take_pictures(&mut self) -> Result<(), EncodeError> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                return Ok(());
            };
            let mut decoded = frame::Video::empty();
            match decoder.receive_frame(&mut decoded) {
                Ok(()) => {}
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(failed(self.rung, source)),
            }
            let pts = decoded.timestamp().unwrap_or(0);
            while self.waiting.front().is_some_and(|(waiting, _)| *waiting < pts) {
                self.waiting.pop_front();
            }
            let is_next = self.waiting.front().is_some_and(|(waiting, _)| *waiting == pts);
            if let Some((_, reference)) = is_next.then(|| self.waiting.pop_front()).flatten()
                && let Some(meter) = &mut self.meter
            {
                let Shown { frame, motion } = &*reference;
                let (width, height) = (frame.width(), frame.height());
                let decoded = self.up.scale(&decoded, width, height, MEASURED)?;
                let plain = self.plain.scale(frame, width, height, MEASURED)?;
                meter.add(pts.unsigned_abs(), &plain, *motion, &decoded)?;
            }
        }
    }
}

/// Scales pictures of one shape.
#[derive(Default)]
pub(crate) struct Scaler(Option<(VideoShape, (u32, u32), Wired)>);

impl Scaler {
    pub(crate) fn scale(
        &mut self,
        picture: &frame::Video,
        width: u32,
        height: u32,
        format: &str,
    ) -> Result<frame::Video, EncodeError> {
        let shape = VideoShape::of(picture);
        let is_same = picture.width() == width && picture.height() == height;
        if is_same && picture.format().name() == format {
            return Ok(picture.clone());
        }
        if self
            .0
            .as_ref()
            .is_none_or(|(of, to, _)| *of != shape || *to != (width, height))
        {
            let spec = format!("[in]scale={width}:{height}:flags=bicubic,format={format}[out0]");
            let arguments = shape.arguments(Rational::new(1, 1));
            let graph = Wired::build("buffer", &arguments, "buffersink", 1, spec)?;
            self.0 = Some((shape, (width, height), graph));
        }
        let mut scaled = frame::Video::empty();
        if let Some((_, _, graph)) = &mut self.0 {
            graph.push(&picture.clone())?;
            graph.pull(0, &mut scaled)?;
        }
        Ok(scaled)
    }
}

fn failed(rung: &Rung, source: ffmpeg_next::Error) -> EncodeError {
    EncodeError::Encoder {
        rendition: rung.name.clone(),
        codec: rung.codec.name(),
        source,
    }
}

/// What quality is measured in.
pub(crate) const MEASURED: &str = "yuv420p";
