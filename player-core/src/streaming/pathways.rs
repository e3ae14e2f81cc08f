//! Where to fetch from: which of several servers first, which next, and what a steering server says about it.
//!
//! HLS calls them pathways, DASH service locations; one that has no name goes by its host. What fails is put back for a while. Fetches
//! nothing itself: [`Requests`](super::requests::Requests) does.

use core::time::Duration;

use crate::manifest::steering::{self, DEFAULT_TTL, PathwayClone};
use crate::presentation::{Alternative, Location, Presentation, Protocol, Rendition, SegmentSource, Warning};
use crate::rng::Rng;
use crate::time::{Bitrate, Instant};
use crate::url;

/// How long a server is put back after its first failure; twice as long after each further one.
const PENALTY: Duration = Duration::from_secs(30);
/// At most so many times doubled: eight minutes.
const MAX_DOUBLINGS: u32 = 4;
/// The most servers that are known, and copies of one thing.
const MAX_PATHWAYS: usize = 64;
const MAX_PLACES: usize = 16;

/// A copy of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose it is.
    pub(crate) pathway: String,
    /// Absolute URL.
    pub(crate) url: String,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Pathways {
    protocol: Protocol,
    /// In the order of the manifest.
    known: Vec<Pathway>,
    clones: Vec<PathwayClone>,
    /// The steering server's, or what the manifest begins with.
    priority: Vec<String>,
    server: Option<Server>,
}

#[derive(Debug)]
struct Pathway {
    name: String,
    failures: u32,
    put_back_until: Instant,
    /// What came from it since the steering server was asked, and how long that took.
    bytes: u64,
    busy: Duration,
}

#[derive(Debug)]
struct Server {
    /// Without what [`steering::request_url`] adds.
    url: String,
    ttl: Duration,
    /// When to ask; `None` while one waits for the answer, and after there will be none.
    due: Option<Instant>,
    /// Nothing else is to be fetched before its first answer.
    first: bool,
}

impl Pathways {
    /// Takes a version of the manifest. With the first one a steering server is asked at once.
    pub(crate) fn read(&mut self, now: Instant, presentation: &Presentation, rng: &mut Rng) {
        self.protocol = presentation.protocol;
        if let Some(steering) = presentation.steering.as_ref().filter(|_| self.server.is_none()) {
            self.priority.clone_from(&steering.first);
            self.server = Some(Server {
                url: steering.url.clone(),
                ttl: DEFAULT_TTL,
                due: Some(now),
                first: steering.before_start,
            });
        }
        let periods = presentation.periods.iter();
        let renditions = periods.flat_map(|p| &p.tracks).flat_map(|t| &t.renditions);
        for rendition in renditions {
            if let SegmentSource::Playlist(url) = &rendition.source {
                self.know(self.name(&rendition.pathway, url));
            }
            for Alternative { pathway, url } in &rendition.alternatives {
                self.know(self.name(pathway, url));
            }
            for location in shuffled(&rendition.locations, rng) {
                self.know(self.name(&location.name, &location.url));
            }
        }
    }

    /// Nothing but the steering manifest is to be fetched before it is here (`@queryBeforeStart`).
    pub(crate) fn is_waiting(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.first)
    }

    /// Copies of a segment, an initialization section or an index of a rendition, the best first; at least one.
    pub(crate) fn places(&self, now: Instant, rendition: &Rendition, url: &str) -> Vec<Place> {
        let mut places = Vec::new();
        if let Some(first) = rendition.locations.first() {
            for location in &rendition.locations {
                if let Some(url) = transplanted(url, &first.url, &location.url) {
                    let pathway = self.name(&location.name, &location.url);
                    add(&mut places, Place { pathway, url });
                }
            }
        }
        if places.is_empty() {
            let (pathway, url) = (self.name("", url), url.to_owned());
            return vec![Place { pathway, url }];
        }
        self.sorted(now, places, rendition)
    }

    /// Copies of the media playlist of a rendition, whose own is at `url`; the best first, at least one.
    pub(crate) fn playlists(&self, now: Instant, rendition: &Rendition, url: &str) -> Vec<Place> {
        let pathway = self.name(&rendition.pathway, url);
        let url = url.to_owned();
        let mut places = vec![Place { pathway, url }];
        for Alternative { pathway, url } in &rendition.alternatives {
            let (pathway, url) = (self.name(pathway, url), url.clone());
            add(&mut places, Place { pathway, url });
        }
        self.sorted(now, places, rendition)
    }

    /// Copies of the manifest (`Location`), the best first.
    pub(crate) fn manifests(&self, now: Instant, locations: &[Location]) -> Vec<Place> {
        let mut places = Vec::new();
        for Location { name, url, .. } in locations {
            let (pathway, url) = (self.name(name, url), url.clone());
            add(&mut places, Place { pathway, url });
        }
        self.sorted(now, places, &Rendition::default())
    }

    /// Whether a pathway has failed a short time ago.
    pub(crate) fn is_put_back(&self, now: Instant, pathway: &str) -> bool {
        let found = self.known.iter().find(|known| known.name == pathway);
        found.is_some_and(|known| known.put_back_until > now)
    }

    /// Something did not come from there.
    pub(crate) fn on_failure(&mut self, now: Instant, pathway: &str) {
        self.know(pathway.to_owned());
        if let Some(known) = self.known.iter_mut().find(|known| known.name == pathway)
            && known.put_back_until <= now
        {
            known.put_back_until = now + PENALTY * (1 << known.failures.min(MAX_DOUBLINGS));
            known.failures += 1;
        }
    }

    /// Media came from there.
    pub(crate) fn on_success(&mut self, now: Instant, pathway: &str, bytes: u64, took: Duration) {
        self.know(pathway.to_owned());
        if let Some(known) = self.known.iter_mut().find(|known| known.name == pathway) {
            known.bytes = known.bytes.saturating_add(bytes);
            known.busy = known.busy.saturating_add(took);
            if known.put_back_until <= now {
                known.failures = 0;
            }
        }
    }

    // Steering ---------------------------------------------------------------------------------------------------------

    /// When the steering server is to be asked.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.server.as_ref()?.due
    }

    /// What to fetch from the steering server, if it is time.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<String> {
        let current = self.current(now);
        let server = self.server.as_mut()?;
        server.due.take_if(|due| *due <= now)?;
        let mut used: Vec<(&str, Option<Bitrate>)> = Vec::new();
        let at = self
            .known
            .iter()
            .position(|known| Some(&known.name) == current.as_ref());
        let others = self
            .known
            .iter()
            .enumerate()
            .filter(|(i, known)| Some(*i) != at && known.bytes > 0);
        for known in others
            .map(|(_, known)| known)
            .chain(at.and_then(|at| self.known.get(at)))
        {
            used.push((&known.name, known.throughput()));
        }
        let url = steering::request_url(&server.url, self.protocol, &used);
        for known in &mut self.known {
            (known.bytes, known.busy) = (0, Duration::ZERO);
        }
        Some(url)
    }

    /// A steering manifest, which was fetched from `base`; says what is odd about it.
    pub(crate) fn on_steering(&mut self, now: Instant, bytes: &[u8], base: &str) -> Vec<Warning> {
        let read = steering::parse(bytes, base);
        let Some(server) = &mut self.server else {
            return Vec::new();
        };
        server.first = false;
        let manifest = match read {
            Ok(manifest) => manifest,
            Err(why) => {
                server.due = Some(now + server.ttl);
                let message = why.to_string();
                return vec![Warning { line: 0, message }];
            }
        };
        server.ttl = manifest.ttl;
        server.due = Some(now + manifest.ttl);
        server.url = manifest.reload;
        if !manifest.priority.is_empty() {
            self.priority = manifest.priority;
        }
        self.clones = manifest.clones;
        for id in self
            .clones
            .iter()
            .map(|clone| clone.id.clone())
            .collect::<Vec<_>>()
        {
            self.know(id);
        }
        manifest.warnings
    }

    /// The steering server did not answer, or with this status and Retry-After: after 410 it is not asked any more.
    pub(crate) fn on_no_steering(&mut self, now: Instant, status: u16, retry_after: Option<Duration>) {
        if let Some(server) = &mut self.server {
            server.first = false;
            let pause = retry_after.filter(|_| status == 429).unwrap_or(server.ttl);
            server.due = (status != 410).then(|| now + pause);
        }
    }

    // The order --------------------------------------------------------------------------------------------------------

    /// The pathway to fetch from.
    fn current(&self, now: Instant) -> Option<String> {
        let best = self.known.iter().min_by_key(|known| self.rank(now, &known.name));
        best.map(|known| known.name.clone())
    }

    /// Lower is better: what has not failed, by the order that steering gives, by that of the manifest.
    fn rank(&self, now: Instant, name: &str) -> (Instant, usize, usize) {
        let place = |of: Option<usize>| of.unwrap_or(usize::MAX);
        let known = self.known.iter().position(|known| known.name == name);
        let until = known
            .and_then(|i| self.known.get(i))
            .map(|known| known.put_back_until);
        (
            until.filter(|until| *until > now).unwrap_or_default(),
            place(self.priority.iter().position(|id| id == name)),
            place(known),
        )
    }

    /// With the clones that steering made, in order.
    fn sorted(&self, now: Instant, mut places: Vec<Place>, rendition: &Rendition) -> Vec<Place> {
        for clone in &self.clones {
            let base = places.iter().find(|place| place.pathway == clone.base);
            let Some(Place { url, .. }) = base.filter(|_| places.iter().all(|p| p.pathway != clone.id))
            else {
                continue;
            };
            let is_variant = clone.variants.iter().any(|(id, _)| *id == rendition.id);
            let url = match self.protocol {
                Protocol::Dash => clone.url(url),
                Protocol::Hls if is_variant => clone.variant_url(&rendition.id, url),
                Protocol::Hls => clone.rendition_url(&rendition.id, url),
            };
            let pathway = clone.id.clone();
            add(&mut places, Place { pathway, url });
        }
        self.sort(now, &mut places);
        places
    }

    /// Puts copies in order, the best first.
    pub(crate) fn sort(&self, now: Instant, places: &mut Vec<Place>) {
        let mut sorted: Vec<Place> = Vec::with_capacity(places.len());
        for place in places.drain(..) {
            let rank = self.rank(now, &place.pathway);
            let at = sorted.partition_point(|other| self.rank(now, &other.pathway) <= rank);
            sorted.insert(at, place);
        }
        *places = sorted;
    }

    /// What a server goes by. HLS has a name for a pathway without one (rfc8216bis, 4.4.6.2).
    fn name(&self, name: &str, url: &str) -> String {
        let name = match name {
            "" if self.protocol == Protocol::Hls && self.server.is_some() => ".",
            "" => url::host(url),
            name => name,
        };
        name.to_owned()
    }

    fn know(&mut self, name: String) {
        if name.is_empty() || self.known.len() >= MAX_PATHWAYS || self.known.iter().any(|k| k.name == name) {
            return;
        }
        self.known.push(Pathway {
            name,
            failures: 0,
            put_back_until: Instant::ZERO,
            bytes: 0,
            busy: Duration::ZERO,
        });
    }
}

impl Pathway {
    fn throughput(&self) -> Option<Bitrate> {
        let us = self.busy.as_micros();
        let bps = (u128::from(self.bytes) * 8_000_000).checked_div(us)?;
        (bps > 0).then(|| Bitrate::from_bps(u64::try_from(bps).unwrap_or(u64::MAX)))
    }
}

fn add(places: &mut Vec<Place>, place: Place) {
    if places.len() < MAX_PLACES && places.iter().all(|other| other.url != place.url) {
        places.push(place);
    }
}

/// The locations, those of equal priority in an order drawn by their weights (ETSI TS 103 285, 10.8.2.1), if these differ.
fn shuffled<'a>(locations: &'a [Location], rng: &mut Rng) -> Vec<&'a Location> {
    let mut left: Vec<&Location> = locations.iter().collect();
    let mut out = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let alike = left.partition_point(|other| other.priority <= first.priority);
        let class = left.get(..alike).unwrap_or_default();
        let total: u64 = class.iter().map(|location| u64::from(location.weight)).sum();
        let mut at = 0;
        if total > 0 && class.iter().any(|location| location.weight != first.weight) {
            let mut drawn = (rng.next_f64() * total as f64) as u64;
            for location in class {
                if drawn < u64::from(location.weight) {
                    break;
                }
                drawn -= u64::from(location.weight);
                at += 1;
            }
        }
        out.push(left.remove(at.min(alike.saturating_sub(1))));
    }
    out
}

/// Where a thing at `url`, which is below `from`, is below `to`; `None` if it is not below it.
fn transplanted(url: &str, from: &str, to: &str) -> Option<String> {
    if url == from {
        return Some(to.to_owned());
    }
    let (mut from, mut to) = (directory(from)?, directory(to)?);
    loop {
        if let Some(rest) = url.strip_prefix(from) {
            return Some([to, rest].concat());
        }
        // `../` leads out of both.
        from = directory(from.strip_suffix('/')?)?;
        to = directory(to.strip_suffix('/')?)?;
    }
}

/// A URL up to and with the last slash of its path, if it has one.
fn directory(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let slash = path.rfind('/')?;
    let authority = path.as_bytes().windows(3).position(|three| three == b"://")? + 2;
    if slash > authority {
        path.get(..=slash)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::manifest;
    use crate::rng::Rng;

    const STEER: &str = "https://steer/s.json";

    fn at(s: u64) -> Instant {
        Instant::from_micros(s * 1_000_000)
    }

    fn read(text: &str) -> (Pathways, Presentation) {
        let presentation = manifest::parse(text.as_bytes(), "https://h/m/x").unwrap();
        let mut pathways = Pathways::default();
        pathways.read(at(0), &presentation, &mut Rng::new(1));
        (pathways, presentation)
    }

    fn hls(steering: bool) -> (Pathways, Presentation) {
        let mut text = "#EXTM3U\n".to_owned();
        if steering {
            text.push_str("#EXT-X-CONTENT-STEERING:SERVER-URI=\"https://steer/s.json\",PATHWAY-ID=\"A\"\n");
        }
        for cdn in ["A", "B"] {
            let lower = cdn.to_lowercase();
            text.push_str(&format!(
                "#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS=\"avc1.64001f\",STABLE-VARIANT-ID=\"v\",PATHWAY-ID=\"{cdn}\"\nhttps://{lower}/v/1.m3u8\n"
            ));
        }
        read(&text)
    }

    fn dash(bases: &str, more: &str) -> (Pathways, Presentation) {
        read(&format!(
            "<MPD type=\"static\" mediaPresentationDuration=\"PT8S\">{more}{bases}<Period><AdaptationSet contentType=\"video\" mimeType=\"video/mp4\" \
             codecs=\"avc1\"><SegmentTemplate duration=\"4\" media=\"$Number$.m4s\"/><Representation id=\"v\" bandwidth=\"1\"/>\
             </AdaptationSet></Period></MPD>"
        ))
    }

    fn rendition(presentation: &Presentation) -> &Rendition {
        &presentation.periods[0].tracks[0].renditions[0]
    }

    fn names(places: &[Place]) -> Vec<&str> {
        places.iter().map(|place| place.pathway.as_str()).collect()
    }

    fn playlists(pathways: &Pathways, presentation: &Presentation, s: u64) -> Vec<Place> {
        pathways.playlists(at(s), rendition(presentation), "https://a/v/1.m3u8")
    }

    #[test]
    fn what_fails_is_put_back_for_a_while_and_longer_each_time() {
        let (mut pathways, presentation) = hls(false);
        assert_eq!(names(&playlists(&pathways, &presentation, 0)), ["A", "B"]);
        pathways.on_failure(at(0), "A");
        assert!(pathways.is_put_back(at(0), "A") && !pathways.is_put_back(at(0), "B"));
        let places = playlists(&pathways, &presentation, 1);
        assert_eq!(names(&places), ["B", "A"]);
        assert_eq!(places[0].url, "https://b/v/1.m3u8");
        // What fails at the same time says the same again.
        pathways.on_failure(at(1), "A");
        assert_eq!(names(&playlists(&pathways, &presentation, 30)), ["A", "B"]);
        pathways.on_failure(at(31), "A");
        assert_eq!(names(&playlists(&pathways, &presentation, 90)), ["B", "A"]);
        assert_eq!(names(&playlists(&pathways, &presentation, 92)), ["A", "B"]);
        // When all have failed, the first to come back is the best.
        pathways.on_failure(at(92), "B");
        pathways.on_failure(at(92), "A");
        assert_eq!(names(&playlists(&pathways, &presentation, 93)), ["B", "A"]);
        // Success is forgiving, once the time is over.
        pathways.on_success(at(95), "A", 1000, Duration::from_secs(1));
        assert!(pathways.is_put_back(at(211), "A"));
        pathways.on_success(at(300), "A", 1000, Duration::from_secs(1));
        pathways.on_failure(at(301), "A");
        assert!(!pathways.is_put_back(at(331), "A"));
        for _ in 0..50 {
            let now = at(400);
            pathways.on_failure(now, "A");
        }
        assert!(!pathways.is_put_back(at(400 + 480), "A"));
    }

    #[test]
    fn segments_are_below_every_base_url() {
        let bases = "<BaseURL serviceLocation=\"a\">https://a/x/</BaseURL><BaseURL serviceLocation=\"b\">https://b/y/z/?q</BaseURL>\
                     <BaseURL>https://c/</BaseURL>";
        let (mut pathways, presentation) = dash(bases, "");
        let rendition = rendition(&presentation);
        let places = pathways.places(at(0), rendition, "https://a/x/v/1.m4s?t=1");
        let urls: Vec<_> = places.iter().map(|place| place.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://a/x/v/1.m4s?t=1",
                "https://b/y/z/v/1.m4s?t=1",
                "https://c/v/1.m4s?t=1"
            ]
        );
        assert_eq!(names(&places), ["a", "b", "c"]);
        pathways.on_failure(at(0), "a");
        assert_eq!(
            names(&pathways.places(at(1), rendition, "https://a/x/1.m4s")),
            ["b", "c", "a"]
        );
        // Absolute, somewhere else.
        let places = pathways.places(at(1), rendition, "https://d/1.m4s");
        assert_eq!(
            (names(&places), places[0].url.as_str()),
            (vec!["d"], "https://d/1.m4s")
        );
    }

    #[test]
    fn references_that_lead_up_are_followed_at_every_place() {
        for (url, from, to, expected) in [
            (
                "https://a/x/s/1",
                "https://a/x/v/",
                "https://b/y/z/v/",
                Some("https://b/y/z/s/1"),
            ),
            (
                "https://a/1",
                "https://a/x/v/",
                "https://b/y/z/v/",
                Some("https://b/y/1"),
            ),
            (
                "https://a/f.mp4",
                "https://a/f.mp4",
                "https://b/g.mp4",
                Some("https://b/g.mp4"),
            ),
            (
                "https://a/f.mp4?x",
                "https://a/f.mp4",
                "https://b/g/h.mp4",
                Some("https://b/g/f.mp4?x"),
            ),
            ("https://ab/1", "https://a/x/", "https://b/", None),
            ("https://a/1", "https://a/x/y/", "https://b/", None),
            ("https://a/1", "https://a", "https://b", None),
        ] {
            assert_eq!(transplanted(url, from, to).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn dvb_priorities_and_weights_count() {
        let base = |name: &str, priority: u32, weight: u32| {
            format!(
                "<BaseURL serviceLocation=\"{name}\" dvb:priority=\"{priority}\" dvb:weight=\"{weight}\">https://{name}/</BaseURL>"
            )
        };
        let bases = [base("last", 2, 1), base("a", 1, 1), base("b", 1, 9)].concat();
        let text = format!(
            "<MPD xmlns:dvb=\"urn:dvb:dash:dash-extensions:2014-1\" type=\"static\" mediaPresentationDuration=\"PT8S\">{bases}<Period>\
            <AdaptationSet contentType=\"video\" mimeType=\"video/mp4\"><SegmentTemplate duration=\"4\" media=\"$Number$.m4s\"/>\
            <Representation id=\"v\" bandwidth=\"1\"/></AdaptationSet></Period></MPD>"
        );
        let presentation = manifest::parse(text.as_bytes(), "https://h/m/x").unwrap();
        let mut heavy = 0;
        for seed in 0..400 {
            let mut pathways = Pathways::default();
            pathways.read(at(0), &presentation, &mut Rng::new(seed));
            let places = pathways.places(at(0), rendition(&presentation), "https://a/1.m4s");
            assert_eq!(places[2].pathway, "last");
            heavy += u32::from(places[0].pathway == "b");
        }
        assert!((330..=390).contains(&heavy), "nine in ten: {heavy}");
    }

    #[test]
    fn a_steering_server_is_asked_told_and_obeyed() {
        let (mut pathways, presentation) = hls(true);
        assert!(!pathways.is_waiting(), "HLS begins where the playlist says");
        assert_eq!(pathways.deadline(), Some(at(0)));
        pathways.on_success(at(1), "A", 1_000_000, Duration::from_secs(2));
        assert_eq!(
            pathways.ask(at(1)).unwrap(),
            format!("{STEER}?_HLS_pathway=%22A%22&_HLS_throughput=4000000")
        );
        assert_eq!(
            (pathways.ask(at(1)), pathways.deadline()),
            (None, None),
            "one at a time"
        );
        let answer = r#"{"VERSION":1,"TTL":10,"RELOAD-URI":"t.json","PATHWAY-PRIORITY":["?","C","B","A"],"PATHWAY-CLONES":[
            {"BASE-ID":"A","ID":"C","URI-REPLACEMENT":{"HOST":"c","PARAMS":{"p":"1"},"PER-VARIANT-URIS":{"w":"https://w/"}}}]}"#;
        assert_eq!(pathways.on_steering(at(2), answer.as_bytes(), STEER), []);
        let places = playlists(&pathways, &presentation, 2);
        assert_eq!(names(&places), ["C", "B", "A"]);
        assert_eq!(places[0].url, "https://c/v/1.m3u8?p=1");
        assert_eq!(pathways.deadline(), Some(at(12)));
        assert_eq!(
            pathways.ask(at(12)).unwrap(),
            "https://steer/t.json?_HLS_pathway=%22C%22",
            "nothing came from there yet"
        );
        // What cannot be read changes nothing, and is asked for again.
        assert_eq!(pathways.on_steering(at(13), b"<html>", STEER).len(), 1);
        assert_eq!(names(&playlists(&pathways, &presentation, 13)), ["C", "B", "A"]);
        assert_eq!(pathways.deadline(), Some(at(23)));
        pathways.ask(at(23)).unwrap();
        pathways.on_no_steering(at(24), 429, Some(Duration::from_secs(500)));
        assert_eq!(pathways.deadline(), Some(at(524)));
        pathways.ask(at(524)).unwrap();
        pathways.on_no_steering(at(525), 503, Some(Duration::from_secs(500)));
        assert_eq!(pathways.deadline(), Some(at(535)));
        pathways.ask(at(535)).unwrap();
        pathways.on_no_steering(at(536), 410, None);
        assert_eq!((pathways.deadline(), pathways.ask(at(9999))), (None, None));
        assert_eq!(names(&playlists(&pathways, &presentation, 9999)), ["C", "B", "A"]);
    }

    #[test]
    fn dash_waits_for_steering_if_it_is_asked_to_and_tells_of_all_it_used() {
        let bases = "<BaseURL serviceLocation=\"a\">https://a/</BaseURL><BaseURL serviceLocation=\"b\">https://b/</BaseURL>";
        let steering = format!(
            "<ContentSteering defaultServiceLocation=\"b a\" queryBeforeStart=\"true\">{STEER}</ContentSteering>"
        );
        let (mut pathways, presentation) = dash(bases, &steering);
        let places =
            |pathways: &Pathways| pathways.places(at(1), rendition(&presentation), "https://a/1.m4s");
        assert!(pathways.is_waiting());
        assert_eq!(names(&places(&pathways)), ["b", "a"]);
        assert_eq!(
            pathways.ask(at(0)).unwrap(),
            format!("{STEER}?_DASH_pathway=%22b%22")
        );
        pathways.on_no_steering(at(1), 0, None);
        assert!(!pathways.is_waiting());
        assert_eq!(pathways.deadline(), Some(at(301)));
        pathways.on_success(at(2), "a", 1000, Duration::from_secs(1));
        pathways.on_success(at(2), "b", 2000, Duration::from_secs(1));
        assert_eq!(
            pathways.ask(at(301)).unwrap(),
            format!("{STEER}?_DASH_pathway=%22a,b%22&_DASH_throughput=8000,16000")
        );
        let answer = r#"{"VERSION":1,"TTL":10,"PATHWAY-PRIORITY":["c"],"PATHWAY-CLONES":[
            {"BASE-ID":"b","ID":"c","URI-REPLACEMENT":{"HOST":"c.example","PARAMS":{"p":"1"}}}]}"#;
        pathways.on_steering(at(302), answer.as_bytes(), STEER);
        let places = places(&pathways);
        assert_eq!(names(&places), ["c", "a", "b"]);
        assert_eq!(places[0].url, "https://c.example/1.m4s?p=1");
    }

    #[test]
    fn servers_without_names_go_by_their_hosts() {
        let (pathways, presentation) = read(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nhttps://a/1.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nhttps://b/1.m3u8\n",
        );
        let places = pathways.playlists(at(0), rendition(&presentation), "https://a/1.m3u8");
        assert_eq!(names(&places), ["a", "b"]);
        let locations: Vec<Location> = ["https://x/m.mpd", "https://y/m.mpd"]
            .map(|url| Location {
                url: url.into(),
                ..Location::default()
            })
            .into();
        assert_eq!(names(&pathways.manifests(at(0), &locations)), ["x", "y"]);
    }

    proptest! {
        #[test]
        fn there_is_always_a_place_and_none_twice(
            failures in prop::collection::vec((0..1000u64, 0..4usize), 0..30),
            priority in prop::collection::vec("[A-E]", 0..5),
            now in 0..2000u64,
        ) {
            let (mut pathways, presentation) = hls(true);
            let names = ["A", "B", "C", "D"];
            let json = format!("{{\"VERSION\":1,\"TTL\":1,\"PATHWAY-PRIORITY\":{priority:?},\"PATHWAY-CLONES\":[\
                {{\"BASE-ID\":\"B\",\"ID\":\"C\",\"URI-REPLACEMENT\":{{\"HOST\":\"c\"}}}},\
                {{\"BASE-ID\":\"C\",\"ID\":\"D\",\"URI-REPLACEMENT\":{{\"HOST\":\"d\"}}}}]}}");
            pathways.on_steering(at(0), json.as_bytes(), STEER);
            let mut time = 0;
            for (pause, i) in failures {
                time += pause;
                pathways.on_failure(at(time), names[i]);
            }
            let places = playlists(&pathways, &presentation, time + now);
            prop_assert_eq!(places.len(), 4);
            let mut urls: Vec<_> = places.iter().map(|place| &place.url).collect();
            urls.sort();
            urls.dedup();
            prop_assert_eq!(urls.len(), 4);
            // What is put back comes after what is not.
            let back: Vec<_> = places.iter().map(|p| pathways.is_put_back(at(time + now), &p.pathway)).collect();
            prop_assert!(back.is_sorted());
        }
    }
}
