//! Patch documents (ISO/IEC 23009-1, 5.15): the part of RFC 5261 that packagers write.

use super::Mpd;
use super::timeline::{self, S, Timeline};
use super::tree::{self, Element};
use crate::manifest::{MAX_ENTRIES, ManifestError};

/// The most `S` elements that a patch may move, counted again for each of its operations.
const MAX_WORK: usize = 50_000_000;
/// The most operations of a patch: to fetch the whole MPD is less work than more of them.
const MAX_OPERATIONS: usize = 2000;
/// The most tests of a step of a selector.
const MAX_TESTS: usize = 4;

/// What became of a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchOutcome {
    /// The MPD is what it was patched to.
    Applied,
    /// The patch does not fit or is not understood, for this reason: the MPD has to be fetched as a whole and given to
    /// [`Mpd::refresh`]. Until then it may be something in between.
    FetchWhole(String),
}

impl Mpd {
    /// Applies a patch document.
    ///
    /// # Errors
    /// If the text is no well-formed XML or beyond a limit; nothing has changed then.
    pub fn patch(&mut self, text: impl AsRef<[u8]>) -> Result<PatchOutcome, ManifestError> {
        let patch = tree::document(text.as_ref())?;
        let outcome = self.apply(&patch);
        self.root.settle();
        Ok(match outcome {
            Ok(()) => PatchOutcome::Applied,
            Err(reason) => PatchOutcome::FetchWhole(reason),
        })
    }

    fn apply(&mut self, patch: &Element) -> Result<(), String> {
        if patch.name() != "Patch" {
            return Err(format!("it is no Patch but a <{}>", patch.name()));
        }
        let id = self.root.attribute("id");
        if id.is_none() || patch.attribute("mpdId") != id {
            return Err("mpdId is not the id of the MPD".into());
        }
        let same_time = match (patch.date("originalPublishTime"), self.root.date("publishTime")) {
            (Some(original), Some(published)) => original == published,
            _ => false,
        };
        if !same_time {
            return Err("originalPublishTime is not the publishTime of the MPD".into());
        }
        let mut work = 0;
        if patch.children().len() > MAX_OPERATIONS {
            return Err("it has too many operations".into());
        }
        for operation in patch.children() {
            let selector = operation.attribute("sel").unwrap_or_default();
            let result = Selector::parse(&selector).and_then(|path| {
                let target = target(&mut self.root, &path)?;
                if let Target::S(parent, _) | Target::AttributeOfS(parent, ..) = &target {
                    work += parent.timeline().map_or(0, Timeline::len);
                }
                match operation.name() {
                    "add" => add(operation, target),
                    "remove" => remove(target),
                    "replace" => replace(operation, target),
                    _ => None,
                }
            });
            if work > MAX_WORK {
                return Err("it changes too much".into());
            }
            if result.is_none() {
                return Err(format!(
                    "line {}: <{} sel=\"{selector}\"> does not fit",
                    operation.line(),
                    operation.name()
                ));
            }
        }
        if !self.is_within_limits() {
            return Err("the MPD has become too large".into());
        }
        if let Some(published) = patch.attribute("publishTime") {
            self.root.set_attribute("publishTime", Some(&published));
        }
        self.insert_known();
        Ok(())
    }
}

/// A path of the form `/MPD/Period[@id='x']/AdaptationSet[2]/@lang`.
struct Selector {
    steps: Vec<Step>,
    /// The attribute at its end.
    attribute: Option<String>,
    /// It ends in `text()`.
    text: bool,
}

struct Step {
    name: String,
    tests: Vec<Test>,
}

enum Test {
    /// Counted from 1.
    Position(usize),
    Attribute(String, String),
}

impl Selector {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut selector = Self {
            steps: Vec::new(),
            attribute: None,
            text: false,
        };
        while !rest.is_empty() {
            rest = rest.strip_prefix('/')?;
            if rest == "text()" {
                selector.text = true;
                break;
            }
            if let Some(attribute) = rest.strip_prefix('@') {
                is_name(attribute).then_some(())?;
                selector.attribute = Some(attribute.to_owned());
                break;
            }
            let end = rest.find(['/', '[']).unwrap_or(rest.len());
            let (name, mut after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            is_name(name).then_some(())?;
            let mut tests = Vec::new();
            while let Some(inner) = after.strip_prefix('[') {
                let (test, rest) = Test::parse(inner)?;
                tests.push(test);
                after = rest;
            }
            (tests.len() <= MAX_TESTS).then_some(())?;
            selector.steps.push(Step {
                name: local(name).to_owned(),
                tests,
            });
            rest = after;
        }
        (!selector.steps.is_empty()).then_some(selector)
    }
}

impl Test {
    /// Reads what follows a `[`, up to and with the `]`.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let text = text.trim_start();
        let Some(attribute) = text.strip_prefix('@') else {
            let (position, rest) = text.split_once(']')?;
            let position = position.trim().parse().ok().filter(|n| *n > 0)?;
            return Some((Self::Position(position), rest));
        };
        let (name, value) = attribute.split_once('=')?;
        is_name(name.trim()).then_some(())?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, rest) = value.get(1..)?.split_once(quote)?;
        let rest = rest.trim_start().strip_prefix(']')?;
        Some((Self::Attribute(name.trim().to_owned(), value.to_owned()), rest))
    }
}

/// A name, with a prefix or without.
fn is_name(text: &str) -> bool {
    // Beyond ASCII nearly all may be in a name (XML 1.0, 2.3), and tables of what may not would be 2 KB.
    let is_part = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || matches!(c, '_' | '-' | '.' | ':');
    !text.is_empty() && text.chars().all(is_part)
}

fn local(name: &str) -> &str {
    super::xml::local(name)
}

/// What a selector selects.
enum Target<'a> {
    /// The attribute of an element.
    Attribute(&'a mut Element, String),
    /// The attribute of an `S` of a `SegmentTimeline`.
    AttributeOfS(&'a mut Element, usize, String),
    /// A child of an element.
    Child(&'a mut Element, usize),
    /// The root.
    Root(&'a mut Element),
    /// An `S` of a `SegmentTimeline`.
    S(&'a mut Element, usize),
    /// The text of an element.
    Text(&'a mut Element),
}

fn target<'a>(root: &'a mut Element, path: &Selector) -> Option<Target<'a>> {
    let (first, steps) = path.steps.split_first()?;
    let is_root = first.name == root.name()
        && first.tests.iter().all(|test| match test {
            Test::Position(n) => *n == 1,
            Test::Attribute(name, value) => root.is(name, value),
        });
    is_root.then_some(())?;
    let (last, between) = match steps.split_last() {
        Some((last, between)) => (Some(last), between),
        None => (None, steps),
    };
    let mut parent = root;
    for step in between {
        let at = position(parent, step)?;
        parent = parent.children_mut().get_mut(at)?;
    }
    let Some(last) = last else {
        return Some(match &path.attribute {
            Some(name) => Target::Attribute(parent, name.clone()),
            None if path.text => Target::Text(parent),
            None => Target::Root(parent),
        });
    };
    if last.name == "S" && parent.timeline().is_some() {
        let at = position_of_s(parent, last)?;
        return match &path.attribute {
            Some(name) => Some(Target::AttributeOfS(parent, at, name.clone())),
            None => (!path.text).then_some(Target::S(parent, at)),
        };
    }
    let at = position(parent, last)?;
    if path.attribute.is_none() && !path.text {
        return Some(Target::Child(parent, at));
    }
    let element = parent.children_mut().get_mut(at)?;
    Some(match &path.attribute {
        Some(name) => Target::Attribute(element, name.clone()),
        None => Target::Text(element),
    })
}

/// Keeps of `found` what passes all tests; the one that is left.
fn only(mut found: Vec<usize>, step: &Step, is: impl Fn(usize, &str, &str) -> bool) -> Option<usize> {
    for test in &step.tests {
        match test {
            Test::Position(n) => found = found.get(n - 1).copied().into_iter().collect(),
            Test::Attribute(name, value) => found.retain(|at| is(*at, name, value)),
        }
    }
    // A selector that selects several nodes is an error (RFC 5261, 4.1).
    match &*found {
        [one] => Some(*one),
        _ => None,
    }
}

fn position(parent: &Element, step: &Step) -> Option<usize> {
    let children = parent.children();
    let named = |at: &usize| children.get(*at).is_some_and(|c| c.name() == step.name);
    let found = (0..children.len()).filter(named).collect();
    only(found, step, |at, name, value| {
        children.get(at).is_some_and(|child| child.is(name, value))
    })
}

fn position_of_s(parent: &Element, step: &Step) -> Option<usize> {
    let timeline = parent.timeline()?;
    // By far the most are selected by their position alone.
    if let [Test::Position(n)] = &*step.tests {
        return (*n <= timeline.len()).then_some(*n - 1);
    }
    let all: Vec<S> = timeline.iter().collect();
    only((0..all.len()).collect(), step, |at, name, value| {
        let Some(s) = all.get(at) else { return false };
        if name == "r" {
            return value.trim().parse() == Ok(s.r);
        }
        let found = match name {
            "t" => s.t,
            "d" => Some(s.d),
            "n" => s.n,
            "k" => Some(s.k),
            _ => None,
        };
        found.is_some() && found == value.trim().parse().ok()
    })
}

fn add(operation: &Element, target: Target<'_>) -> Option<()> {
    let kind = operation.attribute("type");
    if let Some(kind) = kind {
        let name = kind
            .strip_prefix('@')
            .or_else(|| kind.strip_prefix("attribute::"))?;
        is_name(name).then_some(())?;
        return set(target, name, Some(operation.text()));
    }
    let new = operation.children();
    let pos = operation.attribute("pos");
    match (target, pos.as_deref()) {
        (Target::Root(element), None | Some("prepend")) => into(element, new, pos.is_some()),
        (Target::Child(parent, at), None | Some("prepend")) => {
            into(parent.children_mut().get_mut(at)?, new, pos.is_some())
        }
        (Target::Child(parent, at), Some(side @ ("before" | "after"))) => {
            let at = at + usize::from(side == "after");
            (!new.is_empty()).then_some(())?;
            parent.children_mut().splice(at..at, new.iter().cloned());
            Some(())
        }
        (Target::S(parent, at), Some(side @ ("before" | "after"))) => {
            insert(parent, at + usize::from(side == "after"), new)
        }
        _ => None,
    }
}

/// Adds to the children of an element, behind or before them.
fn into(element: &mut Element, new: &[Element], before: bool) -> Option<()> {
    (!new.is_empty()).then_some(())?;
    if let Some(timeline) = element.timeline() {
        let at = if before { 0 } else { timeline.len() };
        return insert(element, at, new);
    }
    let children = element.children_mut();
    let at = if before { 0 } else { children.len() };
    children.splice(at..at, new.iter().cloned());
    Some(())
}

fn insert(parent: &mut Element, at: usize, new: &[Element]) -> Option<()> {
    let timeline = parent.timeline_mut()?;
    if new.is_empty() || timeline.len() + new.len() > MAX_ENTRIES {
        return None;
    }
    for (i, element) in new.iter().enumerate() {
        timeline.insert(at + i, s(element)?);
    }
    Some(())
}

fn s(element: &Element) -> Option<S> {
    (element.name() == "S").then(|| timeline::read_s(element.raw_attributes()))
}

fn remove(target: Target<'_>) -> Option<()> {
    match target {
        Target::Attribute(element, name) => {
            element.attribute(&name)?;
            element.set_attribute(&name, None).then_some(())?;
        }
        Target::AttributeOfS(parent, at, name) => return set_s(parent, at, &name, None),
        Target::Child(parent, at) => drop(parent.children_mut().remove(at)),
        Target::S(parent, at) => parent.timeline_mut()?.remove(at),
        Target::Text(element) => element.set_text(""),
        Target::Root(_) => return None,
    }
    Some(())
}

fn replace(operation: &Element, target: Target<'_>) -> Option<()> {
    let new = operation.children();
    match target {
        Target::Attribute(element, name) => {
            element.attribute(&name)?;
            element
                .set_attribute(&name, Some(operation.text()))
                .then_some(())?;
        }
        Target::AttributeOfS(parent, at, name) => return set_s(parent, at, &name, Some(operation.text())),
        Target::Text(element) => element.set_text(operation.text()),
        Target::Child(parent, at) => {
            let [one] = new else { return None };
            *parent.children_mut().get_mut(at)? = one.clone();
        }
        Target::Root(root) => {
            let [one] = new else { return None };
            (one.name() == root.name()).then_some(())?;
            *root = one.clone();
        }
        Target::S(parent, at) => {
            let [one] = new else { return None };
            let s = s(one)?;
            parent.timeline_mut()?.replace(at, s);
        }
    }
    Some(())
}

/// Sets an attribute of what is selected.
fn set(target: Target<'_>, name: &str, value: Option<&str>) -> Option<()> {
    let fits = match target {
        Target::Root(element) => element.set_attribute(name, value),
        Target::Child(parent, at) => parent.children_mut().get_mut(at)?.set_attribute(name, value),
        Target::S(parent, at) => return set_s(parent, at, name, value),
        _ => return None,
    };
    fits.then_some(())
}

fn set_s(parent: &mut Element, at: usize, name: &str, value: Option<&str>) -> Option<()> {
    let timeline = parent.timeline_mut()?;
    let mut s = timeline.get(at)?;
    timeline::set_attribute(&mut s, name, value).then_some(())?;
    timeline.replace(at, s);
    Some(())
}
