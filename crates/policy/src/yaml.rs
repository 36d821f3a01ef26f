//! YAML text to a tree of nodes that know where they stand. Nothing else in this crate knows the YAML
//! library.
//!
//! A configuration needs maps, lists and scalars. Anchors, aliases, tags and several documents are refused at
//! their place: a bomb needs aliases, and a key that was merged in has no line to point at.

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as ParserSpan, StrInput};

use crate::source::Span;

/// A configuration is five levels deep.
const MAX_DEPTH: usize = 16;

/// A thousand policies of a dozen keys have 30 000.
const MAX_NODES: usize = 100_000;

/// One value, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub span: Span,
    pub value: Value,
}

/// What YAML knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing after the colon, `~` or `null`.
    Null,
    /// Anything on one line or in quotes. Without quotes it may be meant as a number or a truth value.
    Scalar { text: String, quoted: bool },
    /// `- a` or `[a, b]`.
    List(Vec<Node>),
    /// `a: b` or `{a: b}`, in the order of the file, doubles included.
    Map(Vec<(Node, Node)>),
}

/// Why a text has no tree. There is only one per file: behind it, nothing is certain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub span: Span,
    pub message: String,
    pub help: &'static str,
}

/// The tree of `text`; `None` if there is nothing but comments.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Fault> {
    let mut tree = Tree::default();
    let mut parser = Parser::new_from_str_with_options(text, options());
    while let Some(next) = next(&mut parser, text)? {
        tree.event(next.0, &next.1)?;
    }
    Ok(tree.root)
}

fn options() -> granit_parser::Options {
    granit_parser::options! {
        emit_comments: false,
        disallow_directives: true,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    }
}

fn next<'a>(
    parser: &mut Parser<'a, StrInput<'a>>,
    text: &str,
) -> Result<Option<(Event<'a>, ParserSpan)>, Fault> {
    match parser.next_event() {
        None => Ok(None),
        Some(Ok((event, span))) => Ok(Some((event, span))),
        Some(Err(error)) => Err(syntax(&error, text)),
    }
}

fn bytes(span: &ParserSpan) -> Span {
    span.byte_range().unwrap_or_default()
}

/// The tree as far as it has been read.
#[derive(Default)]
struct Tree {
    root: Option<Node>,
    /// Lists and maps that are not closed yet, from the outermost.
    open: Vec<Open>,
    documents: usize,
    nodes: usize,
}

struct Open {
    span: Span,
    /// The key whose value comes next.
    key: Option<Node>,
    value: Value,
}

impl Tree {
    fn event(&mut self, event: Event<'_>, span: &ParserSpan) -> Result<(), Fault> {
        if let Some(tag) = span.tag_span() {
            return Err(Fault::tag(bytes(&tag)));
        }
        let span = bytes(span);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Fault::too_many(span));
        }
        match event {
            Event::DocumentStart(..) if self.documents > 0 => Err(Fault::second_document(span)),
            Event::DocumentStart(..) => {
                self.documents = 1;
                Ok(())
            }
            Event::Anchor(..) | Event::Alias(_) | Event::UnresolvedAlias(_) => Err(Fault::alias(span)),
            Event::Scalar(text, style, ..) => {
                self.close(Node { span, value: scalar(text.into_owned(), style) });
                Ok(())
            }
            Event::SequenceStart(..) => self.open(span, Value::List(Vec::new())),
            Event::MappingStart(..) => self.open(span, Value::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { span, value, .. }) = self.open.pop() {
                    self.close(Node { span, value });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, span: Span, value: Value) -> Result<(), Fault> {
        if self.open.len() == MAX_DEPTH {
            return Err(Fault::too_deep(span));
        }
        self.open.push(Open { span, key: None, value });
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, node: Node) {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node).filter(|n| n.value != Value::Null);
            return;
        };
        match (&mut parent.value, parent.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some(key)) => entries.push((key, node)),
            _ => parent.key = Some(node),
        }
    }
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let quoted = style != ScalarStyle::Plain;
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" if !quoted => Value::Null,
        _ => Value::Scalar { text, quoted },
    }
}

impl Fault {
    fn alias(span: Span) -> Self {
        Self {
            span,
            message: "anchors (`&name`) and aliases (`*name`) are not read".into(),
            help: "write the value out; text that begins with `&` or `*` has to be in quotes, and a pattern begins with `/`",
        }
    }

    fn tag(span: Span) -> Self {
        Self {
            span,
            message: "YAML tags (`!name`) are not read".into(),
            help: "remove the tag; text that begins with `!` has to be in quotes",
        }
    }

    fn too_deep(span: Span) -> Self {
        Self {
            span,
            message: format!("lists and maps are nested more than {MAX_DEPTH} deep"),
            help: "a configuration is at most five levels deep; check the brackets and the indentation",
        }
    }

    fn too_many(span: Span) -> Self {
        Self {
            span,
            message: format!("more than {MAX_NODES} keys and values in one file"),
            help: "check that this is the right file; policies can be split over policies.d/*.yaml",
        }
    }

    fn second_document(span: Span) -> Self {
        Self {
            span,
            message: "a second YAML document begins here".into(),
            help: "one file holds one document: remove the `---`, or put the rest into a file of its own",
        }
    }
}

/// A syntax error in the words of somebody who edits a configuration.
fn syntax(error: &ScanError, text: &str) -> Fault {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let span = at..at + 1;
    let fault = |message: &str, help| Fault { span: span.clone(), message: message.into(), help };
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => Fault::too_deep(span),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => {
            fault("a tab, where YAML allows only spaces", "indent with spaces, two for each level")
        }
        ErrorKind::DirectiveDisallowed => fault(
            "YAML directives (`%`) are not read",
            "remove the line; text that begins with `%` has to be in quotes",
        ),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidIndentation => fault(
            "a key cannot stand here",
            "give the line the same indentation as its neighbours; text with a colon in it has to be in quotes",
        ),
        ErrorKind::InvalidColonPlacement
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnclosedFlowCollection { .. } => fault(
            "a list `[…]` or map `{…}` is not closed, or goes on after its end",
            "check the brackets here and above; patterns with `{`, `[` or `,` in them have to be in quotes",
        ),
        ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::UnclosedQuotedScalar
        | ErrorKind::DocumentIndicatorInQuotedScalar => fault(
            "a text in quotes is not closed",
            "the quote that opens it is here or in a line above: close it on the same line",
        ),
        kind => {
            let told = kind.to_string();
            let help = if told.contains("escape") { ESCAPE_HELP } else { SYNTAX_HELP };
            fault(&format!("this is not YAML: {told}"), help)
        }
    }
}

const ESCAPE_HELP: &str = "in double quotes a backslash begins an escape of YAML's own: write names with a backslash in single \
                           quotes";

const SYNTAX_HELP: &str = "check indentation, brackets and quotes here and in the line above; patterns and text with \
                           any of `: # * & ! % @ { } [ ] ,` are safe in quotes";
