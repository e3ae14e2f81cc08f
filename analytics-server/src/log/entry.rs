//! What the log holds, in the order in which it was acknowledged: beacons, and what is to be deleted of those before.

use serde::{Deserialize, Serialize};

use super::record::{self, Record};
use crate::id::Id;

/// The first byte of a deletion.
const DELETION: u8 = 3;

/// What has an offset in the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// On the heap: it goes through five hands, and is more than a kilobyte.
    Beacon(Box<Record>),
    Deletion(Deletion),
}

/// What the operator wants to be gone: of the past, so that what comes later is stored again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    /// When it was asked for, by the server's clock.
    pub(crate) at_ms: i64,
    /// Only of this site.
    pub(crate) site: Option<String>,
    pub(crate) of: Deleted,
}

/// Whose views are deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Deleted {
    /// The view with this id.
    View(String),
    /// All views of a viewer.
    Viewer {
        /// As the application calls the viewer.
        viewer_id: String,
        /// Site, and what the id is stored as where it hashes ids.
        hashed: Vec<(String, String)>,
    },
}

impl Deletion {
    /// Whether a view of this site is meant, if it is the view's or the viewer's id.
    pub(crate) fn is_of_site(&self, site: &str) -> bool {
        self.site.as_deref().is_none_or(|own| own == site)
    }

    /// Whether this view is to be deleted.
    pub(crate) fn is_of(&self, site: &str, view_id: Id, viewer_id: &str) -> bool {
        self.is_of_site(site)
            && match &self.of {
                Deleted::View(id) => Id::parse(id) == Some(view_id),
                Deleted::Viewer {
                    viewer_id: plain,
                    hashed,
                } => viewer_id == plain || hashed.iter().any(|(of, hash)| of == site && hash == viewer_id),
            }
    }
}

impl Entry {
    /// Adds the entry to a group: its length, then its bytes.
    pub(crate) fn encode(&self, group: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let start = group.len();
        group.extend([0; 4]);
        match self {
            Self::Beacon(record) => record.encode(group)?,
            Self::Deletion(deletion) => {
                group.push(DELETION);
                serde_json::to_writer(&mut *group, deletion)?;
            }
        }
        let len = (group.len() - start - 4) as u32;
        if let Some(place) = group.get_mut(start..start + 4) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&record::FORMAT, rest) => Record::decode(rest).map(Self::from),
            (&DELETION, rest) => serde_json::from_slice(rest).ok().map(Self::Deletion),
            _ => None,
        }
    }

    /// About as many bytes as it takes.
    pub(super) fn size_hint(&self) -> usize {
        match self {
            Self::Beacon(record) => record.events.len() + 1024,
            Self::Deletion(_) => 1024,
        }
    }
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self::Beacon(Box::new(record))
    }
}

impl From<Deletion> for Entry {
    fn from(deletion: Deletion) -> Self {
        Self::Deletion(deletion)
    }
}

/// The entries of a group one after the other; `None` for one that cannot be read. What follows a length that cannot be
/// is one of those.
pub(crate) fn decode_group(mut group: &[u8]) -> impl Iterator<Item = Option<Entry>> {
    std::iter::from_fn(move || {
        if group.is_empty() {
            return None;
        }
        let framed = group
            .split_first_chunk()
            .and_then(|(len, rest)| rest.split_at_checked(u32::from_le_bytes(*len) as usize));
        let (entry, rest) = framed.unwrap_or_default();
        group = rest;
        Some(Entry::decode(entry))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::{beacon, view_id};

    #[test]
    fn groups_come_back_and_what_is_broken_ends_them() {
        let deletion = Deletion {
            at_ms: -5,
            site: Some("test".into()),
            of: Deleted::Viewer {
                viewer_id: "anna".into(),
                hashed: vec![("test".into(), "id:x".into())],
            },
        };
        let entries: [Entry; 3] = [
            Record::new(7, Some(*b"DE"), beacon(1, 0)).unwrap().into(),
            deletion.into(),
            Record::new(8, None, beacon(2, 1)).unwrap().into(),
        ];
        let mut group = Vec::new();
        for entry in &entries {
            entry.encode(&mut group).unwrap();
        }
        let read: Vec<_> = decode_group(&group).map(Option::unwrap).collect();
        assert_eq!(read, entries);
        for end in 0..group.len() {
            assert!(decode_group(&group[..end]).count() <= 3);
        }
        group[4] = 99;
        assert_eq!(decode_group(&group).next(), Some(None));
    }

    #[test]
    fn a_deletion_is_of_its_site_and_of_both_forms_of_an_id() {
        let id = Id::parse(&view_id(1)).unwrap();
        let mut deletion = Deletion {
            at_ms: 0,
            site: None,
            of: Deleted::Viewer {
                viewer_id: "anna".into(),
                hashed: vec![("a".into(), "id:a".into()), ("b".into(), "id:b".into())],
            },
        };
        assert!(deletion.is_of("a", id, "anna") && deletion.is_of("c", id, "anna"));
        assert!(deletion.is_of("a", id, "id:a") && !deletion.is_of("a", id, "id:b"));
        assert!(!deletion.is_of("a", id, "bert") && !deletion.is_of("a", id, ""));
        deletion.site = Some("a".into());
        assert!(!deletion.is_of("b", id, "anna"));
        deletion.of = Deleted::View(view_id(1));
        assert!(deletion.is_of("a", id, "bert") && !deletion.is_of("b", id, "bert"));
        assert!(!deletion.is_of("a", Id::default(), "bert"));
    }
}
