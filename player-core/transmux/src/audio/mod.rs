//! Sound: frames are found in a stream of bytes and put on a timeline of samples, holes filled with silence.

pub(crate) mod ac3;
pub(crate) mod adts;
pub(crate) mod frames;
pub(crate) mod mpeg;
pub(crate) mod silence;
pub(crate) mod track;

/// How sound is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Aac,
    Ac3,
    Eac3,
    Mpeg,
}

/// What a frame's header says that an initialization section must say, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Samples a second.
    pub(crate) rate: u32,
    pub(crate) channels: u8,
    pub(crate) detail: Detail,
}

/// What only one coding has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    Aac {
        /// Audio object type.
        object_type: u8,
        rate_index: u8,
        /// `channel_configuration`, 0 if it is inside the frames.
        channel_configuration: u8,
    },
    /// The box `dac3` without its header.
    Ac3([u8; 3]),
    /// See [`ac3::dec3`].
    Eac3([u8; 6]),
    Mpeg {
        /// 1 to 3.
        layer: u8,
        /// One of the three rates of MPEG-1.
        first: bool,
    },
}

impl Description {
    /// As in RFC 6381.
    pub(crate) fn codec(&self) -> String {
        match self.detail {
            Detail::Aac { object_type, .. } => ["mp4a.40.", &object_type.to_string()].concat(),
            Detail::Ac3(_) => "ac-3".into(),
            Detail::Eac3(..) => "ec-3".into(),
            Detail::Mpeg { layer: 3, .. } => "mp3".into(),
            Detail::Mpeg { first: true, .. } => "mp4a.6B".into(),
            Detail::Mpeg { .. } => "mp4a.69".into(),
        }
    }
}
