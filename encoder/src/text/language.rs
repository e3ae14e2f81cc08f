//! Language tags (BCP 47, RFC 5646) of what media files and people write.

use isolang::Language;

/// The BCP 47 tag of a language as containers state it (ISO 639-2: "eng", "ger", "deu") or as people write it ("de",
/// "pt-br", "zh_Hant"), in its usual case and with the shortest code; `None` if it is none.
pub(crate) fn tag(text: &str) -> Option<String> {
    let text = text.trim().replace('_', "-");
    let mut subtags = text.split('-');
    let first = subtags.next()?.to_ascii_lowercase();
    if !(2..=3).contains(&first.len()) || !first.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let mut tag = shortest(&first);
    let mut is_extension = false;
    for subtag in subtags {
        if !(1..=8).contains(&subtag.len()) || !subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        tag.push('-');
        let is_word = subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
        match subtag.len() {
            2 if is_word && !is_extension => tag += &subtag.to_ascii_uppercase(),
            4 if is_word && !is_extension => {
                let (initial, rest) = subtag.split_at(1);
                tag += &initial.to_ascii_uppercase();
                tag += &rest.to_ascii_lowercase();
            }
            _ => tag += &subtag.to_ascii_lowercase(),
        }
        is_extension |= subtag.len() == 1;
    }
    (tag.len() <= MAX_BYTES && !tag.ends_with('-')).then_some(tag)
}

/// The code that a track's header states (ISO 639-2/T), of what a container says: "und" for what has none of three letters.
pub(crate) fn header_code(text: &str) -> String {
    match text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        true => text.to_ascii_lowercase(),
        false => "und".to_owned(),
    }
}

/// What a language calls itself, for a menu: "Deutsch", "Português (BR)"; the tag itself if that is not known.
pub(crate) fn name(tag: &str) -> String {
    let (first, rest) = tag.split_once('-').unwrap_or((tag, ""));
    let language = match first.len() {
        2 => Language::from_639_1(first),
        _ => Language::from_639_3(first),
    };
    let Some(name) = language
        .filter(|language| *language != Language::Und)
        .and_then(|language| language.to_autonym())
    else {
        return tag.to_owned();
    };
    // Names of languages have no capitals in many languages; entries of a menu do.
    let mut letters = name.chars();
    let mut name: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    name.push_str(letters.as_str());
    match rest {
        "" => name,
        rest => format!("{name} ({rest})"),
    }
}

/// ISO 639-1 where there is one, else ISO 639-2/T or 639-3.
fn shortest(code: &str) -> String {
    let code = BIBLIOGRAPHIC
        .iter()
        .find(|(bibliographic, _)| *bibliographic == code)
        .map_or(code, |(_, terminology)| terminology);
    let language = Language::from_639_3(code).filter(|_| code.len() == 3);
    let short = language.and_then(|language| language.to_639_1());
    short.unwrap_or(code).to_owned()
}

/// RFC 5646, 4.4.1: room for this much is expected of everyone.
const MAX_BYTES: usize = 35;

/// The codes of ISO 639-2/B that differ from 639-2/T.
const BIBLIOGRAPHIC: [(&str, &str); 20] = [
    ("alb", "sqi"),
    ("arm", "hye"),
    ("baq", "eus"),
    ("bur", "mya"),
    ("chi", "zho"),
    ("cze", "ces"),
    ("dut", "nld"),
    ("fre", "fra"),
    ("geo", "kat"),
    ("ger", "deu"),
    ("gre", "ell"),
    ("ice", "isl"),
    ("mac", "mkd"),
    ("mao", "mri"),
    ("may", "msa"),
    ("per", "fas"),
    ("rum", "ron"),
    ("slo", "slk"),
    ("tib", "bod"),
    ("wel", "cym"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_the_shortest_tag() {
        for (code, expected) in [
            ("eng", "en"),
            ("ger", "de"),
            ("deu", "de"),
            ("DE", "de"),
            ("fre", "fr"),
            ("chi", "zh"),
            ("zho-hant-tw", "zh-Hant-TW"),
            ("pt_br", "pt-BR"),
            ("es-419", "es-419"),
            ("gsw", "gsw"),
            ("und", "und"),
            (" sl-rozaj-x-AB ", "sl-rozaj-x-ab"),
        ] {
            assert_eq!(tag(code).as_deref(), Some(expected), "{code}");
        }
        for bad in [
            "",
            "e",
            "english",
            "e1",
            "en-",
            "en--us",
            "en-toolongsubtag",
            "d\u{e9}",
            "```",
        ] {
            assert_eq!(tag(bad), None, "{bad}");
        }
        for (bibliographic, terminology) in BIBLIOGRAPHIC {
            assert_eq!(tag(bibliographic), tag(terminology));
            assert_eq!(tag(bibliographic).map(|tag| tag.len()), Some(2));
        }
    }

    #[test]
    fn names_are_those_of_the_language_itself() {
        assert_eq!(name("de"), "Deutsch");
        assert_eq!(name("pt-BR"), "Português (BR)");
        assert_eq!(name("und"), "und");
        assert_eq!(name("qqq"), "qqq");
    }
}
