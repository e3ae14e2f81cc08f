//! The origin: answers, and what goes wrong with them.

use std::time::Duration;

use player_core::input::{Body, Headers, Input, Integrity, NetworkFailure, RequestId};
use player_core::output::{Deliver, Fetch, RequestKind};
use player_core::time::ByteRange;

use super::{Asked, Event, Held, View, Violation, WALL_MS};
use crate::faults::{FaultKind, Stake};
use crate::network::{Arrival, What};
use crate::soak::streams::{ELSEWHERE, FOLDER, Media, Object};

impl View<'_, '_> {
    pub(super) fn fetch(&mut self, fetch: &Fetch) -> Result<(), Violation> {
        self.minute.requests += 1;
        self.watched.tally.requests += 1;
        let request = fetch.request;
        let path = [FOLDER, ELSEWHERE]
            .iter()
            .find_map(|folder| fetch.url.strip_prefix(folder));
        let Some(path) = path.map(|path| path.split('?').next().unwrap_or_default().to_owned()) else {
            return Err(self.violation(&format!("it asked for {}", fetch.url)));
        };
        if self.keep_requests {
            self.watched.requests.push(path.clone());
        }
        let trouble = self.trouble();
        let view_ms = self.view_ms();
        let find = |at: i64| {
            self.plan
                .stream
                .resolve(&path, fetch.range, at, (WALL_MS as i64 + at) as u64)
        };
        let Some(mut object) = find(view_ms) else {
            self.watched.tally.not_found += 1;
            let object = Object {
                content_type: "text/plain",
                bytes: 200,
                body: String::new(),
                media: Media::None,
                replaceable: true,
            };
            let asked = Asked {
                path,
                deliver: fetch.deliver,
                range: fetch.range,
                object,
                fault: Some(FaultKind::Status(404)),
                dripped: 0,
            };
            self.asked.insert(request, asked);
            self.network.request(request, 200);
            return self.bounded();
        };
        let stake = match object.replaceable {
            true => Stake::OneOfSeveral,
            false => Stake::Only,
        };
        let mut fault = self
            .plan
            .faults
            .draw(&path, stake, fetch.range.is_some())
            .or(trouble);
        if fault == Some(FaultKind::Truncate) && stake == Stake::Only && self.plan.faults.share() > 0.0 {
            // Half a manifest is another one, of which nobody can tell that there is more.
            fault = Some(FaultKind::Break);
        }
        if fault == Some(FaultKind::Stale)
            && let Some(stale) = find(view_ms - 30_000)
            && matches!(fetch.kind, RequestKind::Manifest | RequestKind::Playlist)
        {
            object = stale;
        }
        if let Some(kind) = fault {
            self.watched.met += 1;
            self.watched.tally.faults.entry(kind.to_string()).or_default().met += 1;
            self.trouble = self.now;
            if matches!(
                kind,
                FaultKind::Stale | FaultKind::Type | FaultKind::Redirect | FaultKind::NoRange
            ) {
                // It comes as it should for who can read it.
                if let Some(met) = self.watched.tally.faults.get_mut(&kind.to_string()) {
                    met.recovered += 1;
                }
            } else {
                self.hurt.entry(path.clone()).or_default().push(kind);
            }
        }
        let half = object.bytes / 2;
        if self.offline {
            fault = Some(FaultKind::Refuse);
        }
        match fault {
            Some(FaultKind::Timeout) => {}
            Some(FaultKind::Refuse | FaultKind::Loop) => {
                let reason = NetworkFailure::Connection("refused".to_owned());
                self.later(
                    Duration::from_millis(50),
                    Event::Input(Input::Failed { request, reason }),
                );
            }
            Some(FaultKind::Drip) => self.later(Duration::from_millis(100), Event::Drip(request)),
            Some(FaultKind::Stall | FaultKind::Break | FaultKind::Truncate) => {
                self.network.request(request, half.max(1));
            }
            Some(FaultKind::Html | FaultKind::Status(_) | FaultKind::RetryAfter | FaultKind::Empty) => {
                self.network.request(request, 300);
            }
            Some(FaultKind::NoRange) => {
                let before = fetch.range.map_or(0, |range| range.offset);
                self.network
                    .request(request, object.bytes + before.min(4_000_000));
            }
            _ => self.network.request(request, object.bytes.max(1)),
        }
        let asked = Asked {
            path,
            deliver: fetch.deliver,
            range: fetch.range,
            object,
            fault,
            dripped: 0,
        };
        self.asked.insert(request, asked);
        self.bounded()
    }

    /// What the servers fail this request with, if they are in trouble.
    fn trouble(&mut self) -> Option<FaultKind> {
        let trouble = self.plan.trouble?;
        let elapsed = self.now.since(self.start);
        if !(trouble.from..trouble.until).contains(&elapsed) || !self.chance(trouble.share) {
            return None;
        }
        const STATUSES: [u16; 4] = [500, 502, 503, 504];
        let pick = (self.rng.uniform() * STATUSES.len() as f64) as usize;
        Some(FaultKind::Status(STATUSES[pick % STATUSES.len()]))
    }

    /// The head of a response.
    pub(super) fn head(&self, request: RequestId) -> Option<Input> {
        let asked = self.asked.get(&request)?;
        let (mut status, mut url, mut retry_after_s) = (200, None, None);
        let mut content_type = asked.object.content_type;
        let mut length = Some(asked.object.bytes);
        let mut range = None;
        if let Some(asked) = asked.range {
            status = 206;
            range = Some(asked);
        }
        match asked.fault {
            Some(FaultKind::Status(other)) => (status, length, range) = (other, None, None),
            Some(FaultKind::RetryAfter) => {
                (status, length, range) = (429, None, None);
                retry_after_s = Some(3);
            }
            Some(FaultKind::Html) => {
                (status, content_type, length, range) = (200, "text/html", Some(300), None)
            }
            Some(FaultKind::Empty) => (status, length, range) = (200, Some(0), None),
            Some(FaultKind::NoRange) => (status, length, range) = (200, None, None),
            Some(FaultKind::OtherRange) => {
                range = asked.range.map(|range| ByteRange {
                    offset: range.offset + 7,
                    ..range
                });
            }
            Some(FaultKind::Redirect) => url = Some(format!("{ELSEWHERE}{}", asked.path)),
            Some(FaultKind::Truncate) => length = Some(asked.object.bytes / 2),
            Some(FaultKind::Type) => content_type = "text/plain",
            _ => {}
        }
        Some(Input::Response {
            request,
            status,
            url,
            content_type: Some(content_type.to_owned()),
            content_length: length,
            retry_after_s,
            headers: Headers {
                range,
                date_ms: Some(WALL_MS + self.view_ms() as u64),
                ..Headers::default()
            },
        })
    }

    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let request = arrival.request;
        match arrival.what {
            What::Headers(_) => {
                let head = self.head(request);
                self.queue.extend(head);
            }
            What::Progress(bytes) => {
                // Slow it is, but it comes.
                self.trouble = self.now;
                self.queue.push_back(Input::Progress { request, bytes });
            }
            What::Complete(bytes) => self.complete(request, bytes),
            What::Broken(_) => self.fail(request, "the connection broke"),
            What::Unreachable => self.fail(request, "no connection could be made"),
        }
    }

    pub(super) fn fail(&mut self, request: RequestId, why: &str) {
        self.trouble = self.now;
        if self.asked.remove(&request).is_some() {
            self.queue.push_back(Input::Failed {
                request,
                reason: NetworkFailure::Connection(why.to_owned()),
            });
        }
    }

    pub(super) fn complete(&mut self, request: RequestId, sent: u64) {
        let Some(asked) = self.asked.get(&request) else {
            return;
        };
        match asked.fault {
            Some(FaultKind::Stall) => {
                self.trouble = self.now;
                return self.queue.push_back(Input::Progress { request, bytes: sent });
            }
            Some(FaultKind::Break) => return self.fail(request, "the connection broke"),
            Some(FaultKind::Bomb) => {
                self.asked.remove(&request);
                let reason = NetworkFailure::TooLarge;
                return self.queue.push_back(Input::Failed { request, reason });
            }
            _ => {}
        }
        let Some(Asked {
            path,
            deliver,
            object,
            fault,
            ..
        }) = self.asked.remove(&request)
        else {
            return;
        };
        let bad = matches!(
            fault,
            Some(
                FaultKind::Html
                    | FaultKind::Truncate
                    | FaultKind::Empty
                    | FaultKind::OtherRange
                    | FaultKind::Status(_)
                    | FaultKind::RetryAfter
            )
        );
        if !bad {
            // What failed before has come after all.
            for kind in self.hurt.remove(&path).unwrap_or_default() {
                self.watched
                    .tally
                    .faults
                    .entry(kind.to_string())
                    .or_default()
                    .recovered += 1;
            }
        }
        if deliver == Deliver::Body {
            let body = match fault {
                Some(FaultKind::Html) => "<!DOCTYPE html><html><title>Sign in</title></html>".to_owned(),
                Some(FaultKind::Truncate) => object.body.chars().take(object.body.len() / 2).collect(),
                Some(FaultKind::Empty) => String::new(),
                _ => object.body,
            };
            let body = Body(body.into_bytes());
            return self.queue.push_back(Input::Body { request, body });
        }
        let raw = match &object.media {
            Media::Init { raw, .. } | Media::Segment { raw, .. } => *raw,
            Media::Key | Media::None => true,
        };
        let bytes = match fault {
            Some(FaultKind::Html) => 300,
            Some(FaultKind::Empty) => 0,
            Some(FaultKind::Truncate) => sent,
            _ => object.bytes,
        };
        let integrity = match fault {
            Some(FaultKind::Html) => Integrity::Foreign("<!DOCTYPE html>".to_owned()),
            Some(FaultKind::Truncate) if !raw => Integrity::Truncated(object.bytes - bytes.min(object.bytes)),
            _ if raw => Integrity::Foreign("G@".to_owned()),
            _ => Integrity::Whole,
        };
        let media = (!raw && !bad)
            .then(|| self.plan.stream.facts(&object.media))
            .flatten();
        self.bodies.insert(
            request,
            Held {
                media: if bad { Media::None } else { object.media },
                bytes,
            },
        );
        self.queue.push_back(Input::Complete {
            request,
            bytes,
            integrity,
            cached: false,
            media,
        });
    }

    pub(super) fn drip(&mut self, request: RequestId) {
        self.trouble = self.now;
        let first = self.asked.get(&request).is_some_and(|asked| asked.dripped == 0);
        if first {
            let head = self.head(request);
            self.queue.extend(head);
        }
        let Some(asked) = self.asked.get_mut(&request) else {
            return;
        };
        asked.dripped += DRIP_BYTES_PER_S / 4;
        let (bytes, all) = (asked.dripped, asked.object.bytes);
        if bytes >= all {
            return self.complete(request, all);
        }
        self.queue.push_back(Input::Progress { request, bytes });
        self.later(Duration::from_millis(250), Event::Drip(request));
    }
}

const DRIP_BYTES_PER_S: u64 = 1000;
