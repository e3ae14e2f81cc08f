//! Cue text: the markup of SubRip, ASS and WebVTT as WebVTT cue text (WebVTT, 4.2.2).

use super::ass::Style;
use super::settings;

/// What markup a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{\i1}`, `\N`.
    Ass,
    /// `<i>`, `<font color=…>`, `{\an8}`.
    SubRip,
    WebVtt,
}

/// Cue text, and the settings that its markup stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Converted {
    /// Empty if there is nothing to see.
    pub(super) text: String,
    pub(super) settings: String,
}

/// Converts a text; `style` is what ASS begins with.
pub(super) fn convert(text: &str, dialect: Dialect, style: Style) -> Converted {
    let mut end = text.len().min(MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut rest = text.get(..end).unwrap_or_default();
    let mut writer = Writer::default();
    let mut state = State {
        keypad: style.keypad,
        is_drawing: false,
        style,
    };
    for (is_on, tag) in [(style.bold, "b"), (style.italic, "i"), (style.underline, "u")] {
        if is_on {
            writer.open(tag, tag);
        }
    }
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '<' if dialect != Dialect::Ass => match element(rest) {
                Some((inner, whole)) if tag(&mut writer, inner, dialect) => length = whole,
                // Unknown elements are not shown; what only looks like one is.
                Some((inner, whole)) if dialect == Dialect::WebVtt || is_name(inner) => length = whole,
                _ => writer.character('<'),
            },
            '{' if dialect != Dialect::WebVtt => match rest.split_once('}') {
                Some((inner, _)) if inner.starts_with("{\\") || dialect == Dialect::Ass => {
                    override_block(&mut writer, inner, &mut state);
                    length = inner.len() + 1;
                }
                _ => writer.character('{'),
            },
            '\\' if dialect == Dialect::Ass => {
                length = 2;
                match rest.as_bytes().get(1) {
                    Some(b'N' | b'n') => writer.character('\n'),
                    Some(b'h') => writer.character('\u{a0}'),
                    _ => {
                        length = 1;
                        writer.character('\\');
                    }
                }
            }
            '&' if dialect != Dialect::Ass => match entity(rest) {
                Some((character, whole)) => {
                    writer.character(character);
                    length = whole;
                }
                None => match named(rest).filter(|_| dialect == Dialect::WebVtt) {
                    Some(name) => {
                        writer.raw(name);
                        length = name.len();
                    }
                    None => writer.character('&'),
                },
            },
            // Drawings are numbers and letters.
            _ if state.is_drawing => {}
            other => writer.character(other),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Converted {
        text: writer.finish(),
        settings: state.keypad.map(settings::of_keypad).unwrap_or_default(),
    }
}

/// What override tags of ASS change.
struct State {
    keypad: Option<u8>,
    is_drawing: bool,
    style: Style,
}

/// What stands between `<` and `>`, and how long it is with both.
fn element(text: &str) -> Option<(&str, usize)> {
    let (inner, _) = text.get(1..)?.split_once('>')?;
    (inner.len() <= MAX_TAG && !inner.contains(['<', '\n'])).then_some((inner, inner.len() + 2))
}

/// Whether something in angle brackets is an element of HTML, not text such as `<3`.
fn is_name(inner: &str) -> bool {
    let name = inner.strip_prefix('/').unwrap_or(inner);
    let name = name.split([' ', '/']).next().unwrap_or_default();
    let is_letters = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 10 && is_letters(name)
}

/// Writes an element; `false` if it is none that can be.
fn tag(writer: &mut Writer, inner: &str, dialect: Dialect) -> bool {
    let lower = inner.trim().to_ascii_lowercase();
    let is_web = dialect == Dialect::WebVtt;
    if let Some(name) = lower.strip_prefix('/') {
        let name = name.trim();
        if name == "font" && !is_web {
            writer.close("font");
        } else if PLAIN.contains(&name) || (is_web && WEB.contains(&name)) {
            writer.close(name);
        } else {
            return false;
        }
        return true;
    }
    if PLAIN.contains(&lower.as_str()) {
        writer.open(&lower, &lower);
        return true;
    }
    if !is_web {
        let Some(attributes) = lower.strip_prefix("font") else {
            return false;
        };
        let colour = attributes
            .split_once("color")
            .map(|(_, value)| value.trim_start_matches([' ', '=', '"', '\'']));
        let colour = colour.and_then(|value| value.split(['"', '\'', ' ']).next());
        match colour.and_then(class_of) {
            Some(class) => writer.open("font", &format!("c.{class}")),
            None => writer.open("font", ""),
        }
        return true;
    }
    if inner.starts_with(|c: char| c.is_ascii_digit()) {
        return match super::reader::time(inner) {
            Some(ms) => {
                writer.raw(&format!("<{}>", super::segments::timestamp(ms)));
                true
            }
            None => false,
        };
    }
    let (name, annotation) = inner.split_once([' ', '\t']).unwrap_or((inner, ""));
    let (name, classes) = name.split_once('.').unwrap_or((name, ""));
    if !PLAIN.contains(&name) && !WEB.contains(&name) {
        return false;
    }
    let mut written = name.to_owned();
    for class in classes.split('.').filter(|class| !class.is_empty()) {
        let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let class = class.trim_end_matches('-');
        if !class.is_empty() && class.chars().all(is_word) {
            written.push('.');
            written += class;
        }
    }
    if matches!(name, "v" | "lang") {
        let annotation = cleaned_annotation(annotation);
        if annotation.is_empty() {
            return true;
        }
        written.push(' ');
        annotation.chars().for_each(|c| push_escaped(&mut written, c));
    }
    writer.open(name, &written);
    true
}

/// An annotation as one line of what its characters and entities stand for.
fn cleaned_annotation(text: &str) -> String {
    let mut read = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (character, length) = entity(rest).unwrap_or((first, first.len_utf8()));
        read.extend(Some(character).filter(|c| c.is_whitespace() || !c.is_control()));
        rest = rest.get(length..).unwrap_or_default();
    }
    let words = read.split_whitespace().collect::<Vec<_>>().join(" ");
    // With two of them the end of the element would be an arrow.
    words.trim_end_matches(['-', ' ']).to_owned()
}

/// Tags between `{` and `}` of ASS.
fn override_block(writer: &mut Writer, inner: &str, state: &mut State) {
    for tag in inner.split('\\').skip(1) {
        let tag = tag.trim();
        let number = |name: &str| tag.strip_prefix(name).and_then(|value| value.parse::<u32>().ok());
        let set = |writer: &mut Writer, tag: &'static str, is_on: bool| {
            writer.close(tag);
            if is_on {
                writer.open(tag, tag);
            }
        };
        if let Some(key) = number("an").filter(|key| (1..=9).contains(key)) {
            state.keypad = Some(key as u8);
        } else if let Some(key) = number("a") {
            // The older numbers: 1 to 3 below, 5 to 7 above, 9 to 11 in the middle.
            state.keypad = match key {
                1..=3 => Some(key as u8),
                5..=7 => Some(key as u8 + 2),
                9..=11 => Some(key as u8 - 5),
                _ => state.keypad,
            };
        } else if let Some(on) = number("i") {
            set(writer, "i", on > 0);
        } else if let Some(on) = number("u") {
            set(writer, "u", on > 0);
        } else if let Some(weight) = number("b") {
            set(writer, "b", weight == 1 || weight >= 600);
        } else if let Some(scale) = number("p") {
            state.is_drawing = scale > 0;
        } else if tag.starts_with('r') {
            set(writer, "b", state.style.bold);
            set(writer, "i", state.style.italic);
            set(writer, "u", state.style.underline);
            writer.close("c");
        } else if let Some(value) = tag
            .strip_prefix("1c")
            .or_else(|| tag.strip_prefix('c'))
            .filter(|value| value.is_empty() || value.starts_with('&'))
        {
            writer.close("c");
            if let Some(class) = class_of_bgr(value) {
                writer.open("c", &format!("c.{class}"));
            }
        }
    }
}

/// The class of a colour that WebVTT has a default style for (WebVTT, 5.1), of HTML's notation.
fn class_of(colour: &str) -> Option<&'static str> {
    let digits = colour
        .strip_prefix('#')
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    COLOURS
        .into_iter()
        .find(|(name, rgb)| *name == colour || digits == Some(*rgb))
        .map(|(name, _)| name)
        // White is what text is anyhow.
        .filter(|name| *name != "white")
}

/// The same of ASS's notation: `&H00FFFF&`, blue first.
fn class_of_bgr(colour: &str) -> Option<&'static str> {
    let digits = colour.trim_matches('&').trim_start_matches(['H', 'h']);
    let bgr = u32::from_str_radix(digits, 16).ok()? & 0xff_ffff;
    let rgb = (bgr & 0xff) << 16 | bgr & 0xff00 | bgr >> 16;
    class_of(&format!("#{rgb:06x}"))
}

/// The character that an entity at the start of a text stands for, and its length.
fn entity(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('&')?;
    let end = rest.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
    let name = rest.get(..end)?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "nbsp" => '\u{a0}',
        "lrm" => '\u{200e}',
        "rlm" => '\u{200f}',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((character, end + 2))
}

/// A named entity that a browser may know.
fn named(text: &str) -> Option<&str> {
    let end = text.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| text.get(..=end)).flatten()
}

/// Builds cue text with balanced elements.
#[derive(Default)]
struct Writer {
    out: String,
    /// Names of the open elements, and what is written to open each.
    open: Vec<(String, String)>,
    has_text: bool,
}

impl Writer {
    fn character(&mut self, character: char) {
        match character {
            '\n' => self.out.push('\n'),
            '\r' => {}
            '\t' => self.out.push(' '),
            control if control.is_control() => {}
            other => {
                self.has_text |= !other.is_whitespace();
                push_escaped(&mut self.out, other);
            }
        }
    }

    fn raw(&mut self, text: &str) {
        self.has_text |= text.starts_with('&');
        self.out += text;
    }

    /// Opens the element `name`, which is written as `written`; nothing is written if that is empty.
    fn open(&mut self, name: &str, written: &str) {
        let is_misplaced = name == "rt" && self.open.last().is_none_or(|(outer, _)| outer != "ruby");
        if self.open.len() < MAX_DEPTH && !is_misplaced {
            self.open.push((name.to_owned(), written.to_owned()));
            self.write_open(written);
        }
    }

    /// Closes the innermost element `name`, if there is one; those inside it go on behind it.
    fn close(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|(open, _)| open == name) else {
            return;
        };
        let inner = self.open.split_off(at + 1);
        for (_, written) in inner.iter().rev() {
            self.write_close(written);
        }
        if let Some((_, written)) = self.open.pop() {
            self.write_close(&written);
        }
        for (name, written) in inner {
            if name != "rt" {
                self.write_open(&written);
                self.open.push((name, written));
            }
        }
    }

    fn write_open(&mut self, written: &str) {
        if !written.is_empty() {
            self.out.push('<');
            self.out += written;
            self.out.push('>');
        }
    }

    fn write_close(&mut self, written: &str) {
        let name = written.split(['.', ' ']).next().unwrap_or_default();
        if name.is_empty() {
            return;
        }
        // Nothing inside: as if it had not been.
        let opening = format!("<{written}>");
        if let Some(without) = self.out.strip_suffix(&opening) {
            self.out.truncate(without.len());
        } else {
            self.out += &format!("</{name}>");
        }
    }

    fn finish(mut self) -> String {
        while let Some((_, written)) = self.open.pop() {
            self.write_close(&written);
        }
        if !self.has_text {
            return String::new();
        }
        let lines = self.out.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn push_escaped(out: &mut String, character: char) {
    match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    }
}

/// Elements that all have.
const PLAIN: [&str; 3] = ["b", "i", "u"];
/// Those of WebVTT.
const WEB: [&str; 5] = ["c", "lang", "ruby", "rt", "v"];
const COLOURS: [(&str, u32); 8] = [
    ("white", 0xff_ffff),
    ("lime", 0x00_ff00),
    ("cyan", 0x00_ffff),
    ("red", 0xff_0000),
    ("yellow", 0xff_ff00),
    ("magenta", 0xff_00ff),
    ("blue", 0x00_00ff),
    ("black", 0x00_0000),
];
/// No cue is longer.
const MAX_BYTES: usize = 4096;
const MAX_TAG: usize = 200;
const MAX_ENTITY: usize = 12;
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, dialect: Dialect) -> String {
        convert(text, dialect, Style::default()).text
    }

    #[test]
    fn subrip() {
        let of = |source: &str| text(source, Dialect::SubRip);
        assert_eq!(of("<i>Fish</i> & <B>chips</B>"), "<i>Fish</i> &amp; <b>chips</b>");
        assert_eq!(
            of("I <3 you -> 1 < 2 --> x"),
            "I &lt;3 you -&gt; 1 &lt; 2 --&gt; x"
        );
        assert_eq!(
            of("<font color=\"#FFFF00\">a</font><font face=x>b</font>"),
            "<c.yellow>a</c>b"
        );
        assert_eq!(of("<i>never closed"), "<i>never closed</i>");
        assert_eq!(of("<i>a<b>b</i>c</b>"), "<i>a<b>b</b></i><b>c</b>");
        assert_eq!(of("<script>x</script>"), "x");
        assert_eq!(of("a\n\n \nb\u{0}\u{7}"), "a\nb");
        assert_eq!(
            of("{braces} &lt;i&gt; &nbsp;&eacute;"),
            "{braces} &lt;i&gt; \u{a0}&amp;eacute;"
        );
        assert_eq!(of("<i> </i>"), "");
        let top = convert("{\\an8}up", Dialect::SubRip, Style::default());
        assert_eq!((top.text.as_str(), top.settings.as_str()), ("up", "line:0"));
    }

    #[test]
    fn webvtt() {
        let of = |source: &str| text(source, Dialect::WebVtt);
        let whole = "<v.loud Ann &amp; Bob>Hi <c.a.b>you</c><00:00:01.500> <ruby>x<rt>y</rt></ruby></v>";
        assert_eq!(of(whole), whole);
        assert_eq!(
            of("<lang de>Ja</lang> &eacute; &x"),
            "<lang de>Ja</lang> &eacute; &amp;x"
        );
        assert_eq!(of("<rt>a</rt> <x>b</x> <c.<bad>>d"), "a b &lt;c.&gt;d");
    }

    #[test]
    fn ass() {
        let of = |source: &str| text(source, Dialect::Ass);
        assert_eq!(of("{\\i1}a{\\i0}\\Nb\\hc <b>"), "<i>a</i>\nb\u{a0}c &lt;b&gt;");
        assert_eq!(
            of("{\\c&H00FFFF&}a{\\c}b{\\b700\\u1}c{\\r}d"),
            "<c.yellow>a</c>b<b><u>c</u></b>d"
        );
        assert_eq!(of("{\\p1}m 0 0 l 10 10{\\p0}"), "");
        assert_eq!(
            of("{comment}a\\b{\\pos(1,2)\\fad(1,1)\\k20}c {open"),
            "a\\bc {open"
        );
        let style = Style {
            italic: true,
            keypad: Some(8),
            ..Style::default()
        };
        let styled = convert("a{\\i0}b{\\r}c", Dialect::Ass, style);
        assert_eq!(
            (styled.text.as_str(), styled.settings.as_str()),
            ("<i>a</i>b<i>c</i>", "line:0")
        );
        assert_eq!(convert("{\\a6}a", Dialect::Ass, style).settings, "line:0");
        assert_eq!(
            convert("{\\an5}a", Dialect::Ass, style).settings,
            "line:50%,center"
        );
    }
}
