//! The list of the host's controllers. The loop knows the list, and none by its name.

use std::path::PathBuf;

use lowtide_cgroup::Mount;
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use crate::{
    controller::{Controller, Turn},
    treatments::{Treatments, TreatmentsView},
    watermarks::{Watermarks, WatermarksView},
};

/// Makes of one line for each controller what is done with all of them, and what they show.
macro_rules! controllers {
    ($($(#[doc = $about:literal])* $name:ident: $controller:ty => $view:ty,)*) => {
        /// All controllers of the host, in the order in which they act.
        #[derive(Debug)]
        pub struct Controllers {
            $($name: $controller,)*
        }

        /// What the controllers show, each under its name; `None` while it is not configured.
        #[derive(Debug, Clone, Default, serde::Serialize)]
        pub struct Shown {
            $($(#[doc = $about])* pub $name: Option<$view>,)*
        }

        impl Controllers {
            /// Those of a daemon that has seen nothing yet.
            #[must_use]
            pub fn new(root: &Root, mount: &Mount) -> Self {
                Self { $($name: <$controller>::new(root, mount),)* }
            }

            /// Each has its turn; what they show.
            pub fn turn(&mut self, journal: &mut Journal, turn: &Turn<'_>) -> Shown {
                Shown { $($name: self.$name.turn(journal, turn),)* }
            }

            /// The knobs that any of them holds.
            #[must_use]
            pub fn held(&self) -> Vec<PathBuf> {
                [$(self.$name.held(),)*].concat()
            }

            /// What keeps any of them from its work.
            #[must_use]
            pub fn problems(&self) -> Vec<String> {
                [$(self.$name.problems(),)*].concat()
            }

            /// Work that was begun and has not ended.
            #[must_use]
            pub fn unfinished(&self) -> usize {
                [$(self.$name.unfinished(),)*].iter().sum()
            }

            /// Ends what is under way.
            pub fn stop(&self) {
                $(self.$name.stop();)*
            }
        }
    };
}

controllers! {
    /// The host's watermarks.
    watermarks: Watermarks => WatermarksView,
    /// What is treated of that which the host loses to itself.
    treatments: Treatments => TreatmentsView,
}
