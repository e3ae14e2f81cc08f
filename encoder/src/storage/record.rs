//! The note that an output carries about how it was made.

use serde::{Deserialize, Serialize};

use crate::error::EncodeError;

/// Its place in a video's folder.
pub(crate) const PATH: &str = "headgate.json";

/// Which job an output is of, and which objects belong to it: so that a finished job is known, and so that replacing an
/// output removes its objects and no others. It holds no settings, names of inputs or keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    made_by: String,
    /// Of the source and the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    /// Relative names, sorted; none for a folder, which is replaced as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<String>,
}

impl Record {
    pub(crate) fn new(fingerprint: Option<&str>, mut files: Vec<String>) -> Self {
        files.sort();
        files.dedup();
        Self {
            version: VERSION,
            made_by: concat!("headgate-encode ", env!("CARGO_PKG_VERSION")).to_owned(),
            fingerprint: fingerprint.map(str::to_owned),
            files,
        }
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, EncodeError> {
        serde_json::to_vec(self).map_err(|error| EncodeError::Manifest {
            manifest: PATH.to_owned(),
            reason: error.to_string(),
        })
    }

    /// None for what is no record of this version. Names that lead out of the output are left out.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let mut record: Self = serde_json::from_slice(json).ok()?;
        let is_inside = |name: &String| {
            name.split('/')
                .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\\'))
        };
        record.files.retain(is_inside);
        (record.version == VERSION).then_some(record)
    }
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_record_is_read_back_and_names_nothing_outside() {
        let record = Record::new(Some("abc"), vec!["b/1.m4s".to_owned(), "a/1.m4s".to_owned()]);
        let json = record.to_json().unwrap();
        assert_eq!(Record::parse(&json).unwrap(), record);
        assert_eq!(record.files, ["a/1.m4s", "b/1.m4s"]);
        let text = String::from_utf8(json).unwrap();
        let hostile = text.replace("a/1.m4s", "../../a");
        assert_eq!(Record::parse(hostile.as_bytes()).unwrap().files, ["b/1.m4s"]);
        assert_eq!(
            Record::parse(text.replace("\"version\":1", "\"version\":9").as_bytes()),
            None
        );
        assert_eq!(Record::parse(b"{}"), None);
    }
}
