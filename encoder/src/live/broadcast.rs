//! A stream on its way from the encoder to players: parts in memory, segments on disk, playlists and MPD written once a change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::watch;

use super::journal::Journal;
use super::window::{Placed, Window};
use super::{LiveError, LiveSink, Part, Take, TrackKeys, dash, hls};

/// How a stream is kept.
#[derive(Clone, Debug)]
pub struct BroadcastOptions {
    /// Where: a folder of its own, made if it is not there.
    pub folder: PathBuf,
    /// How far back viewers can go (DVR); [`Duration::MAX`] = to the beginning. At least six target durations are kept. On disk
    /// there is at most twice as much, for players that still have an older playlist (RFC 8216bis §6.2.2).
    pub window: Duration,
    /// How far behind DASH players should be: `ServiceDescription`.
    pub dash_latency: Duration,
}

impl BroadcastOptions {
    /// In `folder`, with a window of ten minutes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            window: Duration::from_secs(600),
            dash_latency: Duration::from_secs(2),
        }
    }
}

/// A live stream that can be played while it is made, and afterwards.
///
/// It is a [`LiveSink`]; [`LiveOrigin`](super::LiveOrigin) serves it.
pub struct Broadcast {
    options: BroadcastOptions,
    writer: Mutex<Writer>,
    published: RwLock<Published>,
}

struct Writer {
    window: Window,
    journal: Journal,
    /// The lowest number that may be on disk.
    swept: u64,
    /// The init segments on disk: of each take its first number and its tracks.
    inits: BTreeMap<u32, (u64, Vec<String>)>,
}

/// What players can ask for.
#[derive(Default)]
struct Published {
    tracks: BTreeMap<String, Arc<TrackView>>,
    multivariant: Option<Bytes>,
    mpd: Option<Bytes>,
    target: Duration,
    part_target: Duration,
    is_over: bool,
}

/// A track as players see it.
pub(super) struct TrackView {
    pub(super) state: watch::Sender<Arc<Snapshot>>,
    objects: RwLock<BTreeMap<u64, Object>>,
}

/// The newest of a track.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// The last segment of which nothing more comes; 0 = none.
    pub(super) whole: u64,
    /// How many parts that has.
    pub(super) whole_parts: usize,
    /// How many the next one has.
    pub(super) open_parts: usize,
    pub(super) is_over: bool,
    pub(super) full: Bytes,
    pub(super) delta: Option<Bytes>,
}

/// A segment.
#[derive(Clone, Default)]
pub(super) struct Object {
    pub(super) parts: Vec<Bytes>,
    /// It is a file.
    pub(super) is_stored: bool,
}

impl TrackView {
    fn new() -> Self {
        Self {
            state: watch::Sender::new(Arc::default()),
            objects: RwLock::default(),
        }
    }

    pub(super) fn object(&self, number: u64) -> Option<Object> {
        read(&self.objects).get(&number).cloned()
    }

    pub(super) fn part(&self, number: u64, part: usize) -> Option<Bytes> {
        read(&self.objects).get(&number)?.parts.get(part).cloned()
    }
}

impl Broadcast {
    /// Opens the stream in a folder. One that was there goes on with its numbers, its segments and a discontinuity; where its
    /// process was killed, what was in production is a gap.
    ///
    /// # Errors
    /// If the folder cannot be used, or another process does.
    pub fn open(options: BroadcastOptions) -> Result<Arc<Self>, LiveError> {
        let mut window = Window::new(options.window);
        let journal = Journal::open(&options.folder, &mut window)?;
        let broadcast = Self {
            options,
            writer: Mutex::new(Writer {
                swept: window.first(),
                window,
                journal,
                inits: BTreeMap::new(),
            }),
            published: RwLock::default(),
        };
        {
            let mut writer = broadcast.writer();
            broadcast.restore(&mut writer)?;
        }
        Ok(Arc::new(broadcast))
    }

    /// The folder that it is kept in.
    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// Whether the stream has ended: it can be played, and nothing more comes.
    pub fn is_over(&self) -> bool {
        read(&self.published).is_over
    }

    /// Puts what is on disk before players, and deletes what nobody can ask for.
    fn restore(&self, writer: &mut Writer) -> Result<(), LiveError> {
        let Writer { window, inits, .. } = writer;
        for take in &window.takes {
            let names = take.tracks.iter().map(|track| track.name.clone());
            inits.insert(take.id, (take.first, names.collect()));
        }
        for track in &window.tracks {
            let view = TrackView::new();
            let of_track = inits.iter().filter(|(_, (_, names))| names.contains(&track.name));
            let mut keep: BTreeSet<String> = of_track.map(|(take, _)| format!("init-{take}.mp4")).collect();
            for segment in track.segments.iter().filter(|segment| !segment.is_gap) {
                keep.insert(format!("{}.m4s", segment.number));
                write(&view.objects).insert(
                    segment.number,
                    Object {
                        parts: Vec::new(),
                        is_stored: true,
                    },
                );
            }
            let folder = self.options.folder.join(&track.name);
            self.sweep(&folder, &keep)?;
            write(&self.published)
                .tracks
                .insert(track.name.clone(), Arc::new(view));
        }
        for index in 0..window.tracks.len() {
            self.publish_track(writer, index);
        }
        self.publish_manifests(writer);
        Ok(())
    }

    fn sweep(&self, folder: &Path, keep: &BTreeSet<String>) -> Result<(), LiveError> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|error| failed(folder, &error))?,
        };
        for entry in entries.flatten() {
            let is_kept = entry.file_name().to_str().is_some_and(|name| keep.contains(name));
            if !is_kept {
                remove(&entry.path());
            }
        }
        Ok(())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view(&self, track: &str) -> Option<Arc<TrackView>> {
        read(&self.published).tracks.get(track).cloned()
    }

    pub(super) fn multivariant(&self) -> Option<Bytes> {
        read(&self.published).multivariant.clone()
    }

    pub(super) fn mpd(&self) -> Option<Bytes> {
        read(&self.published).mpd.clone()
    }

    /// Target duration, part target, and whether the stream is over.
    pub(super) fn targets(&self) -> (Duration, Duration, bool) {
        let published = read(&self.published);
        (published.target, published.part_target, published.is_over)
    }

    /// Writes a track's playlists and wakes who waits for them.
    fn publish_track(&self, writer: &Writer, index: usize) {
        let Some(track) = writer.window.tracks.get(index) else {
            return;
        };
        let Some(view) = self.view(&track.name) else {
            return;
        };
        let media = hls::media(&writer.window, track);
        let whole = track.last_whole();
        let snapshot = Snapshot {
            whole: if track.segments.is_empty() { 0 } else { whole },
            whole_parts: track.get(whole).map_or(0, |segment| segment.parts.len()),
            open_parts: track.open().map_or(0, |open| open.parts.len()),
            is_over: writer.window.is_over,
            full: match track.can_be_listed() {
                true => media.full.into(),
                false => Bytes::new(),
            },
            delta: media.delta.map(Bytes::from),
        };
        view.state.send_replace(Arc::new(snapshot));
    }

    fn publish_manifests(&self, writer: &Writer) {
        let window = &writer.window;
        let ready = window.takes.iter().rev().find(|take| take.is_ready);
        let multivariant = ready.map(|take| Bytes::from(hls::multivariant(take)));
        let mpd = dash::mpd(window, self.options.dash_latency, SystemTime::now());
        let mut published = write(&self.published);
        published.multivariant = multivariant;
        published.mpd = mpd.map(Bytes::from);
        if let Some(targets) = window.targets {
            published.target = targets.duration();
            published.part_target = targets.part;
        }
        published.is_over = window.is_over;
    }

    /// A segment of which nothing more comes goes to disk.
    fn store(&self, writer: &mut Writer, placed: Placed) -> Result<(), LiveError> {
        let Writer { window, journal, .. } = writer;
        let Some(track) = window.tracks.get_mut(placed.track) else {
            return Ok(());
        };
        let name = track.name.clone();
        let first = track.segments.front().map_or(0, |first| first.number);
        let index = usize::try_from(placed.number.saturating_sub(first)).unwrap_or(usize::MAX);
        let Some(segment) = track.segments.get_mut(index) else {
            return Ok(());
        };
        if let Some(take) = window.takes.iter().find(|take| take.id == segment.take) {
            segment.text = Some(hls::settled(take, &name, segment));
        }
        let segment = segment.clone();
        if !segment.is_gap
            && let Some(view) = self.view(&name)
        {
            let parts = view.object(placed.number).unwrap_or_default().parts;
            let path = self
                .options
                .folder
                .join(&name)
                .join(format!("{}.m4s", placed.number));
            write_file(&path, &parts)?;
            if let Some(object) = write(&view.objects).get_mut(&placed.number) {
                object.is_stored = true;
            }
        }
        journal.segment(&name, &segment)
    }

    /// Lets go of what is too old: parts in memory, segments in playlists, files.
    fn trim(&self, writer: &mut Writer) -> Result<(), LiveError> {
        let Writer {
            window,
            journal,
            swept,
            inits,
        } = writer;
        let Some(targets) = window.targets else {
            return Ok(());
        };
        let takes = window.takes.len();
        let before = window.first();
        window.trim();
        // What has left stays for as long as a playlist that names it may be in use, which is as long as that lasts.
        let first = window.first();
        if first > before {
            journal.first(first)?;
        }
        let limit = first.saturating_sub(window.next().saturating_sub(first) + 1);
        for number in *swept..limit {
            for track in &window.tracks {
                remove(
                    &self
                        .options
                        .folder
                        .join(&track.name)
                        .join(format!("{number}.m4s")),
                );
                if let Some(view) = self.view(&track.name) {
                    write(&view.objects).remove(&number);
                }
            }
        }
        *swept = limit.max(*swept);
        while let (Some((take, (_, names))), Some((_, (next, _)))) =
            (inits.iter().next(), inits.iter().nth(1))
            && *next <= limit
        {
            for name in names {
                remove(&self.options.folder.join(name).join(format!("init-{take}.mp4")));
            }
            inits.pop_first();
        }
        let keep = f64::from(targets.duration_s * hls::PARTS_FOR * 2);
        for track in &window.tracks {
            let Some(view) = self.view(&track.name) else {
                continue;
            };
            let mut from_end = 0.0;
            let mut objects = write(&view.objects);
            for segment in track.segments.iter().rev() {
                if from_end > keep {
                    match objects.get_mut(&segment.number) {
                        Some(object) if !object.parts.is_empty() => object.parts = Vec::new(),
                        // All older ones have gone before.
                        _ => break,
                    }
                }
                from_end += segment.seconds();
            }
        }
        journal.compact(window)?;
        if writer.window.takes.len() != takes {
            self.publish_manifests(writer);
        }
        Ok(())
    }

    /// The current take is over: what is in production is closed.
    fn close(&self, writer: &mut Writer) -> Result<(), LiveError> {
        let was_open = writer.window.takes.back().is_some_and(|take| take.is_open);
        if !was_open {
            return Ok(());
        }
        for placed in writer.window.close() {
            self.store(writer, placed)?;
        }
        writer.journal.pause()
    }

    fn publish_all(&self, writer: &Writer) {
        self.publish_manifests(writer);
        for index in 0..writer.window.tracks.len() {
            self.publish_track(writer, index);
        }
    }
}

impl LiveSink for Broadcast {
    fn begin(&self, take: Take) -> Result<(), LiveError> {
        check(&take)?;
        let mut writer = self.writer();
        let writer = &mut *writer;
        self.close(writer)?;
        let id = writer.window.begin(&take)?;
        for track in &take.tracks {
            let folder = self.options.folder.join(&track.name);
            fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
            write_file(
                &folder.join(format!("init-{id}.mp4")),
                std::slice::from_ref(&track.init),
            )?;
            let mut published = write(&self.published);
            let view = published.tracks.entry(track.name.clone());
            view.or_insert_with(|| Arc::new(TrackView::new()));
        }
        let names = take.tracks.iter().map(|track| track.name.clone());
        let first = writer.window.next();
        writer.inits.insert(id, (first, names.collect()));
        match writer.window.takes.back() {
            Some(entry) => writer.journal.take(&writer.window, entry),
            None => Ok(()),
        }
    }

    fn part(&self, track: usize, part: Part) -> Result<(), LiveError> {
        let mut writer = self.writer();
        let writer = &mut *writer;
        let (placed, gaps) = writer.window.part(track, &part)?;
        let name = writer.window.tracks.get(placed.track).map(|track| &track.name);
        if let Some(view) = name.and_then(|name| self.view(name)) {
            let mut objects = write(&view.objects);
            objects.entry(placed.number).or_default().parts.push(part.bytes);
        }
        self.publish_track(writer, placed.track);
        self.mark_ready(writer);
        if part.last {
            self.store(writer, placed)?;
            for gap in gaps {
                self.store(writer, gap)?;
                self.publish_track(writer, gap.track);
            }
            self.trim(writer)?;
        }
        Ok(())
    }

    fn keys(&self, track: usize, keys: TrackKeys) -> Result<(), LiveError> {
        let mut writer = self.writer();
        let Writer { window, journal, .. } = &mut *writer;
        let index = window.keys(track, keys)?;
        if let Some(track) = window.tracks.get(index)
            && let Some(change) = track.keys.back()
        {
            journal.keys(&track.name, change)?;
        }
        self.publish_manifests(&writer);
        Ok(())
    }

    fn pause(&self) {
        let mut writer = self.writer();
        if let Err(error) = self.close(&mut writer) {
            tracing::error!(%error, "what was in production is not kept");
        }
        self.publish_all(&writer);
    }

    fn end(&self) -> Result<(), LiveError> {
        let mut writer = self.writer();
        let writer = &mut *writer;
        self.close(writer)?;
        if !writer.window.is_over {
            writer.window.is_over = true;
            writer.journal.end()?;
        }
        self.publish_all(writer);
        archive(&writer.window, &self.options.folder)
    }
}

impl Broadcast {
    /// Once every track of the take has something to play, it is offered.
    fn mark_ready(&self, writer: &mut Writer) {
        let window = &mut writer.window;
        let Some(take) = window.takes.back() else { return };
        if take.is_ready {
            return;
        }
        let id = take.id;
        let has_some = |name: &str| {
            let track = window.tracks.iter().find(|track| track.name == name);
            track.is_some_and(|track| {
                let is_of_take = track.segments.back().is_some_and(|last| last.take == id);
                is_of_take && track.can_be_listed()
            })
        };
        if !take.tracks.iter().all(|track| has_some(&track.name)) {
            return;
        }
        let Some(take) = window.takes.back_mut() else {
            return;
        };
        take.is_ready = true;
        // All of what was made until now; the first part of the last track has just come.
        let first = window.targets.map_or(Duration::ZERO, |targets| targets.part);
        let since = SystemTime::now().duration_since(take.wall).unwrap_or_default();
        take.delay = since.saturating_sub(first).min(LONGEST_DELAY);
        self.publish_manifests(writer);
    }
}

/// Puts the playlists and the MPD of what is over beside its segments: the folder can be served by anything.
pub(super) fn archive(window: &Window, folder: &Path) -> Result<(), LiveError> {
    let put = |path: PathBuf, text: String| -> Result<(), LiveError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        }
        write_file(&path, &[text.into()])
    };
    for track in window.tracks.iter().filter(|track| track.can_be_listed()) {
        put(
            folder.join(format!("hls/{}.m3u8", track.name)),
            hls::media(window, track).full,
        )?;
    }
    if let Some(mpd) = dash::mpd(window, Duration::ZERO, SystemTime::now()) {
        put(folder.join("dash/manifest.mpd"), mpd)?;
    }
    match window.takes.iter().rev().find(|take| take.is_ready) {
        Some(take) => put(folder.join("hls/master.m3u8"), hls::multivariant(take)),
        None => Ok(()),
    }
}

/// Names that can be folders and parts of a URL, each once.
fn check(take: &Take) -> Result<(), LiveError> {
    let refused = |option, reason: &str| {
        Err(LiveError::BadOption {
            option,
            reason: reason.to_owned(),
        })
    };
    let mut names = BTreeSet::from(["hls", "dash"]);
    for track in &take.tracks {
        if !is_name(&track.name) || !names.insert(&track.name) {
            return refused(
                "track",
                "names are 1 to 64 letters, digits, - and _, each once, and neither hls nor dash",
            );
        }
        if track.timescale == 0 {
            return refused("timescale", "0 ticks a second");
        }
    }
    if take.tracks.is_empty() {
        return refused("tracks", "a take needs one at least");
    }
    if take.part_target.is_zero() || take.segment_target < take.part_target {
        return refused(
            "part_target",
            "parts last longer than nothing and no longer than segments",
        );
    }
    Ok(())
}

/// Whether a stream or a track can have this name.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whole or not at all, even where the process is killed.
fn write_file(path: &Path, parts: &[Bytes]) -> Result<(), LiveError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        for part in parts {
            file.write_all(part)?;
        }
        fs::rename(&new, path)
    };
    write().map_err(|error: io::Error| failed(path, &error))
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot be deleted");
        }
        _ => {}
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> LiveError {
    LiveError::Output {
        reason: format!("{}: {error}", path.display()),
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// What is longer is a clock that is off.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
