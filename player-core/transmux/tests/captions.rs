//! CEA-608 in SEI, by behaviour.
#![allow(clippy::unwrap_used)]

use player_core::input::Caption;
use transmux::captions::{Captions, Codec};

/// A frame of 30000/1001 Hz, microseconds.
const FRAME: i64 = 33_367;

// Miscellaneous control codes of CC1.
const RCL: [u8; 2] = [0x14, 0x20];
const BS: [u8; 2] = [0x14, 0x21];
const DER: [u8; 2] = [0x14, 0x24];
const RU2: [u8; 2] = [0x14, 0x25];
const RU3: [u8; 2] = [0x14, 0x26];
const RU4: [u8; 2] = [0x14, 0x27];
const RDC: [u8; 2] = [0x14, 0x29];
const TR: [u8; 2] = [0x14, 0x2a];
const EDM: [u8; 2] = [0x14, 0x2c];
const CR: [u8; 2] = [0x14, 0x2d];
const ENM: [u8; 2] = [0x14, 0x2e];
const EOC: [u8; 2] = [0x14, 0x2f];
/// Preamble address codes in white: row 15, and 14 with an indent of 4.
const ROW_15: [u8; 2] = [0x14, 0x70];
const ROW_14_INDENT_4: [u8; 2] = [0x14, 0x52];

fn odd(byte: u8) -> u8 {
    byte | if byte.count_ones().is_multiple_of(2) {
        0x80
    } else {
        0
    }
}

/// A SEI NAL unit of AVC with triples as they are.
fn nal(triples: &[[u8; 3]]) -> Vec<u8> {
    let mut payload = vec![
        0xb5,
        0x00,
        0x31,
        b'G',
        b'A',
        b'9',
        b'4',
        3,
        0x40 | triples.len() as u8,
        0xff,
    ];
    payload.extend(triples.iter().flatten());
    payload.push(0xff);
    let mut nal = vec![6, 4, payload.len() as u8];
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        nal.push(byte);
    }
    nal.push(0x80);
    nal
}

/// Sends a pair a frame.
struct Sender {
    captions: Captions,
    now: i64,
    field: u8,
}

impl Sender {
    fn new() -> Self {
        Self {
            captions: Captions::new(),
            now: 0,
            field: 0,
        }
    }

    fn pair(&mut self, [a, b]: [u8; 2]) -> &mut Self {
        let triple = [0xfc | self.field, odd(a), odd(b)];
        self.captions.sei(self.now, Codec::Avc, &nal(&[triple]));
        self.now += FRAME;
        self
    }

    /// A control code, twice.
    fn code(&mut self, code: [u8; 2]) -> &mut Self {
        self.pair(code).pair(code)
    }

    fn codes(&mut self, codes: &[[u8; 2]]) -> &mut Self {
        for code in codes {
            self.code(*code);
        }
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        for two in text.as_bytes().chunks(2) {
            self.pair([two[0], two.get(1).copied().unwrap_or(0)]);
        }
        self
    }

    fn at(&mut self, ms: i64) -> &mut Self {
        assert!(ms * 1000 >= self.now, "it is {} us already", self.now);
        self.now = ms * 1000;
        self
    }

    /// Cues as `start-end settings|text`, in milliseconds, of CC1.
    fn end(&mut self) -> Vec<String> {
        self.captions.advance(self.now);
        shown(&self.captions.end_of_segment(), "CC1")
    }
}

fn shown(cues: &[Caption], channel: &str) -> Vec<String> {
    assert!(cues.is_sorted_by_key(|c| c.cue.start));
    let of_channel = cues.iter().filter(|c| c.channel == channel);
    of_channel
        .map(|Caption { cue, .. }| {
            let (start, end) = (cue.start.as_millis(), cue.end.as_millis());
            format!("{start}-{end} {}|{}", cue.settings, cue.text)
        })
        .collect()
}

#[test]
fn pop_on_appears_at_once_and_is_erased() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, ROW_14_INDENT_4])
        .text("HELLO,")
        .code(ROW_15)
        .text("WORLD & <CO>");
    s.at(2000).code(EOC).at(5000).code(EDM).at(6000);
    assert_eq!(
        s.end(),
        [
            "2000-5000 line:-3 position:20% align:start|HELLO,",
            "2000-5000 line:-2 position:10% align:start|WORLD &amp; &lt;CO&gt;"
        ]
    );
}

#[test]
fn rows_of_one_column_are_one_cue_and_centered_ones_too() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, [0x11, 0x54]])
        .text("LEFT ONE")
        .code([0x11, 0x74])
        .text("SHORT");
    // 12 columns, from 10: indent of 8 and two tabs; then 14 from 9.
    s.codes(&[[0x14, 0x54], [0x17, 0x22]]).text("TWELVE CHARS");
    s.codes(&[[0x14, 0x74], [0x17, 0x21]]).text("FOURTEEN CHARS");
    s.at(4000).code(EOC).at(5000);
    assert_eq!(
        s.end(),
        [
            "4000-5000 line:1 position:30% align:start|LEFT ONE\nSHORT",
            "4000-5000 line:-3 align:center|TWELVE CHARS\nFOURTEEN CHARS"
        ]
    );
}

#[test]
fn one_caption_takes_the_place_of_another_and_back_again() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, ROW_15]).text("ONE").at(1000).code(EOC);
    s.codes(&[RCL, ENM, ROW_15]).text("TWO").at(2000).code(EOC);
    // What was on the screen is in the hidden memory now.
    s.at(3000).code(EOC).at(4000);
    assert_eq!(
        s.end(),
        [
            "1000-2000 line:-2 position:10% align:start|ONE",
            "2000-3000 line:-2 position:10% align:start|TWO",
            "3000-4000 line:-2 position:10% align:start|ONE"
        ]
    );
}

#[test]
fn roll_up_rolls_and_shows_a_row_from_its_first_letter() {
    let mut s = Sender::new();
    s.codes(&[RU2, CR, ROW_15]).at(1000).text("FIRST ROW");
    s.at(3000).codes(&[RU2, CR, ROW_15]).at(3500).text("SECOND");
    s.at(5000).codes(&[RU2, CR, ROW_15]).at(5500).text("THIRD");
    s.at(8000).code(EDM).at(9000);
    assert_eq!(
        s.end(),
        [
            "1000-3066 line:-2 position:10% align:start|FIRST ROW",
            "3066-3500 line:-3 position:10% align:start|FIRST ROW",
            "3500-5066 line:-3 position:10% align:start|FIRST ROW\nSECOND",
            "5066-5500 line:-3 position:10% align:start|SECOND",
            "5500-8000 line:-3 position:10% align:start|SECOND\nTHIRD",
        ]
    );
}

#[test]
fn roll_up_of_three_and_four_rows_and_fewer_again() {
    let mut s = Sender::new();
    s.code(RU4);
    for (i, row) in ["A1", "B2", "C3", "D4", "E5"].iter().enumerate() {
        s.at(1000 + 500 * i as i64).code(CR).text(row);
    }
    s.at(5000).code(RU3).at(6000);
    let cues = s.end();
    assert_eq!(
        cues[cues.len() - 2],
        "3066-5000 line:-5 position:10% align:start|B2\nC3\nD4\nE5"
    );
    assert_eq!(
        cues[cues.len() - 1],
        "5000-6000 line:-4 position:10% align:start|C3\nD4\nE5"
    );
}

#[test]
fn the_rows_of_a_roll_up_move_with_their_lowest() {
    let mut s = Sender::new();
    s.codes(&[RU3, CR, ROW_15])
        .at(1000)
        .text("UP")
        .at(1500)
        .code(CR)
        .text("WE");
    // To row 2, where three rows have no room: row 3.
    s.at(3000).code([0x11, 0x70]).text("GO").at(4000);
    assert_eq!(
        s.end()[2..],
        [
            "1566-3000 line:-3 position:10% align:start|UP\nWE",
            // What is written now stands over what was there.
            "3000-4000 line:2 position:10% align:start|UP\nGO",
        ]
    );
}

#[test]
fn long_rows_do_not_come_much_before_their_letters() {
    let mut s = Sender::new();
    s.codes(&[RU2, CR, ROW_15]).at(1000);
    for (i, word) in ["ONE ", "TWO ", "THREE ", "FOUR"].iter().enumerate() {
        s.at(1000 + 700 * i as i64).text(word);
    }
    s.at(5000);
    assert_eq!(
        s.end(),
        [
            "1000-2466 line:-2 position:10% align:start|ONE TWO THREE",
            "2466-5000 line:-2 position:10% align:start|ONE TWO THREE FOUR",
        ]
    );
}

#[test]
fn paint_on_paints_and_deletes() {
    let mut s = Sender::new();
    s.codes(&[RDC, [0x14, 0x50]])
        .at(1000)
        .text("PAINTED")
        .code(ROW_15)
        .at(2000)
        .text("BELOW");
    // Back to the fifth column, and what is behind it goes.
    s.at(4000).codes(&[[0x14, 0x52], DER]).at(5000);
    assert_eq!(
        s.end(),
        [
            "1000-2000 line:-3 position:10% align:start|PAINTED",
            "2000-4066 line:-3 position:10% align:start|PAINTED\nBELOW",
            "4066-5000 line:-3 position:10% align:start|PAIN\nBELOW",
        ]
    );
}

#[test]
fn colors_italics_and_underlines() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM]);
    // Yellow underlined; then italics keep the color, and green ends them.
    s.code([0x14, 0x4b])
        .text("AB")
        .code([0x11, 0x2e])
        .text("CD")
        .code([0x11, 0x22])
        .text("EF");
    // Italics by the address; a mid-row code takes a place. A red background behind blue letters, and none.
    s.codes(&[[0x14, 0x6e]])
        .text("IT")
        .code([0x11, 0x24])
        .text("C ")
        .code([0x10, 0x28])
        .text("B ");
    s.code([0x17, 0x2d]).text("N ").code([0x17, 0x2f]).text("BU");
    s.at(3000).code(EOC).at(4000);
    assert_eq!(
        s.end(),
        ["3000-4000 line:-3 position:10% align:start|\
            <c.yellow><u>AB</u></c> <c.yellow><i>CD</i></c> <c.lime>EF</c>\n\
            <i>IT</i> <c.blue>C</c> <c.blue.bg_red>B</c> <c.blue>N</c> <c.black><u>BU</u></c>"]
    );
}

#[test]
fn characters_of_every_set() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, ROW_15]).pair([0x2a, 0x5c]).pair([0x7d, 0x7f]);
    for second in 0x30..0x40 {
        s.code([0x11, second]);
    }
    // A letter for those who do not know the extended one, which takes its place.
    s.text("E")
        .code([0x12, 0x21])
        .text("a")
        .code([0x13, 0x31])
        .text("!")
        .code([0x12, 0x2f]);
    s.at(4000).code(EOC).at(5000);
    assert_eq!(
        s.end(),
        ["4000-5000 line:-2 position:10% align:start|áéÑ█®°½¿™¢£♪à èâêîôûÉä”"]
    );
}

#[test]
fn a_full_row_is_overwritten_at_its_end() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, ROW_15])
        .text("0123456789012345678901234567890123")
        .at(2000)
        .code(EOC);
    s.at(3000);
    assert_eq!(
        s.end(),
        ["2000-3000 line:-2 align:center|01234567890123456789012345678903"]
    );
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, [0x14, 0x7e], [0x17, 0x23]])
        .text("AB")
        .codes(&[BS, BS])
        .text("CDE");
    s.at(2000).code(EOC).at(3000);
    // From the last column on: B stands over A, two are taken back, E stands over D.
    assert_eq!(s.end(), ["2000-3000 line:-2 position:85% align:start|CE"]);
}

#[test]
fn control_codes_come_once_or_twice_and_padding_between_does_not_matter() {
    let padding = |s: &mut Sender| {
        s.captions.sei(s.now, Codec::Avc, &nal(&[[0xfc, 0x80, 0x80]]));
        s.now += FRAME;
    };
    let mut s = Sender::new();
    for code in [RCL, ENM, ROW_15] {
        s.pair(code);
    }
    s.text("ONCE").at(1000).pair(EOC);
    padding(&mut s);
    // Still the same one.
    s.pair(EOC).at(2000);
    assert_eq!(s.end(), ["1000-2000 line:-2 position:10% align:start|ONCE"]);
    // Four times is twice.
    s.codes(&[RCL, ENM, ROW_15])
        .text("TWICE!")
        .codes(&[BS, BS])
        .at(3000)
        .code(EOC)
        .at(4000);
    assert_eq!(s.end()[1..], ["3000-4000 line:-2 position:10% align:start|TWIC"]);
}

#[test]
fn bytes_with_even_parity_are_dropped() {
    let mut s = Sender::new();
    let raw = |s: &mut Sender, pair: [u8; 2]| {
        s.captions
            .sei(s.now, Codec::Avc, &nal(&[[0xfc, pair[0], pair[1]]]));
        s.now += FRAME;
    };
    s.codes(&[RCL, ENM]);
    // The first copy is broken, the second is not.
    raw(&mut s, [odd(0x14), odd(0x70) ^ 0x80]);
    s.pair(ROW_15);
    raw(&mut s, [odd(b'A'), odd(b'B') ^ 0x80]);
    raw(&mut s, [odd(b'C') ^ 0x80, odd(b'D')]);
    // It may have been a control code: nothing of it is a letter.
    raw(&mut s, [odd(0x11) ^ 0x80, odd(b'D')]);
    s.at(1000).code(EOC).at(2000);
    assert_eq!(s.end(), ["1000-2000 line:-2 position:10% align:start|AD"]);
}

#[test]
fn channels_and_fields_do_not_mix() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, ROW_15]).text("ONE");
    s.codes(&[[0x1c, 0x20], [0x1c, 0x70]])
        .text("TWO")
        .code([0x1c, 0x2f]);
    s.code(RCL).text("S").code(EOC);
    s.field = 1;
    s.codes(&[[0x15, 0x20], [0x15, 0x2e], [0x15, 0x70]]);
    // A programme's name, in the middle of a caption, and what goes on after it.
    s.pair([0x01, 0x03]).text("NAME").pair([0x0f, 0x1d]);
    s.code([0x15, 0x20]).text("THREE").code([0x15, 0x2f]);
    s.codes(&[[0x1d, 0x29], [0x1d, 0x70]]).text("FOUR").at(3000);
    s.captions.advance(3_000_000);
    let cues = s.captions.end_of_segment();
    for (channel, text) in [("CC1", "ONES"), ("CC2", "TWO"), ("CC3", "THREE"), ("CC4", "FOUR")] {
        let cues = shown(&cues, channel);
        assert_eq!(cues.len(), 1, "{cues:?}");
        assert!(cues[0].ends_with(&format!("|{text}")), "{cues:?}");
    }
}

#[test]
fn text_mode_is_passed_over_and_roll_up_goes_on_after_it() {
    let mut s = Sender::new();
    s.codes(&[RU2, CR, ROW_15])
        .at(500)
        .text("CAPTION")
        .at(1000)
        .code(TR)
        .text("NEWS")
        .code(CR);
    s.at(2000).code(RU2).text(" MORE").at(3000);
    assert_eq!(
        s.end(),
        [
            "500-2000 line:-2 position:10% align:start|CAPTION",
            "2000-3000 line:-2 position:10% align:start|CAPTION MORE"
        ]
    );
}

#[test]
fn before_a_mode_is_known_nothing_is_shown() {
    let mut s = Sender::new();
    s.text("TAIL OF SOMETHING").at(1000).code(EOC).at(2000);
    assert_eq!(s.end(), [""; 0]);
    s.codes(&[RCL, ENM, ROW_15])
        .text("KNOWN")
        .at(3000)
        .code(EOC)
        .at(4000);
    assert_eq!(s.end(), ["3000-4000 line:-2 position:10% align:start|KNOWN"]);
}

#[test]
fn sixteen_seconds_of_nothing_clear_the_screen() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, ROW_15])
        .text("LONG")
        .at(1000)
        .pair(EOC)
        .at(30_000);
    assert_eq!(s.end(), ["1000-17000 line:-2 position:10% align:start|LONG"]);
}

#[test]
fn pictures_are_read_in_the_order_in_which_they_are_shown() {
    let pairs: Vec<[u8; 2]> = [RCL, ENM, ROW_15]
        .into_iter()
        .chain(b"REORDERED TEXT".chunks(2).map(|c| [c[0], c[1]]))
        .chain([EOC, [0, 0], [0, 0]])
        .collect();
    assert_eq!(pairs.len() % 4, 1);
    let mut captions = Captions::new();
    let mut send = |i: usize| {
        if let Some([a, b]) = pairs.get(i) {
            let nal = nal(&[[0xfc, odd(*a), odd(*b)]]);
            captions.sei(i as i64 * FRAME, Codec::Avc, &nal);
        }
    };
    // I, then P B B B with the middle one referred to.
    send(0);
    for group in 0..pairs.len() / 4 {
        for of_group in [4, 2, 1, 3] {
            send(4 * group + of_group);
        }
    }
    captions.advance(1_000_000);
    let cues = captions.end_of_segment();
    assert_eq!(
        shown(&cues, "CC1"),
        ["333-1000 line:-2 position:10% align:start|REORDERED TEXT"]
    );
}

#[test]
fn what_is_on_the_screen_goes_on_in_the_next_segment_without_a_gap_and_with_the_same_id() {
    let mut s = Sender::new();
    s.codes(&[RCL, ENM, ROW_15]).text("STAYS").at(1000).code(EOC);
    let mut cues = Vec::new();
    for end in [2000, 4000, 6000] {
        s.at(end);
        s.captions.advance(s.now);
        cues.extend(s.captions.end_of_segment());
    }
    s.code(EDM);
    cues.extend(s.captions.end_of_segment());
    assert_eq!(
        shown(&cues, "CC1"),
        ["1000-2000", "2000-4000", "4000-6000"]
            .map(|t| format!("{t} line:-2 position:10% align:start|STAYS"))
    );
    assert!(cues.iter().all(|c| c.cue.id == "CC1-1000000-15"), "{cues:?}");
    // The same words again later are another cue.
    s.codes(&[RCL, ENM, ROW_15])
        .text("STAYS")
        .at(8000)
        .code(EOC)
        .at(9000);
    s.captions.advance(s.now);
    assert_eq!(s.captions.end_of_segment()[0].cue.id, "CC1-8000000-15");
}

#[test]
fn a_row_that_is_cut_in_its_middle_goes_on_whole() {
    let mut s = Sender::new();
    s.codes(&[RU2, CR, ROW_15]).at(1000).text("HALF A ");
    let mut cues = s.end();
    s.text("ROW").at(2000);
    cues.extend(s.end());
    assert_eq!(
        cues,
        [
            "1000-1133 line:-2 position:10% align:start|HALF A",
            "1133-2000 line:-2 position:10% align:start|HALF A ROW"
        ]
    );
}

#[test]
fn time_that_is_set_back_begins_anew() {
    let mut s = Sender::new();
    s.at(100_000)
        .codes(&[RCL, ENM, ROW_15])
        .text("OLD")
        .code(EOC)
        .at(101_000);
    s.captions.advance(s.now);
    s.now = 0;
    s.codes(&[RCL, ENM, ROW_15]).text("NEW").code(EOC).at(1000);
    s.captions.advance(s.now);
    let cues = s.captions.end_of_segment();
    let texts: Vec<_> = cues
        .iter()
        .map(|c| (c.cue.text.as_str(), c.cue.end.as_millis()))
        .collect();
    assert_eq!(texts, [("NEW", 1000), ("OLD", 101_000)]);
    s.captions.reset();
    assert!(s.end().is_empty());
}

#[test]
fn cues_of_a_segment_are_bounded() {
    let mut s = Sender::new();
    s.codes(&[RDC, ROW_15]);
    for i in 0..3000 {
        s.pair([b'a' + (i % 26) as u8, 0])
            .pair(if i % 2 == 0 { EDM } else { [0x1c, 0x2c] })
            .pair(EDM);
        s.pair(ROW_15);
    }
    s.captions.advance(s.now);
    assert_eq!(s.captions.end_of_segment().len(), 2000);
}

/// What FFmpeg makes of the same captions, in pictures that it encoded.
#[test]
fn ffmpeg_sees_the_same_captions() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("captions");
    std::fs::create_dir_all(&folder).unwrap();
    let ffmpeg = |arguments: &str| {
        let mut command = std::process::Command::new("ffmpeg");
        command
            .current_dir(&folder)
            .args(["-v", "error", "-nostdin", "-y"]);
        command
            .args(arguments.split(' '))
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    let source = "-f lavfi -i testsrc=s=160x90:r=30000/1001:d=10 -c:v libx264 -preset ultrafast -bf 0 -f h264 plain.h264";
    if ffmpeg(source).is_none() {
        println!("skipped: there is no ffmpeg with libx264");
        return;
    }
    let mut pairs: Vec<[u8; 2]> = Vec::new();
    let mut at = |frame: usize, codes: &[[u8; 2]], text: &str| {
        pairs.resize(frame.max(pairs.len()), [0, 0]);
        pairs.extend(codes.iter().flat_map(|code| [*code, *code]));
        pairs.extend(
            text.as_bytes()
                .chunks(2)
                .map(|two| [two[0], two.get(1).copied().unwrap_or(0)]),
        );
    };
    at(0, &[RCL, ENM, ROW_14_INDENT_4], "Hello,");
    at(0, &[ROW_15], "wide ");
    at(0, &[[0x11, 0x2e]], "world");
    at(30, &[EOC, RCL, ENM, [0x11, 0x40]], "TOP ");
    at(60, &[[0x11, 0x37], [0x12, 0x21]], "");
    at(90, &[EOC], "");
    at(120, &[EDM, RU2, CR, ROW_15], "ONE");
    at(150, &[CR], "TWO");
    at(180, &[CR], "THREE");
    at(210, &[EDM, RDC, ROW_15], "PAINTED");
    at(240, &[EDM], "");

    // An SEI unit before each picture; here they have one slice each.
    let plain = std::fs::read(folder.join("plain.h264")).unwrap();
    let starts: Vec<usize> = (0..plain.len() - 3)
        .filter(|i| plain[*i..i + 3] == [0, 0, 1])
        .collect();
    let (mut with, mut frame) = (Vec::new(), 0);
    let mut captions = Captions::new();
    for (i, start) in starts.iter().enumerate() {
        let unit = &plain[start + 3..starts.get(i + 1).copied().unwrap_or(plain.len())];
        if matches!(unit[0] & 0x1f, 1 | 5) {
            let [a, b] = pairs.get(frame).copied().unwrap_or_default();
            let sei = nal(&[[0xfc, odd(a), odd(b)], [0xf9, 0, 0]]);
            captions.sei(frame as i64 * 1_001_000_000 / 30_000, Codec::Avc, &sei);
            with.extend([0, 0, 0, 1]);
            with.extend(sei);
            frame += 1;
        }
        with.extend([0, 0, 1]);
        with.extend(unit);
    }
    std::fs::write(folder.join("with.h264"), with).unwrap();
    ffmpeg("-r 30000/1001 -i with.h264 -c copy with.mp4").unwrap();
    let theirs = ffmpeg("-f lavfi -i movie=with.mp4[out+subcc] -map 0:1 -c:s webvtt -f webvtt -").unwrap();
    let theirs = String::from_utf8(theirs.stdout).unwrap().replace("\\h", "");
    let theirs = theirs.split("\n\n").filter_map(|block| {
        let (times, text) = block.trim().split_once('\n')?;
        let end = times.split_once(" --> 00:0")?.1.replace('.', "");
        Some((end.parse::<i64>().unwrap(), plain_text(text)))
    });

    // Rows of different columns are different cues here; rows without what rolls in at once are not there at all.
    let mut ours: Vec<(i64, String)> = Vec::new();
    for cue in captions.end_of_segment().iter().map(|c| &c.cue) {
        let end = cue.end.as_millis();
        match ours.last_mut() {
            Some((last, text)) if *last == end => *text = format!("{text} {}", plain_text(&cue.text)),
            _ if cue.end.as_millis() - cue.start.as_millis() > 100 => ours.push((end, plain_text(&cue.text))),
            _ => {}
        }
    }
    assert_eq!(ours, theirs.collect::<Vec<_>>());
    assert_eq!(ours.len(), 6);
}

/// Without markup, and with one space between words.
fn plain_text(text: &str) -> String {
    let plain: String = text
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
