//! The attributes of `EXT-X-KEY` and `EXT-X-SESSION-KEY` (rfc8216bis, 4.4.4.4 and 4.4.6.5).

use super::define::Variables;
use super::lexer::attributes;
use super::warnings::Warnings;
use crate::presentation::Protection;
use crate::url;

/// What a key tag says of the segments that follow it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    /// They are not encrypted (`METHOD=NONE`).
    Clear,
    /// They are, and this is a way to get at the key. Others with other schemes may stand beside it; one with the same scheme
    /// replaces it.
    Protected(Box<Protection>),
    /// They are, but how one gets at the key is not said in a way that can be used.
    Unusable,
}

/// Reads the attribute list of a key tag; attributes that are not known go to `other`.
pub(super) fn read(
    line: u32,
    list: &str,
    base: &str,
    variables: &Variables,
    warnings: &mut Warnings,
    other: &mut dyn FnMut(&str, &str),
) -> Key {
    let mut key = Protection {
        scheme: "identity".into(),
        ..Protection::default()
    };
    let mut uri = None;
    for (name, value) in attributes(list) {
        match name {
            "METHOD" => value.clone_into(&mut key.method),
            "URI" => uri = Some(value),
            "IV" => {
                let text = variables.substitute(line, value, warnings);
                let (iv, whole) = hexadecimal(&text);
                key.iv = iv;
                if !whole {
                    let what = if iv.is_some() {
                        "an IV has fewer than 128 bits: zeros are put before it"
                    } else {
                        "an IV is not hexadecimal, or has more than 128 bits: it is not used"
                    };
                    warnings.say(line, what, &text);
                }
            }
            "KEYFORMAT" => {
                key.scheme = variables.substitute(line, value, warnings).into_owned();
                if key
                    .scheme
                    .get(..4)
                    .is_some_and(|s| s.eq_ignore_ascii_case("urn:"))
                {
                    key.scheme.make_ascii_lowercase();
                }
            }
            "KEYFORMATVERSIONS" => {
                key.versions = variables.substitute(line, value, warnings).into_owned();
            }
            // Of Widevine's packagers.
            "KEYID" => match hexadecimal(value) {
                (Some(id), true) => key.key_ids.push(id),
                _ => warnings.say(line, "a KEYID is not hexadecimal with 128 bits", value),
            },
            _ => other(name, value),
        }
    }
    if key.method == "NONE" {
        return Key::Clear;
    }
    if key.method.is_empty() {
        warnings.say(line, "a key has no METHOD", list);
        return Key::Unusable;
    }
    let Some(uri) = uri else {
        warnings.say(line, "a key has no URI", list);
        return Key::Unusable;
    };
    match variables.expand(uri) {
        Ok(uri) if has_scheme(&uri, "data") || has_scheme(&uri, "skd") => key.url = uri.into_owned(),
        Ok(uri) => match url::resolve(base, &uri) {
            Ok(resolved) => key.url = resolved,
            Err(error) => {
                warnings.say(line, "the URI of a key is refused", &error.to_string());
                return Key::Unusable;
            }
        },
        Err(why) => {
            let (what, about) = why.message();
            warnings.say(line, what, about);
            return Key::Unusable;
        }
    }
    Key::Protected(Box::new(key))
}

/// Whether a URI is of this scheme, which is in lower case.
pub(super) fn has_scheme(uri: &str, scheme: &str) -> bool {
    let head = uri.get(..scheme.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        && uri.as_bytes().get(scheme.len()) == Some(&b':')
}

/// A hexadecimal sequence (`0x…`) as a number of 128 bits, and whether all of these were written.
fn hexadecimal(text: &str) -> (Option<[u8; 16]>, bool) {
    let mut number = [0; 16];
    let digits = match text.as_bytes() {
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => digits,
        _ => return (None, false),
    };
    for (i, digit) in digits.iter().rev().enumerate() {
        let Some((byte, digit)) = number
            .get_mut(15_usize.wrapping_sub(i / 2))
            .zip((*digit as char).to_digit(16))
        else {
            return (None, false);
        };
        *byte |= (digit as u8) << (i % 2 * 4);
    }
    (Some(number), digits.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> (Key, Vec<String>) {
        let mut warnings = Warnings::default();
        let mut variables = Variables::default();
        let iv = r#"NAME="iv",VALUE="000102030405060708090a0b0c0d0e0f""#;
        variables.define(1, iv, "", None, &mut warnings);
        let mut others = Vec::new();
        let key = read(
            2,
            list,
            "https://h/v/m.m3u8",
            &variables,
            &mut warnings,
            &mut |name, value| others.push(format!("{name}={value}")),
        );
        let said = warnings.into_list().into_iter().map(|w| w.message);
        (key, said.chain(others).collect())
    }

    #[test]
    fn every_attribute_is_read() {
        let (key, said) = parsed(
            r#"METHOD=SAMPLE-AES,URI="../k?a=1",IV=0x{$iv},KEYFORMAT="URN:UUID:EDEF8BA9-79d6",KEYFORMATVERSIONS="1/2",KEYID=0x0000000000000000000000000000000A,X-MORE="y""#,
        );
        assert_eq!(said, ["X-MORE=y"]);
        let mut id = [0; 16];
        id[15] = 10;
        let expected = Protection {
            scheme: "urn:uuid:edef8ba9-79d6".into(),
            method: "SAMPLE-AES".into(),
            url: "https://h/k?a=1".into(),
            iv: Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
            key_ids: vec![id],
            versions: "1/2".into(),
            ..Protection::default()
        };
        assert_eq!(key, Key::Protected(Box::new(expected)));
        assert_eq!(parsed("METHOD=NONE"), (Key::Clear, vec![]));
    }

    #[test]
    fn keys_are_where_key_systems_have_them() {
        for (uri, expected) in [
            ("skd://a/b", Some("skd://a/b")),
            ("DATA:text/plain;base64,AAAA", Some("DATA:text/plain;base64,AAAA")),
            ("k", Some("https://h/v/k")),
            ("javascript:alert(1)", None),
            ("file:///etc/passwd", None),
            ("database:x", None),
            ("{$none}", None),
        ] {
            let (key, said) = parsed(&format!("METHOD=AES-128,URI=\"{uri}\""));
            match (key, expected) {
                (Key::Protected(key), Some(expected)) => {
                    assert_eq!((key.url.as_str(), key.scheme.as_str()), (expected, "identity"));
                }
                (key, expected) => assert_eq!((key, expected, said.len()), (Key::Unusable, None, 1), "{uri}"),
            }
        }
        for list in [r#"URI="k""#, "METHOD=AES-128", ""] {
            let (key, said) = parsed(list);
            assert_eq!((key, said.len()), (Key::Unusable, 1), "{list}");
        }
    }

    #[test]
    fn an_iv_of_the_wrong_length_is_said() {
        let mut one = [0; 16];
        one[15] = 1;
        for (iv, expected) in [
            ("0x1", Some(one)),
            ("0x", None),
            ("1234", None),
            ("0x00000000000000000000000000000000001", None),
            ("0xgg", None),
            ("0x+1", None),
        ] {
            let (key, said) = parsed(&format!("METHOD=AES-128,URI=\"k\",IV={iv}"));
            let Key::Protected(key) = key else {
                panic!("{iv}");
            };
            assert_eq!((key.iv, said.len()), (expected, 1), "{iv}");
        }
    }
}
