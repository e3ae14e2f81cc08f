//! The XML reader beside quick-xml.
#![allow(clippy::unwrap_used)]

use player_core::manifest::dash::{Element, Mpd, S};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element as both readers see it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tree {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Self>,
    timeline: Option<Vec<S>>,
}

fn ours(element: &Element) -> Tree {
    Tree {
        name: element.qualified_name().to_owned(),
        attributes: element
            .attributes()
            .map(|(n, v)| (n.to_owned(), v.into_owned()))
            .collect(),
        text: element.text().to_owned(),
        children: element.children().iter().map(ours).collect(),
        timeline: element.timeline().map(|t| t.iter().collect()),
    }
}

/// What quick-xml makes of a text; `None` if it is not well-formed.
fn theirs(text: &str) -> Option<Tree> {
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => return element(&mut reader, &start, false),
            Event::Empty(start) => return element(&mut reader, &start, true),
            Event::Eof | Event::DocType(_) => return None,
            _ => {}
        }
    }
}

fn element(reader: &mut Reader<&[u8]>, start: &BytesStart<'_>, empty: bool) -> Option<Tree> {
    let mut tree = Tree {
        name: start.name().into_inner().to_owned(),
        ..Tree::default()
    };
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        let value = quick_xml::escape::unescape(attribute.value.trim()).ok()?;
        tree.attributes
            .push((attribute.key.into_inner().to_owned(), value.into_owned()));
    }
    let mut text = String::new();
    let mut open = !empty;
    while open {
        match reader.read_event().ok()? {
            Event::Start(start) => tree.children.push(element(reader, &start, false)?),
            Event::Empty(start) => tree.children.push(element(reader, &start, true)?),
            Event::Text(t) => text.push_str(&t),
            Event::CData(t) => text.push_str(&t),
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                text.push_str(&quick_xml::escape::unescape(&format!("&{name};")).ok()?);
            }
            Event::End(_) => open = false,
            Event::Eof | Event::DocType(_) => return None,
            _ => {}
        }
    }
    tree.text = text.trim().to_owned();
    if tree.name.rsplit(':').next() == Some("SegmentTimeline") {
        let all = tree.children.drain(..);
        let s = all.filter(|c| c.name.rsplit(':').next() == Some("S"));
        tree.timeline = Some(s.map(|s| an_s(&s)).collect());
        tree.text.clear();
    }
    Some(tree)
}

fn an_s(tree: &Tree) -> S {
    let last = |name: &str| {
        tree.attributes
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.trim())
    };
    S {
        t: last("t").and_then(|v| v.parse().ok()).filter(|t| *t != u64::MAX),
        d: last("d").and_then(|v| v.parse().ok()).unwrap_or(0),
        r: last("r").and_then(|v| v.parse().ok()).unwrap_or(0),
        n: last("n").and_then(|v| v.parse().ok()),
        k: last("k").and_then(|v| v.parse().ok()).unwrap_or(1),
    }
}

fn compare(text: &str) {
    let expected = theirs(text);
    let found = Mpd::parse(text, "https://h/").ok();
    assert_eq!(found.map(|mpd| ours(mpd.root())), expected, "{text}");
}

#[test]
fn what_documents_are_made_of() {
    for inner in [
        "",
        " \n\t",
        "<a/>",
        "<a />",
        "<a\n/>",
        "<a></a>",
        "<a></a\n>",
        "<p:a xmlns:p=\"urn:p\" p:b='1'></p:a>",
        "<a b=\"'\" c='\"' d=\"1>2\" e = 'f' />",
        "<a b=\"&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#x1F600;\"/>",
        "text &amp; more &lt;b&gt; &#x2014;",
        "<![CDATA[<a> & ]] > ]]>",
        "a<![CDATA[b]]>c<!-- d -->e<?pi f?>g",
        "<!----><!-- <a> -- b --><a/>",
        "<?xml-stylesheet href='<a>'?>",
        "<é ü='ö'>ä</é>",
        "<a>b<c>d</c>e</a>",
        "<SegmentTimeline/>",
        "<SegmentTimeline><S t='1' d='2'/><S d=\"3\" r=\"-1\"/><!-- x --><S d='4' n='7' k='2'></S>\n</SegmentTimeline>",
        "<x:SegmentTimeline xmlns:x='u'><x:S d='1'/><S\td='2'\n/><S  d='3'  /><S d = '4'/></x:SegmentTimeline>",
        "<SegmentTimeline><S d='18446744073709551615'/><S d='99999999999999999999'/><S d=''/><S d='1' d='2'/><S d='-1'/></SegmentTimeline>",
    ] {
        compare(&format!("<MPD>{inner}</MPD>"));
        compare(&format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><MPD id='x' >{inner}</MPD>\n"
        ));
    }
    for bad in [
        "<a>",
        "</a>",
        "<a></b>",
        "<a",
        "<a b='",
        "<!--",
        "<![CDATA[",
        "<a><b></a></b>",
        "<",
    ] {
        let text = format!("<MPD>{bad}</MPD>");
        assert!(
            Mpd::parse(&text, "https://h/").is_err() && theirs(&text).is_none(),
            "{bad}"
        );
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("Period".to_owned()),
        Just("x:b".to_owned()),
        Just("é-1.2_3".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 >/=é\\n]{0,8}",
        1 => Just("&amp;".to_owned()),
        1 => Just("&#x41;".to_owned()),
        1 => Just("&quot;&lt;".to_owned()),
    ];
    prop::collection::vec(piece, 0..3).prop_map(|p| p.concat())
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![5 => Just(" ".to_owned()), 1 => Just("\n\t".to_owned()), 1 => Just("  ".to_owned())]
}

fn attributes() -> impl Strategy<Value = String> {
    let one = (space(), name(), value(), any::<bool>(), any::<bool>()).prop_map(
        |(space, name, value, double, wide)| {
            let quote = if double { '"' } else { '\'' };
            let equals = if wide { " = " } else { "=" };
            format!("{space}{name}{equals}{quote}{value}{quote}")
        },
    );
    prop::collection::vec(one, 0..4).prop_map(|all| all.concat())
}

fn timeline() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        6 => "[0-9]{1,6}",
        1 => "[0-9]{17,21}",
        1 => "-[0-9]{1,3}",
        1 => Just(String::new()),
        1 => Just(" 5 ".to_owned()),
        1 => Just("x".to_owned()),
    ];
    let attribute = ("[tdrnkz]", number, space(), any::<bool>()).prop_map(|(name, number, space, double)| {
        let quote = if double { '"' } else { '\'' };
        format!("{space}{name}={quote}{number}{quote}")
    });
    let s = (prop::collection::vec(attribute, 0..4), 0..6).prop_map(|(attributes, form)| {
        let attributes = attributes.concat();
        match form {
            0 => format!("<S{attributes}></S>"),
            1 => format!("<S{attributes} />\n"),
            2 => format!("<x:S{attributes}/><!-- <S d='1'/> -->"),
            _ => format!("<S{attributes}/>\n   "),
        }
    });
    prop::collection::vec(s, 0..8)
        .prop_map(|all| format!("<SegmentTimeline>\n {}</SegmentTimeline>", all.concat()))
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => value(),
        1 => "[a-z<& ]{0,6}".prop_map(|t| format!("<![CDATA[{t}]]>")),
        1 => "[a-z<& ]{0,6}".prop_map(|t| format!("<!--{t}-->")),
        1 => Just("<?p <q>?>".to_owned()),
        1 => timeline(),
    ];
    let inner = leaf.prop_recursive(5, 40, 5, |inner| {
        (name(), attributes(), prop::collection::vec(inner, 0..5)).prop_map(|(name, attributes, inner)| {
            if inner.is_empty() {
                format!("<{name}{attributes}/>")
            } else {
                format!("<{name}{attributes}>{}</{name}>", inner.concat())
            }
        })
    });
    (attributes(), prop::collection::vec(inner, 0..5))
        .prop_map(|(attributes, inner)| format!("<MPD{attributes}>{}</MPD>", inner.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn well_formed_documents_are_read_alike(text in document()) {
        prop_assert!(theirs(&text).is_some(), "{}", text);
        compare(&text);
    }

    #[test]
    fn damaged_documents_are_read_alike_or_refused(text in document(), at in any::<prop::sample::Index>(), damage in "[<>&/'\" a=!?\\[\\]-]{0,3}", cut in 0_usize..4) {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, damage.chars());
        let text: String = chars.into_iter().collect();
        // Each is lenient in its own way inside a tag and about stray references; where both read it without complaint, the elements are the same.
        if let (Ok(mpd), Some(tree)) = (Mpd::parse(&text, "https://h/"), theirs(&text)) {
            fn names(tree: &Tree) -> Vec<String> {
                let children = tree.children.iter().flat_map(names);
                core::iter::once(tree.name.clone()).chain(children).collect()
            }
            prop_assert_eq!(names(&ours(mpd.root())), names(&tree), "{}", text);
        }
    }

    #[test]
    fn no_text_is_too_odd(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let text = pieces.concat();
        let _ = Mpd::parse(&text, "https://h/");
        let _ = Mpd::parse(format!("<MPD>{text}</MPD>"), "https://h/");
    }
}

const PIECES: &[&str] = &[
    "<",
    ">",
    "/",
    "'",
    "\"",
    "=",
    "a",
    "S",
    "MPD",
    "SegmentTimeline",
    "!",
    "-",
    "--",
    "[",
    "]",
    "[CDATA[",
    "?",
    "&",
    ";",
    "#",
    "x",
    " ",
    "\n",
    "é",
    "<MPD>",
    "</MPD>",
    "<S ",
    "/>",
    "d='1'",
    "<SegmentTimeline>",
    "</SegmentTimeline>",
    "<Event>",
    "</Event>",
    "<!--",
    "-->",
];
