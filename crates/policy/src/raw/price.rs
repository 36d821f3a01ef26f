use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    leaf,
    read::{Read, Reader},
    section,
    units::short,
    yaml::{Node, Value},
};

/// What a GiB costs for a month.
#[derive(Debug, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(crate) struct Price {
    /// A GiB of DRAM for a month.
    #[schemars(required)]
    pub dram: Option<Money>,
    /// The currency, as the report shall show it.
    #[schemars(extend("default" = Self::CURRENCY))]
    pub currency: Option<leaf::Currency>,
}

impl Price {
    pub(crate) const CURRENCY: &'static str = "USD";
}

impl Read for Price {
    fn allowed() -> String {
        section::PRICE.map()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, &section::PRICE)?;
        Some(Self {
            dram: reader.required(&fields, "dram", node, &section::PRICE),
            currency: reader.field(&fields, "currency"),
        })
    }
}

/// What something costs; finite, at least 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Money(pub f64);

impl JsonSchema for Money {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "x-allowed": Self::allowed() })
    }
}

impl Read for Money {
    fn allowed() -> String {
        "a number from 0 on, without quotes, such as 3.0".into()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let found = match &node.value {
            Value::Scalar { text, quoted: false } => match text.parse::<f64>() {
                Ok(price) if price.is_finite() && price >= 0.0 => return Some(Self(price)),
                _ => format!("`{}`", short(text)),
            },
            Value::Scalar { text, .. } => format!("the text \"{}\"", short(text)),
            other => other.kind().into(),
        };
        let key = reader.key();
        let help = format!("{key} is {}", Self::allowed());
        reader.problem(node.span.clone(), format!("{key} is {found}"), help);
        None
    }
}
