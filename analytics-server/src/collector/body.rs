//! The body of a request: read within limits, decompressed, and parted into beacons.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use serde_json::value::RawValue;

use super::MAX_BODY_BYTES;
use super::accept::InvalidBeacon;
use super::refusal::Refusal;

/// A body may be this long once it is decompressed.
pub(super) const MAX_DECODED_BYTES: usize = 256 << 10;
/// Most beacons in a body.
pub(super) const MAX_BATCH: usize = 300;
/// A body must have arrived after this time.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Beacons as they came, not looked into yet.
#[derive(Debug, PartialEq)]
pub(super) enum Parts<'a> {
    /// The body is one.
    One(&'a [u8]),
    /// A JSON array of them, or one a line.
    Many(Vec<&'a [u8]>),
}

/// Reads a body, and decompresses it if it says that it is compressed.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refusal> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|len| len > MAX_BODY_BYTES as u64) {
        return Err(Refusal::TooLarge);
    }
    let body = match tokio::time::timeout(TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        // Either the limit or a connection that broke, whose answer nobody reads.
        Ok(Err(_)) => return Err(Refusal::TooLarge),
        Err(_) => return Err(Refusal::TooSlow),
    };
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map_or(Ok("identity"), |value| value.to_str());
    match encoding.map(str::trim) {
        Ok("" | "identity") => Ok(body.into()),
        Ok("gzip" | "x-gzip") => decompress(MultiGzDecoder::new(&*body)),
        Ok("deflate") => decompress(ZlibDecoder::new(&*body)),
        _ => Err(Refusal::Encoding),
    }
}

fn decompress(reader: impl Read) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    let mut reader = reader.take(MAX_DECODED_BYTES as u64 + 1);
    reader.read_to_end(&mut out).map_err(|_| Refusal::Encoding)?;
    if out.len() > MAX_DECODED_BYTES {
        return Err(Refusal::TooLarge);
    }
    Ok(out)
}

/// Parts a body into beacons. An array must be JSON as a whole; of lines, each one may be wrong by itself.
pub(super) fn split<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Parts<'a>, Refusal> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let parts: Vec<&[u8]> = if media_type.eq_ignore_ascii_case("application/x-ndjson") {
        body.split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .take(MAX_BATCH + 1)
            .collect()
    } else if body.trim_ascii_start().starts_with(b"[") {
        let values: Vec<&RawValue> =
            serde_json::from_slice(body).map_err(|error| InvalidBeacon::json(&error))?;
        values.into_iter().map(|value| value.get().as_bytes()).collect()
    } else {
        return Ok(Parts::One(body));
    };
    match parts.len() {
        0 => Err(InvalidBeacon::Empty.into()),
        1..=MAX_BATCH => Ok(Parts::Many(parts)),
        _ => Err(Refusal::TooMany),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write as _;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    async fn read_as(encoding: &'static str, bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        let body = Body::from(bytes);
        read(&headers(header::CONTENT_ENCODING, encoding), body)
            .await
            .map_err(|refusal| refusal.code())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn compressed_bodies_are_read_and_bombs_are_not() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"{}").unwrap();
        assert_eq!(read_as("deflate", zlib.finish().unwrap()).await.unwrap(), b"{}");
        assert_eq!(read_as("gzip", gzip(b"{}")).await.unwrap(), b"{}");
        assert_eq!(read_as("identity", b"{}".to_vec()).await.unwrap(), b"{}");
        assert_eq!(read_as("br", b"{}".to_vec()).await, Err("invalid_encoding"));
        assert_eq!(read_as("gzip", b"{}".to_vec()).await, Err("invalid_encoding"));
        let mut torn = gzip(&[b'x'; 1000]);
        torn.truncate(12);
        assert_eq!(read_as("gzip", torn).await, Err("invalid_encoding"));

        let most = gzip(&vec![b' '; MAX_DECODED_BYTES]);
        assert_eq!(read_as("gzip", most).await.unwrap().len(), MAX_DECODED_BYTES);
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(
            bomb.len() < MAX_BODY_BYTES,
            "it gets through the limit of the wire"
        );
        assert_eq!(read_as("gzip", bomb).await, Err("body_too_large"));
        // Many small members instead of a large one.
        let members = gzip(&[0; 8192]).repeat(60);
        assert_eq!(read_as("gzip", members).await, Err("body_too_large"));
    }

    #[test]
    fn arrays_and_lines_are_parted() {
        let json = headers(header::CONTENT_TYPE, "text/plain;charset=UTF-8");
        let lines = headers(header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8");
        assert_eq!(split(&json, b" {\"a\":1}").unwrap(), Parts::One(b" {\"a\":1}"));
        assert_eq!(
            split(&json, b" [ {\"a\":[1]} ,\n2]").unwrap(),
            Parts::Many(vec![b"{\"a\":[1]}", b"2"])
        );
        assert_eq!(
            split(&lines, b"{\"a\":1}\r\n\n  nonsense\n").unwrap(),
            Parts::Many(vec![b"{\"a\":1}", b"nonsense"])
        );
        let code = |headers: &HeaderMap, body: &[u8]| split(headers, body).unwrap_err().code();
        assert_eq!(code(&json, b"[]"), "invalid_beacon");
        assert_eq!(code(&json, b"[1,"), "invalid_beacon");
        assert_eq!(code(&json, "[".repeat(60_000).as_bytes()), "invalid_beacon");
        assert_eq!(code(&lines, b"\n\n"), "invalid_beacon");
        assert_eq!(
            code(&lines, "{}\n".repeat(MAX_BATCH + 1).as_bytes()),
            "body_too_large"
        );
        let many = format!("[{}1]", "1,".repeat(MAX_BATCH));
        assert_eq!(code(&json, many.as_bytes()), "body_too_large");
    }
}
