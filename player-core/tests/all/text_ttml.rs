//! TTML to cues.
#![allow(clippy::unwrap_used)]

use player_core::text::{Cues, Format, TextError, read};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
    xmlns:itts="http://www.w3.org/ns/ttml/profile/imsc1#styling" xmlns:smpte="http://www.smpte-ra.org/schemas/2052-1/2010/smpte-tt"
    xml:lang="en" ttp:frameRate="25" ttp:tickRate="10000000">"#;

fn ttml(text: &str) -> Result<Cues, TextError> {
    read(text.as_bytes(), None, Format::Ttml)
}

fn document(inner: &str) -> Cues {
    ttml(&format!("{HEAD}{inner}</tt>")).unwrap()
}

fn body(inner: &str) -> Cues {
    document(&format!("<body><div>{inner}</div></body>"))
}

/// Cues as `start-end settings|text`, in milliseconds.
fn shown(cues: &Cues) -> Vec<String> {
    let cues = cues.cues.iter();
    cues.map(|cue| {
        let (start, end) = (cue.start.as_millis(), cue.end.as_millis());
        format!("{start}-{end} {}|{}", cue.settings, cue.text)
    })
    .collect()
}

fn texts(cues: &Cues) -> Vec<&str> {
    cues.cues.iter().map(|cue| cue.text.as_str()).collect()
}

fn warnings(cues: &Cues) -> Vec<&str> {
    cues.warnings.iter().map(|w| w.message.as_str()).collect()
}

#[test]
fn times_of_every_form_and_none() {
    let cues = body(
        r#"<p begin="00:00:01.5" end="00:00:02:05">a</p><p begin="75f" dur="1s">b</p><p begin="50000000t" end="6000ms">c</p>
        <p end="0.5m">d</p><p begin="1h">e</p><p begin="3s" end="2s">never</p>"#,
    );
    assert_eq!(
        shown(&cues),
        [
            "1500-2200 |a",
            "3000-4000 |b",
            "5000-6000 |c",
            "0-30000 |d",
            "3600000-9223372036854775 |e"
        ]
    );
    assert!(cues.warnings.is_empty(), "{:?}", cues.warnings);
}

#[test]
fn containers_shift_and_bound_what_is_in_them() {
    let cues = document(
        r#"<body begin="10s" dur="100s"><div begin="5s" end="20s"><p begin="1s" end="2s">a</p><p begin="14s" end="99s">b</p></div>
        <div begin="30s"><p><span begin="1s" end="3s">c</span><span begin="3s" end="4s">d</span></p></div></body>"#,
    );
    assert_eq!(
        shown(&cues),
        [
            "16000-17000 |a",
            "29000-30000 |b",
            "41000-43000 |c",
            "43000-44000 |d"
        ]
    );
}

#[test]
fn sequences_follow_each_other() {
    let cues = document(
        r#"<body timeContainer="seq"><div><p begin="1s" end="2s">a</p><p end="3s">b</p></div>
        <div timeContainer="seq" begin="1s"><p dur="2s">c</p><p begin="1s" dur="2s">d</p></div><div><p dur="1s">e</p></div></body>"#,
    );
    assert_eq!(
        shown(&cues),
        [
            "1000-2000 |a",
            "0-3000 |b",
            "4000-6000 |c",
            "7000-9000 |d",
            "9000-10000 |e"
        ]
    );
}

#[test]
fn timed_spans_build_up_a_line() {
    let cues = body(
        r#"<p begin="1s" end="5s">One <span begin="1s">two <span begin="1s" end="2s">three</span></span><br/>
        <span end="1s">four</span></p>"#,
    );
    assert_eq!(
        shown(&cues),
        [
            "1000-2000 |One\nfour",
            "2000-3000 |One two",
            "3000-4000 |One two three",
            "4000-5000 |One two"
        ]
    );
}

#[test]
fn white_space_collapses_unless_it_is_to_be_kept() {
    let cues = body(
        "<p end='1s'>\n  one\n  two  <br/>  \n three <span> four</span> </p>
        <p begin='1s' end='2s' xml:space='preserve'>a  b\n c <span xml:space='default'>\n  d  </span></p>
        <p begin='2s' end='3s'><br/>x<br/><br/>y<br/></p><p begin='3s' end='4s'> <br/> </p>",
    );
    assert_eq!(texts(&cues), ["one two\nthree four", "a  b\n c d", "x\n\ny"]);
}

#[test]
fn text_is_escaped_and_references_are_resolved() {
    let cues = body("<p end='1s'>&lt;b&gt; &amp;amp; &#x266a;<![CDATA[ <i> & ]]><!-- no --><x>gone</x></p>");
    assert_eq!(texts(&cues), ["&lt;b&gt; &amp;amp; ♪ &lt;i&gt; &amp;"]);
}

#[test]
fn styles_by_reference_by_chain_inline_and_inherited() {
    let cues = document(
        r##"<head><styling>
            <style xml:id="late" style="base" tts:fontWeight="bold"/>
            <style xml:id="base" tts:color="#ffff00" tts:fontStyle="italic"/>
            <style xml:id="loop" style="loop pool" tts:textDecoration="underline"/><style xml:id="pool" style="loop"/>
            <style xml:id="blue" tts:backgroundColor="rgba(0,0,255,200)"/>
        </styling></head>
        <body style="late"><div>
            <p end="1s">a <span tts:fontStyle="normal">b</span></p>
            <p begin="1s" end="2s" style="base blue" tts:color="white" tts:fontWeight="normal">c<span tts:backgroundColor="black">d</span></p>
            <p begin="2s" end="3s" style="loop unknown">e</p>
            <p begin="3s" end="4s" style="base loop" tts:color="lime" tts:fontWeight="normal">f</p>
        </div></body>"##,
    );
    assert_eq!(
        texts(&cues),
        [
            "<c.yellow><b><i>a</i></b></c> <c.yellow><b>b</b></c>",
            "<c.bg_blue><i>c</i></c><i>d</i>",
            "<c.yellow><b><i><u>e</u></i></b></c>",
            "<c.lime><i><u>f</u></i></c>"
        ]
    );
}

#[test]
fn regions_place_cues_and_pass_their_style_on() {
    let cues = document(
        r#"<head><styling><style xml:id="wide" tts:extent="80% 20%" tts:origin="10% 70%"/><initial tts:fontWeight="bold"/></styling><layout>
            <region xml:id="bottom" style="wide" tts:displayAlign="after" tts:textAlign="center" tts:color="cyan"/>
            <region xml:id="top"><style tts:origin="0% 5%"/><style tts:extent="100% 30%" tts:textAlign="end"/></region>
            <region xml:id="whole" tts:displayAlign="after"/>
        </layout></head>
        <body region="bottom"><div><p end="1s">a<br/>b</p><p begin="1s" end="2s" region="top" tts:fontWeight="normal">c</p>
            <p begin="2s" end="3s" region="nowhere" tts:textAlign="left" tts:fontWeight="normal">d</p></div>
            <div region="whole" tts:fontWeight="normal"><p begin="3s" end="4s" tts:textAlign="center">e</p></div></body>"#,
    );
    assert_eq!(
        shown(&cues),
        [
            "0-1000 line:-4 size:80%|<c.cyan><b>a\nb</b></c>",
            "1000-2000 line:5% position:100% align:end|c",
            "2000-3000 line:-3 position:10% size:80% align:left|<c.cyan>d</c>",
            "3000-4000 line:-1|e"
        ]
    );
    assert_eq!(
        warnings(&cues),
        ["the attribute region is not understood: \"nowhere\""]
    );
}

#[test]
fn a_region_of_spans_is_that_of_their_paragraph() {
    let cues = document(
        r#"<head><layout><region xml:id="Default" tts:origin="3% 0%" tts:extent="97% 97%" tts:displayAlign="after" tts:textAlign="center"/>
            </layout></head>
        <body><div><p begin="1s" end="2s"><span region="Default">a<br/>b</span></p></div></body>"#,
    );
    assert_eq!(shown(&cues), ["1000-2000 line:-3 position:51.5% size:97%|a\nb"]);
}

#[test]
fn paragraphs_of_the_same_time_and_place_are_one_cue() {
    let cues = document(
        r#"<head><layout><region xml:id="r" tts:origin="10% 80%" tts:extent="80% 10%" tts:displayAlign="after" tts:textAlign="center"/>
            <region xml:id="t" tts:origin="10% 10%" tts:extent="80% 10%" tts:textAlign="center"/></layout></head>
        <body><div region="r"><p xml:id="p1" begin="1s" end="2s">one</p><p begin="1s" end="2s">two</p><p begin="1s" end="3s">three</p>
            <p region="t" begin="1s" end="3s">top</p></div></body>"#,
    );
    assert_eq!(
        shown(&cues),
        [
            "1000-2000 line:-4 size:80%|one\ntwo",
            "1000-3000 line:-3 size:80%|three",
            "1000-3000 line:10% size:80%|top"
        ]
    );
    assert_eq!(cues.cues[0].id, "p1");
}

#[test]
fn ruby_forced_and_hidden() {
    let cues = body(
        r#"<p end="1s"><span tts:ruby="container"><span tts:ruby="base">漢字</span><span tts:ruby="delimiter">(</span><span
            tts:ruby="text" tts:color="red">かんじ</span><span tts:ruby="delimiter">)</span></span>です</p>
        <p begin="1s" end="2s" itts:forcedDisplay="true">sign</p>
        <p begin="2s" end="3s" tts:display="none">no</p><p begin="3s" end="4s">x<span tts:visibility="hidden">no</span></p>"#,
    );
    assert_eq!(
        texts(&cues),
        [
            "<ruby>漢字<rt><c.red>かんじ</c></rt></ruby>です",
            "<c.forced>sign</c>",
            "x"
        ]
    );
}

#[test]
fn images_are_told() {
    let cues = document(
        r##"<head><metadata><smpte:image xml:id="i1" encoding="Base64">AAAA</smpte:image></metadata></head>
        <body><div begin="1s" end="2s" smpte:backgroundImage="#i1"/></body>"##,
    );
    assert!(cues.cues.is_empty());
    let message = "it has images in place of text, which are not supported: they are left out";
    assert_eq!(warnings(&cues), [message]);
    let profile = r#"<tt xmlns="http://www.w3.org/ns/ttml" ttp:profile="http://www.w3.org/ns/ttml/profile/imsc1/image"><body/></tt>"#;
    assert_eq!(warnings(&ttml(profile).unwrap()), [message]);
}

#[test]
fn other_namespaces_prefixes_and_encodings() {
    let dfxp = r#"<tt:tt xmlns:tt="http://www.w3.org/2006/10/ttaf1" xmlns:s="http://www.w3.org/2006/10/ttaf1#style"><tt:head><tt:styling>
        <tt:style id="s1" s:color="yellow"/></tt:styling></tt:head><tt:body><tt:div><tt:p style="s1" begin="00:00:01.00" end="00:00:02.00">Déjà<tt:br/>vu</tt:p></tt:div></tt:body></tt:tt>"#;
    let expected = ["1000-2000 |<c.yellow>Déjà\nvu</c>"];
    assert_eq!(shown(&ttml(dfxp).unwrap()), expected);
    assert_eq!(shown(&ttml(&format!("\u{feff}\n{dfxp}")).unwrap()), expected);
    for big in [false, true] {
        let units = core::iter::once(0xfeff).chain(dfxp.encode_utf16());
        let bytes: Vec<u8> = units
            .flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() })
            .collect();
        assert_eq!(shown(&read(&bytes, None, Format::WebVtt).unwrap()), expected);
    }
    let latin = dfxp.as_bytes().to_vec();
    let at = latin.iter().position(|b| *b == 0xc3).unwrap();
    let latin = [&latin[..at], &[0xe9], &latin[at + 2..]].concat();
    assert!(texts(&read(&latin, None, Format::Ttml).unwrap())[0].contains("D\u{fffd}jà"));
}

#[test]
fn what_is_malformed_is_told() {
    let cues = body(
        "<p begin='soon' end='1s' tts:color='mauve' tts:textAlign='middle'>a</p><p begin='1s' dur='-1s'>b</p>",
    );
    assert_eq!(
        warnings(&cues),
        [
            "the attribute color is not understood: \"mauve\"",
            "the attribute textAlign is not understood: \"middle\"",
            "the attribute begin is not understood: \"soon\"",
            "the attribute dur is not understood: \"-1s\""
        ]
    );
    assert_eq!(cues.warnings[0].line, 4);
    assert_eq!(cues.cues.len(), 2);

    let broken = format!("{HEAD}<body><div><p end='1s'>a</p><p end='2s'>b</div>");
    let cues = ttml(&broken).unwrap();
    assert_eq!(texts(&cues), ["a"]);
    assert_eq!(cues.warnings.len(), 1);

    let malformed = |text: &str| matches!(ttml(text), Err(TextError::Malformed { .. }));
    assert!(malformed(&format!("{HEAD}<body><div><p end='1s'>a</div>")));
    assert!(malformed("<!DOCTYPE tt [<!ENTITY a 'b'>]><tt/>"));
    assert!(malformed(&format!("{HEAD}<body>{}", "<div>".repeat(100))));
    assert_eq!(ttml("<!DOCTYPE html><html>").unwrap_err(), TextError::Html);
    assert_eq!(ttml(" <HTML><body>").unwrap_err(), TextError::Html);
    assert!(matches!(ttml("<MPD/>"), Err(TextError::Unknown(start)) if start == "<MPD/>"));
    assert!(matches!(ttml("nothing"), Err(TextError::Unknown(_))));
}

#[test]
fn hostile_documents_are_bounded() {
    // Each piece is a change, and each change repeats all the others.
    let piece = |i: usize| format!("<span begin='{i}s'>{}</span>", "x".repeat(400));
    let paragraph = format!("<p>{}</p>", (0..300).map(piece).collect::<String>());
    let cues = body(&paragraph.repeat(20));
    let size: usize = cues.cues.iter().map(|cue| cue.text.len()).sum();
    assert!(size < 20 << 20, "{size} bytes");
    assert!(warnings(&cues).contains(&"there are too many cues: what follows is left out"));

    let many: String = (0..12_000)
        .map(|i| format!("<p begin='{i}s' dur='1s'>x</p>"))
        .collect();
    let cues = body(&many);
    assert_eq!(cues.cues.len(), 10_000);
    assert_eq!(
        warnings(&cues),
        ["there are too many cues: what follows is left out"]
    );

    let odd: String = (0..1000).map(|i| format!("<p begin='x{i}'>x</p>")).collect();
    assert!(body(&odd).warnings.len() <= 100);
    let styles: String = (0..2000)
        .map(|i| format!("<style xml:id='s{i}' style='s{}'/>", i + 1))
        .collect();
    let cues = document(&format!(
        "<head><styling>{styles}</styling></head><body style='s0'><p end='1s'>x</p></body>"
    ));
    assert_eq!(texts(&cues), ["x"]);
}
