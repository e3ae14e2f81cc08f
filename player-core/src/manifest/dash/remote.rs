//! Remote elements (ISO/IEC 23009-1, 5.5): `xlink:href`.

use super::tree::{self, Element};
use super::{Mpd, xml};
use crate::presentation::Warning;
use crate::url;

const HREF: &str = "xlink:href";
const ACTUATE: &str = "xlink:actuate";
/// The href of what is not there.
const ZERO: &str = "urn:mpeg:dash:resolve-to-zero:2013";
/// How many remote elements may lead from one to the next.
const MAX_CHAIN: usize = 5;
/// How many remote documents an MPD may be made of.
const MAX_DOCUMENTS: usize = 256;
/// The most elements, `S` among them, of an MPD with all that was put into it.
const MAX_WEIGHT: usize = 500_000;
const MAX_WARNINGS: usize = 100;

/// An element that has still to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Absolute URL.
    pub url: String,
    /// It is to be fetched with the MPD (`onLoad`), and not only when it is about to be needed (`onRequest`).
    pub on_load: bool,
}

/// The documents that were put into an MPD.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Remotes {
    /// URL of each, and where it was referred to: the MPD if 0.
    origins: Vec<(String, u16)>,
    /// What was fetched: nothing if it failed.
    known: Vec<(String, Vec<Element>)>,
}

impl Remotes {
    fn origin(&self, origin: u16) -> Option<&(String, u16)> {
        self.origins.get(usize::from(origin).checked_sub(1)?)
    }

    /// The URLs of a document and of those that led to it.
    fn chain(&self, mut origin: u16) -> Vec<&str> {
        let mut chain = Vec::new();
        while let Some((url, parent)) = self.origin(origin) {
            chain.push(&**url);
            origin = *parent;
        }
        chain
    }
}

impl Mpd {
    /// What has still to be fetched, each URL once; the first ones if there are very many.
    pub fn remote(&self) -> Vec<Remote> {
        let mut all: Vec<Remote> = Vec::new();
        visit(&self.root, &mut |element| {
            if let (Some(url), on_load) = (self.target(element), element.is(ACTUATE, "onLoad")) {
                let room = all.len() < MAX_DOCUMENTS;
                match all.iter_mut().find(|known| known.url == url) {
                    Some(known) => known.on_load |= on_load,
                    None if room => all.push(Remote { url, on_load }),
                    None => {}
                }
            }
        });
        all
    }

    /// Puts what was fetched from `url` in the place of the elements that refer to it. Where it could not be fetched (`None`) or is not
    /// what it should be, these keep the content that they have. What is put in may itself have remote elements: see
    /// [`Self::remote`].
    pub fn insert_remote(&mut self, url: &str, answer: Option<&[u8]>) {
        let elements = match answer.map(|text| tree::read(text, usize::MAX, 0, &[])) {
            Some(Ok(elements)) => elements,
            Some(Err(error)) => {
                self.warn(1, &|| format!("the remote element {url} is not used: {error}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        self.insert(url, &elements);
        self.remotes.known.retain(|(known, _)| known != url);
        if self.is_dynamic() && self.remotes.known.len() < MAX_DOCUMENTS {
            self.remotes.known.push((url.to_owned(), elements));
        }
    }

    /// After the text has changed: puts in again what was fetched for the one before.
    pub(super) fn insert_known(&mut self) {
        self.remotes.origins.clear();
        let known = core::mem::take(&mut self.remotes.known);
        self.tidy();
        if known.is_empty() {
            return;
        }
        let mut used = vec![false; known.len()];
        // What is put in may refer to more.
        for _ in 0..=MAX_CHAIN {
            for remote in self.remote() {
                let mut candidates = known.iter().zip(&mut used);
                if let Some(((url, elements), used)) = candidates.find(|((url, _), _)| *url == remote.url) {
                    self.insert(url, elements);
                    *used = true;
                }
            }
        }
        let known = known.into_iter().zip(used).filter(|(_, used)| *used);
        self.remotes.known = known.map(|(known, _)| known).collect();
    }

    fn insert(&mut self, url: &str, elements: &[Element]) {
        let weight: usize = elements.iter().map(|e| measure(e).0).sum();
        let mut room = MAX_WEIGHT.saturating_sub(measure(&self.root).0);
        let mut root = core::mem::take(&mut self.root);
        self.replace(&mut root, url, elements, weight, &mut room);
        self.root = root;
        self.tidy();
    }

    fn replace(
        &mut self,
        parent: &mut Element,
        url: &str,
        elements: &[Element],
        weight: usize,
        room: &mut usize,
    ) {
        let before = core::mem::take(parent.children_mut());
        let mut after = Vec::with_capacity(before.len());
        for mut child in before {
            if self.target(&child).is_none_or(|target| target != url) {
                self.replace(&mut child, url, elements, weight, room);
                after.push(child);
                continue;
            }
            let same = |e: &&Element| e.name() == child.name();
            let fits = weight <= *room && elements.iter().any(|e| same(&e));
            let Some(origin) = self.origin_of(url, child.origin).filter(|_| fits) else {
                self.warn(child.line(), &|| {
                    format!("the remote <{}> {url} is not there or too large", child.name())
                });
                detach(&mut child);
                // What it holds may refer to the same.
                self.replace(&mut child, url, elements, weight, room);
                after.push(child);
                continue;
            };
            *room -= weight;
            let new = after.len();
            after.extend(elements.iter().filter(same).cloned());
            for element in after.iter_mut().skip(new) {
                set_origin(element, origin);
            }
        }
        *parent.children_mut() = after;
    }

    /// The number of a document that an element of another one refers to, unless there are too many.
    fn origin_of(&mut self, url: &str, parent: u16) -> Option<u16> {
        let origins = &mut self.remotes.origins;
        let known = origins.iter().position(|(u, p)| u == url && *p == parent);
        if known.is_none() && origins.len() >= MAX_DOCUMENTS {
            return None;
        }
        let i = known.unwrap_or_else(|| {
            origins.push((url.to_owned(), parent));
            origins.len() - 1
        });
        Some(i as u16 + 1)
    }

    /// Takes out what resolves to nothing, and the references that cannot be followed.
    pub(super) fn tidy(&mut self) {
        let mut root = core::mem::take(&mut self.root);
        self.tidy_children(&mut root);
        self.root = root;
    }

    fn tidy_children(&mut self, parent: &mut Element) {
        parent
            .children_mut()
            .retain(|child| !(may_be_remote(child) && child.is(HREF, ZERO)));
        for child in parent.children_mut() {
            if may_be_remote(child) && child.attribute(HREF).is_some() {
                let target = self.target(child);
                let chain = self.remotes.chain(child.origin);
                let why = match &target {
                    None => Some("it cannot be fetched"),
                    Some(target) if *target == self.url || chain.contains(&&**target) => {
                        Some("it leads back to itself")
                    }
                    Some(_) if chain.len() >= MAX_CHAIN => Some("too many lead from one to the next"),
                    Some(_) => None,
                };
                if let Some(why) = why {
                    self.warn(child.line(), &|| {
                        format!("a remote <{}> is not used: {why}", child.name())
                    });
                    detach(child);
                }
            }
            self.tidy_children(child);
        }
    }

    /// The absolute URL that an element refers to.
    fn target(&self, element: &Element) -> Option<String> {
        if !may_be_remote(element) {
            return None;
        }
        let href = element.attribute(HREF)?;
        let base = self
            .remotes
            .origin(element.origin)
            .map_or(&*self.url, |(url, _)| url);
        url::resolve(base, &href).ok()
    }

    fn warn(&mut self, line: u32, message: &dyn Fn() -> String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning {
                line,
                message: message(),
            });
        }
    }

    /// It is no larger and no deeper than an MPD may be.
    pub(super) fn is_within_limits(&self) -> bool {
        let (weight, depth) = measure(&self.root);
        weight <= MAX_WEIGHT && depth <= (MAX_CHAIN + 1) * xml::MAX_DEPTH
    }
}

fn may_be_remote(element: &Element) -> bool {
    matches!(
        element.name(),
        "Period" | "AdaptationSet" | "EventStream" | "SegmentList" | "InitializationSet"
    )
}

/// It is what it holds from now on.
fn detach(element: &mut Element) {
    element.set_attribute(HREF, None);
    element.set_attribute(ACTUATE, None);
}

fn set_origin(element: &mut Element, origin: u16) {
    element.origin = origin;
    for child in element.children_mut() {
        set_origin(child, origin);
    }
}

fn visit(element: &Element, f: &mut dyn FnMut(&Element)) {
    f(element);
    for child in element.children() {
        visit(child, f);
    }
}

/// How many elements there are in one, and how deep.
fn measure(element: &Element) -> (usize, usize) {
    let own = 1 + element.timeline().map_or(0, super::Timeline::len);
    let children = element.children().iter().map(measure);
    let (weight, depth) = children.fold((0, 0), |(w, d), (weight, depth)| (w + weight, d.max(depth)));
    (own + weight, depth + 1)
}
