//! Cue settings (WebVTT, 4.4): what is malformed is left out.

/// The settings of a cue that can be used, in one form; `regions` are the ids that there are. Also how many were not
/// understood.
pub(super) fn clean(text: &str, regions: &[String]) -> (String, usize) {
    let mut cleaned: Vec<String> = Vec::new();
    let mut odd = 0;
    for setting in text.split_ascii_whitespace().take(MAX_SETTINGS) {
        match one(setting, regions) {
            Some(setting) => cleaned.push(setting),
            None => odd += 1,
        }
    }
    (cleaned.join(" "), odd)
}

/// The settings of a region (WebVTT, 4.3) that can be used, and its id.
pub(super) fn region(text: &str) -> (Option<String>, String) {
    let mut id = None;
    let mut cleaned: Vec<&str> = Vec::new();
    for setting in text.split_ascii_whitespace().take(MAX_SETTINGS) {
        let Some((name, value)) = setting.split_once(':') else {
            continue;
        };
        let is_pair = || {
            value
                .split_once(',')
                .is_some_and(|(x, y)| is_percent(x) && is_percent(y))
        };
        let is_good = match name {
            "id" => !value.is_empty() && !value.contains("-->") && !value.contains(char::is_control),
            "width" => is_percent(value),
            "lines" => is_digits(value) && value.len() < 4,
            "regionanchor" | "viewportanchor" => is_pair(),
            "scroll" => value == "up",
            _ => false,
        };
        if is_good {
            cleaned.push(setting);
            if name == "id" {
                id = Some(value.to_owned());
            }
        }
    }
    (id, cleaned.join("\n"))
}

/// Where a cue stands for a position of ASS: 1 to 9 as on a numeric keypad, 2 being where cues stand anyhow.
pub(super) fn of_keypad(key: u8) -> String {
    let line = match key {
        4..=6 => "line:50%,center",
        7..=9 => "line:0",
        _ => "",
    };
    let align = match key {
        1 | 4 | 7 => "align:left",
        3 | 6 | 9 => "align:right",
        _ => "",
    };
    [line, align].join(" ").trim().to_owned()
}

fn one(setting: &str, regions: &[String]) -> Option<String> {
    let (name, value) = setting.split_once(':')?;
    let (number, side) = match value.split_once(',') {
        Some((number, side)) => (number, Some(side)),
        None => (value, None),
    };
    let is_good = match name {
        "align" => {
            // An early draft's word.
            if value == "middle" {
                return Some("align:center".to_owned());
            }
            ["start", "center", "end", "left", "right"].contains(&value)
        }
        "line" => {
            let is_line = number.strip_prefix('-').unwrap_or(number);
            (is_percent(number) || is_digits(is_line))
                && side.is_none_or(|side| ["start", "center", "end"].contains(&side))
        }
        "position" => {
            is_percent(number)
                && side.is_none_or(|side| ["line-left", "center", "line-right"].contains(&side))
        }
        "region" => regions.iter().any(|region| region == value),
        "size" => is_percent(value),
        "vertical" => ["rl", "lr"].contains(&value),
        _ => false,
    };
    is_good.then(|| setting.to_owned())
}

fn is_percent(text: &str) -> bool {
    let Some(number) = text.strip_suffix('%') else {
        return false;
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    is_digits(whole) && is_digits(fraction) && number.parse().is_ok_and(|percent: f64| percent <= 100.0)
}

fn is_digits(text: &str) -> bool {
    (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

const MAX_SETTINGS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_understood_stays() {
        let regions = ["fred".to_owned()];
        let text = "line:-1,end position:12.5%,line-left size:80% align:middle vertical:lr region:fred";
        let cleaned = "line:-1,end position:12.5%,line-left size:80% align:center vertical:lr region:fred";
        assert_eq!(clean(text, &regions), (cleaned.to_owned(), 0));
        let bad =
            "line:x position:101% size:5 align:up vertical:tb region:bob speed:1 - X1:10 --> line:1%,left";
        assert_eq!(clean(bad, &regions), (String::new(), 11));
    }

    #[test]
    fn the_keypad_is_a_place() {
        assert_eq!(of_keypad(2), "");
        assert_eq!(of_keypad(8), "line:0");
        assert_eq!(of_keypad(7), "line:0 align:left");
        assert_eq!(of_keypad(6), "line:50%,center align:right");
    }
}
