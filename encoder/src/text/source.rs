//! Text streams of the source, read as its packets come by.

use ffmpeg_next::codec::packet::side_data::Type;
use ffmpeg_next::codec::{Id, context, decoder, subtitle};
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::{Disposition, Stream};
use ffmpeg_next::{Packet, Rational, Subtitle, media};

use super::ass::{Style, Styles};
use super::markup::{Dialect, convert};
use super::{Cue, Role, TextTrack, language, settings};
use crate::account::LeftOut;
use crate::source::describe;

/// The text streams of a source.
pub(crate) struct SourceText {
    streams: Vec<TextStream>,
    /// Streams that are left out.
    pub(crate) warnings: Vec<LeftOut>,
}

struct TextStream {
    index: usize,
    time_base: Rational,
    origin_us: i64,
    format: Format,
    broken: usize,
    track: TextTrack,
}

enum Format {
    /// FFmpeg makes ASS of all others.
    Decoded(Box<decoder::Subtitle>, Styles),
    /// Packets are cue text; decoding would lose its settings.
    WebVtt,
}

impl SourceText {
    /// Prepares to read the text streams of `input`. `origin_us` is what becomes presentation time 0.
    pub(crate) fn open(input: &Input, origin_us: i64) -> Self {
        let mut opened = Self {
            streams: Vec::new(),
            warnings: Vec::new(),
        };
        for stream in input.streams() {
            if stream.parameters().medium() != media::Type::Subtitle {
                continue;
            }
            match TextStream::open(&stream, origin_us) {
                Ok(stream) => opened.streams.push(stream),
                Err(reason) => opened.warnings.push(LeftOut {
                    what: describe(&stream),
                    reason,
                }),
            }
        }
        opened
    }

    /// Whether there is no text stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Takes a packet of any stream; `false` if it is of none of the text streams.
    pub(crate) fn take(&mut self, packet: &Packet) -> bool {
        let mut streams = self.streams.iter_mut();
        match streams.find(|stream| stream.index == packet.stream()) {
            Some(stream) => {
                stream.take(packet);
                true
            }
            None => false,
        }
    }

    /// The tracks, in the order of the source; those without a cue are left out.
    pub(crate) fn finish(self) -> Vec<TextTrack> {
        let tracks = self.streams.into_iter().map(|mut stream| {
            let broken = stream.broken;
            stream
                .track
                .warn_count(broken, "that could not be decoded left out");
            stream.track.tidy();
            stream.track
        });
        tracks.filter(|track| !track.cues.is_empty()).collect()
    }
}

impl TextStream {
    fn open(stream: &Stream<'_>, origin_us: i64) -> Result<Self, String> {
        let codec = stream.parameters().id();
        let format = match codec {
            Id::WEBVTT => Format::WebVtt,
            Id::ASS | Id::SSA | Id::SUBRIP | Id::SRT | Id::TEXT | Id::MOV_TEXT => {
                let context = context::Context::from_parameters(stream.parameters());
                let opened = context.and_then(|context| {
                    let mut decoder = context.decoder();
                    decoder.set_packet_time_base(stream.time_base());
                    decoder.subtitle()
                });
                let decoder = opened.map_err(|error| format!("its decoder cannot be opened ({error})"))?;
                let styles = Styles::read(&script_header(&decoder));
                Format::Decoded(Box::new(decoder), styles)
            }
            Id::HDMV_PGS_SUBTITLE | Id::DVB_SUBTITLE | Id::DVD_SUBTITLE | Id::XSUB => {
                return Err(
                    "pictures of text cannot be made into text; name a .srt or .vtt file by --subtitles"
                        .to_owned(),
                );
            }
            _ => {
                return Err(
                    "text of this kind cannot be read; name a .srt or .vtt file by --subtitles".to_owned(),
                );
            }
        };
        let metadata = stream.metadata();
        let of = |key: &str| metadata.get(key).map(str::trim).filter(|value| !value.is_empty());
        let tag = of("language").and_then(language::tag);
        let disposition = stream.disposition();
        let role = if disposition.contains(Disposition::FORCED) {
            Role::Forced
        } else if disposition.intersects(Disposition::HEARING_IMPAIRED | Disposition::CAPTIONS) {
            Role::Caption
        } else {
            Role::Subtitle
        };
        let title = of("title").map(|title| title.chars().filter(|c| !c.is_control() && *c != '"').collect());
        Ok(Self {
            index: stream.index(),
            time_base: stream.time_base(),
            origin_us,
            format,
            broken: 0,
            track: TextTrack::new(tag.unwrap_or_else(|| "und".to_owned()), title, role),
        })
    }

    fn take(&mut self, packet: &Packet) {
        let us_per_tick = f64::from(self.time_base) * 1e6;
        let Some(pts) = packet.pts().or(packet.dts()) else {
            self.broken += 1;
            return;
        };
        let us = |ticks: i64| (ticks as f64 * us_per_tick).round() as i64;
        let start_us = us(pts).saturating_sub(self.origin_us);
        let end_us = start_us.saturating_add(us(packet.duration().max(0)));
        if packet.duration() > 0 && end_us <= 0 {
            return;
        }
        if self.track.cues.len() > super::MAX_CUES {
            return;
        }
        let ms = |us: i64| (us.max(0) as u64 + 500) / 1000;
        let mut cue = Cue {
            start_ms: ms(start_us),
            end_ms: ms(end_us),
            ..Cue::default()
        };
        match &mut self.format {
            Format::WebVtt => {
                let text = String::from_utf8_lossy(packet.data().unwrap_or_default());
                cue.text = convert(&text, Dialect::WebVtt, Style::default()).text;
                for data in packet.side_data() {
                    let value = String::from_utf8_lossy(data.data());
                    match data.kind() {
                        Type::WebVTTIdentifier => {
                            cue.id = super::cue_id(&value);
                        }
                        Type::WebVTTSettings => cue.settings = settings::clean(&value, &[]).0,
                        _ => {}
                    }
                }
                self.track.cues.push(cue);
            }
            Format::Decoded(decoder, styles) => {
                let mut decoded = Decoded(Subtitle::new());
                match decoder.decode(packet, &mut decoded.0) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(_) => {
                        self.broken += 1;
                        return;
                    }
                }
                // Several events of one packet are lines of one cue.
                for rect in decoded.0.rects() {
                    let converted = match rect {
                        subtitle::Rect::Ass(event) => styles.convert(event.get()),
                        subtitle::Rect::Text(text) => convert(text.get(), Dialect::SubRip, Style::default()),
                        _ => continue,
                    };
                    self.track.cues.push(Cue {
                        settings: converted.settings,
                        text: converted.text,
                        ..cue.clone()
                    });
                }
            }
        }
    }
}

/// A decoded event, whose parts FFmpeg allocated.
struct Decoded(Subtitle);

impl Drop for Decoded {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: the structure was zeroed or filled by the decoder, as the function expects; it frees what is in it once and
        // sets it to zero. The binding never frees it.
        unsafe { ffmpeg_next::ffi::avsubtitle_free(self.0.as_mut_ptr()) }
    }
}

/// The header of an ASS script, which the binding gives no access to.
#[allow(unsafe_code)]
fn script_header(decoder: &decoder::Subtitle) -> String {
    // SAFETY: the decoder is open and owns the header, which has that many bytes or is null.
    let bytes = unsafe {
        let context = decoder.as_ptr();
        let (header, size) = ((*context).subtitle_header, (*context).subtitle_header_size);
        if header.is_null() || size <= 0 {
            return String::new();
        }
        std::slice::from_raw_parts(header.cast_const(), size as usize)
    };
    String::from_utf8_lossy(bytes).into_owned()
}
