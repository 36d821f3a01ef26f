//! A model as lines of so many columns, and these in a terminal's buffer or as plain text.

mod header;
mod help;
mod host;
mod table;
mod tenant;
mod tenants;
mod tiers;
mod words;

use std::time::Duration;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Paragraph, Widget},
};

use crate::{
    model::Model,
    screen::{Over, Screen, View},
};

/// A terminal that is narrower shows the left part.
pub const LEAST_WIDTH: usize = 60;
/// In a wider one the rest stays empty: a row that long is not read across.
pub const MOST_WIDTH: usize = 250;

/// What is drawn on.
#[derive(Debug, Clone, Copy)]
pub struct Paper {
    /// Columns.
    pub width: usize,
    /// With colours, or with bold and reversed text alone (NO_COLOR).
    pub colours: bool,
}

/// How something is to be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Usual,
    Heading,
    Marked,
    Warning,
    Alarm,
}

impl Paper {
    /// So many columns, within what is drawn at all.
    #[must_use]
    pub fn new(width: usize, colours: bool) -> Self {
        Self { width: width.clamp(LEAST_WIDTH, MOST_WIDTH), colours }
    }

    fn style(self, mood: Mood) -> Style {
        let style = Style::new();
        match (mood, self.colours) {
            (Mood::Usual, _) => style,
            (Mood::Heading, true) => style.fg(Color::Cyan).add_modifier(Modifier::BOLD),
            (Mood::Warning, true) => style.fg(Color::Yellow),
            (Mood::Alarm, true) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            (Mood::Marked, _) => style.add_modifier(Modifier::REVERSED),
            (Mood::Heading | Mood::Warning | Mood::Alarm, false) => style.add_modifier(Modifier::BOLD),
        }
    }
}

/// Draws into `area`, and returns by how many lines the view can be scrolled at the most.
pub fn draw(
    model: &Model,
    screen: &Screen,
    interval: Duration,
    colours: bool,
    area: Rect,
    buffer: &mut Buffer,
) -> usize {
    let paper = Paper::new(usize::from(area.width), colours);
    let mut head = header::lines(model, paper, interval, screen.paused);
    head.push(header::views(model, screen, paper));
    let feet = vec![header::keys(screen, paper)];
    let height = |lines: &[Line<'_>]| Constraint::Length(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let [above, middle, below] =
        Layout::vertical([height(&head), Constraint::Min(0), height(&feet)]).areas(area);
    Paragraph::new(head).render(above, buffer);
    Paragraph::new(feet).render(below, buffer);
    body(model, screen, paper, middle, buffer)
}

fn body(model: &Model, screen: &Screen, paper: Paper, area: Rect, buffer: &mut Buffer) -> usize {
    let height = usize::from(area.height);
    let (fixed, lines, above) = match (screen.over, screen.view(model)) {
        (Over::Help, _) => (Vec::new(), help::lines(paper), screen.scrolled),
        (Over::Tenant(id), _) => (Vec::new(), tenant::lines(model.tenant(id), paper), screen.scrolled),
        (Over::Nothing, View::Tiers) => (Vec::new(), tiers::lines(model, paper), screen.scrolled),
        (Over::Nothing, View::Host) => (Vec::new(), host::lines(&model.host, paper), screen.scrolled),
        (Over::Nothing, View::Tenants) => {
            let (fixed, lines, row) = tenants::marked(model, screen, paper);
            // The mark in the middle, as long as there is something on both sides of it.
            let above = row.saturating_sub(height.saturating_sub(fixed.len()) / 2);
            (fixed, lines, above)
        }
    };
    let room = height.saturating_sub(fixed.len());
    let most = lines.len().saturating_sub(room);
    let shown = lines.into_iter().skip(above.min(most)).take(room);
    Paragraph::new(fixed.into_iter().chain(shown).collect::<Vec<_>>()).render(area, buffer);
    most
}

/// All of `views` below one another as plain text, with as many lines as it takes.
#[must_use]
pub fn text(model: &Model, screen: &Screen, views: &[View], interval: Duration, width: usize) -> String {
    let paper = Paper::new(width, false);
    let mut lines = header::lines(model, paper, interval, false);
    for view in views {
        lines.push(Line::default());
        lines.extend(match view {
            View::Tenants => tenants::lines(model, screen, paper),
            View::Tiers => tiers::lines(model, paper),
            View::Host => host::lines(&model.host, paper),
        });
    }
    let lines: Vec<_> = lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect();
    lines.join("\n")
}
