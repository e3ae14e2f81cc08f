//! A bounded log of what went in and out of the engine.

use player_core::record::{self, Header};
use player_core::{Config, Input, Instant, Output};

/// More than an hour of playback.
const LIMIT_BYTES: usize = 8 << 20;

/// Writes a log until it is full, and ends it after the outputs of a whole input, so that it replays to the end.
#[derive(Debug)]
pub(crate) struct Recorder {
    text: String,
    limit: usize,
    /// Where the input begins that is being written.
    last_input: usize,
    full: bool,
}

impl Recorder {
    pub(crate) fn new(config: &Config, start: Instant) -> Self {
        Self::with_limit(config, start, LIMIT_BYTES)
    }

    fn with_limit(config: &Config, start: Instant, limit: usize) -> Self {
        let mut recorder = Self {
            text: String::new(),
            limit,
            last_input: 0,
            full: false,
        };
        recorder.write(|log| record::add_header(log, &Header::new(config.clone(), start)));
        recorder.last_input = recorder.text.len();
        recorder
    }

    pub(crate) fn input(&mut self, now: Instant, input: &Input) {
        if !self.full {
            self.last_input = self.text.len();
            self.write(|log| record::add_input(log, now, input));
        }
    }

    pub(crate) fn output(&mut self, output: &Output) {
        if !self.full {
            self.write(|log| record::add_output(log, output));
        }
    }

    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }

    fn write(&mut self, add: impl FnOnce(&mut String)) {
        add(&mut self.text);
        if self.text.len() > self.limit {
            self.full = true;
            self.text.truncate(self.last_input);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use player_core::Player;
    use player_core::input::Load;

    fn record(limit: usize, ticks: u64) -> Recorder {
        let config = Config {
            seed: 7,
            ..Config::default()
        };
        let mut recorder = Recorder::with_limit(&config, Instant::ZERO, limit);
        let mut player = Player::new(config, Instant::ZERO);
        let load = Input::Load(Load {
            url: "https://a.example/master.m3u8".into(),
            ..Load::default()
        });
        for (i, input) in std::iter::once(load)
            .chain((0..ticks).map(|_| Input::Tick))
            .enumerate()
        {
            let now = Instant::from_micros(i as u64 * 1000);
            recorder.input(now, &input);
            player.handle_input(now, input);
            loop {
                let output = player.poll_output();
                recorder.output(&output);
                if matches!(output, Output::Wait(_)) {
                    break;
                }
            }
        }
        recorder
    }

    #[test]
    fn a_log_replays_without_a_difference() {
        let log = record(LIMIT_BYTES, 3).text();
        let mut again = Vec::new();
        let replay = record::replay(log.as_bytes(), &mut again).unwrap();
        assert_eq!((replay.inputs, replay.first_difference), (4, None));
        assert_eq!(String::from_utf8(again).unwrap(), log);
    }

    #[test]
    fn a_full_log_ends_with_a_whole_input_and_still_replays() {
        let limit = 4000;
        let log = record(limit, 200).text();
        assert!(log.len() <= limit && log.len() > limit / 2, "{} bytes", log.len());
        assert!(log.lines().last().unwrap().contains("wait"), "{log}");
        let replay = record::replay(log.as_bytes(), std::io::sink()).unwrap();
        assert!(replay.inputs > 1);
        assert_eq!(replay.first_difference, None);
    }
}
