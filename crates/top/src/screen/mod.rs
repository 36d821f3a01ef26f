//! What is chosen of the model, and what the keys change about that. No terminal is needed for it.

mod keys;
mod sort;

use crate::model::{Informant, Model, Tenant};

pub use keys::{Flow, Key};
pub use sort::Sort;

/// What is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum View {
    /// A row for each target.
    Tenants,
    /// Where offloaded pages can live.
    Tiers,
    /// Memory, reclaim, zones.
    Host,
}

impl View {
    /// All of them, in the order of their keys.
    pub const ALL: [Self; 3] = [Self::Tenants, Self::Tiers, Self::Host];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Tiers => "tiers",
            Self::Host => "host",
        }
    }
}

/// What covers the view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Over {
    /// Nothing.
    #[default]
    Nothing,
    /// One tenant's past.
    Tenant(u64),
    /// What the keys do.
    Help,
}

/// What was chosen so far.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// `None` until somebody chooses: then it is what there is most to see of.
    pub view: Option<View>,
    /// What lies over it.
    pub over: Over,
    /// By what tenants are sorted.
    pub sort: Sort,
    /// The least first.
    pub reversed: bool,
    /// Only tenants whose path contains it.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// The tenant that is marked, whatever row it is in; the first one without.
    pub selected: Option<u64>,
    /// Lines that are out of sight above, in views without a mark.
    pub scrolled: usize,
    /// The screen stands still.
    pub paused: bool,
}

impl Over {
    /// The help, or nothing if it was there.
    const fn help(self) -> Self {
        match self {
            Self::Help => Self::Nothing,
            Self::Nothing | Self::Tenant(_) => Self::Help,
        }
    }
}

impl Screen {
    /// The view that is shown.
    #[must_use]
    pub fn view(&self, model: &Model) -> View {
        let most = match model.daemon {
            Informant::Answers { .. } | Informant::Recorded { .. } => View::Tenants,
            Informant::Silent { .. } => View::Host,
        };
        self.view.unwrap_or(most)
    }

    /// The tenants that are shown, in their order.
    #[must_use]
    pub fn tenants<'a>(&self, model: &'a Model) -> Vec<&'a Tenant> {
        let wanted = model.tenants.iter().filter(|tenant| tenant.path.contains(&self.filter));
        let mut tenants: Vec<_> = wanted.collect();
        tenants.sort_by(|a, b| self.sort.order(a, b));
        if self.reversed {
            tenants.reverse();
        }
        tenants
    }

    /// The model with the tenants that are shown, in their order.
    #[must_use]
    pub fn choose(&self, model: Model) -> Model {
        let tenants = self.tenants(&model).into_iter().cloned().collect();
        Model { tenants, ..model }
    }

    /// The row that is marked, among those that are shown.
    #[must_use]
    pub fn row(&self, tenants: &[&Tenant]) -> usize {
        tenants.iter().position(|tenant| Some(tenant.id) == self.selected).unwrap_or_default()
    }
}
