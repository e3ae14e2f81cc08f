//! Opening a source safely: what is in it, how it lies, and when it starts.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ffmpeg_next::codec::{self, decoder, threading};
use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::format::stream::{Disposition, Stream};
use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Dictionary, Rational, format, media};

use crate::account::{LeftOut, SharedSeen};
use crate::cmaf::colour::Colour;
use crate::error::EncodeError;
use crate::medium::Medium;
use crate::timing::FrameRate;

/// An opened source: its container, its best picture and all its sound.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) input: Input,
    pub(crate) video: Option<VideoStream>,
    /// The one to play by default first.
    pub(crate) audio: Vec<AudioStream>,
    /// What becomes presentation time 0, in microseconds.
    pub(crate) origin_us: i64,
    /// As the container states it.
    pub(crate) duration_s: Option<f64>,
    /// Timestamps may jump inside the file (broadcast streams).
    pub(crate) may_jump: bool,
    /// A seek by time lands where it should.
    pub(crate) can_seek: bool,
    /// Pictures and sound that are not taken.
    pub(crate) left_out: Vec<LeftOut>,
}

pub(crate) struct VideoStream {
    pub(crate) index: usize,
    pub(crate) time_base: Rational,
    pub(crate) decoder: decoder::Video,
    pub(crate) orientation: Orientation,
    /// As the container states it.
    pub(crate) colour: Colour,
    /// What it is encoded at.
    pub(crate) rate: FrameRate,
    /// Square pixels across, as shown.
    pub(crate) width: u32,
    /// Square pixels down, as shown.
    pub(crate) height: u32,
    /// What is seen of it while it is decoded.
    pub(crate) seen: SharedSeen,
}

pub(crate) struct AudioStream {
    pub(crate) index: usize,
    pub(crate) time_base: Rational,
    pub(crate) decoder: decoder::Audio,
    pub(crate) channels: u8,
    /// ISO 639-2, where the container says one.
    pub(crate) language: Option<String>,
    /// What the container calls it.
    pub(crate) title: Option<String>,
    /// For viewers who cannot see.
    pub(crate) describes_video: bool,
}

/// How the coded picture must be turned to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orientation {
    Clockwise { mirrored: bool },
    Counterclockwise { mirrored: bool },
    Flipped { horizontally: bool, vertically: bool },
    Upright,
}

impl Source {
    /// The frames that everything is counted in; milliseconds where there is sound alone.
    pub(crate) fn rate(&self) -> FrameRate {
        self.video
            .as_ref()
            .map_or(FrameRate::new(1000, 1), |video| video.rate)
    }
}

/// Opens `path` as a single self-contained media file.
///
/// The bytes come from our own file handle and FFmpeg may open nothing else: no protocol is allowed, and of the formats
/// only those that hold their media themselves. A crafted file can therefore neither read other files nor reach the
/// network.
pub(crate) fn open(path: &Path) -> Result<Source, EncodeError> {
    open_medium(&Medium::of_file(path))
}

/// As [`open`], of what may be in several files.
pub(crate) fn open_medium(medium: &Medium) -> Result<Source, EncodeError> {
    let source = of_input(&medium.path, open_medium_input(medium)?, threading::Type::Frame)?;
    Ok(Source {
        can_seek: source.can_seek && !medium.is_joined(),
        ..source
    })
}

/// What is in an opened container; `path` names it in what is said of it. Threads that decode a frame each hold back as many frames
/// as they are; those that share a frame none.
pub(crate) fn of_input(path: &Path, input: Input, threads: threading::Type) -> Result<Source, EncodeError> {
    let format_name = input.format().name().to_owned();
    let mut left_out = Vec::new();
    let video = open_video(path, &input, threads, &mut left_out)?;
    let audio = open_audio(path, &input, &mut left_out)?;
    if video.is_none() && audio.is_empty() {
        return Err(EncodeError::NoStreams {
            path: path.to_owned(),
        });
    }
    let start_of = |index: Option<usize>| {
        index
            .and_then(|index| input.stream(index))
            .and_then(|s| start_us(&s))
    };
    let origin_us = origin_us(
        start_of(video.as_ref().map(|video| video.index)),
        start_of(audio.first().map(|audio| audio.index)),
    );
    let duration_s = (input.duration() > 0).then(|| input.duration() as f64 / 1e6);
    Ok(Source {
        path: path.to_owned(),
        video,
        audio,
        origin_us,
        duration_s,
        left_out,
        may_jump: ["mpegts", "mpeg"].contains(&format_name.as_str()),
        can_seek: format_name.contains("mp4") || format_name.contains("matroska"),
        input,
    })
}

/// As [`open`], without looking at what is in it.
pub(crate) fn open_input(path: &Path) -> Result<Input, EncodeError> {
    open_medium_input(&Medium::of_file(path))
}

/// As [`open_input`], of what may be in several files.
pub(crate) fn open_medium_input(medium: &Medium) -> Result<Input, EncodeError> {
    let path = medium.path.as_path();
    let not_media = |source| EncodeError::NotMedia {
        path: path.to_owned(),
        source,
    };
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", "none");
    options.set("format_whitelist", FORMATS);
    // Broadcast recordings and phone clips may begin with seconds of one stream only.
    options.set("probesize", "20000000");
    options.set("analyzeduration", "20000000");
    let io = match medium.is_joined() {
        false => {
            let file = open_file(medium.parts.first().map_or(path, PathBuf::as_path))?;
            StreamIo::from_read_seek_with_capacity(file, IO_BUFFER_BYTES)
        }
        true => {
            let joined = medium.reader().map_err(|source| EncodeError::InputUnreadable {
                path: path.to_owned(),
                source,
            })?;
            StreamIo::from_read_seek_with_capacity(joined, IO_BUFFER_BYTES)
        }
    };
    let io = io.map_err(not_media)?;
    let named = medium.parts.last().and_then(|part| part.file_name());
    let hint = named.map(|name| name.to_string_lossy().replace('\0', ""));
    format::input_from_stream(io, hint.as_deref(), Some(options)).map_err(not_media)
}

fn open_file(path: &Path) -> Result<File, EncodeError> {
    let owned = path.to_owned();
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = path.to_string_lossy();
            return Err(match text.contains("://") {
                true => EncodeError::InputIsUrl {
                    url: without_secrets(&text),
                },
                false => EncodeError::InputMissing { path: owned },
            });
        }
        Err(source) => return Err(EncodeError::InputUnreadable { path: owned, source }),
    };
    let unreadable = |source| EncodeError::InputUnreadable {
        path: owned.clone(),
        source,
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(EncodeError::InputIsFolder { path: owned });
    }
    if !metadata.is_file() {
        let source = std::io::Error::new(ErrorKind::Unsupported, "it is not a regular file");
        return Err(EncodeError::InputUnreadable { path: owned, source });
    }
    let mut head = Vec::new();
    file.by_ref()
        .take(4096)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    match playlist_kind(&head) {
        Some(what) => Err(EncodeError::InputIsPlaylist { path: owned, what }),
        None => Ok(file),
    }
}

/// What kind of playlist a file with these first bytes is.
fn playlist_kind(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let kinds = [
        ("#EXTM3U", "an HLS playlist"),
        ("ffconcat", "a list of files"),
        ("[playlist]", "a playlist"),
        ("v=0", "a session description"),
    ];
    if let Some((_, what)) = kinds.into_iter().find(|(start, _)| text.starts_with(start)) {
        return Some(what);
    }
    let is_xml = text.starts_with("<?xml") || text.starts_with('<');
    (is_xml && text.contains("<MPD")).then_some("a DASH manifest")
}

/// A URL's query may carry a token.
fn without_secrets(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare
        .split_once("://")
        .map(|(scheme, rest)| (scheme, rest.rsplit_once('@')))
    {
        Some((scheme, Some((_, host)))) => format!("{scheme}://{host}"),
        _ => bare.to_owned(),
    }
}

fn open_video(
    path: &Path,
    input: &Input,
    threads: threading::Type,
    left_out: &mut Vec<LeftOut>,
) -> Result<Option<VideoStream>, EncodeError> {
    let is_film = |stream: &Stream<'_>| !stream.disposition().contains(Disposition::ATTACHED_PIC);
    let Some(stream) = input.streams().best(media::Type::Video).filter(is_film) else {
        return Ok(None);
    };
    for other in input.streams().filter(is_film) {
        if other.parameters().medium() == media::Type::Video && other.index() != stream.index() {
            left_out.push(LeftOut {
                what: describe(&other),
                reason: format!(
                    "of several videos only the best is taken, stream {}",
                    stream.index()
                ),
            });
        }
    }
    let decoder_error = |source| EncodeError::Decoder {
        path: path.to_owned(),
        kind: "video",
        codec: stream.parameters().id().name().to_owned(),
        source,
    };
    let mut context = codec::context::Context::from_parameters(stream.parameters()).map_err(decoder_error)?;
    context.set_threading(threading::Config::kind(threads));
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    let decoder = decoder.video().map_err(decoder_error)?;
    let orientation = orientation(&stream);
    let (mut width, mut height) = square_size(decoder.width(), decoder.height(), decoder.aspect_ratio());
    if matches!(
        orientation,
        Orientation::Clockwise { .. } | Orientation::Counterclockwise { .. }
    ) {
        (width, height) = (height, width);
    }
    Ok(Some(VideoStream {
        index: stream.index(),
        time_base: stream.time_base(),
        rate: FrameRate::of_source(stream.avg_frame_rate(), stream.rate()),
        decoder,
        orientation,
        colour: Colour::of_stream(&stream),
        width,
        height,
        seen: SharedSeen::default(),
    }))
}

fn open_audio(
    path: &Path,
    input: &Input,
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<AudioStream>, EncodeError> {
    let best = input
        .streams()
        .best(media::Type::Audio)
        .map(|stream| stream.index());
    let mut found = Vec::new();
    for stream in input.streams() {
        if stream.parameters().medium() != media::Type::Audio {
            continue;
        }
        match open_audio_stream(path, &stream) {
            Ok(stream) => found.push(stream),
            // The film can do without another language, but not without its main one.
            Err(error) if Some(stream.index()) == best => return Err(error),
            Err(error) => {
                tracing::warn!("sound stream {} is left out: {error}", stream.index());
                left_out.push(LeftOut {
                    what: describe(&stream),
                    reason: error.to_string(),
                });
            }
        }
    }
    let marked = |index: usize| {
        let stream = input.stream(index);
        stream.is_some_and(|stream| stream.disposition().contains(Disposition::DEFAULT))
    };
    // Containers that mark none or all leave it to what FFmpeg takes for the best.
    let marks = found.iter().filter(|stream| marked(stream.index)).count();
    let is_first = |stream: &AudioStream| match marks {
        1 => marked(stream.index),
        _ => Some(stream.index) == best,
    };
    found.sort_by_key(|stream| (!is_first(stream), stream.index));
    if found.len() > MAX_SOUND_TRACKS {
        tracing::warn!(
            "only the first {MAX_SOUND_TRACKS} of {} sound streams are taken",
            found.len()
        );
        for stream in found.drain(MAX_SOUND_TRACKS..) {
            let what = input.stream(stream.index).map(|stream| describe(&stream));
            left_out.push(LeftOut {
                what: what.unwrap_or_default(),
                reason: format!("only {MAX_SOUND_TRACKS} sound streams are taken"),
            });
        }
    }
    Ok(found)
}

fn open_audio_stream(path: &Path, stream: &Stream<'_>) -> Result<AudioStream, EncodeError> {
    let decoder_error = |source| EncodeError::Decoder {
        path: path.to_owned(),
        kind: "audio",
        codec: stream.parameters().id().name().to_owned(),
        source,
    };
    let context = codec::context::Context::from_parameters(stream.parameters()).map_err(decoder_error)?;
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    let decoder = decoder.audio().map_err(decoder_error)?;
    let metadata = stream.metadata();
    let tag = |name| {
        metadata
            .get(name)
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let disposition = stream.disposition();
    Ok(AudioStream {
        index: stream.index(),
        time_base: stream.time_base(),
        channels: u8::try_from(decoder.channels()).unwrap_or(u8::MAX).max(1),
        decoder,
        language: tag("language").filter(|language| language != "und"),
        title: tag("title"),
        describes_video: disposition.contains(Disposition::VISUAL_IMPAIRED)
            || disposition.contains(Disposition::DESCRIPTIONS),
    })
}

impl AudioStream {
    /// Samples per second that it is encoded at by AAC: 44.1 kHz stays as it is, everything else becomes the usual 48 kHz.
    pub(crate) fn aac_rate(&self) -> u32 {
        if self.decoder.rate() == 44_100 {
            44_100
        } else {
            48_000
        }
    }
}

/// A stream by its number, codec and language.
pub(crate) fn describe(stream: &Stream<'_>) -> String {
    let codec = stream.parameters().id().name();
    match stream.metadata().get("language") {
        Some(language) => format!("stream {} ({codec}, {language})", stream.index()),
        None => format!("stream {} ({codec})", stream.index()),
    }
}

fn start_us(stream: &Stream<'_>) -> Option<i64> {
    (stream.start_time() != i64::MIN).then(|| {
        stream
            .start_time()
            .rescale(stream.time_base(), rescale::TIME_BASE)
    })
}

/// The earlier of both starts. A little sound before the first picture, such as an encoder's priming, is given up
/// instead, so that pictures keep their exact times.
fn origin_us(video_us: Option<i64>, audio_us: Option<i64>) -> i64 {
    match (video_us, audio_us) {
        (Some(video_us), Some(audio_us)) if (0..=LEADING_SOUND_US).contains(&(video_us - audio_us)) => {
            video_us
        }
        (Some(video_us), Some(audio_us)) => video_us.min(audio_us),
        (one, other) => one.or(other).unwrap_or(0),
    }
}

/// The size in square pixels: the wider direction grows, so that no line is lost.
fn square_size(width: u32, height: u32, pixel_aspect: Rational) -> (u32, u32) {
    let aspect = f64::from(pixel_aspect.numerator()) / f64::from(pixel_aspect.denominator());
    let size = if aspect.is_finite() && (1.01..=10.0).contains(&aspect) {
        ((f64::from(width) * aspect).round() as u32, height)
    } else if aspect.is_finite() && (0.1..0.99).contains(&aspect) {
        (width, (f64::from(height) / aspect).round() as u32)
    } else {
        (width, height)
    };
    (size.0.max(1), size.1.max(1))
}

/// Reads the display matrix (ISO/IEC 14496-12 §6.2.2) that phones write when they are turned.
fn orientation(stream: &Stream<'_>) -> Orientation {
    let is_matrix =
        |data: &codec::packet::SideData<'_>| data.kind() == codec::packet::side_data::Type::DisplayMatrix;
    let matrix = stream.side_data().find(is_matrix).map(|data| {
        let bytes = data.data().chunks_exact(4);
        bytes
            .map(|chunk| chunk.try_into().map_or(0, i32::from_ne_bytes))
            .collect::<Vec<_>>()
    });
    matrix.map_or(Orientation::Upright, |matrix| orientation_of(&matrix))
}

/// The quarter turn nearest to a display matrix `[a, b, u, c, d, v, x, y, w]`.
fn orientation_of(matrix: &[i32]) -> Orientation {
    let [a, b, _, c, d, ..] = *matrix else {
        return Orientation::Upright;
    };
    if (a, b, c, d) == (0, 0, 0, 0) {
        return Orientation::Upright;
    }
    let degrees = f64::from(b).atan2(f64::from(a)).to_degrees().rem_euclid(360.0);
    match (degrees / 90.0).round() as u32 {
        1 => Orientation::Clockwise { mirrored: c > 0 },
        3 => Orientation::Counterclockwise { mirrored: c < 0 },
        _ if a >= 0 && d >= 0 => Orientation::Upright,
        _ => Orientation::Flipped {
            horizontally: a < 0,
            vertically: d < 0,
        },
    }
}

const MAX_SOUND_TRACKS: usize = 32;
const LEADING_SOUND_US: i64 = 50_000;
const IO_BUFFER_BYTES: usize = 256 * 1024;

/// Demuxers of files that hold their media themselves. Not here: playlists (hls, dash, concat, imf), descriptions
/// (sdp), devices, images by pattern, and text.
const FORMATS: &str = "aac,ac3,aiff,amr,ape,asf,au,av1,avi,caf,dnxhd,dts,dv,eac3,flac,flv,gif,gxf,h261,h263,h264,hevc,\
ivf,m4v,matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,mpegtsraw,mpegvideo,mxf,nut,obu,ogg,rm,swf,tta,vc1,\
vob,voc,w64,wav,wtv,wv,yuv4mpegpipe";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    #[test]
    fn a_display_matrix_is_a_quarter_turn() {
        let of = |a, b, c, d| orientation_of(&[a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]);
        assert_eq!(of(1, 0, 0, 1), Orientation::Upright);
        assert_eq!(of(0, 1, -1, 0), Orientation::Clockwise { mirrored: false });
        assert_eq!(of(0, -1, 1, 0), Orientation::Counterclockwise { mirrored: false });
        assert_eq!(
            of(-1, 0, 0, -1),
            Orientation::Flipped {
                horizontally: true,
                vertically: true
            }
        );
        assert_eq!(of(0, 0, 0, 0), Orientation::Upright);
        assert_eq!(orientation_of(&[1, 2]), Orientation::Upright);
    }

    #[test]
    fn the_origin_is_the_earlier_start() {
        assert_eq!(origin_us(Some(1_421_333), Some(1_400_000)), 1_421_333);
        assert_eq!(origin_us(Some(1_900_000), Some(1_400_000)), 1_400_000);
        assert_eq!(origin_us(Some(0), Some(500_000)), 0);
        assert_eq!(origin_us(None, Some(7)), 7);
        assert_eq!(origin_us(None, None), 0);
    }

    #[test]
    fn anamorphic_sources_are_widened() {
        assert_eq!(square_size(720, 576, Rational::new(64, 45)), (1024, 576));
        assert_eq!(square_size(720, 480, Rational::new(8, 9)), (720, 540));
        assert_eq!(square_size(640, 360, Rational::new(0, 1)), (640, 360));
        assert_eq!(square_size(640, 360, Rational::new(1, 0)), (640, 360));
    }

    #[test]
    fn playlists_are_known_by_their_first_bytes() {
        assert_eq!(playlist_kind(b"\xef\xbb\xbf#EXTM3U\n"), Some("an HLS playlist"));
        assert_eq!(
            playlist_kind(b"<?xml version=\"1.0\"?>\n<MPD>"),
            Some("a DASH manifest")
        );
        assert_eq!(playlist_kind(b"ffconcat version 1.0"), Some("a list of files"));
        assert_eq!(playlist_kind(b"\0\0\0 ftypisom"), None);
    }

    #[test]
    fn a_url_is_named_without_its_secrets() {
        assert_eq!(
            without_secrets("https://me:pw@host/a.mp4?token=1"),
            "https://host/a.mp4"
        );
        assert_eq!(without_secrets("http://host/a.mp4#t"), "http://host/a.mp4");
    }
}
