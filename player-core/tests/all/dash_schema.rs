//! What of an MPD is known.
#![allow(clippy::unwrap_used)]

use player_core::manifest::dash::{Mpd, schema};

#[test]
fn everything_in_the_schema_is_known() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/dash-schema/DASH-MPD.xsd"
    );
    let Ok(schema) = std::fs::read_to_string(path) else {
        return println!("skipped: the schema of MPDs is not here");
    };
    let names = |what: &str| -> Vec<String> {
        let opening = format!("<xs:{what} ");
        let all = schema.split(&opening).skip(1);
        let name = |tag: &str| {
            let tag = tag.split('>').next()?;
            let (_, name) = tag.split_once("name=\"").or_else(|| tag.split_once("ref=\""))?;
            Some(name.split('"').next()?.to_owned())
        };
        all.filter_map(name).collect()
    };
    let elements = names("element");
    assert!(elements.len() > 80);
    for element in &elements {
        let is_child = elements.iter().any(|parent| schema::knows_child(parent, element));
        assert!(is_child || element == "MPD", "{element}");
    }
    for attribute in names("attribute") {
        assert!(
            elements
                .iter()
                .any(|element| schema::knows_attribute(element, &attribute)),
            "{attribute}"
        );
    }
}

#[test]
fn what_is_unknown_is_listed() {
    let text = "<MPD xmlns='urn:x' xmlns:x='urn:y' xsi:schemaLocation='z' profiles='p' x:other='1'>\n<Period id='1' strange='2&amp;3'>
        <x:New a='b'><Inside/></x:New><AdaptationSet xl:href='urn:mpeg:dash:resolve-to-zero:2013'/>
        <AdaptationSet><Representation id='a' bandwidth='1' scte214:supplementalCodecs='c'/><ContentProtection cenc:default_KID='k'>
        <cenc:pssh>AA==</cenc:pssh><mspr:IsEncrypted>1</mspr:IsEncrypted></ContentProtection></AdaptationSet></Period></MPD>";
    let mpd = Mpd::parse(text, "https://h/").unwrap();
    let unknown = schema::unknown(mpd.root(), 100);
    let shown: Vec<_> = unknown
        .iter()
        .map(|u| match &u.attribute {
            Some((name, value)) => format!("{} {}@{name}={value}", u.line, u.element),
            None => format!("{} {}", u.line, u.element),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "1 MPD@x:other=1",
            "2 Period@strange=2&3",
            "3 x:New",
            "5 mspr:IsEncrypted"
        ]
    );
    assert_eq!(schema::unknown(mpd.root(), 2).len(), 2);
}
