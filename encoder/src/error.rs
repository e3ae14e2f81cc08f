//! What can go wrong, each with the thing's name and the next step.

use std::io;
use std::path::{Path, PathBuf};

use crate::storage::Location;

/// Why a video could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A key, its identifier or its initialization vector cannot be used. Their values are never in the text.
    #[error("{what}: {reason}")]
    BadKey {
        /// Which one.
        what: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The ladder is not one that can be encoded.
    #[error(
        "ladder {ladder:?}: {reason}; write it as 720p:2500k,360p:600k,audio:128k or name a JSON file of that form"
    )]
    BadLadder {
        /// The ladder as it was given.
        ladder: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another option has a value that cannot be used.
    #[error("{option} {value:?}: {reason}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// The value that was given.
        value: String,
        /// What would be right.
        reason: String,
    },
    /// Another process uses the same folder.
    #[error("{} is in use by another headgate-encode; wait for it, or choose another folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The caller asked to stop; nothing was left behind.
    #[error("stopped before the end; no output was written")]
    Cancelled,
    /// The system refused a thread.
    #[error(
        "no thread could be started ({source}); raise the limit on processes (`ulimit -u`) or encode fewer renditions at once"
    )]
    NoThread {
        /// What the system said.
        source: io::Error,
    },
    /// A stream's codec has no decoder here.
    #[error(
        "{}: the {kind} codec {codec} cannot be decoded here ({source}); convert it first, for example to H.264 and AAC",
        path.display()
    )]
    Decoder {
        /// The input.
        path: PathBuf,
        /// "video" or "audio".
        kind: &'static str,
        /// The codec's name.
        codec: String,
        /// FFmpeg's reason.
        source: ffmpeg_next::Error,
    },
    /// An encoder could not be opened or failed while it ran.
    #[error(
        "rendition {rendition}: the {codec} encoder failed ({source}); check that FFmpeg here has {codec}"
    )]
    Encoder {
        /// The rendition that was being encoded.
        rendition: String,
        /// The encoder's name.
        codec: &'static str,
        /// FFmpeg's reason.
        source: ffmpeg_next::Error,
    },
    /// A filter graph could not be built or failed while it ran.
    #[error("the filters {graph:?} failed ({source}); check that FFmpeg here has them (`ffmpeg -filters`)")]
    Filter {
        /// The graph in FFmpeg's notation.
        graph: String,
        /// FFmpeg's reason.
        source: ffmpeg_next::Error,
    },
    /// The input is a folder.
    #[error("{} is a folder; name one video file", path.display())]
    InputIsFolder {
        /// The input.
        path: PathBuf,
    },
    /// The input is a playlist, a manifest or a script that refers to other files.
    #[error("{} is {what}, not a video; name the video file itself", path.display())]
    InputIsPlaylist {
        /// The input.
        path: PathBuf,
        /// What kind of playlist.
        what: &'static str,
    },
    /// The input is a URL.
    #[error("{url} is a URL; download the video and name the file")]
    InputIsUrl {
        /// The input.
        url: String,
    },
    /// The input does not exist.
    #[error("{} was not found; check the path", path.display())]
    InputMissing {
        /// The input.
        path: PathBuf,
    },
    /// The input may not be read.
    #[error("{} cannot be read ({source}); check its permissions", path.display())]
    InputUnreadable {
        /// The input.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A job file says something that cannot be done.
    #[error("{} line {line}: {reason}", path.display())]
    JobFile {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The job, the option and what is wrong with it.
        reason: String,
    },
    /// A key file cannot be read or written. Its content is never in the text.
    #[error("key file {}: {reason}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// What was uploaded could not all be removed again after a failure.
    #[error(
        "{source}; {left} uploaded objects are still under {location}, where no manifest names them: remove them yourself"
    )]
    LeftBehind {
        /// Where they are.
        location: String,
        /// How many.
        left: usize,
        /// What had failed.
        source: Box<Self>,
    },
    /// A manifest could not be written down.
    #[error("{manifest} could not be written ({reason}); please report this")]
    Manifest {
        /// Which manifest.
        manifest: String,
        /// Why.
        reason: String,
    },
    /// The system has no random bytes to make keys of.
    #[error("no keys can be made ({source}); give them in a key file")]
    NoEntropy {
        /// The system's reason.
        source: getrandom::Error,
    },
    /// Videos that are to be packaged together cannot be switched between.
    #[error(
        "rendition {rendition} has no key frame near {at_s:.1} s where the others have one; encode all of them with the same \
         key frames"
    )]
    NotAligned {
        /// The rendition.
        rendition: String,
        /// Where a key frame was expected, in seconds.
        at_s: f64,
    },
    /// An encoding cannot be compared with the source.
    #[error("{} cannot be compared: {reason}", path.display())]
    NotComparable {
        /// The encoding.
        path: PathBuf,
        /// What it lacks, and what to do.
        reason: String,
    },
    /// The input has streams, but nothing in them could be decoded.
    #[error("{}: no picture or sound could be decoded; check that the file is complete (`ffprobe` shows what it holds)", path.display())]
    NoFrames {
        /// The input.
        path: PathBuf,
    },
    /// The input is a media file without pictures and without sound.
    #[error("{} has neither a video nor an audio stream; name another file", path.display())]
    NoStreams {
        /// The input.
        path: PathBuf,
    },
    /// The input is not a media file that can be read.
    #[error(
        "{} is not a video or audio file that can be read here ({source}); check it with `ffprobe`, or convert it to MP4",
        path.display()
    )]
    NotMedia {
        /// The input.
        path: PathBuf,
        /// FFmpeg's reason.
        source: ffmpeg_next::Error,
    },
    /// The output is there already.
    #[error("{location} already exists; choose another place, or give --force to replace it")]
    OutputExists {
        /// The output's place.
        location: Location,
    },
    /// The output folder to be replaced was not written by this program, or holds the input.
    #[error("{} will not be replaced: {reason}; choose another folder or remove it yourself", path.display())]
    OutputNotOurs {
        /// The output folder.
        path: PathBuf,
        /// Why it is left alone.
        reason: &'static str,
    },
    /// Something in the output could not be written.
    #[error("{} cannot be written ({source}); check permissions and free space", path.display())]
    OutputUnwritable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// An encoder gave a packet that the packager cannot place.
    #[error("rendition {rendition}: {reason}; please report this with the source")]
    Packaging {
        /// The rendition.
        rendition: String,
        /// What was unexpected.
        reason: String,
    },
    /// What an encoding left to be packaged cannot be read.
    #[error("{}: {reason}; encode it again", path.display())]
    Piece {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Parts of a divided encoding are not there.
    #[error("not yet encoded: {}; encode them, or name the folders that hold them", missing.join(", "))]
    PiecesMissing {
        /// Renditions and chunks.
        missing: Vec<String>,
    },
    /// Folders to be joined are of different encodings.
    #[error("{} and {} are of different sources or settings; encode with the same ones", one.display(), other.display())]
    PlansDiffer {
        /// A folder.
        one: PathBuf,
        /// Another.
        other: PathBuf,
    },
    /// The input broke off while it was read.
    #[error("{} could not be read to its end ({source}); check the disk and that the file is complete", path.display())]
    ReadFailed {
        /// The input.
        path: PathBuf,
        /// FFmpeg's reason.
        source: ffmpeg_next::Error,
    },
    /// An object store refused a request or cannot be reached.
    #[error("{location}: {reason}")]
    Storage {
        /// The place in the store.
        location: String,
        /// What it said and what to do, without anything secret.
        reason: String,
    },
}

impl EncodeError {
    /// Whether the output's place failed, so that what was encoded is of use for another try.
    pub(crate) fn is_of_output(&self) -> bool {
        match self {
            Self::OutputUnwritable { .. } | Self::Storage { .. } => true,
            Self::LeftBehind { source, .. } => source.is_of_output(),
            _ => false,
        }
    }

    pub(crate) fn unwritable(path: &Path, source: io::Error) -> Self {
        Self::OutputUnwritable {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn packaging(rendition: &str, reason: impl Into<String>) -> Self {
        Self::Packaging {
            rendition: rendition.to_owned(),
            reason: reason.into(),
        }
    }
}

/// An error and its causes on one line, without those that the text before them has named already.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .fold(String::new(), |text, cause| match text {
            text if text.is_empty() => cause,
            text if text.contains(&cause) => text,
            text => format!("{text}: {cause}"),
        })
}
