//! What goes wrong with a CDM or its licence server.

use std::fmt;
use std::str::FromStr;

use crate::faults::FaultKind;

/// What goes wrong, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: CdmFault,
    /// How often; `None` means always.
    pub times: Option<u32>,
}

/// What goes wrong with a CDM or its licence server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CdmFault {
    /// The key system cannot be had.
    Access,
    /// Its `MediaKeys` cannot be set on the element.
    Attach,
    /// A session cannot be made.
    Session,
    /// A request for a licence goes wrong.
    Licence(FaultKind),
    /// A licence is refused.
    Update,
}

impl CdmFault {
    /// What may happen to a request for a licence.
    pub const LICENCE: [FaultKind; 7] = [
        FaultKind::Break,
        FaultKind::Empty,
        FaultKind::Html,
        FaultKind::Refuse,
        FaultKind::RetryAfter,
        FaultKind::Timeout,
        FaultKind::Truncate,
    ];
}

impl fmt::Display for CdmFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access => f.write_str("access"),
            Self::Attach => f.write_str("attach"),
            Self::Session => f.write_str("session"),
            Self::Licence(kind) => write!(f, "licence-{kind}"),
            Self::Update => f.write_str("update"),
        }
    }
}

impl FromStr for CdmFault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(kind) = text.strip_prefix("licence-") {
            let kind = kind.parse()?;
            let is_known = matches!(kind, FaultKind::Status(_)) || Self::LICENCE.contains(&kind);
            return is_known.then_some(Self::Licence(kind)).ok_or(());
        }
        let named = [Self::Access, Self::Attach, Self::Session, Self::Update];
        named
            .into_iter()
            .find(|fault| fault.to_string() == text)
            .ok_or(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        self.times.map_or(Ok(()), |times| write!(f, "x{times}"))
    }
}
