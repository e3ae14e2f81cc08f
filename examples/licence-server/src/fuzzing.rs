//! The doors to what reads bytes and is private, for the targets in `fuzz` alone.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::path::Path;

use crate::ids::hex;
use crate::key_file::KeyFile;
use crate::licence::Request;

/// Key ids of a licence request, and the type of its session, or why it is refused.
pub fn request(body: &[u8], most: usize) -> Result<(usize, String), String> {
    let request = Request::read(body, most)?;
    let ids = request.key_ids.len();
    Ok((ids, request.session_type))
}

/// Keys of a key file, in hexadecimal digits, or why it is refused; read again after a rotation it must have more.
pub fn key_file(text: &str) -> Result<Vec<String>, String> {
    let path = Path::new("keys.json");
    let mut file = KeyFile::parse(path, text).map_err(|error| error.to_string())?;
    let keys = file.entries.iter().map(|entry| hex(&entry.key.0)).collect();
    let before = file.entries.len();
    file.rotate().map_err(|error| error.to_string())?;
    assert!(file.entries.len() > before);
    Ok(keys)
}
