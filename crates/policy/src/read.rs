//! From nodes to raw values: keys, types and ranges, every problem noted, nothing given up before its time.

use std::collections::HashMap;

use crate::{
    Problem,
    leaf::{Leaf, Refused, Whole},
    section::Section,
    source::{Source, Span},
    units::short,
    yaml::{Node, Value},
};

/// Of one file; more are not shown.
const MAX_PROBLEMS: usize = 50;

/// What can be read from a node. `None` after a problem was noted.
pub(crate) trait Read: Sized {
    /// What is allowed; follows "is".
    fn allowed() -> String;
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
}

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub value: T,
    pub span: Span,
}

/// The problems of one file.
pub(crate) struct Reader<'s> {
    source: &'s Source,
    problems: Vec<Problem>,
    /// The keys that led here, within the section that messages name.
    trail: Vec<&'static str>,
}

/// The keys of one map that are known, each once.
#[derive(Default)]
pub(crate) struct Fields<'n> {
    entries: HashMap<&'static str, (&'n Node, &'n Node)>,
    /// Keys that were probably meant by those that are not known.
    misspelt: Vec<&'static str>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, problems: Vec::new(), trail: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    pub(crate) fn problem(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.note(span.clone(), |source| source.problem(span, message, help));
    }

    /// So many problems that what follows need not be looked at.
    fn is_full(&self) -> bool {
        self.problems.len() > MAX_PROBLEMS
    }

    /// Notes a problem, unless there are so many that nobody reads them.
    fn note(&mut self, span: Span, make: impl FnOnce(&Source) -> Problem) {
        match self.problems.len() {
            ..MAX_PROBLEMS => self.problems.push(make(self.source)),
            MAX_PROBLEMS => {
                let help = "mend these first: one mistake may have caused the others";
                self.problems.push(self.source.problem(span, "too many errors; the rest is not shown", help));
            }
            _ => {}
        }
    }

    /// The key that is being read, as messages name it: `` `slo.memory_pressure` ``.
    pub(crate) fn key(&self) -> String {
        format!("`{}`", self.trail.join("."))
    }

    /// The known keys of a map; every other key is a problem.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, section: &Section) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            let message = format!("{} is {}, not a map of keys and values", section.name, node.value.kind());
            self.problem(node.span.clone(), message, format!("{} is {}", section.name, section.map()));
            return None;
        };
        let mut fields = Fields::default();
        let mut seen: HashMap<&str, &Node> = HashMap::new();
        for (key, value) in entries {
            if self.is_full() {
                break;
            }
            let Some(text) = self.key_text(key, section) else { continue };
            if let Some(first) = seen.insert(text, key) {
                self.twice(text, key, first);
                continue;
            }
            match section.keys.iter().find(|known| **known == text) {
                Some(known) => drop(fields.entries.insert(known, (key, value))),
                None => fields.misspelt.extend(self.unknown_key(text, key, section)),
            }
        }
        Some(fields)
    }

    fn key_text<'n>(&mut self, key: &'n Node, section: &Section) -> Option<&'n str> {
        if let Value::Scalar { text, .. } = &key.value {
            return Some(text);
        }
        let message = format!("{} has {} for a key", section.name, key.value.kind());
        self.problem(key.span.clone(), message, format!("a key is a word, as in: {}", section.example));
        None
    }

    /// Notes a key that is not known, and returns the one that was probably meant.
    fn unknown_key(&mut self, text: &str, key: &Node, section: &Section) -> Option<&'static str> {
        let (message, help) = section.unknown(text);
        self.problem(key.span.clone(), message, help);
        section.similar(text)
    }

    fn twice(&mut self, text: &str, key: &Node, first: &Node) {
        let message = format!("key `{}` is given twice", short(text));
        self.note(key.span.clone(), |source| {
            let problem = source.problem(key.span.clone(), message, "remove one of the two");
            problem.related(source.related(first.span.clone(), "it is here already"))
        });
    }

    /// The value of `key`, if it is given and right.
    pub(crate) fn field<T: Read>(&mut self, fields: &Fields<'_>, key: &'static str) -> Option<T> {
        let (key_node, value) = fields.entries.get(key)?;
        self.trail.push(key);
        let read = if value.value == Value::Null {
            let message = format!("{} has no value", self.key());
            let help = format!("{} is {}; remove the key if the default will do", self.key(), T::allowed());
            self.problem(key_node.span.clone(), message, help);
            None
        } else {
            T::read(value, self)
        };
        self.trail.pop();
        read
    }

    /// The value of a key that has to be given.
    pub(crate) fn required<T: Read>(
        &mut self,
        fields: &Fields<'_>,
        key: &'static str,
        map: &Node,
        section: &Section,
    ) -> Option<T> {
        if !fields.entries.contains_key(key) && !fields.misspelt.contains(&key) {
            let message = format!("{} has no `{key}`", section.name);
            self.problem(map.span.clone(), message, format!("add it, as in: {}", section.example));
        }
        self.field(fields, key)
    }

    /// Reads with a trail of its own, for a section that messages name by itself.
    pub(crate) fn apart<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::take(&mut self.trail);
        let result = read(self);
        self.trail = outer;
        result
    }
}

impl<'n> Fields<'n> {
    /// The node of a key's value.
    pub(crate) fn value(&self, key: &str) -> Option<&'n Node> {
        self.entries.get(key).map(|(_, value)| *value)
    }
}

impl Value {
    /// What it is, for "is …, not …".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl<T: Leaf> Read for T {
    fn allowed() -> String {
        T::ALLOWED.into()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let key = reader.key();
        let Value::Scalar { text, quoted } = &node.value else {
            let message = format!("{key} is {}, not a single value", node.value.kind());
            reader.problem(node.span.clone(), message, format!("{key} is {}", T::ALLOWED));
            return None;
        };
        match T::parse(text) {
            Ok(_) if !quoted && reads_otherwise(text) => {
                let message = format!("{key}: `{}` is a number or a truth value in YAML", short(text));
                reader.problem(node.span.clone(), message, format!("put it in quotes: \"{}\"", short(text)));
                None
            }
            Ok(value) => Some(value),
            Err(Refused { message, help }) => {
                let help = help.unwrap_or_else(|| format!("{key} is {}", T::ALLOWED));
                reader.problem(node.span.clone(), format!("{key}: {message}"), help);
                None
            }
        }
    }
}

/// Whether other YAML readers would take `text` for something else than text.
fn reads_otherwise(text: &str) -> bool {
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        && text.parse::<f64>().is_ok();
    number || matches!(text.to_ascii_lowercase().as_str(), "true" | "false")
}

impl Read for bool {
    fn allowed() -> String {
        "`true` or `false`, without quotes".into()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, quoted: false } if text == "true" => return Some(true),
            Value::Scalar { text, quoted: false } if text == "false" => return Some(false),
            _ => {}
        }
        let found = match &node.value {
            Value::Scalar { text, quoted: true } => format!("the text \"{}\"", short(text)),
            Value::Scalar { text, .. } => format!("`{}`", short(text)),
            other => other.kind().into(),
        };
        let key = reader.key();
        reader.problem(
            node.span.clone(),
            format!("{key} is {found}"),
            format!("{key} is {}", Self::allowed()),
        );
        None
    }
}

impl<const LEAST: u16, const MOST: u16> Read for Whole<LEAST, MOST> {
    fn allowed() -> String {
        format!("{}, without quotes", Self::allowed())
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let found = match &node.value {
            Value::Scalar { text, quoted: false } => match Self::parse(text) {
                Some(number) => return Some(number),
                None => format!("`{}`", short(text)),
            },
            Value::Scalar { text, .. } => format!("the text \"{}\"", short(text)),
            other => other.kind().into(),
        };
        let key = reader.key();
        let help = format!("{key} is {}", <Self as Read>::allowed());
        reader.problem(node.span.clone(), format!("{key} is {found}"), help);
        None
    }
}

impl<T: Read> Read for At<T> {
    fn allowed() -> String {
        T::allowed()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { value: T::read(node, reader)?, span: node.span.clone() })
    }
}

/// A list; items that are wrong are noted and left out.
impl<T: Read> Read for Vec<T> {
    fn allowed() -> String {
        format!("a list; each item is {}", T::allowed())
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let key = reader.key();
        let Value::List(items) = &node.value else {
            let message = format!("{key} is {}, not a list", node.value.kind());
            let help = format!("{key} is {}", Self::allowed());
            reader.problem(node.span.clone(), message, help);
            return None;
        };
        Some(items.iter().filter_map(|item| read_item(item, reader)).collect())
    }
}

fn read_item<T: Read>(item: &Node, reader: &mut Reader<'_>) -> Option<T> {
    if reader.is_full() {
        return None;
    }
    if item.value == Value::Null {
        let message = format!("{} has an empty item", reader.key());
        let help = format!("remove it, or fill it in: each item is {}", T::allowed());
        reader.problem(item.span.clone(), message, help);
        return None;
    }
    T::read(item, reader)
}
