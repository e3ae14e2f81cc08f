//! Programs that load pages without anybody watching, as far as they say so.

/// Words that are in the user agent of programs, and of no browser or player.
const WORDS: [&str; 16] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "headless",
    "lighthouse",
    "phantomjs",
    "puppeteer",
    "playwright",
    "selenium",
    "pingdom",
    "uptime",
    "facebookexternalhit",
    "preview",
    "scrapy",
    "wget",
];

/// The device that a program is stored as.
pub(crate) const DEVICE: &str = "bot";

/// Whether a user agent is one of a program, obviously.
pub(super) fn is_bot(user_agent: &str) -> bool {
    let lower = user_agent.to_ascii_lowercase();
    // A maker of phones.
    let lower = lower.replace("cubot", "");
    WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_browsers() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                true,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
                true,
            ),
            ("facebookexternalhit/1.1", true),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
                false,
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 Chrome/141.0.0.0 Mobile Safari/537.36",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1",
                false,
            ),
            (
                "ExoPlayerDemo/1.0 (Linux; Android 14) AndroidXMedia3/1.4.1",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(is_bot(agent), expected, "{agent}");
        }
    }
}
