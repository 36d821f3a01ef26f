//! What every enum of reasons has: numbers, labels and sentences.

/// Declares the enum `Reason`. Its numbers and names are an interface: they are never reused. The sentence is
/// also the documentation of its variant.
macro_rules! reasons {
    (
        #![doc = $about:literal]
        $($(#[$doc:meta])* $name:ident = $number:literal, $label:literal, $sentence:literal;)*
    ) => {
        #[doc = $about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* #[doc = $sentence] $name = $number,)*
        }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number, as in docs/how-it-decides.md.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The label in metrics and JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// One sentence for an operator.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }

        impl std::fmt::Display for Reason {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

pub(crate) use reasons;
