//! Logs: every input with its time, every output, one JSON object a line.
//!
//! The first line is a [`Header`], the others are [`Line`]s. A log of a driver anywhere replays with
//! [`replay`] to the same outputs, byte for byte: the engine has no other inputs.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::abr::Abr;
use crate::{Config, Input, Instant, Output, Player, json};

/// The version of the log format.
pub const LOG_VERSION: u32 = 1;

/// The first line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`LOG_VERSION`].
    pub headgate_log: u32,
    /// Version of the engine that wrote it.
    pub engine: String,
    /// Its configuration.
    pub config: Config,
    /// When the player was made.
    pub start: Instant,
    /// Name of the algorithm, if it was given to [`Player::with_abr`] and is not the one that the configuration names: then a replay
    /// needs it, too ([`replay_with`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
}

impl Header {
    /// The header for a player of this engine.
    pub fn new(config: Config, start: Instant) -> Self {
        Self {
            headgate_log: LOG_VERSION,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            config,
            start,
            algorithm: None,
        }
    }
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// An input at a time.
    In(Instant, Input),
    /// An output, between the input before it and the input after it.
    Out(Output),
}

/// As [`Line`], of what somebody else has.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum LineOf<'a> {
    In(Instant, &'a Input),
    Out(&'a Output),
}

/// Why a log could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The log was made with an algorithm that is not at hand.
    #[error("the log was made with the algorithm \"{0}\", which is not at hand here")]
    Algorithm(String),
    /// The log could not be read, or the output not be written.
    #[error("reading the log or writing the outputs failed: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {line} of the log is malformed: {source}")]
    Malformed {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The log is empty, or its first line is no header of this version.
    #[error("this is not a Headgate log of version {LOG_VERSION}: its first line must be a header")]
    NoHeader,
}

/// How a replay went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Inputs replayed.
    pub inputs: usize,
    /// Outputs that the engine gave.
    pub outputs: usize,
    /// Number of the first line of the log whose output differs from what the engine says now, if any does.
    pub first_difference: Option<usize>,
}

/// Feeds the inputs of a log to a new player, writes the complete log (header, inputs, new outputs) to `out`, and compares
/// the outputs with those in the log, if it has any.
///
/// # Errors
/// If the log is malformed, names an algorithm that is none of the engine's, or `log` or `out` fail.
pub fn replay(log: impl BufRead, out: impl Write) -> Result<Replay, ReplayError> {
    replay_with(log, out, |_| None)
}

/// As [`replay`], with the algorithm that `abr` gives for the header; `None` is the one that the configuration names.
///
/// # Errors
/// As [`replay`], and if the header names an algorithm and `abr` gives none.
pub fn replay_with(
    log: impl BufRead,
    mut out: impl Write,
    abr: impl FnOnce(&Header) -> Option<Box<dyn Abr>>,
) -> Result<Replay, ReplayError> {
    let mut lines = log.lines().enumerate().map(|(i, line)| (i + 1, line));
    let first = lines.next().ok_or(ReplayError::NoHeader)?.1?;
    let header: Header = serde_json::from_str(&first).map_err(|_| ReplayError::NoHeader)?;
    if header.headgate_log != LOG_VERSION {
        return Err(ReplayError::NoHeader);
    }
    write_line(&mut out, &header)?;
    let mut player = match (abr(&header), header.algorithm) {
        (Some(abr), _) => Player::with_abr(header.config, abr, header.start),
        (None, None) => Player::new(header.config, header.start),
        (None, Some(name)) => return Err(ReplayError::Algorithm(name)),
    };
    let mut result = Replay::default();
    let mut expected: Vec<(usize, String)> = Vec::new();
    let mut given: Vec<Output> = Vec::new();
    let mut saw_outputs = false;
    for (number, line) in lines {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        let parsed =
            serde_json::from_str(&line).map_err(|source| ReplayError::Malformed { line: number, source })?;
        match parsed {
            Line::Out(_) => {
                saw_outputs = true;
                expected.push((number, line));
            }
            Line::In(now, input) => {
                if saw_outputs {
                    compare(&mut result, &expected, &given, number);
                }
                expected.clear();
                given.clear();
                result.inputs += 1;
                write_line(&mut out, &LineOf::In(now, &input))?;
                player.handle_input(now, input);
                loop {
                    let output = player.poll_output();
                    let last = matches!(output, Output::Wait(_));
                    result.outputs += 1;
                    write_line(&mut out, &LineOf::Out(&output))?;
                    given.push(output);
                    if last {
                        break;
                    }
                }
            }
        }
    }
    if saw_outputs {
        compare(&mut result, &expected, &given, usize::MAX);
    }
    Ok(result)
}

fn compare(result: &mut Replay, expected: &[(usize, String)], given: &[Output], next: usize) {
    if result.first_difference.is_some() {
        return;
    }
    for (i, (number, line)) in expected.iter().enumerate() {
        let same = match given.get(i) {
            Some(output) => json::to_string(&LineOf::Out(output)) == *line,
            None => false,
        };
        if !same {
            result.first_difference = Some(*number);
            return;
        }
    }
    if given.len() > expected.len() {
        result.first_difference = Some(expected.last().map_or(next, |(number, _)| number + 1));
    }
}

/// Writes one line of a log.
///
/// # Errors
/// If `out` fails.
pub fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = json::to_string(line);
    text.push('\n');
    out.write_all(text.as_bytes())
}

/// Adds the first line of a log.
pub fn add_header(log: &mut String, header: &Header) {
    json::write(log, header);
    log.push('\n');
}

/// Adds the line of an input.
pub fn add_input(log: &mut String, now: Instant, input: &Input) {
    json::write(log, &LineOf::In(now, input));
    log.push('\n');
}

/// Adds the line of an output.
pub fn add_output(log: &mut String, output: &Output) {
    json::write(log, &LineOf::Out(output));
    log.push('\n');
}
