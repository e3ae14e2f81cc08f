//! PlayReady objects and their headers (Microsoft, *PlayReady Header Object* and *PlayReady Header Specification*).

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Scheme;
use super::keys::{ContentKey, KeyId};

/// A PlayReady object of one record, the header: what `pssh` has as data and manifests carry as it is.
///
/// One key under `cenc` makes a header of version 4.0, which every client reads; several make 4.2, `cbcs` makes 4.3.
pub(crate) fn object(scheme: Scheme, keys: &[ContentKey], licence_url: Option<&str>) -> Vec<u8> {
    const HEADER_RECORD: u16 = 1;
    let text = header(scheme, keys, licence_url);
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut out = Vec::with_capacity(units.len() + 10);
    out.extend((units.len() as u32 + 10).to_le_bytes());
    out.extend(1_u16.to_le_bytes());
    out.extend(HEADER_RECORD.to_le_bytes());
    out.extend((units.len() as u16).to_le_bytes());
    out.extend(units);
    out
}

fn header(scheme: Scheme, keys: &[ContentKey], licence_url: Option<&str>) -> String {
    let url = licence_url.map_or_else(String::new, |url| format!("<LA_URL>{}</LA_URL>", escaped(url)));
    let (version, data) = match (scheme, keys) {
        (Scheme::Cenc, [key]) => {
            let data = format!(
                "<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>{}</KID><CHECKSUM>{}</CHECKSUM>{url}",
                id(&key.id),
                checksum(key)
            );
            ("4.0.0.0", data)
        }
        (Scheme::Cenc, keys) => {
            let entry = |key: &ContentKey| {
                let (checksum, id) = (checksum(key), id(&key.id));
                format!(r#"<KID ALGID="AESCTR" CHECKSUM="{checksum}" VALUE="{id}"></KID>"#)
            };
            ("4.2.0.0", several(keys, entry, &url))
        }
        (Scheme::Cbcs, keys) => {
            let entry = |key: &ContentKey| format!(r#"<KID ALGID="AESCBC" VALUE="{}"></KID>"#, id(&key.id));
            ("4.3.0.0", several(keys, entry, &url))
        }
    };
    format!(
        r#"<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="{version}"><DATA>{data}</DATA></WRMHEADER>"#
    )
}

fn several(keys: &[ContentKey], entry: impl Fn(&ContentKey) -> String, url: &str) -> String {
    let ids: String = keys.iter().map(entry).collect();
    format!("<PROTECTINFO><KIDS>{ids}</KIDS></PROTECTINFO>{url}")
}

fn id(id: &KeyId) -> String {
    BASE64_STANDARD.encode(as_guid(id))
}

/// The beginning of the identifier encrypted with its key: a client tells a wrong key by it.
fn checksum(key: &ContentKey) -> String {
    let mut block = as_guid(&key.id).into();
    Aes128::new(&key.key.0.into()).encrypt_block(&mut block);
    let [a, b, c, d, e, f, g, h, ..] = block.0;
    BASE64_STANDARD.encode([a, b, c, d, e, f, g, h])
}

/// A GUID has its first three numbers in little-endian order.
fn as_guid(id: &KeyId) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = id.0;
    let mut guid = [0; 16];
    let (numbers, tail) = guid.split_at_mut(8);
    numbers.copy_from_slice(&[d, c, b, a, f, e, h, g]);
    tail.copy_from_slice(&rest);
    guid
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    // As shaka-packager 3.8.0 wrote it for this key.
    const CENC: &str = "BgIAAAEAAQD8ATwAVwBSAE0ASABFAEEARABFAFIAIAB4AG0AbABuAHMAPQAiAGgAdAB0AHAAOgAvAC8AcwBjAGgAZQBtAGEAcwAuAG0AaQBjAHIAbwBzAG8AZgB0AC4AYwBvAG0ALwBEAFIATQAvADIAMAAwADcALwAwADMALwBQAGwAYQB5AFIAZQBhAGQAeQBIAGUAYQBkAGUAcgAiACAAdgBlAHIAcwBpAG8AbgA9ACIANAAuADAALgAwAC4AMAAiAD4APABEAEEAVABBAD4APABQAFIATwBUAEUAQwBUAEkATgBGAE8APgA8AEsARQBZAEwARQBOAD4AMQA2ADwALwBLAEUAWQBMAEUATgA+ADwAQQBMAEcASQBEAD4AQQBFAFMAQwBUAFIAPAAvAEEATABHAEkARAA+ADwALwBQAFIATwBUAEUAQwBUAEkATgBGAE8APgA8AEsASQBEAD4ATQB5AEkAUgBBAEYAVgBFAGQAMgBhAEkAbQBhAHEANwB6AE4AMwB1AC8AdwA9AD0APAAvAEsASQBEAD4APABDAEgARQBDAEsAUwBVAE0APgBRAHUASwBtAFYAagBLADgAQgAzAGsAPQA8AC8AQwBIAEUAQwBLAFMAVQBNAD4APAAvAEQAQQBUAEEAPgA8AC8AVwBSAE0ASABFAEEARABFAFIAPgA=";

    fn key() -> ContentKey {
        ContentKey {
            id: "00112233445566778899aabbccddeeff".parse().unwrap(),
            key: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            iv: None,
        }
    }

    #[test]
    fn an_object_of_one_key_is_that_of_another_packager() {
        assert_eq!(BASE64_STANDARD.encode(object(Scheme::Cenc, &[key()], None)), CENC);
        assert_eq!(
            (id(&key().id).as_str(), checksum(&key()).as_str()),
            ("MyIRAFVEd2aImaq7zN3u/w==", "QuKmVjK8B3k=")
        );
    }

    #[test]
    fn several_keys_and_the_licence_address_are_in_the_header() {
        let url = Some("https://l.example/?a=1&b=2");
        let text = header(Scheme::Cenc, &[key(), key()], url);
        assert!(
            text.contains(r#"version="4.2.0.0""#) && text.matches(r#"CHECKSUM="QuKmVjK8B3k=""#).count() == 2,
            "{text}"
        );
        for (scheme, version) in [(Scheme::Cenc, "4.0.0.0"), (Scheme::Cbcs, "4.3.0.0")] {
            let text = header(scheme, &[key()], url);
            assert!(
                text.contains(version)
                    && text.contains("<LA_URL>https://l.example/?a=1&amp;b=2</LA_URL></DATA>"),
                "{text}"
            );
        }
    }
}
