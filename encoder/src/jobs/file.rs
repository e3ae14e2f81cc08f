//! Job files: YAML, of which JSON is a part, as options by name with their lines.
//!
//! A job's options are those of the command line. This reader knows none of them: it gives names, values and lines, and whoever
//! knows the options says what is wrong with one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number};

use crate::error::EncodeError;

/// A job file as it was written, with its defaults worked into every job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFile {
    /// Where it lies.
    pub path: PathBuf,
    /// How many jobs run at a time.
    pub parallel: usize,
    /// In the file's order.
    pub jobs: Vec<JobEntry>,
}

/// One job of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEntry {
    /// Counted from 1.
    pub number: usize,
    /// Where it begins.
    pub line: usize,
    /// Its own options and those of the defaults that it does not state.
    pub fields: Vec<Field>,
}

/// One option of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// With `_` between words.
    pub name: String,
    /// Where it is stated.
    pub line: usize,
    /// What it is set to.
    pub value: Value,
}

/// An option's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
    /// Nothing: the option's own default, whatever the file's defaults say.
    Null,
    /// A text or a number as it was written; a mapping as JSON.
    Text(String),
}

impl JobFile {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// [`EncodeError::JobFile`] names the line.
    pub fn read(path: &Path) -> Result<Self, EncodeError> {
        let unreadable = |source| EncodeError::InputUnreadable {
            path: path.to_owned(),
            source,
        };
        let bytes = fs::metadata(path).map_err(unreadable)?.len();
        if bytes > MAX_BYTES {
            return Err(fail(path, 1, "it is larger than any job file; divide it"));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, EncodeError> {
        let root = Tree::read(text).map_err(|(line, reason)| fail(path, line, &reason))?;
        let top = mapping(&root).ok_or_else(|| fail(path, root.line, "write a mapping with jobs:"))?;
        let mut file = Self {
            path: path.to_owned(),
            parallel: 1,
            jobs: Vec::new(),
        };
        let mut defaults = Vec::new();
        let mut jobs = None;
        for (name, node) in top {
            match name.as_str() {
                "defaults" => defaults = fields(path, node)?,
                "jobs" => jobs = Some(node),
                "parallel" => {
                    let count = match value(node) {
                        Value::Text(text) => text.parse().ok(),
                        _ => None,
                    };
                    file.parallel = count
                        .filter(|count| (1..=MAX_PARALLEL).contains(count))
                        .ok_or_else(|| fail(path, node.line, "parallel: use a number from 1 to 64"))?;
                }
                other => {
                    let reason = format!("{other:?} is not known here; use parallel, defaults and jobs");
                    return Err(fail(path, node.line, &reason));
                }
            }
        }
        let jobs = jobs.ok_or_else(|| fail(path, root.line, "jobs: is missing"))?;
        let NodeKind::List(list) = &jobs.kind else {
            return Err(fail(path, jobs.line, "jobs: write a list, a job an entry"));
        };
        let mut copied = 0;
        for (node, number) in list.iter().zip(1..) {
            let own = fields(path, node)?;
            let stated: HashSet<&str> = own.iter().map(|field| field.name.as_str()).collect();
            let mut all = Vec::new();
            for field in defaults
                .iter()
                .filter(|field| !stated.contains(field.name.as_str()))
            {
                copied += field.weight();
                if copied > MAX_WEIGHT {
                    return Err(fail(path, node.line, TOO_MUCH));
                }
                all.push(field.clone());
            }
            all.extend(own);
            file.jobs.push(JobEntry {
                number,
                line: node.line,
                fields: all,
            });
        }
        if file.jobs.is_empty() {
            return Err(fail(path, jobs.line, "jobs: there is none"));
        }
        Ok(file)
    }

    /// An error about one option of a job, or about the job.
    pub fn error(&self, job: &JobEntry, field: Option<&Field>, reason: &str) -> EncodeError {
        let line = field.map_or(job.line, |field| field.line);
        let name = field.map_or(String::new(), |field| format!(" {}:", field.name));
        fail(&self.path, line, &format!("job {}:{name} {reason}", job.number))
    }
}

impl Field {
    /// About how many bytes of memory a copy takes.
    fn weight(&self) -> usize {
        let value = match &self.value {
            Value::Flag(_) | Value::Null => 0,
            Value::List(list) => list.iter().map(|text| NODE_WEIGHT + text.len()).sum(),
            Value::Text(text) => text.len(),
        };
        NODE_WEIGHT + self.name.len() + value
    }
}

impl JobEntry {
    /// An option as text, where it is stated as one.
    pub fn text(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        match &field.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn fail(path: &Path, line: usize, reason: &str) -> EncodeError {
    EncodeError::JobFile {
        path: path.to_owned(),
        line,
        reason: reason.to_owned(),
    }
}

fn mapping(node: &Node) -> Option<&[(String, Node)]> {
    match &node.kind {
        NodeKind::Map(entries) => Some(entries),
        _ => None,
    }
}

fn fields(path: &Path, node: &Node) -> Result<Vec<Field>, EncodeError> {
    let entries = mapping(node).ok_or_else(|| fail(path, node.line, "write options, each as name: value"))?;
    let mut fields: Vec<Field> = Vec::new();
    let mut names = HashSet::new();
    for (name, node) in entries {
        let field = Field {
            name: name.replace('-', "_"),
            line: node.line,
            value: value(node),
        };
        if !names.insert(field.name.clone()) {
            return Err(fail(path, node.line, &format!("{name:?} is stated twice")));
        }
        fields.push(field);
    }
    Ok(fields)
}

fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(text, true) => match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Flag(true),
            "false" | "False" | "FALSE" => Value::Flag(false),
            _ => Value::Text(text.clone()),
        },
        NodeKind::Scalar(text, false) => Value::Text(text.clone()),
        NodeKind::List(list) => {
            let text = |node: &Node| match &node.kind {
                NodeKind::Scalar(text, _) => text.clone(),
                _ => json(node).to_string(),
            };
            Value::List(list.iter().map(text).collect())
        }
        NodeKind::Map(_) => Value::Text(json(node).to_string()),
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        NodeKind::Scalar(text, true) => match value(node) {
            Value::Null => serde_json::Value::Null,
            Value::Flag(flag) => flag.into(),
            _ => match text.parse::<Number>() {
                Ok(number) => number.into(),
                Err(_) => text.as_str().into(),
            },
        },
        NodeKind::Scalar(text, false) => text.as_str().into(),
        NodeKind::List(list) => list.iter().map(json).collect(),
        NodeKind::Map(entries) => {
            let entries = entries.iter().map(|(name, node)| (name.clone(), json(node)));
            entries.collect::<Map<_, _>>().into()
        }
    }
}

#[derive(Clone, Debug)]
struct Node {
    line: usize,
    kind: NodeKind,
}

#[derive(Clone, Debug)]
enum NodeKind {
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    /// As it was written, and whether without quotes.
    Scalar(String, bool),
}

/// Builds nodes of events, within bounds: an alias is a copy, and copies of copies grow fast.
struct Tree<'text> {
    parser: Parser<'text, saphyr_parser::StrInput<'text>>,
    anchors: HashMap<usize, Node>,
    weight: usize,
}

type Fault = (usize, String);

impl<'text> Tree<'text> {
    fn read(text: &'text str) -> Result<Node, Fault> {
        let mut tree = Self {
            parser: Parser::new_from_str(text),
            anchors: HashMap::new(),
            weight: 0,
        };
        loop {
            match tree.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return Err((1, "it is empty".to_owned())),
                (event, span) => {
                    let root = tree.node(event, span, 0)?;
                    return match tree.next()? {
                        (Event::DocumentEnd, _) => match tree.next()? {
                            (Event::StreamEnd, _) => Ok(root),
                            (_, span) => Err((line(span), "write one document".to_owned())),
                        },
                        (_, span) => Err((line(span), "write one document".to_owned())),
                    };
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err((error.marker().line(), error.info().to_owned())),
            None => Err((1, "it ends early".to_owned())),
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Fault> {
        let line = line(span);
        if depth > MAX_DEPTH {
            return Err((line, "it is nested too deeply".to_owned()));
        }
        let (anchor, kind) = match event {
            Event::Scalar(text, style, anchor, _) => {
                self.count(text.len(), line)?;
                let is_plain = style == ScalarStyle::Plain;
                (anchor, NodeKind::Scalar(text.into_owned(), is_plain))
            }
            Event::SequenceStart(anchor, _) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break (anchor, NodeKind::List(list)),
                        (event, span) => list.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, _) => {
                let mut entries: Vec<(String, Node)> = Vec::new();
                let mut names = HashSet::new();
                loop {
                    let (event, span) = match self.next()? {
                        (Event::MappingEnd, _) => break (anchor, NodeKind::Map(entries)),
                        next => next,
                    };
                    let key = self.node(event, span, depth + 1)?;
                    let NodeKind::Scalar(name, _) = key.kind else {
                        return Err((key.line, "a name must be a plain text".to_owned()));
                    };
                    if !names.insert(name.clone()) {
                        return Err((key.line, format!("{name:?} is stated twice")));
                    }
                    let (event, span) = self.next()?;
                    let mut node = self.node(event, span, depth + 1)?;
                    // Where the option is, not where its value goes on.
                    node.line = key.line;
                    entries.push((name, node));
                }
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor);
                let node = node.ok_or_else(|| (line, "an alias refers to nothing before it".to_owned()))?;
                let kind = node.kind.clone();
                self.count(weight(&kind), line)?;
                return Ok(Node { line, kind });
            }
            _ => return Err((line, "something is missing here".to_owned())),
        };
        self.count(0, line)?;
        let node = Node { line, kind };
        if anchor > 0 {
            self.count(weight(&node.kind), line)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Counts a node with so many bytes in it.
    fn count(&mut self, bytes: usize, line: usize) -> Result<(), Fault> {
        self.weight = self.weight.saturating_add(NODE_WEIGHT + bytes);
        match self.weight {
            weight if weight > MAX_WEIGHT => Err((line, TOO_MUCH.to_owned())),
            _ => Ok(()),
        }
    }
}

/// About how many bytes of memory a copy of it takes.
fn weight(kind: &NodeKind) -> usize {
    NODE_WEIGHT
        + match kind {
            NodeKind::List(list) => list.iter().map(|node| weight(&node.kind)).sum(),
            NodeKind::Map(entries) => {
                let of = |(name, node): &(String, Node)| name.len() + weight(&node.kind);
                entries.iter().map(of).sum()
            }
            NodeKind::Scalar(text, _) => text.len(),
        }
}

fn line(span: Span) -> usize {
    span.start.line()
}

const MAX_BYTES: u64 = 16 << 20;
/// Bytes of memory that what was read may take, copies by aliases with it; copies of defaults may take as much again.
const MAX_WEIGHT: usize = 64 << 20;
const NODE_WEIGHT: usize = 64;
const TOO_MUCH: &str = "there is too much in it; divide it";
const MAX_DEPTH: usize = 16;
const MAX_PARALLEL: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(text: &str) -> Result<JobFile, EncodeError> {
        JobFile::parse(Path::new("jobs.yaml"), text)
    }

    fn names(job: &JobEntry) -> Vec<(&str, usize, &Value)> {
        job.fields
            .iter()
            .map(|field| (field.name.as_str(), field.line, &field.value))
            .collect()
    }

    #[test]
    fn defaults_are_worked_in_and_texts_stay_as_they_were_written() {
        let file = parse(
            "parallel: 2
defaults: &d
  single-file: true
  segment_s: 4
jobs:
  - input: a.mp4
    id: 007
    gop_s: ~
  - input: \"b: 2.mp4\"
    segment_s: 1.50
    single_file: false
    rendition: [720p, 360p]
    ladder:
      video: [{name: x, width: 320, crf: 2.5, preset: \"4\"}]
",
        )
        .unwrap();
        assert_eq!((file.parallel, file.jobs.len()), (2, 2));
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            names(&file.jobs[0]),
            [
                ("single_file", 3, &Value::Flag(true)),
                ("segment_s", 4, &text("4")),
                ("input", 6, &text("a.mp4")),
                ("id", 7, &text("007")),
                ("gop_s", 8, &Value::Null),
            ]
        );
        let list = Value::List(vec!["720p".to_owned(), "360p".to_owned()]);
        assert_eq!(
            names(&file.jobs[1]),
            [
                ("input", 9, &text("b: 2.mp4")),
                ("segment_s", 10, &text("1.50")),
                ("single_file", 11, &Value::Flag(false)),
                ("rendition", 12, &list),
                (
                    "ladder",
                    13,
                    &text(r#"{"video":[{"crf":2.5,"name":"x","preset":"4","width":320}]}"#)
                ),
            ]
        );
        let json = parse(r#"{"jobs": [{"input": "a.mp4", "force": true}]}"#).unwrap();
        assert_eq!(json.jobs[0].fields[1].value, Value::Flag(true));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, expected) in [
            ("", "line 1"),
            ("jobs: []", "line 1: jobs: there is none"),
            ("a: 1\njobs:\n", "line 1: \"a\" is not known"),
            ("jobs:\n  - x", "line 2: write options"),
            ("jobs: 5", "line 1: jobs: write a list"),
            ("jobs:\n  - a: 1\n    a: 2", "line 3: \"a\" is stated twice"),
            (
                "jobs:\n  - gop-s: 1\n    gop_s: 2",
                "line 3: \"gop_s\" is stated twice",
            ),
            ("parallel: 0\njobs: [{a: 1}]", "line 1: parallel"),
            ("jobs:\n  - a: [1\n  - b", "line 4: while parsing"),
            ("jobs: [*x]", "line 1"),
            ("jobs: [{a: 1}]\n---\nb", "one document"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.contains("jobs.yaml") && error.contains(expected),
                "{text:?}: {error}"
            );
        }
        let deep = format!("jobs: {}", "[".repeat(100_000));
        assert!(parse(&deep).is_err());
        let mut laughs = "jobs:\n  - a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (one, other) in ('b'..='i').zip('a'..) {
            laughs += &format!(
                "    {one}: &{one} [{}]\n",
                vec![format!("*{other}"); 10].join(",")
            );
        }
        assert!(parse(&laughs).unwrap_err().to_string().contains("too much"));
    }

    #[test]
    fn copies_of_long_texts_are_bounded() {
        let text = "x".repeat(1 << 20);
        let aliases = format!("jobs:\n- a: &a {text}\n  b: [{}]", ["*a"; 200].join(","));
        let defaults = format!("defaults: {{a: {text}}}\njobs: [{}]", ["{b: 1}"; 200].join(","));
        for text in [aliases, defaults] {
            assert!(parse(&text).unwrap_err().to_string().contains("too much"));
        }
    }
}
