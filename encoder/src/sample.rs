//! A clip to try things with: moving, detailed pictures and sound that changes, made from nothing but FFmpeg's sources.
//!
//! A camera pans over a fractal and jumps every twelve seconds; a running game of life and a test card with a clock
//! move across it. Each half second a note is struck, left and right a fifth apart.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ffmpeg_next::codec::{self, Flags, encoder, threading};
use ffmpeg_next::format::context::{Output, StreamIo};
use ffmpeg_next::{ChannelLayout, Dictionary, Packet, Rational, format, frame, picture};
use serde::Serialize;

use crate::encode::is_pause;
use crate::error::EncodeError;
use crate::graph::Wired;
use crate::ladder::Rung;
use crate::vod::{CancelToken, Progress, REPORT_EVERY};

/// What clip to make, and where.
#[derive(Clone, Debug)]
pub struct SampleOptions {
    /// The MP4 file to make.
    pub path: PathBuf,
    /// Length in seconds, 1 to 3600.
    pub seconds: u32,
    /// Pixels across, even, 64 to 3840.
    pub width: u32,
    /// Pixels down, even, 64 to 2160.
    pub height: u32,
    /// Replaces an existing file.
    pub force: bool,
    /// Stops it from another thread.
    pub cancel: CancelToken,
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct SampleSummary {
    /// The file.
    pub path: PathBuf,
    /// Its length in seconds.
    pub duration_s: f64,
    /// Seconds it took.
    pub wall_s: f64,
}

impl SampleOptions {
    /// One minute of 1280×720 at 30 frames per second.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            seconds: 60,
            width: 1280,
            height: 720,
            force: false,
            cancel: CancelToken::default(),
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        let bad = |option, value: String, reason: &str| {
            Err(EncodeError::BadOption {
                option,
                value,
                reason: reason.to_owned(),
            })
        };
        let (width, height) = (self.width, self.height);
        if !(64..=3840).contains(&width) || !(64..=2160).contains(&height) || width % 2 + height % 2 > 0 {
            return bad(
                "--size",
                format!("{width}x{height}"),
                "use even sides from 64x64 to 3840x2160",
            );
        }
        if !(1..=3600).contains(&self.seconds) {
            return bad("--seconds", self.seconds.to_string(), "use 1 to 3600");
        }
        if self.path.exists() && !self.force {
            return Err(EncodeError::OutputExists {
                location: self.path.clone().into(),
            });
        }
        Ok(())
    }
}

/// Reads a size such as `1280x720`.
///
/// # Errors
/// [`EncodeError::BadOption`] when it is none.
pub fn parse_size(text: &str) -> Result<(u32, u32), EncodeError> {
    let sides = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.ok_or_else(|| EncodeError::BadOption {
        option: "--size",
        value: text.to_owned(),
        reason: "use a size such as 1280x720".to_owned(),
    })
}

/// Makes the clip. The file appears under its name when it is whole.
///
/// # Errors
/// [`EncodeError`] for options out of range, a file that exists or cannot be written, and an FFmpeg without the filters
/// and encoders needed.
pub fn write(
    options: &SampleOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<SampleSummary, EncodeError> {
    let started = Instant::now();
    options.check()?;
    crate::init_ffmpeg();
    let unwritable = |error| EncodeError::unwritable(&options.path, error);
    let parent = match options.path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(unwritable)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sample-").suffix(".mp4");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let partial = builder.tempfile_in(parent).map_err(unwritable)?;
    let file = partial.reopen().map_err(unwritable)?;

    let total_frames = u64::from(options.seconds) * u64::from(FPS);
    let rung = Rung {
        name: "sample".to_owned(),
        width: options.width,
        height: options.height,
        bitrate_kbps: 0,
        ..Rung::default()
    };
    progress(Progress::Start {
        renditions: vec![rung],
        sounds: 1,
        frame_rate: f64::from(FPS),
        duration_s: Some(f64::from(options.seconds)),
        total_frames: Some(total_frames),
    });
    let mut recorder = Recorder::open(file, options)?;
    let mut reported = Instant::now();
    for number in 0..total_frames {
        if options.cancel.is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        recorder.picture(number)?;
        recorder.sound_until((number + 1) * u64::from(RATE) / u64::from(FPS))?;
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            let elapsed_s = started.elapsed().as_secs_f64();
            let fps = number as f64 / elapsed_s;
            progress(Progress::Progress {
                frames: number,
                total_frames: Some(total_frames),
                media_s: number as f64 / f64::from(FPS),
                fps,
                elapsed_s,
                eta_s: (fps > 0.0).then(|| (total_frames - number) as f64 / fps),
            });
        }
    }
    recorder.finish()?;
    let kept = if options.force {
        partial.persist(&options.path)
    } else {
        partial.persist_noclobber(&options.path)
    };
    kept.map_err(|error| unwritable(error.error))?;
    Ok(SampleSummary {
        path: options.path.clone(),
        duration_s: f64::from(options.seconds),
        wall_s: started.elapsed().as_secs_f64(),
    })
}

/// The two graphs, the two encoders and the file they go to.
struct Recorder {
    pictures: Wired,
    sounds: Wired,
    video: encoder::video::Encoder,
    audio: encoder::audio::Encoder,
    output: Output,
    recorded_samples: u64,
    failed: Box<dyn Fn(&'static str, ffmpeg_next::Error) -> EncodeError>,
}

impl Recorder {
    fn open(file: std::fs::File, options: &SampleOptions) -> Result<Self, EncodeError> {
        let name = options.path.display().to_string();
        let failed = Box::new(move |codec, source| EncodeError::Encoder {
            rendition: name.clone(),
            codec,
            source,
        });
        let pictures = Wired::build(
            "",
            "",
            "buffersink",
            1,
            picture_spec(options.width, options.height),
        )?;
        let mut sounds = Wired::build("", "", "abuffersink", 1, sound_spec())?;
        sounds.set_frame_samples(FRAME_SAMPLES);
        let video = open_video(options).map_err(|error| failed(VIDEO_CODEC, error))?;
        let audio = open_audio().map_err(|error| failed(AUDIO_CODEC, error))?;
        let open_output = || -> Result<Output, ffmpeg_next::Error> {
            let mut output = format::output_to_stream(
                StreamIo::from_write_seek(std::io::BufWriter::new(file))?,
                None,
                Some("mp4"),
            )?;
            output
                .add_stream(encoder::find_by_name(VIDEO_CODEC))?
                .set_parameters(&video);
            output
                .add_stream(encoder::find_by_name(AUDIO_CODEC))?
                .set_parameters(&audio);
            Ok(output)
        };
        let mut output = open_output().map_err(|error| failed("mp4", error))?;
        output.write_header().map_err(|error| failed("mp4", error))?;
        Ok(Self {
            pictures,
            sounds,
            video,
            audio,
            output,
            recorded_samples: 0,
            failed,
        })
    }

    fn picture(&mut self, number: u64) -> Result<(), EncodeError> {
        let mut frame = frame::Video::empty();
        if !self.pictures.pull(0, &mut frame)? {
            return Err((self.failed)(VIDEO_CODEC, ffmpeg_next::Error::Eof));
        }
        frame.set_pts(Some(number as i64));
        frame.set_kind(picture::Type::None);
        self.video
            .send_frame(&frame)
            .map_err(|error| (self.failed)(VIDEO_CODEC, error))?;
        self.store_pictures()
    }

    fn sound_until(&mut self, sample: u64) -> Result<(), EncodeError> {
        while self.recorded_samples < sample {
            let mut frame = frame::Audio::empty();
            if !self.sounds.pull(0, &mut frame)? {
                return Err((self.failed)(AUDIO_CODEC, ffmpeg_next::Error::Eof));
            }
            frame.set_pts(Some(self.recorded_samples as i64));
            self.recorded_samples += frame.samples() as u64;
            self.audio
                .send_frame(&frame)
                .map_err(|error| (self.failed)(AUDIO_CODEC, error))?;
            self.store_sounds()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), EncodeError> {
        self.video
            .send_eof()
            .map_err(|error| (self.failed)(VIDEO_CODEC, error))?;
        self.store_pictures()?;
        self.audio
            .send_eof()
            .map_err(|error| (self.failed)(AUDIO_CODEC, error))?;
        self.store_sounds()?;
        self.output
            .write_trailer()
            .map_err(|error| (self.failed)("mp4", error))
    }

    fn store_pictures(&mut self) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match self.video.receive_packet(&mut packet) {
                Ok(()) => packet.set_duration(1),
                Err(error) if is_pause(error) => return Ok(()),
                Err(error) => return Err((self.failed)(VIDEO_CODEC, error)),
            }
            self.store(packet, 0, Rational::new(1, FPS as i32))?;
        }
    }

    fn store_sounds(&mut self) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match self.audio.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(error) if is_pause(error) => return Ok(()),
                Err(error) => return Err((self.failed)(AUDIO_CODEC, error)),
            }
            self.store(packet, 1, Rational::new(1, RATE as i32))?;
        }
    }

    fn store(&mut self, mut packet: Packet, stream: usize, time_base: Rational) -> Result<(), EncodeError> {
        let to = self
            .output
            .stream(stream)
            .map_or(time_base, |stream| stream.time_base());
        packet.rescale_ts(time_base, to);
        packet.set_stream(stream);
        packet
            .write_interleaved(&mut self.output)
            .map_err(|error| (self.failed)("mp4", error))
    }
}

fn open_video(options: &SampleOptions) -> Result<encoder::video::Encoder, ffmpeg_next::Error> {
    let x264 = encoder::find_by_name(VIDEO_CODEC).ok_or(ffmpeg_next::Error::EncoderNotFound)?;
    let mut video = codec::context::Context::new_with_codec(x264).encoder().video()?;
    video.set_width(options.width);
    video.set_height(options.height);
    video.set_format(format::Pixel::YUV420P);
    video.set_time_base(Rational::new(1, FPS as i32));
    video.set_frame_rate(Some(Rational::new(FPS as i32, 1)));
    video.set_flags(Flags::GLOBAL_HEADER);
    video.set_threading(threading::Config::kind(threading::Type::Frame));
    let mut dictionary = Dictionary::new();
    dictionary.set("preset", "ultrafast");
    dictionary.set("crf", "20");
    video.open_as_with(x264, dictionary)
}

fn open_audio() -> Result<encoder::audio::Encoder, ffmpeg_next::Error> {
    let aac = encoder::find_by_name(AUDIO_CODEC).ok_or(ffmpeg_next::Error::EncoderNotFound)?;
    let mut audio = codec::context::Context::new_with_codec(aac).encoder().audio()?;
    audio.set_rate(RATE as i32);
    audio.set_format(format::Sample::F32(format::sample::Type::Planar));
    audio.set_channel_layout(ChannelLayout::STEREO);
    audio.set_bit_rate(128_000);
    audio.set_time_base(Rational::new(1, RATE as i32));
    audio.set_flags(Flags::GLOBAL_HEADER);
    audio.open_as(aac)
}

fn picture_spec(width: u32, height: u32) -> String {
    let even = |side: u32| (side & !1).max(2);
    let (still_width, still_height) = (even(width * 3 / 2), even(height * 3 / 2));
    let (card_width, card_height) = (even(width / 4), even(height / 4));
    let (life_width, life_height) = (even(width * 2 / 9), even(height * 2 / 9));
    // One still is drawn and then panned over: crop moves for free where a zooming fractal would cost seconds a second.
    format!(
        "mandelbrot=size={}x{}:rate={FPS}:start_scale=0.004:end_scale=0.004:maxiter=1000:inner=mincol,\
         trim=end_frame=1,scale={still_width}:{still_height}:flags=bicubic,format=yuv420p,\
         loop=-1:1:0,settb=1/{FPS},setpts=N,\
         crop={width}:{height}\
         :x='(iw-ow)*(0.5+0.5*sin(t*0.31+2.4*floor(t/12)))':y='(ih-oh)*(0.5+0.5*cos(t*0.43+1.7*floor(t/12)))'[ground];\
         life=size=96x54:rate={FPS}:mold=12:ratio=0.35:seed=7\
         :death_color=#20508f:life_color=#ffd060:mold_color=#102040,\
         scale={life_width}:{life_height}:flags=neighbor,format=yuv420p[life];\
         testsrc2=size={card_width}x{card_height}:rate={FPS},format=yuv420p[card];\
         [ground][life]overlay=x='(W-w)*(0.5+0.5*sin(t*0.7))':y='(H-h)*(0.5+0.5*cos(t*0.9))':format=yuv420[scene];\
         [scene][card]overlay=x='(W-w)*(0.5+0.5*cos(t*0.5))':y='(H-h)*(0.5+0.5*sin(t*0.8))':format=yuv420,\
         format=yuv420p[out0]",
        even(width * 3 / 4),
        even(height * 3 / 4),
    )
}

fn sound_spec() -> String {
    let side = |hertz: u32, bass: f64| {
        format!(
            "0.25*sin(2*PI*t*{hertz}*pow(2,floor(mod(t*2,8))/12))*exp(-3*mod(t*2,1))+0.12*sin(2*PI*t*{bass})"
        )
    };
    format!(
        "aevalsrc=exprs='{}|{}':s={RATE}:c=stereo,aformat=sample_fmts=fltp:sample_rates={RATE}:channel_layouts=stereo[out0]",
        side(220, 110.0),
        side(330, 110.5)
    )
}

const FPS: u32 = 30;
const RATE: u32 = 48_000;
const FRAME_SAMPLES: u32 = 1024;
const VIDEO_CODEC: &str = "libx264";
const AUDIO_CODEC: &str = "aac";
