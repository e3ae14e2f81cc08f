//! Segments of a transport stream.

use player_core::input::{Id3, Prepared};
use player_core::media::id3;

use crate::assemble::{self, Assembly, Sound, Written, media_time};
use crate::audio;
use crate::audio::frames::{self, Found, Mark};
use crate::audio::track::{self, End};
use crate::captions::{Captions, Codec};
use crate::clock::{self, Clock, Place};
use crate::crypt::SampleKey;
use crate::error::{TransmuxError, first_bytes};
use crate::transmuxer::{Ready, Settings};
use crate::ts::packets::{Continuity, Packet, Packets, Step};
use crate::ts::pes::{Opening, Part};
use crate::ts::psi::{self, Sections, StreamKind};
use crate::video;
use crate::video::access::Assembler;
use crate::video::sets::Sets;
use crate::warnings::Warnings;

/// What is remembered from segment to segment.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    program: Program,
    pub(crate) clock: Clock,
    /// Parameter sets of the pictures, and how these are coded.
    sets: Sets,
    coding: Option<video::Coding>,
    /// Where the pictures ended, and how long the last one lasted, ticks.
    pictures_end: Option<i64>,
    frame: Option<i64>,
    /// Where the sound ended.
    pub(crate) sound_end: Option<End>,
    /// The start of a frame of sound whose end is in the next segment, and its coding.
    pub(crate) half_frame: Vec<u8>,
    pub(crate) half_coding: Option<audio::Coding>,
    /// How tracks were described last, for segments that have nothing of them.
    pub(crate) pictures: Option<video::Description>,
    pub(crate) sound: Option<audio::Description>,
    pub(crate) captions: Captions,
    /// The type that was told last.
    pub(crate) mime: String,
    pub(crate) sequence: u32,
}

/// ID3 tags of a segment.
const MAX_TAGS: usize = 1024;
/// Half a frame is no longer than this.
const MAX_HALF: usize = 1 << 14;

impl Stream {
    /// A segment begins.
    pub(crate) fn begin(&mut self, continuous: bool) {
        self.clock.begin(continuous);
        if !continuous {
            self.pictures_end = None;
            self.sound_end = None;
            self.half_frame.clear();
            self.captions.reset();
        }
    }

    /// Keeps the start of a frame that is not whole.
    pub(crate) fn keep_half(&mut self, coding: audio::Coding, rest: &[u8]) {
        self.half_frame.clear();
        self.half_coding = Some(coding);
        if rest.len() <= MAX_HALF {
            self.half_frame.extend_from_slice(rest);
        }
    }

    /// What is told of a segment. Its type only if that is news.
    pub(crate) fn ready(&mut self, written: Written, metadata: Vec<Id3>, warnings: Warnings) -> Ready {
        let mut mime = crate::fmp4::mime(&written.tracks);
        if mime == self.mime {
            mime.clear();
        } else {
            self.mime.clone_from(&mime);
        }
        let prepared = Prepared {
            mime,
            times: Some(written.times),
            metadata,
            warnings: warnings.into_text(),
            ..Prepared::default()
        };
        Ready::new(written.buffer, written.start, prepared)
    }
}

/// Which packets hold what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Program {
    tables: Vec<u16>,
    streams: Vec<psi::Stream>,
}

/// Reads tables until a program is known.
#[derive(Debug, Default)]
struct Tables {
    pat: Sections,
    pmt: Sections,
    program: Program,
    pmt_pid: Option<u16>,
    news: bool,
}

impl Tables {
    /// True if there is news of the streams.
    fn push(&mut self, packet: &Packet<'_>) -> bool {
        let Self {
            pat,
            pmt,
            program,
            pmt_pid,
            news,
        } = self;
        *news = false;
        if packet.pid == 0 {
            pat.push(packet.start, packet.payload, |section| {
                if let Some(tables) = psi::pat(section).filter(|tables| !tables.is_empty()) {
                    program.tables = tables;
                }
            });
        } else if program.tables.contains(&packet.pid)
            && pmt_pid.is_none_or(|pid| pid == packet.pid || !program.tables.contains(&pid))
        {
            pmt.push(packet.start, packet.payload, |section| {
                if let Some(streams) = psi::pmt(section) {
                    *pmt_pid = Some(packet.pid);
                    *news |= streams != program.streams;
                    program.streams = streams;
                }
            });
        }
        *news
    }

    fn find(packets: Packets<'_>) -> Option<Program> {
        let mut tables = Self::default();
        for packet in packets {
            tables.push(&packet);
            if tables.pmt_pid.is_some() {
                return Some(tables.program);
            }
        }
        None
    }
}

/// A stream of the program, as far as it is watched.
#[derive(Debug, Default)]
struct Watch<'a> {
    pid: Option<u16>,
    opening: Opening,
    continuity: Continuity<'a>,
    place: Place,
    /// A PES packet is under way whose data are wanted.
    open: bool,
}

/// What a packet is for its stream.
enum Piece {
    /// A PES packet begins.
    Begin(crate::ts::pes::Header, usize),
    Data,
    Nothing,
}

impl<'a> Watch<'a> {
    fn new(pid: Option<u16>, place: Place) -> Self {
        Self {
            pid,
            place,
            ..Self::default()
        }
    }

    #[inline]
    fn piece(&mut self, packet: &Packet<'a>, warnings: &mut Warnings) -> Piece {
        if packet.scrambled {
            warnings.add("scrambled packets were left out");
            return Piece::Nothing;
        }
        match self.continuity.step(packet) {
            Step::Next => {}
            Step::Repeated => return Piece::Nothing,
            Step::Torn => warnings.add("packets are missing"),
        }
        match self.opening.part(packet.start, packet.payload) {
            Part::Data if self.open => Piece::Data,
            Part::Begin(header, at) => {
                self.open = !header.scrambled;
                if header.scrambled {
                    warnings.add("scrambled packets were left out");
                    return Piece::Nothing;
                }
                Piece::Begin(header, at)
            }
            Part::Data | Part::Nothing => Piece::Nothing,
            Part::Wrong => {
                warnings.add("a PES packet without a header");
                self.open = false;
                Piece::Nothing
            }
        }
    }
}

/// A segment being read.
struct Reader<'a, 's, 'k> {
    settings: &'s Settings<'s>,
    key: Option<&'k SampleKey>,
    clock: &'s mut Clock,
    warnings: Warnings,
    pictures: Watch<'a>,
    sound: Watch<'a>,
    metadata: Watch<'a>,
    assembler: Assembler<'k>,
    coding: Option<audio::Coding>,
    sound_key: Option<&'k SampleKey>,
    elementary: Vec<u8>,
    marks: Vec<Mark>,
    tag: Vec<u8>,
    tag_time: Option<i64>,
    tags: Vec<(i64, Vec<id3::Frame>)>,
}

/// Prepares a segment.
pub(crate) fn prepare(
    stream: &mut Stream,
    bytes: &[u8],
    settings: &Settings<'_>,
    key: Option<&SampleKey>,
) -> Result<Ready, TransmuxError> {
    let packets =
        Packets::find(bytes).ok_or_else(|| TransmuxError::NotTransportStream(first_bytes(bytes)))?;
    let program = Tables::find(packets.clone())
        .or_else(|| Tables::find(Packets::find(settings.init?)?))
        .or_else(|| Some(stream.program.clone()).filter(|program| !program.streams.is_empty()))
        .ok_or(TransmuxError::NoProgram)?;
    stream.begin(settings.continuous);
    let room = assemble::room(bytes.len());
    let mut out = Vec::with_capacity(room + bytes.len() + 64);
    out.resize(room, 0);
    let sets = core::mem::take(&mut stream.sets);
    // Codings that are not named in the end have no samples.
    let coding = stream.coding.unwrap_or(video::Coding::Avc);
    let mut reader = Reader {
        settings,
        key,
        clock: &mut stream.clock,
        warnings: Warnings::default(),
        pictures: Watch::default(),
        sound: Watch::default(),
        metadata: Watch::default(),
        assembler: Assembler::new(coding, sets, settings.continuous, None, settings.captions, out),
        coding: None,
        sound_key: None,
        elementary: Vec::new(),
        marks: Vec::new(),
        tag: Vec::new(),
        tag_time: None,
        tags: Vec::new(),
    };
    if let Some(half) = stream.half_coding {
        reader.elementary.append(&mut stream.half_frame);
        reader.coding = Some(half);
    }
    let program = match reader
        .watch(&program.streams)
        .and_then(|()| reader.read(packets, program))
    {
        Ok(program) => program,
        Err(error) => {
            stream.sets = core::mem::take(&mut reader.assembler.sets);
            return Err(error);
        }
    };
    reader.assembler.finish();
    reader.end_tag();
    let Reader {
        warnings,
        pictures,
        sound,
        assembler,
        coding,
        sound_key,
        elementary,
        marks,
        tags,
        ..
    } = reader;
    // Also those that a later table does not have.
    let has_pictures = pictures.pid.is_some() || !assembler.accesses.is_empty();
    let has_sound = sound.pid.is_some() || !marks.is_empty();
    stream.program = program;
    stream.coding = Some(assembler.coding());
    Finish {
        stream,
        warnings,
        assembler,
        has_pictures,
        has_sound,
        coding,
        sound_key,
        elementary,
        marks,
        tags,
    }
    .finish(settings)
}

impl<'a> Reader<'a, '_, '_> {
    /// Takes the first stream of each kind that can be played.
    fn watch(&mut self, streams: &[psi::Stream]) -> Result<(), TransmuxError> {
        let (mut pictures, mut sound, mut metadata) = (None, None, None);
        for stream in streams {
            let place = match stream.kind {
                StreamKind::Avc | StreamKind::Hevc => &mut pictures,
                StreamKind::Aac | StreamKind::Ac3 | StreamKind::Eac3 | StreamKind::MpegAudio => &mut sound,
                StreamKind::Id3 => &mut metadata,
                StreamKind::Latm => {
                    self.warnings.add("AAC in LATM cannot be played");
                    continue;
                }
                StreamKind::Other(kind) => {
                    self.warnings
                        .add(&format!("a stream of type {kind} cannot be played"));
                    continue;
                }
            };
            if place.is_none() {
                *place = Some(stream);
            }
        }
        if self.settings.mute {
            sound = None;
        }
        if self.key.is_none() && [pictures, sound].iter().flatten().any(|stream| stream.encrypted) {
            return Err(TransmuxError::KeyMissing);
        }
        if let Some(stream) = pictures {
            let coding = if stream.kind == StreamKind::Hevc {
                video::Coding::Hevc
            } else {
                video::Coding::Avc
            };
            let key = self.key.filter(|_| stream.encrypted);
            if self.assembler.turn_to(coding, key) {
                move_to(&mut self.pictures, stream.pid, self.clock);
            } else {
                self.warnings
                    .add("the pictures' coding changes inside the segment: the rest is left out");
                self.pictures.open = false;
                self.pictures.pid = Some(NOWHERE);
            }
        } else {
            self.pictures.pid = None;
        }
        if let Some(stream) = sound {
            let coding = match stream.kind {
                StreamKind::Ac3 => audio::Coding::Ac3,
                StreamKind::Eac3 => audio::Coding::Eac3,
                StreamKind::MpegAudio => audio::Coding::Mpeg,
                _ => audio::Coding::Aac,
            };
            if self.marks.is_empty() && self.coding != Some(coding) {
                self.elementary.clear();
                self.coding = Some(coding);
            }
            if self.coding == Some(coding) {
                self.sound_key = self.key.filter(|_| stream.encrypted);
                move_to(&mut self.sound, stream.pid, self.clock);
            } else {
                self.warnings
                    .add("the sound's coding changes inside the segment: the rest is left out");
                self.sound.pid = Some(NOWHERE);
            }
        } else {
            self.sound.pid = None;
        }
        self.metadata = Watch::new(metadata.map(|stream| stream.pid), self.clock.place());
        Ok(())
    }

    fn read(&mut self, packets: Packets<'a>, program: Program) -> Result<Program, TransmuxError> {
        let mut tables = Tables {
            program,
            ..Tables::default()
        };
        let mut packets = packets;
        for packet in packets.by_ref() {
            let pid = Some(packet.pid);
            if pid == self.pictures.pid {
                self.picture(&packet);
            } else if pid == self.sound.pid {
                self.sound(&packet);
            } else if pid == self.metadata.pid {
                self.metadata(&packet);
            } else if tables.push(&packet) {
                self.warnings.add("the program changes inside the segment");
                self.watch(&tables.program.streams)?;
            }
        }
        if packets.lost > 0 {
            self.warnings.add("bytes that are no packets were passed over");
        }
        if packets.broken > 0 {
            self.warnings.add("packets with a transport error were left out");
        }
        if packets.cut > 0 {
            self.warnings.add("the last packet is cut off");
        }
        Ok(tables.program)
    }

    #[inline]
    fn picture(&mut self, packet: &Packet<'a>) {
        match self.pictures.piece(packet, &mut self.warnings) {
            Piece::Data => self.assembler.push(packet.payload),
            Piece::Begin(header, at) => {
                let times = header.times.map(|times| {
                    let dts = self
                        .clock
                        .next(&mut self.pictures.place, times.dts, &mut self.warnings);
                    (clock::beside(dts, times.pts, times.dts), dts)
                });
                self.assembler.begin(times);
                self.assembler.push(packet.payload.get(at..).unwrap_or_default());
            }
            Piece::Nothing => {}
        }
    }

    fn sound(&mut self, packet: &Packet<'a>) {
        match self.sound.piece(packet, &mut self.warnings) {
            Piece::Data => self.elementary.extend_from_slice(packet.payload),
            Piece::Begin(header, at) => {
                let time = header.times.map(|times| {
                    self.clock
                        .next(&mut self.sound.place, times.pts, &mut self.warnings)
                });
                self.marks.push(Mark {
                    offset: self.elementary.len(),
                    time,
                    epoch: self.assembler.epochs.len(),
                });
                self.elementary
                    .extend_from_slice(packet.payload.get(at..).unwrap_or_default());
            }
            Piece::Nothing => {}
        }
    }

    fn metadata(&mut self, packet: &Packet<'a>) {
        match self.metadata.piece(packet, &mut self.warnings) {
            Piece::Data => self.tag.extend_from_slice(packet.payload),
            Piece::Begin(header, at) => {
                self.end_tag();
                self.tag_time = header.times.map(|times| self.clock.near(times.pts));
                self.tag
                    .extend_from_slice(packet.payload.get(at..).unwrap_or_default());
            }
            Piece::Nothing => {}
        }
    }

    fn end_tag(&mut self) {
        let time = self.tag_time.take();
        if !self.tag.is_empty() {
            match (time, id3::parse(&self.tag)) {
                _ if self.tags.len() == MAX_TAGS => self.warnings.add("more ID3 tags than can be told"),
                (Some(time), Ok((frames, _))) => self.tags.push((time, frames)),
                (None, _) => self.warnings.add("an ID3 tag without a time was left out"),
                (_, Err(_)) => self.warnings.add("an ID3 tag that cannot be read was left out"),
            }
        }
        self.tag.clear();
    }
}

/// A PID that no packet has: thirteen bits are all that there are.
const NOWHERE: u16 = u16::MAX;

/// The stream goes on in packets of this PID.
fn move_to(watch: &mut Watch<'_>, pid: u16, clock: &Clock) {
    if watch.pid.is_none() {
        watch.place = clock.place();
    }
    if watch.pid != Some(pid) {
        *watch = Watch::new(Some(pid), watch.place);
    }
}

/// A segment that was read.
struct Finish<'s, 'k> {
    stream: &'s mut Stream,
    warnings: Warnings,
    assembler: Assembler<'k>,
    has_pictures: bool,
    has_sound: bool,
    coding: Option<audio::Coding>,
    sound_key: Option<&'k SampleKey>,
    elementary: Vec<u8>,
    marks: Vec<Mark>,
    tags: Vec<(i64, Vec<id3::Frame>)>,
}

impl Finish<'_, '_> {
    fn finish(mut self, settings: &Settings<'_>) -> Result<Ready, TransmuxError> {
        let stream = &mut *self.stream;
        self.warnings.take_from(&mut self.assembler.warnings);
        let pictures = assemble::pictures(
            &self.assembler,
            stream.pictures_end,
            stream.frame,
            settings.continuous,
            &mut self.warnings,
        );
        let found = match self.coding {
            Some(coding) if self.has_sound => frames::find(
                coding,
                &mut self.elementary,
                &self.marks,
                self.sound_key,
                &mut self.warnings,
            ),
            _ => Found::default(),
        };
        let silent = stream.sound.filter(|_| self.has_sound);
        let groups = track::place(
            &found.frames,
            stream.sound_end,
            pictures.span,
            silent,
            &mut self.warnings,
        );
        // What is remembered, also if nothing can be played of this.
        stream.sets = core::mem::take(&mut self.assembler.sets);
        if let Some(coding) = self.coding.filter(|_| self.has_sound) {
            stream.keep_half(coding, self.elementary.get(found.rest..).unwrap_or_default());
        }
        if pictures.parts.iter().all(|part| part.samples.is_empty()) && groups.is_empty() {
            return Err(self.nothing());
        }
        if let Some(last) = pictures
            .parts
            .iter()
            .rev()
            .find_map(|part| part.description.clone())
        {
            stream.pictures = Some(last);
        }
        let sound = Sound {
            groups,
            bytes: self.elementary,
        };
        let mut assembly = Assembly {
            out: core::mem::take(&mut self.assembler.out),
            pictures,
            sound,
            shift: 0,
            declared_pictures: stream.pictures.clone().filter(|_| self.has_pictures),
            declared_sound: stream.sound.filter(|_| self.has_sound),
        };
        if assembly.lift() {
            stream.clock.lift();
        }
        if let Some((end, frame)) = assembly.pictures.end() {
            (stream.pictures_end, stream.frame) = (Some(end), Some(frame));
        }
        if let Some(last) = assembly.sound.groups.last() {
            stream.sound_end = Some(End {
                description: last.description,
                time: last.end,
            });
            stream.sound = Some(last.description);
        }
        let shift = assembly.shift;
        let mut captions = Vec::new();
        if settings.captions {
            let codec = match self.assembler.coding() {
                video::Coding::Avc => Codec::Avc,
                video::Coding::Hevc => Codec::Hevc,
            };
            let pictures = &assembly.pictures;
            for sei in &self.assembler.sei {
                let time = sei
                    .access
                    .checked_sub(pictures.skipped)
                    .and_then(|at| pictures.times.get(at));
                let nal = assembly.out.get(sei.offset..sei.offset + sei.size);
                if let (Some(time), Some(nal)) = (time, nal) {
                    stream.captions.sei(media_time(time.pts).as_micros(), codec, nal);
                }
            }
            if let Some(span) = pictures.span {
                stream.captions.advance(media_time(span.end).as_micros());
            }
            captions = stream.captions.end_of_segment();
        }
        let at = |time: i64| media_time(time + shift);
        let mut metadata: Vec<Id3> = Vec::new();
        for (time, frames) in self.tags {
            let time = at(time);
            // They come in order, or nearly so.
            let after = metadata.iter().rev().take_while(|tag| tag.time > time).count();
            metadata.insert(metadata.len() - after, Id3 { time, frames });
        }
        let written = assembly.write(&mut stream.sequence);
        let mut ready = stream.ready(written, metadata, self.warnings);
        ready.prepared.captions = captions;
        Ok(ready)
    }

    /// Why there is nothing.
    fn nothing(&self) -> TransmuxError {
        if !self.assembler.accesses.is_empty() {
            return TransmuxError::Configuration;
        }
        let text = match (self.has_pictures, self.has_sound) {
            (true, true) => "streams of pictures and sound are empty",
            (true, false) => "the stream of pictures is empty",
            (false, true) => "the stream of sound is empty",
            (false, false) => "no stream that can be played",
        };
        TransmuxError::NothingToPlay(text.into())
    }
}
