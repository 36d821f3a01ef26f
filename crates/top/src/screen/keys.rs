use super::{Over, Screen, View};
use crate::model::Model;

/// Rows that a page is.
const PAGE: usize = 10;
/// No path is longer than what somebody would type of it.
const LONGEST_FILTER: usize = 256;

/// A key, whatever the terminal sent for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character, a digit, a sign.
    Char(char),
    /// Ctrl and c, which comes as a key while the terminal is raw.
    Interrupt,
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// Tabulator.
    Tab,
    /// Arrow.
    Up,
    /// Arrow.
    Down,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Goes,
    /// Somebody wants to leave.
    Ends,
}

impl Screen {
    /// What a key changes.
    pub fn press(&mut self, key: Key, model: &Model) -> Flow {
        match key {
            Key::Interrupt => return Flow::Ends,
            _ if self.typing => self.type_filter(key),
            Key::Char('q') => return Flow::Ends,
            Key::Escape => self.leave(),
            Key::Char('?' | 'h') => self.cover(self.over.help()),
            Key::Char('1') => self.show(View::Tenants),
            Key::Char('2') => self.show(View::Tiers),
            Key::Char('3') => self.show(View::Host),
            Key::Tab => self.show(after(self.view(model))),
            Key::Char('s') => self.sort = self.sort.next(),
            Key::Char('r') => self.reversed = !self.reversed,
            Key::Char('/') => {
                self.show(View::Tenants);
                self.typing = true;
            }
            Key::Char('p') => self.paused = !self.paused,
            Key::Enter => self.open(model),
            Key::Up | Key::Char('k') => self.step(model, |at| at.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.step(model, |at| at.saturating_add(1)),
            Key::PageUp => self.step(model, |at| at.saturating_sub(PAGE)),
            Key::PageDown => self.step(model, |at| at.saturating_add(PAGE)),
            Key::Home => self.step(model, |_| 0),
            Key::End => self.step(model, |_| usize::MAX),
            Key::Char(_) | Key::Backspace => {}
        }
        Flow::Goes
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Enter => self.typing = false,
            Key::Escape => {
                self.typing = false;
                self.filter.clear();
            }
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Char(typed) if self.filter.len() < LONGEST_FILTER => self.filter.push(typed),
            _ => {}
        }
    }

    fn cover(&mut self, over: Over) {
        self.over = over;
        self.scrolled = 0;
    }

    fn show(&mut self, view: View) {
        self.view = Some(view);
        self.cover(Over::Nothing);
    }

    /// What lies over the view first, then the filter.
    fn leave(&mut self) {
        if self.over == Over::Nothing {
            self.filter.clear();
        }
        self.cover(Over::Nothing);
    }

    fn open(&mut self, model: &Model) {
        let tenants = self.tenants(model);
        if self.over != Over::Nothing || self.view(model) != View::Tenants {
            return;
        }
        if let Some(tenant) = tenants.get(self.row(&tenants)) {
            self.selected = Some(tenant.id);
            self.cover(Over::Tenant(tenant.id));
        }
    }

    /// Moves the mark among the tenants, and everything else below the edge.
    fn step(&mut self, model: &Model, step: impl Fn(usize) -> usize) {
        if self.over != Over::Nothing || self.view(model) != View::Tenants {
            // How far it can go, whoever draws it knows.
            self.scrolled = step(self.scrolled);
            return;
        }
        let tenants = self.tenants(model);
        let row = step(self.row(&tenants)).min(tenants.len().saturating_sub(1));
        self.selected = tenants.get(row).map(|tenant| tenant.id);
    }
}

fn after(view: View) -> View {
    match view {
        View::Tenants => View::Tiers,
        View::Tiers => View::Host,
        View::Host => View::Tenants,
    }
}
