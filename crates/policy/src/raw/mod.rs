//! What a file says, before defaults: one type per map of the YAML. The doc comments here are the
//! descriptions in the JSON Schema, so they are written for operators.

mod host;
mod policy;
mod price;
mod tiers;

pub(crate) use host::{
    Host, HostBalancer, HostBudgets, HostHistory, HostHoldout, HostHotness, HostTreatments, HostWatermarks,
    Metrics,
};
pub(crate) use policy::{Policy, PolicyFile, PolicyLimits, PolicyLines, PolicySlo, TierRule};
pub(crate) use price::Price;
pub(crate) use tiers::{SwapDevice, Tiers, Zram};

/// A default as an operator writes it.
fn time(time: std::time::Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// `impl Read` where every key is optional and a field has the name of its key.
macro_rules! maps {
    ($($type:ident, $section:ident: $($field:ident)*;)*) => {$(
        impl Read for $type {
            fn allowed() -> String {
                section::$section.map()
            }

            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                let fields = reader.fields(node, &section::$section)?;
                Some(Self { $($field: reader.field(&fields, stringify!($field)),)* })
            }
        }
    )*};
}

use maps;
