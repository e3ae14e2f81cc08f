//! A playlist of what is to be compared is read or refused; what it names are files beside it, and where segments begin is in them. A
//! NUL divides the multivariant playlist from a media playlist that it may name as `media.m3u8`.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use encoder::fuzzing::compare::find;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside: each segment has the whole path of its file.
const MOST: (usize, usize) = (512, 4 << 20);

/// A folder with some files for playlists to name.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("encoder-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    for (name, bytes) in [
        ("init.mp4", 700),
        ("1.m4s", 1000),
        ("2.m4s", 10),
        ("a.mp4", 5000),
        ("1.ts", 188),
    ] {
        fs::write(folder.join(name), vec![0; bytes]).expect("a file");
    }
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.as_path();
    let (first, media) = bytes
        .iter()
        .position(|byte| *byte == 0)
        .map_or((bytes, &[][..]), |at| bytes.split_at(at));
    let path = folder.join("first.m3u8");
    fs::write(&path, first).expect("a file");
    fs::write(folder.join("media.m3u8"), media.get(1..).unwrap_or_default()).expect("a file");
    heap::within(MOST.1 + MOST.0 * bytes.len(), || {
        let Ok(found) = find(&path) else { return };
        assert!(!found.is_empty());
        for (name, parts, cuts) in found {
            assert!(name.is_some() && parts.iter().all(|part| part.is_file()));
            assert!(!cuts.is_empty() && parts.len() <= cuts.len() + 1);
        }
    });
});
