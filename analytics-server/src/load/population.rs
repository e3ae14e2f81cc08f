//! Who watches what, on what: an audience that is made up, with the shares that a service for households may have.

use player_core::config::Algorithm;
use player_core::telemetry::schema::{Dimension, ViewInfo};
use simulator::generate::Kind;
use simulator::generate::random::Rng;
use simulator::soak::streams::{Extent, Packaging, Protocol, Stream};

/// What there is to watch.
pub(super) struct Video {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    weight: f64,
    protocol: Protocol,
    packaging: Packaging,
    /// Minutes; 0 is live.
    minutes: i64,
    segment_ms: i64,
}

const fn video(id: &'static str, title: &'static str, weight: f64, minutes: i64) -> Video {
    Video {
        id,
        title,
        weight,
        protocol: Protocol::Hls,
        packaging: Packaging::Fmp4,
        minutes,
        segment_ms: 4000,
    }
}

pub(super) const VIDEOS: [Video; 8] = [
    video("rivers", "Where rivers begin", 20.0, 21),
    video("harbour", "Harbour at dawn, one take", 14.0, 10),
    Video {
        protocol: Protocol::Dash,
        ..video("locks", "How a canal lock works", 12.0, 7)
    },
    Video {
        packaging: Packaging::Ts,
        segment_ms: 6000,
        ..video("ferry", "The last ferry of the day", 10.0, 30)
    },
    Video {
        protocol: Protocol::Dash,
        ..video("weir", "Building a weir by hand", 8.0, 15)
    },
    video("tides", "Tides, explained <in ten minutes> & a bit", 6.0, 11),
    Video {
        segment_ms: 2000,
        ..video("regatta-live", "Regatta, live from the estuary", 20.0, 0)
    },
    Video {
        protocol: Protocol::Dash,
        ..video("webcam-live", "Webcam at the sluice", 10.0, 0)
    },
];

impl Video {
    pub(super) const fn stream_type(&self) -> &'static str {
        if self.minutes == 0 { "live" } else { "vod" }
    }

    pub(super) const fn manifest(&self) -> &'static str {
        match self.protocol {
            Protocol::Dash => "manifest.mpd",
            Protocol::Hls => "master.m3u8",
        }
    }

    pub(super) fn stream(&self, seed: u64) -> Stream {
        Stream {
            protocol: self.protocol,
            packaging: self.packaging,
            extent: match self.minutes * 60_000 / self.segment_ms {
                0 => Extent::Live {
                    window: 120_000 / self.segment_ms,
                    before: 3_600_000 / self.segment_ms,
                    ends: None,
                },
                segments => Extent::Finished(segments),
            },
            encrypted: false,
            languages: 1,
            text: false,
            ranges: false,
            timeline: false,
            period: 0,
            segment_ms: self.segment_ms,
            seed,
        }
    }
}

/// What it is watched on.
pub(super) struct Device {
    pub(super) name: &'static str,
    weight: f64,
    /// Of the player, in device pixels.
    pub(super) size: (u32, u32),
    /// Networks, as `navigator.connection.type` names them, and their shares.
    networks: &'static [(&'static str, f64)],
    /// Browser, operating system and share.
    platforms: &'static [(&'static str, &'static str, f64)],
}

pub(super) const DEVICES: [Device; 4] = [
    Device {
        name: "desktop",
        weight: 34.0,
        size: (1920, 1080),
        networks: &[("ethernet", 5.0), ("wifi", 5.0)],
        platforms: &[
            ("Chrome", "Windows", 5.0),
            ("Edge", "Windows", 2.0),
            ("Safari", "macOS", 2.0),
            ("Chrome", "macOS", 1.0),
            ("Firefox", "Linux", 1.0),
        ],
    },
    Device {
        name: "phone",
        weight: 36.0,
        size: (1280, 720),
        networks: &[("cellular", 5.0), ("wifi", 5.0)],
        platforms: &[("Chrome", "Android", 6.0), ("Safari", "iOS", 4.0)],
    },
    Device {
        name: "tablet",
        weight: 8.0,
        size: (1600, 900),
        networks: &[("wifi", 9.0), ("cellular", 1.0)],
        platforms: &[("Safari", "iPadOS", 6.0), ("Chrome", "Android", 4.0)],
    },
    Device {
        name: "tv",
        weight: 22.0,
        size: (3840, 2160),
        networks: &[("ethernet", 3.0), ("wifi", 7.0)],
        platforms: &[("Chrome", "Tizen", 5.0), ("Chrome", "webOS", 4.0)],
    },
];

const CDN_HOSTS: [(&str, f64); 3] = [
    ("cdn-a.example", 50.0),
    ("cdn-b.example", 35.0),
    ("cdn-c.example", 15.0),
];
const COUNTRIES: [(&str, f64); 8] = [
    ("US", 30.0),
    ("DE", 18.0),
    ("GB", 14.0),
    ("FR", 10.0),
    ("BR", 9.0),
    ("IN", 9.0),
    ("JP", 6.0),
    ("ZA", 4.0),
];
const PAGE_HOSTS: [(&str, f64); 2] = [("watch.example", 85.0), ("embed.partner.example", 15.0)];
const PLANS: [(&str, f64); 2] = [("free", 70.0), ("premium", 30.0)];
pub(super) const EXPERIMENT: &str = "planner";
/// The arms of the experiment, which viewers are divided among evenly: the algorithms that choose renditions.
pub(super) const ARMS: [Algorithm; 2] = [Algorithm::Headgate, Algorithm::Bola];

/// Kinds of traces that a network's are made like.
pub(super) const fn kinds(network: &str) -> &'static [(Kind, f64)] {
    match network.as_bytes() {
        b"cellular" => &[(Kind::Lte, 70.0), (Kind::FiveG, 22.0), (Kind::ThreeG, 8.0)],
        b"wifi" => &[(Kind::Wifi, 80.0), (Kind::Congested, 20.0)],
        _ => &[(Kind::Cable, 100.0)],
    }
}

/// The network that traces of a family are of, as well as its name tells.
pub(super) fn network_of(family: &str) -> &'static str {
    let family = family.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| family.contains(word));
    if has(&["3g", "4g", "5g", "lte", "cell", "mobile"]) {
        "cellular"
    } else if has(&["wifi", "wlan"]) {
        "wifi"
    } else {
        "ethernet"
    }
}

/// One of these, by their weights.
pub(super) fn pick<'a, T>(rng: &mut Rng, of: &'a [T], weight: impl Fn(&T) -> f64) -> &'a T {
    let mut left = rng.uniform() * of.iter().map(&weight).sum::<f64>();
    let (last, others) = of.split_last().expect("there is something to pick from");
    for one in others {
        left -= weight(one);
        if left < 0.0 {
            return one;
        }
    }
    last
}

pub(super) fn pick_video(rng: &mut Rng) -> usize {
    let all: [usize; VIDEOS.len()] = std::array::from_fn(|at| at);
    *pick(rng, &all, |at| VIDEOS[*at].weight)
}

pub(super) fn pick_device(rng: &mut Rng) -> usize {
    let all: [usize; DEVICES.len()] = std::array::from_fn(|at| at);
    *pick(rng, &all, |at| DEVICES[*at].weight)
}

impl Device {
    pub(super) fn pick_network(&self, rng: &mut Rng) -> &'static str {
        pick(rng, self.networks, |network| network.1).0
    }
}

/// What is known of a viewer that makes no difference to how the player plays, drawn anew for each.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) cdn_host: &'static str,
    pub(super) country: &'static str,
    browser: &'static str,
    os: &'static str,
    page_host: &'static str,
    plan: &'static str,
    viewer_id: String,
}

impl Label {
    pub(super) fn draw(rng: &mut Rng, device: &Device, viewers: usize) -> Self {
        let one = |rng: &mut Rng, of: &'static [(&'static str, f64)]| pick(rng, of, |one| one.1).0;
        let (browser, os, _) = *pick(rng, device.platforms, |platform| platform.2);
        // Some come back.
        let viewer = (rng.uniform() * viewers.max(1) as f64 * 5.0) as u64;
        Self {
            cdn_host: one(rng, &CDN_HOSTS),
            country: one(rng, &COUNTRIES),
            page_host: one(rng, &PAGE_HOSTS),
            plan: one(rng, &PLANS),
            browser,
            os,
            viewer_id: format!("viewer-{viewer:06}"),
        }
    }

    /// Puts it on what a player says of a view.
    pub(super) fn stick_to(&self, info: &mut ViewInfo, video: &Video) {
        info.source = format!("https://{}/{}/{}", self.cdn_host, video.id, video.manifest());
        video.id.clone_into(&mut info.video_id);
        video.title.clone_into(&mut info.video_title);
        self.cdn_host.clone_into(&mut info.cdn_host);
        self.browser.clone_into(&mut info.browser);
        self.os.clone_into(&mut info.os);
        self.page_host.clone_into(&mut info.page_host);
        self.viewer_id.clone_into(&mut info.viewer_id);
        info.dimensions = vec![Dimension {
            name: "plan".to_owned(),
            value: self.plan.to_owned(),
        }];
    }

    pub(super) fn value_of(&self, dimension: &str) -> Option<&str> {
        Some(match dimension {
            "browser" => self.browser,
            "cdn_host" => self.cdn_host,
            "country" => self.country,
            "os" => self.os,
            "page_host" => self.page_host,
            "plan" => self.plan,
            _ => return None,
        })
    }
}
