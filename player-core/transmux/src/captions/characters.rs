//! The character sets (47 CFR 15.119 (g), CTA-608-E 6.4.2).

/// `11 30` to `11 3f`. The tenth is a transparent space.
const SPECIAL: [char; 16] = [
    '®', '°', '½', '¿', '™', '¢', '£', '♪', 'à', '\0', 'è', 'â', 'ê', 'î', 'ô', 'û',
];
/// `12 20` to `12 3f`: Spanish, miscellaneous, French.
const EXTENDED_2: [char; 32] = [
    'Á', 'É', 'Ó', 'Ú', 'Ü', 'ü', '‘', '¡', '*', '’', '—', '©', '℠', '•', '“', '”', 'À', 'Â', 'Ç', 'È', 'Ê',
    'Ë', 'ë', 'Î', 'Ï', 'ï', 'Ô', 'Ù', 'ù', 'Û', '«', '»',
];
/// `13 20` to `13 3f`: Portuguese, German, Danish.
const EXTENDED_3: [char; 32] = [
    'Ã', 'ã', 'Í', 'Ì', 'ì', 'Ò', 'ò', 'Õ', 'õ', '{', '}', '\\', '^', '_', '|', '~', 'Ä', 'ä', 'Ö', 'ö', 'ß',
    '¥', '¤', '│', 'Å', 'å', 'Ø', 'ø', '┌', '┐', '└', '┘',
];

/// A character of the basic set: a byte from 0x20 on.
pub(super) fn basic(byte: u8) -> char {
    match byte {
        0x2a => 'á',
        0x5c => 'é',
        0x5e => 'í',
        0x5f => 'ó',
        0x60 => 'ú',
        0x7b => 'ç',
        0x7c => '÷',
        0x7d => 'Ñ',
        0x7e => 'ñ',
        0x7f => '█',
        _ => char::from(byte),
    }
}

/// A special character, by its second byte. NUL is a transparent space.
pub(super) fn special(second: u8) -> char {
    pick(&SPECIAL, second.wrapping_sub(0x30))
}

/// An extended character, which takes the place of the one before it.
pub(super) fn extended(first: u8, second: u8) -> char {
    let set = if first == 0x12 { &EXTENDED_2 } else { &EXTENDED_3 };
    pick(set, second.wrapping_sub(0x20))
}

fn pick(set: &[char], at: u8) -> char {
    set.get(usize::from(at)).copied().unwrap_or(' ')
}
