//! One stream: its publishers, one after the other, and their takes.

mod feed;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, Scope};
use std::time::{Duration, SystemTime};

use ffmpeg_next::frame;

use self::feed::Feed;
use super::encode::{
    BUFFER_S, Coders, Cutting, Delay, Delivery, Lane, Load, Outlet, PictureLine, SoundLine, TakeProtection,
    VideoCoder, encode_sound, join, measure,
};
use super::event::{LatencyBudget, TakenRendition};
use super::ingest::{Fed, Feeder};
use super::{LiveError, LiveEvent, LiveOptions, LiveSink, Take};
use crate::encode::VideoTarget;
use crate::index::Sound;
use crate::ladder::{AudioCodec, Rung};
use crate::plan::{self, AudioPlan};
use crate::protect::{Protector, TrackClass};
use crate::text;

/// Encodes one live stream into its sink.
pub(crate) struct LiveEncoder<'a> {
    name: &'a str,
    options: &'a LiveOptions,
    sink: Arc<dyn LiveSink>,
    tell: &'a (dyn Fn(LiveEvent) + Sync),
    /// Rungs from the top that this machine is too slow for.
    left_out: usize,
    protector: Option<Protector>,
    /// When the first picture of the first take was captured.
    epoch: Option<SystemTime>,
    /// The pictures that the rungs were measured with: their size.
    measured: Option<(u32, u32)>,
}

/// How a take ended.
enum TakeEnd {
    /// Nothing follows.
    Over,
    /// What follows, from this picture on, is of another take.
    Jump(frame::Video),
    /// The encoders do not keep up.
    Overloaded,
    /// What comes is late, and stays late.
    Late,
}

/// What every thread of a take shares.
struct Shared<'a> {
    cutting: &'a Cutting,
    rungs: &'a [Rung],
    sound: &'a AudioPlan,
    loads: &'a [Load],
    delay: &'a Delay,
    protection: Option<TakeProtection<'a>>,
    wall: SystemTime,
    threads: usize,
}

impl<'a> LiveEncoder<'a> {
    /// For the stream of this name.
    pub(crate) fn new(
        name: &'a str,
        options: &'a LiveOptions,
        sink: Arc<dyn LiveSink>,
        tell: &'a (dyn Fn(LiveEvent) + Sync),
    ) -> Self {
        Self {
            name,
            options,
            sink,
            tell,
            left_out: 0,
            protector: options.protection.as_ref().map(|protection| {
                let rungs = options.ladder.video.iter();
                let classes = rungs.map(|rung| TrackClass::of_pictures(rung.width, rung.height));
                Protector::new(protection, classes.chain([TrackClass::Audio]))
            }),
            epoch: None,
            measured: None,
        }
    }

    /// Plays a file in real time, over and over if it `loops`, and ends the stream after it.
    pub(crate) fn play_file(mut self, path: &Path, loops: bool) -> Result<(), LiveError> {
        let feeder = Feeder::of_file(path.to_owned(), loops)?;
        self.play(feeder)?;
        self.end()
    }

    /// Plays publishers, one after the other, until none comes any more, and ends the stream.
    ///
    /// What a publisher does wrong ends its connection alone.
    pub(crate) fn serve(
        mut self,
        accept: &dyn Fn() -> Result<Option<Feeder>, LiveError>,
    ) -> Result<(), LiveError> {
        while !self.options.cancel.is_cancelled() {
            match accept() {
                Ok(Some(feeder)) => self.publish(feeder)?,
                Ok(None) => break,
                Err(error @ LiveError::Listen { .. }) => return Err(error),
                Err(error) => self.refuse(&error),
            }
        }
        self.end()
    }

    /// Plays one publisher to its end.
    fn publish(&mut self, feeder: Feeder) -> Result<(), LiveError> {
        match self.play(feeder) {
            Ok(()) => self.tell(LiveEvent::Paused {
                stream: self.name.to_owned(),
                reason: "the publisher is gone".to_owned(),
            }),
            Err(error @ LiveError::NoPicture) => self.refuse(&error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Says that a publisher's media cannot be used. The next may come in a moment: one that tries again at once must not keep a core
    /// busy.
    fn refuse(&self, error: &LiveError) {
        self.tell(LiveEvent::Refused {
            stream: Some(self.name.to_owned()),
            reason: crate::explain(error),
        });
        thread::sleep(AFTER_REFUSAL);
    }

    /// Says that no publisher follows.
    fn end(&self) -> Result<(), LiveError> {
        self.sink.end()?;
        self.tell(LiveEvent::Ended {
            stream: self.name.to_owned(),
        });
        Ok(())
    }

    fn tell(&self, event: LiveEvent) {
        (self.tell)(event);
    }

    /// Plays what comes until it ends, take by take.
    fn play(&mut self, mut feeder: Feeder) -> Result<(), LiveError> {
        self.fit(&mut feeder)?;
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(first) => first,
                None => match self.first_picture(&mut feeder)? {
                    Some(first) => first,
                    None => return Ok(()),
                },
            };
            match self.take(&mut feeder, first)? {
                TakeEnd::Over => return Ok(()),
                TakeEnd::Jump(picture) => {
                    feeder.forget_times();
                    next = Some(picture);
                }
                TakeEnd::Late => feeder.forget_times(),
                TakeEnd::Overloaded => {
                    self.leave_out(&feeder, "encoding takes longer than the pictures last");
                    feeder.catch_up();
                }
            }
        }
    }

    /// Leaves out rungs until the machine keeps up with the others.
    fn fit(&mut self, feeder: &mut Feeder) -> Result<(), LiveError> {
        let size = (feeder.video().width, feeder.video().height);
        if self.options.keeps_rungs || self.measured == Some(size) {
            return Ok(());
        }
        self.measured = Some(size);
        self.left_out = 0;
        loop {
            let rungs = self.rungs(feeder);
            let cutting = self.cutting(feeder, &rungs);
            let cost = measure(&rungs, self.threads(&rungs), &cutting, feeder.video())?;
            tracing::info!(?cost, rungs = rungs.len(), "measured");
            if cost.fits() {
                break;
            }
            let millis = |time: Duration| time.as_secs_f64() * 1000.0;
            let reason = format!(
                "a frame takes {:.1} ms to encode, and {:.1} ms are there for it",
                millis(cost.frame),
                millis(cost.allowed)
            );
            if !self.leave_out(feeder, &reason) {
                break;
            }
        }
        feeder.catch_up();
        Ok(())
    }

    /// Leaves out the highest rung, if it is not the last.
    fn leave_out(&mut self, feeder: &Feeder, reason: &str) -> bool {
        let rungs = self.rungs(feeder);
        let stream = self.name.to_owned();
        match rungs.as_slice() {
            [highest, _, ..] => {
                self.left_out += 1;
                self.tell(LiveEvent::Dropped {
                    stream,
                    renditions: vec![highest.name.clone()],
                    reason: reason.to_owned(),
                });
                true
            }
            _ => {
                self.tell(LiveEvent::Overloaded {
                    stream,
                    reason: format!(
                        "{reason}, and no lower rung is left: pictures will be missing; choose a faster preset or a smaller rung"
                    ),
                });
                false
            }
        }
    }

    fn first_picture(&self, feeder: &mut Feeder) -> Result<Option<frame::Video>, LiveError> {
        while !self.options.cancel.is_cancelled() {
            match feeder.next()? {
                Some(Fed::Picture(picture)) => return Ok(Some(picture)),
                Some(Fed::Sound(_)) => {}
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The rungs that are encoded, as this machine can.
    fn rungs(&self, feeder: &Feeder) -> Vec<Rung> {
        let video = feeder.video();
        let mut rungs = self.options.ladder.fit(video.width, video.height);
        // From the highest, of which some may be left out.
        rungs.sort_by_key(|rung| std::cmp::Reverse((rung.height, rung.bitrate_kbps)));
        let kept = rungs.len().saturating_sub(self.left_out).max(1);
        rungs.drain(..rungs.len() - kept);
        for rung in &mut rungs {
            rung.tune.get_or_insert_with(|| "zerolatency".to_owned());
            rung.preset.get_or_insert_with(|| self.options.preset.clone());
            rung.cbr = rung.crf.is_none();
            let buffer_bits = (f64::from(rung.bitrate_kbps) * 1000.0 * BUFFER_S) as u64;
            let buffer = rung.options.entry("bufsize".to_owned());
            buffer.or_insert_with(|| buffer_bits.to_string());
        }
        rungs
    }

    fn cutting(&self, feeder: &Feeder, rungs: &[Rung]) -> Cutting {
        let rate = feeder.video().rate;
        let part_s = f64::from(self.options.part_ms) / 1000.0;
        Cutting::new(rate, self.options.segment_s, part_s, plan::step(rungs, rate))
    }

    /// Of each encoder.
    fn threads(&self, rungs: &[Rung]) -> usize {
        match self.options.threads {
            0 => (cores() / rungs.len().max(1)).max(1),
            threads => threads,
        }
    }

    /// One track of sound, also where the publisher has none: a microphone that comes later finds its place.
    fn sound(&self, feeder: &Feeder) -> AudioPlan {
        let rung = self.options.ladder.audio.first().cloned().unwrap_or_default();
        let stream = feeder.sound();
        let said = stream.and_then(|stream| stream.language.as_deref());
        let language = said.and_then(text::language::tag);
        AudioPlan {
            name: "audio".to_owned(),
            stream: stream.map_or(0, |stream| stream.index),
            codec: AudioCodec::Aac,
            bitrate_kbps: rung.bitrate_kbps,
            language: text::language::header_code(said.unwrap_or_default()),
            sound: Sound {
                rate: SOUND_RATE,
                channels: rung.channels,
                language,
                label: "Audio".to_owned(),
                is_default: true,
                describes_video: false,
                group: "audio".to_owned(),
            },
        }
    }

    /// One take, from `first` on.
    fn take(&mut self, feeder: &mut Feeder, first: frame::Video) -> Result<TakeEnd, LiveError> {
        let rungs = self.rungs(feeder);
        let cutting = self.cutting(feeder, &rungs);
        let sound = self.sound(feeder);
        let loads: Vec<Load> = rungs.iter().map(|_| Load::default()).collect();
        let delay = Delay::default();
        let wall = feeder.captured(first.pts().unwrap_or(0));
        let epoch = *self.epoch.get_or_insert(wall);
        let shared = Shared {
            cutting: &cutting,
            rungs: &rungs,
            sound: &sound,
            loads: &loads,
            delay: &delay,
            protection: self.protector.as_ref().map(|protector| TakeProtection {
                protector,
                start_s: wall.duration_since(epoch).unwrap_or_default().as_secs_f64(),
                segment_s: cutting.segment_target().as_secs_f64(),
            }),
            wall,
            threads: self.threads(&rungs),
        };
        let tracks = rungs.len() + 1;
        let (delivery, outlets) = Delivery::new(
            tracks,
            wall,
            cutting.part_target(sound.sound.rate),
            cutting.segment_target(),
        );
        let sink = Arc::clone(&self.sink);
        let tell_take = |take: &Take| self.tell(self.describe(take, &cutting));
        let (fed, delivered, coded) = thread::scope(|scope| {
            let deliver = scope.spawn(|| delivery.run(tracks, sink.as_ref(), &delay, &tell_take));
            let mut coders = Coders::default();
            let fed = self.encode(scope, &shared, outlets, &mut coders, feeder, first);
            let coded = coders.join();
            (fed, join(deliver), coded)
        });
        // The sink's word first, then the encoders': what they say is why the rest stopped.
        let has_begun = delivered?;
        if has_begun {
            self.sink.pause();
        }
        coded?;
        fed
    }

    /// Starts the encoders and feeds them until the take ends.
    fn encode<'scope, 'env>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        shared: &'env Shared<'env>,
        outlets: Vec<Outlet>,
        coders: &mut Coders<'scope>,
        feeder: &mut Feeder,
        first: frame::Video,
    ) -> Result<TakeEnd, LiveError> {
        let mut outlets = outlets.into_iter();
        let mut lanes = Vec::new();
        for ((rung, load), outlet) in shared.rungs.iter().zip(shared.loads).zip(&mut outlets) {
            let coder = VideoCoder {
                target: VideoTarget {
                    rung,
                    preset: rung.preset.as_deref().unwrap_or_default(),
                    threads: shared.threads,
                    divisor: shared.cutting.rate().divisor(rung.max_fps),
                    first_frame: 0,
                    source_colour: feeder.video().colour,
                },
                cutting: shared.cutting,
                wall: shared.wall,
                burns_clock: self.options.burns_clock,
                protection: shared.protection.as_ref(),
                load,
            };
            let (queue, frames) = sync_channel(QUEUED_FRAMES);
            coders.spawn(scope, &rung.name, move || coder.run(frames, &outlet))?;
            lanes.push(Lane::new(queue));
        }
        let (queue, frames) = sync_channel(QUEUED_SOUND_FRAMES);
        if let Some(outlet) = outlets.next() {
            coders.spawn(scope, &shared.sound.name, move || {
                let protection = shared.protection.as_ref();
                encode_sound(
                    shared.sound,
                    shared.cutting,
                    shared.wall,
                    protection,
                    frames,
                    &outlet,
                )
            })?;
        }
        let origin = (first.pts().unwrap_or(0), feeder.video().time_base);
        let sound = SoundLine::new(shared.sound, feeder.sound(), origin, Lane::new(queue));
        let pictures = PictureLine::new(&first, feeder.video(), shared.cutting.rate(), shared.rungs, lanes)?;
        Feed::new(self, shared, pictures, sound).run(feeder, first)
    }

    fn describe(&self, take: &Take, cutting: &Cutting) -> LiveEvent {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let part_ms = millis(take.part_target);
        let renditions = take.tracks.iter().map(|track| TakenRendition {
            name: track.name.clone(),
            codecs: track.codecs.clone(),
            bandwidth: track.bandwidth,
        });
        LiveEvent::Take {
            stream: self.name.to_owned(),
            renditions: renditions.collect(),
            frame_rate: cutting.rate().fps(),
            part_ms,
            segment_ms: millis(take.segment_target),
            budget: LatencyBudget {
                frame_ms: (cutting.rate().seconds(1) * 1000.0).ceil() as u64,
                part_ms,
                hold_back_ms: 3 * part_ms,
            },
        }
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Half a second at 30 frames a second; more would only hide that an encoder is too slow.
const QUEUED_FRAMES: usize = 15;
const QUEUED_SOUND_FRAMES: usize = 64;
/// The same in every take, whatever a publisher sends.
const SOUND_RATE: u32 = 48_000;
const AFTER_REFUSAL: Duration = Duration::from_millis(200);
