//! Who watches, as far as that may be known.
//!
//! An application may name a viewer by a pseudonym of its own. Where it does not, the viewer gets one of a day: the HMAC-SHA256
//! of site, address and user agent, by a salt that is made at random each day (UTC) and destroyed within 48 hours. After that
//! nobody, the operator included, can tell whose it was, nor whether the viewer came back. Who asks not to be followed (`DNT: 1`,
//! `Sec-GPC: 1`) gets no pseudonym, and the application's is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;

use super::Caller;

const DAY_MS: i64 = 86_400_000;
/// A day's salt and the one of the day before: views go on past midnight.
const KEEP_DAYS: i64 = 2;
/// What a pseudonym of a day begins with; an application's ids do not.
const OF_DAY: &str = "day:";
/// What the hash of an application's id begins with.
const HASHED: &str = "id:";
/// Bytes of a hash that are kept: enough that two viewers of a site never share one.
const HASH_BYTES: usize = 12;

/// Makes pseudonyms.
pub(super) struct Viewers {
    /// Of a day; nothing if the operator does not want them.
    salts: Option<Mutex<Salts>>,
    /// For applications' ids: the same for ever, so that they can be found to be deleted.
    key: hmac::Key,
}

/// The salts that are not destroyed yet.
struct Salts {
    path: PathBuf,
    /// Day since 1970 (UTC) and salt, the oldest first.
    days: Vec<(i64, [u8; 32])>,
}

impl Viewers {
    pub(super) fn open(data_dir: &Path, daily: bool, now_ms: i64) -> io::Result<Self> {
        let salts = data_dir.join("viewer-salts");
        let salts = if daily {
            let mut salts = Salts::read(salts)?;
            salts.of(now_ms.div_euclid(DAY_MS))?;
            Some(Mutex::new(salts))
        } else {
            remove(&salts)?;
            None
        };
        let key = key(&data_dir.join("viewer-key"))?;
        Ok(Self { salts, key })
    }

    /// Replaces an application's id of a viewer by what may be kept. `began_ms` is when the view began.
    pub(super) fn pseudonym(
        &self,
        site: &str,
        hash_ids: bool,
        caller: &Caller,
        viewer_id: &mut String,
        began_ms: i64,
        now_ms: i64,
    ) {
        if caller.opted_out {
            viewer_id.clear();
        } else if viewer_id.is_empty() {
            if let Some(id) = self.of_day(site, caller, began_ms, now_ms) {
                *viewer_id = id;
            }
        } else if hash_ids {
            *viewer_id = self.hashed(site, viewer_id);
        }
    }

    /// What an application's id is stored as where ids are hashed.
    pub(super) fn hashed(&self, site: &str, viewer_id: &str) -> String {
        name(HASHED, &self.key, &[site, viewer_id])
    }

    fn of_day(&self, site: &str, caller: &Caller, began_ms: i64, now_ms: i64) -> Option<String> {
        let address: IpAddr = caller.address?;
        let today = now_ms.div_euclid(DAY_MS);
        // One name for the whole view.
        let day = began_ms.div_euclid(DAY_MS).clamp(today - 1, today);
        let mut salts = self
            .salts
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let salt = salts.of(today).map(|salt| salts.find(day).unwrap_or(salt));
        match salt {
            Ok(salt) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &salt);
                Some(name(
                    OF_DAY,
                    &key,
                    &[site, &address.to_string(), &caller.user_agent],
                ))
            }
            Err(error) => {
                tracing::error!(%error, "the salts of viewers cannot be kept; views go without a viewer");
                None
            }
        }
    }
}

impl Salts {
    fn read(path: PathBuf) -> io::Result<Self> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let line = |line: &str| {
            let (day, salt) = line.split_once(' ')?;
            let salt = BASE64_URL_SAFE_NO_PAD.decode(salt).ok()?;
            Some((day.parse().ok()?, salt.try_into().ok()?))
        };
        let days = text.lines().filter_map(line).collect();
        Ok(Self { path, days })
    }

    fn find(&self, day: i64) -> Option<[u8; 32]> {
        self.days.iter().find(|(of, _)| *of == day).map(|(_, salt)| *salt)
    }

    /// The salt of today; makes it and destroys those that are too old.
    fn of(&mut self, today: i64) -> io::Result<[u8; 32]> {
        let is_kept = |day: i64| (today - KEEP_DAYS + 1..=today).contains(&day);
        if let Some(salt) = self.find(today)
            && self.days.iter().all(|(day, _)| is_kept(*day))
        {
            return Ok(salt);
        }
        let mut days = self.days.clone();
        days.retain(|(day, _)| is_kept(*day));
        let salt = match self.find(today) {
            Some(salt) => salt,
            None => {
                let mut salt = [0; 32];
                getrandom::fill(&mut salt)?;
                days.push((today, salt));
                salt
            }
        };
        let lines = days
            .iter()
            .map(|(day, salt)| format!("{day} {}\n", BASE64_URL_SAFE_NO_PAD.encode(salt)));
        replace(&self.path, lines.collect::<String>().as_bytes())?;
        self.days = days;
        Ok(salt)
    }
}

/// The key for applications' ids; made if there is none.
fn key(path: &Path) -> io::Result<hmac::Key> {
    let secret = match fs::read(path) {
        Ok(secret) if secret.len() == 32 => secret,
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file viewer-key is damaged",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = vec![0; 32];
            getrandom::fill(&mut secret)?;
            replace(path, &secret)?;
            secret
        }
        Err(error) => return Err(error),
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

/// The parts are parted by a byte that is in no text, so that no two lists of parts are the same.
fn name(prefix: &str, key: &hmac::Key, parts: &[&str]) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0xff]);
    }
    let tag = context.sign();
    let hash = tag.as_ref().get(..HASH_BYTES).unwrap_or_default();
    format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(hash))
}

/// Writes a file that only its owner may read, so that after a crash it is there wholly, or as it was before.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    remove(&new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOON: i64 = 20_000 * DAY_MS + DAY_MS / 2;

    fn caller(address: &str) -> Caller {
        Caller {
            address: Some(address.parse().unwrap()),
            user_agent: "Browser/1".to_owned(),
            ..Caller::default()
        }
    }

    fn of(viewers: &Viewers, caller: &Caller, site: &str, began_ms: i64, now_ms: i64) -> String {
        let mut id = String::new();
        viewers.pseudonym(site, false, caller, &mut id, began_ms, now_ms);
        id
    }

    #[test]
    fn a_viewer_has_one_name_a_day_and_site() {
        let dir = tempfile::tempdir().unwrap();
        let viewers = Viewers::open(dir.path(), true, NOON).unwrap();
        let [anna, bert] = ["192.0.2.1", "192.0.2.2"].map(caller);
        let today = of(&viewers, &anna, "shop", NOON, NOON);
        assert!(today.starts_with(OF_DAY) && today.len() == OF_DAY.len() + 16 && !today.contains("192"));
        assert_eq!(of(&viewers, &anna, "shop", NOON + 1, NOON + 2), today);
        assert_ne!(of(&viewers, &anna, "blog", NOON, NOON), today);
        assert_ne!(of(&viewers, &bert, "shop", NOON, NOON), today);
        let other_agent = Caller {
            user_agent: "Browser/2".to_owned(),
            ..caller("192.0.2.1")
        };
        assert_ne!(of(&viewers, &other_agent, "shop", NOON, NOON), today);
        // A view that began before midnight keeps its name, one that begins after it has another.
        let next = NOON + DAY_MS;
        assert_eq!(of(&viewers, &anna, "shop", NOON, next), today);
        assert_ne!(of(&viewers, &anna, "shop", next, next), today);
        drop(viewers);
        let viewers = Viewers::open(dir.path(), true, next).unwrap();
        assert_eq!(
            of(&viewers, &anna, "shop", NOON, next),
            today,
            "also after a restart"
        );
    }

    #[test]
    fn salts_are_destroyed_and_nobody_else_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("viewer-salts");
        let viewers = Viewers::open(dir.path(), true, NOON).unwrap();
        let first = fs::read_to_string(&file).unwrap();
        for name in ["viewer-salts", "viewer-key"] {
            assert_eq!(
                fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        of(&viewers, &caller("192.0.2.1"), "shop", NOON, NOON + DAY_MS);
        let second = fs::read_to_string(&file).unwrap();
        assert!(second.starts_with(&first) && second.lines().count() == 2);
        of(&viewers, &caller("192.0.2.1"), "shop", NOON, NOON + 2 * DAY_MS);
        let third = fs::read_to_string(&file).unwrap();
        assert!(
            !third.contains(first.trim()) && third.lines().count() == 2,
            "48 h at most"
        );
        drop(viewers);
        Viewers::open(dir.path(), true, NOON + 9 * DAY_MS).unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap().lines().count(),
            1,
            "also at a start"
        );
        Viewers::open(dir.path(), false, NOON + 9 * DAY_MS).unwrap();
        assert!(!file.exists(), "they are not kept if they are not wanted");
    }

    #[test]
    fn those_who_ask_not_to_be_followed_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let viewers = Viewers::open(dir.path(), true, NOON).unwrap();
        let mut anna = caller("192.0.2.1");
        anna.opted_out = true;
        assert_eq!(of(&viewers, &anna, "shop", NOON, NOON), "");
        let mut id = "anna".to_owned();
        viewers.pseudonym("shop", false, &anna, &mut id, NOON, NOON);
        assert_eq!(id, "");
        let without_address = Caller::default();
        assert_eq!(of(&viewers, &without_address, "shop", NOON, NOON), "");
    }

    #[test]
    fn applications_ids_are_hashed_on_request_and_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let id_of = |hash| {
            let viewers = Viewers::open(dir.path(), true, NOON).unwrap();
            let mut id = "anna".to_owned();
            viewers.pseudonym("shop", hash, &caller("192.0.2.1"), &mut id, NOON, NOON);
            assert!(!hash || id == viewers.hashed("shop", "anna"));
            id
        };
        assert_eq!(id_of(false), "anna");
        let hashed = id_of(true);
        assert!(hashed.starts_with(HASHED) && !hashed.contains("anna"));
        assert_eq!(id_of(true), hashed);
    }
}
