//! Where keys must not lie.

use std::path::{Component, Path, PathBuf};

use crate::error::EncodeError;
use crate::storage::Location;

/// Refuses a key file, or a folder of key files, in a place that is published: keys that players can load protect nothing.
///
/// ```
/// use encoder::protect::check_key_file;
///
/// let published = "public".into();
/// assert!(check_key_file("keys.json".as_ref(), &published).is_ok());
/// assert!(check_key_file("public/../public/keys.json".as_ref(), &published).is_err());
/// ```
///
/// # Errors
/// [`EncodeError::KeyFile`] where it is `published` or lies below it, whatever links and `..` are on the way.
pub fn check_key_file(path: &Path, published: &Location) -> Result<(), EncodeError> {
    match published.folder() {
        Some(folder) if lies_in(path, folder) => Err(EncodeError::KeyFile {
            path: path.to_owned(),
            reason: format!(
                "it would lie in {}, which is published; name a place outside of it",
                folder.display()
            ),
        }),
        _ => Ok(()),
    }
}

/// Refuses a key file in a folder that is removed when all is done.
pub(crate) fn check_kept(path: &Path, removed: &Path) -> Result<(), EncodeError> {
    match lies_in(path, removed) {
        true => Err(EncodeError::KeyFile {
            path: path.to_owned(),
            reason: format!(
                "it would lie in {}, which is removed when all is done; name a place outside of it",
                removed.display()
            ),
        }),
        false => Ok(()),
    }
}

/// Whether a file that is written at `path` is `folder` or below it.
fn lies_in(path: &Path, folder: &Path) -> bool {
    if folder.as_os_str().is_empty() {
        return false;
    }
    let folder = physical(folder);
    // A link of that name is replaced by the file, or leads to it: neither is to be there.
    let places = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => vec![physical(parent).join(name), physical(path)],
        _ => vec![physical(path)],
    };
    places.iter().any(|place| place.starts_with(&folder))
}

/// A path from the root without links and `..`, as far as it is there; the rest of it may come to be.
fn physical(path: &Path) -> PathBuf {
    let mut place = PathBuf::new();
    let current = std::env::current_dir().unwrap_or_default();
    for component in current.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                place.pop();
            }
            other => {
                place.push(other);
                place = place.canonicalize().unwrap_or(place);
            }
        }
    }
    place
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keys_are_not_published_by_whatever_way() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let out = root.join("public");
        let location = Location::from(&out);
        let check = |path: &str| check_key_file(&root.join(path), &location);
        // Before there is anything, and after.
        for is_there in [false, true] {
            if is_there {
                std::fs::create_dir_all(out.join("videos/film")).unwrap();
            }
            for path in [
                "public",
                "public/keys.json",
                "public/videos/film/keys.json",
                "elsewhere/../public/keys.json",
                "./public/./a/../keys.json",
            ] {
                let error = check(path).unwrap_err().to_string();
                assert!(
                    error.contains("is published") && error.contains("key file"),
                    "{error}"
                );
            }
            for path in [
                "keys.json",
                "public.json",
                "public/../keys.json",
                "public2/keys.json",
            ] {
                check(path).unwrap();
            }
        }
        assert!(check_key_file(Path::new("keys.json"), &"s3://b/p".parse().unwrap()).is_ok());
        assert!(check_key_file(Path::new("keys.json"), &Location::from("")).is_ok());
        assert!(check_kept(&out.join("keys.json"), &out).is_err());
        check_kept(&root.join("keys.json"), &out).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir_all(root.join("real/videos")).unwrap();
        std::fs::write(root.join("real/old.json"), "").unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        symlink("real/old.json", root.join("keys.json")).unwrap();
        let check = |path: &str, out: &str| check_key_file(&root.join(path), &Location::from(root.join(out)));
        assert!(check("link/keys.json", "real").is_err());
        assert!(check("real/keys.json", "link").is_err());
        assert!(check("link/videos/../keys.json", "real").is_err());
        assert!(check("keys.json", "real").is_err());
        // Beside where the link leads, not beside the link.
        assert!(check("link/../other.json", "real").is_ok());
        assert!(check("real/keys.json", "link/videos").is_ok());
    }
}
