//! The encoder's key file: `{"keys":[{"label":"video","kid":"…","key":"…","iv":"…","period":0}]}`, hexadecimal digits in each.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ids::{ContentKey, KeyId, KeyLabel, hex};

const MAX_FILE_BYTES: u64 = 16 << 20;

/// Why a key file cannot be used. Nothing of what is in it is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It has no keys.
    #[error("{0} has no keys")]
    Empty(PathBuf),
    /// One of its entries is wrong.
    #[error("{path}, entry {entry}: {what}")]
    Entry {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        entry: usize,
        /// What is wrong.
        what: String,
    },
    /// The system has no random bytes.
    #[error("the system has no random bytes: {0}")]
    NoEntropy(getrandom::Error),
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not of the encoder's form.
    #[error("{path}, line {line} column {column}: not of the form {FORM}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
}

const FORM: &str =
    r#"{"keys":[{"label":"video","kid":"32 hexadecimal digits","key":"32 hexadecimal digits"}]}"#;

/// The keys of a presentation, as `headgate-encode` reads and writes them.
#[derive(Clone, Debug)]
pub struct KeyFile {
    pub(crate) entries: Vec<Entry>,
}

/// A key with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) label: KeyLabel,
    pub(crate) period: u32,
    pub(crate) id: KeyId,
    pub(crate) key: ContentKey,
    /// Kept for the file's other readers; a ClearKey licence has none.
    iv: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    keys: Vec<EntryForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    label: String,
    kid: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iv: Option<String>,
    #[serde(default)]
    period: u32,
}

impl KeyFile {
    /// Reads one.
    ///
    /// # Errors
    /// If it cannot be read, is not of the form, or one label has two keys in a period.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let mut text = String::new();
        fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
            .map_err(|source| KeyFileError::File {
                path: path.to_owned(),
                source,
            })?;
        Self::parse(path, &text)
    }

    /// Reads the text of one; errors name `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, KeyFileError> {
        // The parser's own words may quote a key.
        let file: FileForm = serde_json::from_str(text).map_err(|error| KeyFileError::Form {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        if file.keys.is_empty() {
            return Err(KeyFileError::Empty(path.to_owned()));
        }
        let mut entries = Vec::new();
        let mut places = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (form, number) in file.keys.into_iter().zip(1..) {
            let bad = |what: String| KeyFileError::Entry {
                path: path.to_owned(),
                entry: number,
                what,
            };
            let entry = Entry::read(form).map_err(bad)?;
            if places.insert((entry.label, entry.period), ()).is_some() {
                return Err(bad("its label and period are there already".to_owned()));
            }
            if *keys.entry(entry.id).or_insert(entry.key) != entry.key {
                return Err(bad("its id is there already, with another key".to_owned()));
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }

    /// Adds a crypto period after the last: a new key for each label of that one.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn rotate(&mut self) -> Result<u32, KeyFileError> {
        let last = self.entries.iter().map(|entry| entry.period).max().unwrap_or(0);
        let next = last.saturating_add(1);
        let of_last: Vec<Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.period == last)
            .cloned()
            .collect();
        for entry in of_last {
            let iv = match &entry.iv {
                Some(iv) if iv.len() == 16 => Some(hex(&random::<8>()?)),
                Some(_) => Some(hex(&random::<16>()?)),
                None => None,
            };
            self.entries.push(Entry {
                period: next,
                id: KeyId(random()?),
                key: ContentKey(random()?),
                iv,
                ..entry
            });
        }
        Ok(next)
    }

    /// Writes it in place of what is there, readable for its owner alone.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        let file = FileForm {
            keys: self.entries.iter().map(Entry::form).collect(),
        };
        let write = || -> std::io::Result<()> {
            let mut text = serde_json::to_string_pretty(&file)?;
            text.push('\n');
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            // Made with mode 0600, and in place only when it is whole.
            let mut draft = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            draft.write_all(text.as_bytes())?;
            draft.as_file().sync_all()?;
            draft.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| KeyFileError::File {
            path: path.to_owned(),
            source,
        })
    }
}

impl Entry {
    fn read(form: EntryForm) -> Result<Self, String> {
        let iv = form.iv;
        if iv.as_ref().is_some_and(|iv| {
            ![16, 32].contains(&iv.len()) || !iv.bytes().all(|digit| digit.is_ascii_hexdigit())
        }) {
            return Err("its iv is not 16 or 32 hexadecimal digits".to_owned());
        }
        Ok(Self {
            label: form
                .label
                .parse()
                .map_err(|error| format!("its label is {error}"))?,
            period: form.period,
            id: form.kid.parse().map_err(|error| format!("its kid is {error}"))?,
            key: form.key.parse().map_err(|error| format!("its key is {error}"))?,
            iv,
        })
    }

    fn form(&self) -> EntryForm {
        EntryForm {
            label: self.label.to_string(),
            kid: self.id.to_string(),
            key: self.key.reveal(),
            iv: self.iv.clone(),
            period: self.period,
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeyFileError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyFileError::NoEntropy)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn read(text: &str) -> Result<KeyFile, KeyFileError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        KeyFile::read(file.path())
    }

    fn entry(label: &str, kid: &str) -> String {
        format!(
            r#"{{"label":"{label}","kid":"{}","key":"{KEY}"}}"#,
            kid.repeat(16)
        )
    }

    #[test]
    fn a_bad_file_is_told_without_its_keys() {
        let keys = |entries: &[String]| format!(r#"{{"keys":[{}]}}"#, entries.join(","));
        for (text, expected) in [
            ("{".to_owned(), "not of the form"),
            (keys(&[]), "no keys"),
            (keys(&[entry("both", "00")]), "entry 1: its label is not one of"),
            (
                keys(&[entry("sd", "00"), entry("sd", "11")]),
                "entry 2: its label and period",
            ),
            (
                keys(&[
                    entry("sd", "00"),
                    entry("hd", "00").replace(KEY, &KEY.replace('0', "1")),
                ]),
                "with another key",
            ),
            (
                keys(&[entry("sd", "00").replace(KEY, "0123456789abcde")]),
                "its key is not a key",
            ),
            (keys(&[entry("sd", "00").replace("kid", KEY)]), "not of the form"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(
                error.contains(expected) && !error.contains("0123456789"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_period_is_added_with_new_keys() {
        let text = format!(r#"{{"keys":[{},{}]}}"#, entry("audio", "00"), entry("hd", "11"));
        let mut file = read(&text).unwrap();
        assert_eq!(file.rotate().unwrap(), 1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        file.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = KeyFile::read(&path).unwrap();
        assert_eq!(again.entries.len(), 4);
        let [old, _, new, _] = again.entries.as_slice() else {
            panic!()
        };
        assert_eq!((new.label, new.period), (old.label, 1));
        assert!(new.id != old.id && new.key != old.key);
    }
}
