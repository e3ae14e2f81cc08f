//! URL templates (ISO/IEC 23009-1, 5.3.9.4.4).

use crate::presentation::{Template, TemplatePart};
use crate::url;

/// The widest number.
const MAX_WIDTH: usize = 20;
/// The most parts of a template.
const MAX_PARTS: usize = 100;

/// What the URLs of a representation's segments are made from.
pub(super) struct Naming<'a> {
    pub(super) base: &'a str,
    pub(super) id: &'a str,
    pub(super) bandwidth: u64,
}

impl Naming<'_> {
    /// Expands a template that depends on the representation only.
    pub(super) fn constant(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        for part in self.parts(text)? {
            match part {
                TemplatePart::Text(text) => out.push_str(&text),
                _ => return Err(format!("\"{text}\" must not depend on the segment")),
            }
        }
        Ok(out)
    }

    /// A template with absolute URLs: the base is put before it once and for all.
    pub(super) fn template(&self, text: &str, start_number: u64) -> Result<Template, String> {
        let mut parts = self.parts(text)?;
        // Resolve with marks in the place of number and time: neither can hold a character that resolution looks at.
        let mut marked = String::new();
        let mut marks = Vec::new();
        for part in parts.drain(..) {
            match part {
                TemplatePart::Text(text) => marked.push_str(&text),
                other => {
                    marked.push('\u{1}');
                    marks.push(other);
                }
            }
        }
        let resolved = url::resolve(self.base, &marked).map_err(|e| e.to_string())?;
        let mut marks = marks.into_iter();
        for (i, text) in resolved.split('\u{1}').enumerate() {
            if i > 0 {
                parts.extend(marks.next());
            }
            if !text.is_empty() {
                parts.push(TemplatePart::Text(text.to_owned()));
            }
        }
        Ok(Template {
            parts,
            start_number,
            ..Template::default()
        })
    }

    fn parts(&self, text: &str) -> Result<Vec<TemplatePart>, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let pieces = text.split('$').count();
        if pieces.is_multiple_of(2) {
            return Err(format!("\"{text}\" has a $ without its partner"));
        }
        if pieces > MAX_PARTS {
            return Err("a template has too many parts".into());
        }
        for (i, piece) in text.split('$').enumerate() {
            if i % 2 == 0 {
                literal.push_str(piece);
                continue;
            }
            let (name, width) = match piece.split_once('%') {
                Some((name, format)) => {
                    let width = format.strip_suffix('d').and_then(|w| w.parse::<usize>().ok());
                    let width = width.filter(|w| *w <= MAX_WIDTH);
                    (
                        name,
                        width.ok_or_else(|| format!("\"${piece}$\" has no usable width"))?,
                    )
                }
                None => (piece, 0),
            };
            let part = match name {
                "" => {
                    literal.push('$');
                    continue;
                }
                "RepresentationID" => {
                    literal.push_str(self.id);
                    continue;
                }
                "Bandwidth" => {
                    let digits = self.bandwidth.to_string();
                    literal.extend(core::iter::repeat_n('0', width.saturating_sub(digits.len())));
                    literal.push_str(&digits);
                    continue;
                }
                "Number" => TemplatePart::Number(width),
                "SubNumber" => TemplatePart::SubNumber(width),
                "Time" => TemplatePart::Time(width),
                _ => return Err(format!("\"${piece}$\" is not known")),
            };
            if !literal.is_empty() {
                parts.push(TemplatePart::Text(core::mem::take(&mut literal)));
            }
            parts.push(part);
        }
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(literal));
        }
        Ok(parts)
    }
}
