//! What runs in the demuxing thread while a take lasts: frames to the encoders, each when it is its turn.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ffmpeg_next::frame;

use super::{LiveEncoder, Shared, TakeEnd};
use crate::live::encode::{PictureLine, Refusal, SoundLine, Verdict, Watch};
use crate::live::event::EncoderStatus;
use crate::live::ingest::{Fed, Feeder};
use crate::live::{LiveError, LiveEvent};

/// What feeds the encoders of one take.
pub(super) struct Feed<'a> {
    encoder: &'a LiveEncoder<'a>,
    shared: &'a Shared<'a>,
    pictures: PictureLine,
    sound: SoundLine<'a>,
    began: Instant,
    /// How long ago the first picture was captured then.
    behind_at_begin: Duration,
    watch: Watch,
    reported: Instant,
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        encoder: &'a LiveEncoder<'a>,
        shared: &'a Shared<'a>,
        pictures: PictureLine,
        sound: SoundLine<'a>,
    ) -> Self {
        Self {
            encoder,
            shared,
            pictures,
            sound,
            began: Instant::now(),
            behind_at_begin: SystemTime::now().duration_since(shared.wall).unwrap_or_default(),
            watch: Watch::new(Instant::now()),
            reported: Instant::now(),
        }
    }

    /// Feeds the encoders from `first` on until the take ends.
    pub(super) fn run(mut self, feeder: &mut Feeder, first: frame::Video) -> Result<TakeEnd, LiveError> {
        let mut fed = Some(Fed::Picture(first));
        let end = loop {
            let result = match fed.take() {
                Some(Fed::Picture(picture)) => match self.pictures.place(&picture) {
                    Some(at) => self.picture(feeder, picture, at),
                    None => break TakeEnd::Jump(picture),
                },
                Some(Fed::Sound(sound)) => self.sound.push(sound).map(|()| Verdict::Fine),
                None => break TakeEnd::Over,
            };
            match result {
                _ if self.encoder.options.cancel.is_cancelled() => break TakeEnd::Over,
                Ok(Verdict::Overloaded) if !self.encoder.options.keeps_rungs => break TakeEnd::Overloaded,
                Ok(Verdict::Late) if !feeder.is_file() => break TakeEnd::Late,
                Ok(_) => {}
                // The others are done, and say why.
                Err(Refusal::EncoderGone) => return Ok(TakeEnd::Over),
                Err(Refusal::Failed(error)) => return Err(error.into()),
            }
            fed = feeder.next()?;
        };
        match self.pictures.finish().and_then(|()| self.sound.finish()) {
            Err(Refusal::Failed(error)) => Err(error.into()),
            Ok(()) | Err(Refusal::EncoderGone) => Ok(end),
        }
    }

    fn picture(&mut self, feeder: &Feeder, picture: frame::Video, at: i64) -> Result<Verdict, Refusal> {
        let seconds = self.pictures.seconds(at);
        let lead_s = match feeder.is_file() {
            true => 0.0,
            false => MOST_AHEAD_S,
        };
        self.wait_until(seconds - lead_s);
        self.pictures.push(picture, at)?;
        let slack_s = match feeder.sound() {
            Some(_) => SOUND_SLACK_S,
            None => 0.0,
        };
        self.sound.fill(seconds - slack_s)?;
        self.report(seconds);
        let behind_s = self.now_s() - seconds;
        Ok(self.watch.note(Instant::now(), behind_s, self.pictures.blocked()))
    }

    /// Seconds since media time 0 was captured.
    fn now_s(&self) -> f64 {
        (self.began.elapsed() + self.behind_at_begin).as_secs_f64()
    }

    /// Waits until what is at `seconds` of media time would be captured.
    fn wait_until(&self, seconds: f64) {
        while !self.encoder.options.cancel.is_cancelled() {
            let left_s = seconds - self.now_s();
            if left_s <= 0.0 {
                return;
            }
            thread::sleep(Duration::from_secs_f64(left_s).min(LONGEST_SLEEP));
        }
    }

    fn report(&mut self, seconds: f64) {
        if self.reported.elapsed() < REPORT_EVERY {
            return;
        }
        self.reported = Instant::now();
        let encoders = self.shared.rungs.iter().zip(self.shared.loads);
        let encoders = encoders.map(|(rung, load)| EncoderStatus {
            name: rung.name.clone(),
            frames: load.frames(),
            frame_ms: load.mean().as_secs_f64() * 1000.0,
        });
        self.encoder.tell(LiveEvent::Status {
            stream: self.encoder.name.to_owned(),
            media_s: seconds,
            behind_ms: ((self.now_s() - seconds) * 1000.0) as i64,
            part_delay_ms: self.shared.delay.take(),
            blocked_ms: u64::try_from(self.pictures.blocked().as_millis()).unwrap_or(u64::MAX),
            encoders: encoders.collect(),
        });
    }
}

/// How far sound may lie behind the pictures it belongs to before there is silence in its place.
const SOUND_SLACK_S: f64 = 0.5;
/// A publisher that sends faster than time goes is not waited for: it waits.
const MOST_AHEAD_S: f64 = 1.0;
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
const REPORT_EVERY: Duration = Duration::from_secs(1);
